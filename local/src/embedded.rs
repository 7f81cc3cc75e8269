//! The embedded chain: a whole Surfpool in this process, with both programs deployed and wallets funded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use session_chain::Endpoint;
use session_events::{factory::SESSION_FACTORY_ID, session::SESSION_PROGRAM_ID};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use surfpool_sdk::{BlockProductionMode, SimnetCommand, Surfnet, cheatcodes::builders::DeployProgram};

const SESSION_FACTORY_SO: &[u8] = include_bytes!("../../programs/deploy/session_factory.so");
const SESSION_SO: &[u8] = include_bytes!("../../programs/deploy/session.so");
/// Mainnet's slot time.
const SLOT_TIME: Duration = Duration::from_millis(400);
/// What every wallet of the embedded chain starts with: 1,000 SOL, in lamports.
const FUNDS_LAMPORTS: u64 = 1_000_000_000_000;
/// How often the chain's event channel is emptied: it is unbounded, and nobody else reads it.
const EVENT_DRAIN_INTERVAL: Duration = Duration::from_millis(200);

/// A running embedded chain. It stops when dropped; [`EmbeddedChain::stop`] waits until it has.
pub struct EmbeddedChain {
    surfnet: Surfnet,
    drain: EventDrain,
}

/// The embedded chain could not be started, changed or stopped.
#[derive(Debug, thiserror::Error)]
#[error("embedded chain: cannot {action}: {source}")]
pub struct EmbeddedChainError {
    action: &'static str,
    source: surfpool_sdk::SurfnetError,
}

fn failed(action: &'static str) -> impl FnOnce(surfpool_sdk::SurfnetError) -> EmbeddedChainError {
    move |source| EmbeddedChainError { action, source }
}

impl EmbeddedChain {
    /// Starts a chain with mainnet's slot time, funds `wallets` and deploys `session_factory` and `session`.
    ///
    /// # Errors
    /// [`EmbeddedChainError`] where a port cannot be had or a program is refused.
    pub async fn start(wallets: Vec<Pubkey>) -> Result<Self, EmbeddedChainError> {
        Self::start_with_slots_of(SLOT_TIME, wallets).await
    }

    /// The same with another slot time, in whole milliseconds.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub async fn start_with_slots_of(slot_time: Duration, wallets: Vec<Pubkey>) -> Result<Self, EmbeddedChainError> {
        let surfnet = Surfnet::builder()
            .offline(true)
            .block_production_mode(BlockProductionMode::Clock)
            .slot_time_ms(u64::try_from(slot_time.as_millis()).unwrap_or(u64::MAX))
            .airdrop_addresses(wallets)
            .airdrop_sol(FUNDS_LAMPORTS)
            .start()
            .await
            .map_err(failed("start"))?;
        // The chain would execute every transaction a second time, instruction by instruction, to profile it, which a
        // validator never does; while a "runbook" runs it does not either.
        let runbook = SimnetCommand::StartRunbookExecution(String::from("session-builder"));
        surfnet.send_command(runbook).map_err(failed("switch profiling off"))?;
        let drain = EventDrain::start(&surfnet);
        let chain = Self { surfnet, drain };
        chain.deploy(SESSION_FACTORY_ID, SESSION_FACTORY_SO)?;
        chain.deploy(SESSION_PROGRAM_ID, SESSION_SO)?;
        Ok(chain)
    }

    /// Puts a program's ELF at an address.
    ///
    /// # Errors
    /// [`EmbeddedChainError`] where the chain refuses it.
    pub fn deploy(&self, program_id: Pubkey, elf: &[u8]) -> Result<(), EmbeddedChainError> {
        let program = DeployProgram::new(program_id).so_bytes(elf.to_vec());
        self.surfnet
            .cheatcodes()
            .deploy(program)
            .map_err(failed("deploy a program"))?;
        Ok(())
    }

    /// Where the chain answers.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            http: self.surfnet.rpc_url().to_owned(),
            ws: self.surfnet.ws_url().to_owned(),
        }
    }

    /// A funded wallet that belongs to the chain itself.
    #[must_use]
    pub fn payer(&self) -> Keypair {
        self.surfnet.payer().insecure_clone()
    }

    /// The chain itself, for its cheat codes.
    #[must_use]
    pub fn surfnet(&self) -> &Surfnet {
        &self.surfnet
    }

    /// Stops the chain and waits until its ports are free.
    ///
    /// # Errors
    /// [`EmbeddedChainError`] where the chain does not confirm within its own limit of 5 s.
    pub fn stop(self) -> Result<(), EmbeddedChainError> {
        let Self { mut surfnet, drain } = self;
        // The confirmation arrives on the channel that the drain empties.
        drain.stop();
        surfnet.stop().map_err(failed("stop"))
    }
}

/// The thread that keeps the chain's event channel empty.
struct EventDrain {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl EventDrain {
    fn start(surfnet: &Surfnet) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let events = surfnet.events().clone();
        let seen = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || {
            while !seen.load(Ordering::Acquire) {
                for _event in events.try_iter() {}
                std::thread::park_timeout(EVENT_DRAIN_INTERVAL);
            }
        });
        Self {
            stopped,
            thread: Some(thread),
        }
    }

    fn stop(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        self.stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the drain loses nothing but memory.
            let _ = thread.join();
        }
    }
}

impl Drop for EventDrain {
    fn drop(&mut self) {
        self.halt();
    }
}
