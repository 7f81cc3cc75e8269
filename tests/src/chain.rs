//! Chains for tests: the embedded one always, the real validator where it is installed.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures::StreamExt;
use session_builder::embedded::EmbeddedChain;
use session_chain::{CommitmentConfig, Endpoint, cluster::RENT_SYSVAR};
use session_events::{
    PdaComputedEvent,
    factory::{self, ReservationRequest, SESSION_FACTORY_ID, SessionRequest},
    session::SESSION_PROGRAM_ID,
};
use solana_client::nonblocking::{pubsub_client::PubsubClient, rpc_client::RpcClient};
use solana_pubkey::Pubkey;
use solana_sdk::{
    instruction::Instruction,
    signature::{Keypair, Signature, Signer},
    transaction::Transaction,
};
use surfpool_sdk::cheatcodes::builders::SetAccount;
use tokio::{
    process::{Child, Command},
    sync::Mutex,
    time::timeout,
};

use crate::{ports::PortRange, wait};

/// The hostile test program's own address.
pub const HOSTILE_PROGRAM_ID: Pubkey = Pubkey::from_str_const("Hosti1e111111111111111111111111111111111111");
/// Where the hostile program is deployed a second time, to play a factory that prints whatever a test likes.
pub const FORGED_FACTORY_ID: Pubkey = Pubkey::from_str_const("ForgedFactory111111111111111111111111111111");

/// Half of mainnet's, on either chain: finality and expiry, which tests wait for, come in half the time.
const SLOT_TIME: Duration = Duration::from_millis(200);
/// What a slot has in ticks of 6.25 ms, by which a validator measures it.
const TICKS_PER_SLOT: &str = "32";
/// How long a transaction may take to be confirmed, which is until its blockhash has expired.
const CONFIRMATION_LIMIT: Duration = Duration::from_mins(1);
/// How often it is asked for.
const CONFIRMATION_INTERVAL: Duration = Duration::from_millis(40);

/// A running chain with the programs deployed, the factory initialised and a funded payer.
pub struct TestChain {
    endpoint: Endpoint,
    payer: Keypair,
    backend: Backend,
    requested: AtomicU64,
}

/// What executes the transactions. Dropping it stops it.
enum Backend {
    Embedded(EmbeddedChain),
    Validator(Validator),
}

/// A validator's process, with what is its own: the ports and the ledger.
struct Validator {
    process: Mutex<Child>,
    _ports: PortRange,
    _ledger: tempfile::TempDir,
}

/// A connection of some other program's can take one of its ports between the look and the start: then it ends, and
/// another one is started on others.
const VALIDATOR_STARTS: usize = 5;
/// A slot comes in a fifth of a second, on a machine that has other things to do a little later.
const SLOT_HEARD: Duration = Duration::from_secs(20);
/// The thread of a validator that never sleeps, as the kernel names it.
const BUSY_THREAD: &str = "solBnkTxSched";
/// A tenth of an ordinary thread's share where cores are short, all of an idle core.
const PRIORITY_LOWERED_BY: &str = "10";

impl Validator {
    fn spawn(binary: &Path, payer: &Pubkey) -> (Self, Endpoint) {
        let ledger = tempfile::tempdir().unwrap();
        let ports = PortRange::reserve();
        let (rpc, websocket, faucet, gossip) = (ports.port(1), ports.port(2), ports.port(3), ports.port(4));
        let mut command = Command::new(binary);
        command
            .args(["--quiet", "--bind-address", "127.0.0.1"])
            .args(["--rpc-port", &rpc.to_string()])
            .args(["--faucet-port", &faucet.to_string()])
            .args(["--gossip-port", &gossip.to_string()])
            .args(["--dynamic-port-range", &ports.from(5)])
            .args(["--mint", &payer.to_string()])
            .args(["--ticks-per-slot", TICKS_PER_SLOT])
            .arg("--ledger")
            .arg(ledger.path());
        for (id, name) in [
            (SESSION_FACTORY_ID, "session_factory"),
            (SESSION_PROGRAM_ID, "session"),
            (HOSTILE_PROGRAM_ID, "hostile"),
            (FORGED_FACTORY_ID, "hostile"),
        ] {
            command.arg("--bpf-program").arg(id.to_string()).arg(elf(name));
        }
        let process = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the validator starts");
        let validator = Self {
            process: Mutex::new(process),
            _ports: ports,
            _ledger: ledger,
        };
        let endpoint = Endpoint {
            http: format!("http://127.0.0.1:{rpc}"),
            ws: format!("ws://127.0.0.1:{websocket}"),
        };
        (validator, endpoint)
    }

    /// Waits until it knows the payer's lamports and tells of slots; false where it ended before, or cannot tell of any: without
    /// the port of its WebSocket a validator goes on.
    async fn answers(&mut self, endpoint: &Endpoint, payer: &Pubkey) -> bool {
        let rpc = RpcClient::new_with_commitment(endpoint.http.clone(), CommitmentConfig::confirmed());
        let process = self.process.get_mut();
        tokio::select! {
            () = funded(&rpc, payer) => tells_of_slots(&endpoint.ws).await,
            _ended = process.wait() => false,
        }
    }
}

/// Whether slots are told by this WebSocket, and soon.
async fn tells_of_slots(address: &str) -> bool {
    let heard = async {
        let client = PubsubClient::new(address).await.ok()?;
        let (mut slots, _end) = client.slot_subscribe().await.ok()?;
        slots.next().await
    };
    timeout(SLOT_HEARD, heard).await.is_ok_and(|slot| slot.is_some())
}

impl Validator {
    /// Lowers the priority of its transaction scheduler: as a cluster's only leader it looks for transactions without a
    /// pause, which takes a whole core from what is tested. Where there is no `/proc` or no `renice`, tests are slower.
    fn let_others_run(&self) {
        let Some(pid) = self.process.try_lock().ok().and_then(|process| process.id()) else {
            return;
        };
        let threads = std::fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten();
        for thread in threads {
            let name = std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
            if name.trim_end() == BUSY_THREAD {
                let lowered = std::process::Command::new("renice")
                    .args(["-n", PRIORITY_LOWERED_BY, "-p"])
                    .arg(thread.file_name())
                    .stdout(Stdio::null())
                    .status();
                if let Err(error) = lowered {
                    eprintln!("the validator keeps a core for itself: renice: {error}");
                }
            }
        }
    }
}

async fn funded(rpc: &RpcClient, wallet: &Pubkey) {
    wait::until_true("the payer's balance", Duration::from_mins(1), || async {
        rpc.get_balance(wallet).await.is_ok_and(|lamports| lamports > 0)
    })
    .await;
}

impl TestChain {
    /// A new embedded chain.
    pub async fn embedded() -> Self {
        let payer = Keypair::new();
        let chain = EmbeddedChain::start_with_slots_of(SLOT_TIME, vec![payer.pubkey()])
            .await
            .expect("the embedded chain starts");
        for id in [HOSTILE_PROGRAM_ID, FORGED_FACTORY_ID] {
            chain
                .deploy(id, &std::fs::read(elf("hostile")).unwrap())
                .expect("the hostile program is deployed");
        }
        Self::ready(chain.endpoint(), payer, Backend::Embedded(chain)).await
    }

    /// A new real validator, or `None` where the machine has none (see [`validator_path`]).
    ///
    /// # Panics
    /// Where it ends by itself again and again, or never answers.
    pub async fn validator() -> Option<Self> {
        let binary = validator_path()?;
        let payer = Keypair::new();
        for _ in 0..VALIDATOR_STARTS {
            let (mut validator, endpoint) = Validator::spawn(&binary, &payer.pubkey());
            if validator.answers(&endpoint, &payer.pubkey()).await {
                validator.let_others_run();
                return Some(Self::ready(endpoint, payer, Backend::Validator(validator)).await);
            }
        }
        panic!("a validator ended {VALIDATOR_STARTS} times before it answered");
    }

    async fn ready(endpoint: Endpoint, payer: Keypair, backend: Backend) -> Self {
        let chain = Self {
            endpoint,
            payer,
            backend,
            requested: AtomicU64::new(0),
        };
        funded(&chain.rpc(), &chain.payer.pubkey()).await;
        // A validator's own programs can be called from its second slot on.
        wait::until_true("the second slot", Duration::from_mins(1), || async {
            chain.rpc().get_slot().await.is_ok_and(|slot| slot >= 2)
        })
        .await;
        let initialize = factory::initialize(&SESSION_FACTORY_ID, &chain.payer.pubkey()).unwrap();
        chain.send(&[initialize]).await.expect("the factory is initialised");
        chain
    }

    /// Stops the chain's process, where it has one of its own.
    pub async fn shut_down(&self) {
        if let Backend::Validator(validator) = &self.backend {
            validator
                .process
                .lock()
                .await
                .kill()
                .await
                .expect("the validator stops");
        }
    }

    /// Where the chain answers.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// A client of the chain, at `confirmed`.
    pub fn rpc(&self) -> RpcClient {
        RpcClient::new_with_commitment(self.endpoint.http.clone(), CommitmentConfig::confirmed())
    }

    /// A funded wallet: it pays for the tests' own transactions.
    pub fn payer(&self) -> &Keypair {
        &self.payer
    }

    /// The embedded chain, where this is one.
    pub fn as_embedded(&self) -> Option<&EmbeddedChain> {
        match &self.backend {
            Backend::Embedded(chain) => Some(chain),
            Backend::Validator(_) => None,
        }
    }

    /// A new wallet with this many lamports.
    pub async fn wallet(&self, lamports: u64) -> Keypair {
        let wallet = Keypair::new();
        let transfer = solana_system_interface::instruction::transfer(&self.payer.pubkey(), &wallet.pubkey(), lamports);
        self.send(&[transfer]).await.expect("a wallet is funded");
        wallet
    }

    /// Sends one transaction of the payer's and waits until it is confirmed.
    ///
    /// # Errors
    /// What the RPC client answers, a failed transaction included.
    pub async fn send(
        &self,
        instructions: &[Instruction],
    ) -> Result<Signature, Box<solana_client::client_error::ClientError>> {
        self.send_as(&self.payer, instructions).await
    }

    /// Sends one transaction that `payer` pays for and signs, and waits until it is confirmed.
    ///
    /// # Errors
    /// What the RPC client answers, a failed transaction included.
    pub async fn send_as(
        &self,
        payer: &Keypair,
        instructions: &[Instruction],
    ) -> Result<Signature, Box<solana_client::client_error::ClientError>> {
        let rpc = self.rpc();
        let blockhash = rpc.get_latest_blockhash().await?;
        let transaction = Transaction::new_signed_with_payer(instructions, Some(&payer.pubkey()), &[payer], blockhash);
        let signature = rpc.send_transaction(&transaction).await?;
        // The client's own way asks twice a second, and tests send thousands.
        let executed = wait::until("a confirmed transaction", CONFIRMATION_LIMIT, || async {
            tokio::time::sleep(CONFIRMATION_INTERVAL).await;
            rpc.get_signature_status(&signature).await.transpose()
        });
        executed
            .await?
            .map_err(solana_client::client_error::ClientError::from)?;
        Ok(signature)
    }

    /// A request of a new session of the payer's, not yet sent.
    pub fn session_request(&self) -> SessionRequest {
        let number = self.requested.fetch_add(1, Ordering::Relaxed);
        SessionRequest {
            owner: self.payer.pubkey(),
            eval_program: Pubkey::new_unique(),
            session_id: format!("test-{number}"),
            namespaces: (0..=number % 3).map(|index| format!("namespace-{index}")).collect(),
            shard_address: Pubkey::new_unique(),
        }
    }

    /// The instruction that makes a request.
    pub fn request_instruction(&self, request: &SessionRequest) -> Instruction {
        factory::request_session_creation(&SESSION_FACTORY_ID, &self.payer.pubkey(), request).unwrap()
    }

    /// Fails unless the account of an event is as it was asked for, untouched since, and holds its rent and no more.
    /// Gives that rent, in lamports.
    pub async fn assert_created(&self, event: &PdaComputedEvent) -> u64 {
        let rpc = self.rpc();
        let account = rpc.get_account(&event.expected_pda).await.unwrap();
        assert_eq!(account.owner, event.expected_owner);
        assert_eq!(account.data.len() as u64, event.expected_size);
        assert!(account.data.iter().all(|byte| *byte == 0));
        let rent = rpc
            .get_minimum_balance_for_rent_exemption(account.data.len())
            .await
            .unwrap();
        assert_eq!(account.lamports, rent, "rent is paid once, and no more");
        rent
    }

    /// Sets the embedded chain's price of storage, laid out as SIMD-0194 has it: lamports a byte, and a threshold of 1.
    pub fn set_rent(&self, lamports_per_byte: u64) {
        let sysvar = [&lamports_per_byte.to_le_bytes()[..], &1.0_f64.to_le_bytes(), &[50]].concat();
        let account = SetAccount::new(RENT_SYSVAR)
            .owner(Pubkey::from_str_const("Sysvar1111111111111111111111111111111111111"))
            .lamports(10_000_000)
            .data(sysvar);
        let chain = self.as_embedded().expect("only the embedded chain's rent can be set");
        chain.surfnet().cheatcodes().execute(account).unwrap();
    }

    /// Sets what a wallet of the embedded chain has.
    pub fn set_lamports(&self, wallet: &Pubkey, lamports: u64) {
        let account = SetAccount::new(*wallet).lamports(lamports);
        let chain = self
            .as_embedded()
            .expect("only the embedded chain's wallets can be set");
        chain.surfnet().cheatcodes().execute(account).unwrap();
    }

    /// Puts another program in the place of one on the embedded chain.
    pub fn deploy(&self, program_id: Pubkey, elf: &[u8]) {
        let chain = self
            .as_embedded()
            .expect("only the embedded chain's programs can be replaced");
        chain.deploy(program_id, elf).unwrap();
    }

    /// Reserves a session for the payer and waits until that is confirmed: an event of which no account follows.
    ///
    /// # Panics
    /// Where the chain refuses it, as it does a second time with the same name.
    pub async fn reserve_session(&self, name: &str) {
        let payer = self.payer.pubkey();
        let reservation = ReservationRequest {
            reservation_id: name.to_owned(),
            session_id: name.to_owned(),
            session_owner: payer,
            template_id: Some("template".to_owned()),
            custom_config: None,
            reservation_duration_hours: 1,
        };
        let reserve = factory::reserve_session(&SESSION_FACTORY_ID, &payer, &reservation).unwrap();
        self.send(&[reserve]).await.expect("a session is reserved");
    }

    /// Requests one new session and waits until the request is confirmed.
    pub async fn request_session(&self) -> (SessionRequest, Signature) {
        let request = self.session_request();
        let signature = self
            .send(&[self.request_instruction(&request)])
            .await
            .expect("a session is requested");
        (request, signature)
    }
}

/// The committed binary of one of the programs.
#[must_use]
pub fn elf(program: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../programs/deploy")
        .join(format!("{program}.so"))
}

/// The real validator: `SOLANA_TEST_VALIDATOR`, or `solana-test-validator` among the installed test tools or in `PATH`.
pub fn validator_path() -> Option<PathBuf> {
    let named = std::env::var_os("SOLANA_TEST_VALIDATOR").map(PathBuf::from);
    let installed = tools_dir().join("bin/solana-test-validator");
    let in_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|paths| std::env::split_paths(&paths).collect::<Vec<_>>())
        .map(|folder| folder.join("solana-test-validator"));
    named
        .into_iter()
        .chain([installed])
        .chain(in_path)
        .find(|path| path.is_file())
}

/// Where `tests/tools/install` puts what the tests need beside Rust.
pub fn tools_dir() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = || {
        std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(home)
            .unwrap_or_default()
    };
    std::env::var_os("SESSION_BUILDER_TOOLS").map_or_else(|| cache().join("session-builder/tools"), PathBuf::from)
}
