//! `session-builder doctor` against set-ups that are broken on purpose, each in one way: the fault is named, its remedy says
//! what to do, and once that is done the doctor finds nothing more.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use serde_json::{Value, json};
use session_events::session::SESSION_PROGRAM_ID;
use session_store::Store;
use session_tests::{
    binaries::built,
    chain::{TestChain, elf},
    fault_proxy::{Fault, FaultProxy},
    ports::free_port,
    rooms::{Room, Test, conclude, trials},
    sqs_server::{QueueAttributes, QueuePair, SqsServer},
};
use solana_sdk::signature::{Keypair, Signer};
use tokio::process::Command;

const FUNDS_LAMPORTS: u64 = 100_000_000_000;

const NAME: &str = "doctor";

pub(crate) const ROOM: Room = Room {
    name: NAME,
    run: |arguments| conclude(arguments, 1, trials(NAME, ALL)).exit_code(),
};

const ALL: &[(&str, Test)] = session_tests::tests![
    async:
        each_broken_setup_is_named_and_its_remedy_cures_it;
];

/// A sound set-up, and the ways to break it.
struct Setup {
    chain: TestChain,
    proxy: FaultProxy,
    queues: QueuePair,
    server: SqsServer,
    folder: tempfile::TempDir,
    wallet: Keypair,
    settings: BTreeMap<&'static str, String>,
    found: usize,
}

impl Setup {
    async fn sound() -> Self {
        let chain = TestChain::embedded().await;
        let proxy = FaultProxy::start(&chain.endpoint()).await;
        let server = SqsServer::start().await;
        let queues = server
            .create(QueueAttributes {
                visibility_timeout: Duration::from_mins(3),
                max_receive_count: 5,
            })
            .await;
        let (folder, wallet) = (tempfile::tempdir().unwrap(), chain.wallet(FUNDS_LAMPORTS).await);
        let settings = BTreeMap::from([
            ("RPC__URL", chain.endpoint().http),
            ("RPC__WS_URL", chain.endpoint().ws),
            ("RPC__FALLBACK_URLS", proxy.endpoint().http),
            (
                "SERVICE__KEYPAIR_PATH",
                folder.path().join("wallet.json").display().to_string(),
            ),
            ("SERVICE__STATE_DIR", folder.path().join("state").display().to_string()),
            ("MONITORING__METRICS_PORT", free_port().to_string()),
            ("QUEUE__KIND", String::from("sqs")),
            ("QUEUE__URL", queues.url.clone()),
            ("QUEUE__DEAD_LETTER_URL", queues.dead_letter_url.clone()),
            ("QUEUE__ENDPOINT_URL", queues.endpoint_url.clone()),
        ]);
        let setup = Self {
            chain,
            proxy,
            queues,
            server,
            folder,
            wallet,
            settings,
            found: 0,
        };
        setup.write_key(&format!("{:?}", setup.wallet.to_bytes()), 0o600);
        setup
    }

    fn key_file(&self) -> PathBuf {
        self.folder.path().join("wallet.json")
    }

    fn write_key(&self, text: &str, mode: u32) {
        // One that is not writable is written anew.
        let _ = std::fs::remove_file(self.key_file());
        std::fs::write(self.key_file(), text).unwrap();
        std::fs::set_permissions(self.key_file(), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// What the doctor finds with these settings over the sound ones, and its exit code.
    async fn examined(&self, settings: &[(&str, &str)]) -> (i32, Vec<Value>) {
        let own = self.settings.iter().map(|(key, value)| (*key, value.as_str()));
        let variables = own.chain(settings.iter().copied());
        let variables = variables.map(|(key, value)| (format!("SESSION_BUILDER__{key}"), value));
        let output = Command::new(built("session-builder"))
            .args(["doctor", "--json"])
            .envs(variables)
            .env_remove("NO_KEY_IS_HERE")
            .output()
            .await
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let findings = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
        (output.status.code().unwrap(), findings)
    }

    /// The doctor names the fault in this place, with what cures it.
    async fn is_ill(&mut self, what: &str, remedy: &str, settings: &[(&str, &str)]) {
        let (code, findings) = self.examined(settings).await;
        let fault = findings
            .iter()
            .find(|finding| finding["what"] == what && finding["ok"] == false);
        let fault = fault.unwrap_or_else(|| panic!("{settings:?}: no fault of {what}: {findings:#?}"));
        let told = fault["remedy"].as_str().unwrap();
        assert!(told.contains(remedy), "{what}: {told}");
        assert!(!fault["reason"].as_str().unwrap().is_empty() && code == 1, "{fault}");
        self.found += 1;
    }

    /// The remedy was applied: nothing is wrong any more.
    async fn is_well(&self, settings: &[(&str, &str)]) {
        let (code, findings) = self.examined(settings).await;
        let faults: Vec<&Value> = findings.iter().filter(|finding| finding["ok"] == false).collect();
        assert!(faults.is_empty() && code == 0, "{faults:#?}");
    }

    /// A setting is wrong, and the remedy names it; the right one cures it.
    async fn one_setting(&mut self, what: &str, remedy: &str, settings: &[(&str, &str)]) {
        self.is_ill(what, remedy, settings).await;
        self.is_well(&[]).await;
    }
}

async fn each_broken_setup_is_named_and_its_remedy_cures_it() {
    let mut setup = Setup::sound().await;
    setup.is_well(&[]).await;
    settings_are_wrong(&mut setup).await;
    endpoints_are_poor(&mut setup).await;
    keys_and_wallets(&mut setup).await;
    the_store_is_taken(&mut setup).await;
    queues_are_not_set_up(&mut setup).await;
    assert!(setup.found >= 20, "{}", setup.found);
    setup.server.stop().await;
}

async fn settings_are_wrong(setup: &mut Setup) {
    let nowhere = "http://127.0.0.1:9";
    let nobody = "11111111111111111111111111111112";
    for (what, remedy, settings) in [
        ("rpc", "mend rpc.url", vec![("RPC__URL", nowhere)]),
        ("rpc", "mend rpc.fallback_urls", vec![("RPC__FALLBACK_URLS", nowhere)]),
        ("websocket", "set rpc.ws_url", vec![("RPC__WS_URL", "ws://127.0.0.1:9")]),
        (
            "factory",
            "set service.program_id",
            vec![("SERVICE__PROGRAM_ID", nobody)],
        ),
        (
            "owner program",
            "set policy.allowed_owner_programs",
            vec![("POLICY__ALLOWED_OWNER_PROGRAMS", nobody)],
        ),
        (
            "instruction",
            "creation.instruction_name",
            vec![("CREATION__INSTRUCTION_NAME", "make_session")],
        ),
        (
            "instruction",
            "creation.argument_order",
            vec![("CREATION__ARGUMENT_ORDER", "size,owner,session_id")],
        ),
        (
            "function",
            "service.function_url",
            vec![("SERVICE__FUNCTION_URL", nowhere)],
        ),
        (
            "state_dir",
            "set service.state_dir",
            vec![("SERVICE__STATE_DIR", "/proc/nowhere")],
        ),
        (
            "keys",
            "set service.keypair_path",
            vec![("SERVICE__KEYPAIR_PATH", "/nonexistent/wallet.json")],
        ),
        (
            "keys",
            "into the variable NO_KEY_IS_HERE",
            vec![
                ("SIGNER__KIND", "environment"),
                ("SIGNER__ENVIRONMENT_VARIABLE", "NO_KEY_IS_HERE"),
            ],
        ),
    ] {
        setup.one_setting(what, remedy, &settings).await;
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    setup
        .one_setting(
            "port",
            "monitoring.metrics_port",
            &[("MONITORING__METRICS_PORT", &port)],
        )
        .await;
}

async fn endpoints_are_poor(setup: &mut Setup) {
    // Another cluster, a node that has lost it, and one that stands in another time.
    let genesis = setup.chain.rpc().get_genesis_hash().await.unwrap().to_string();
    let other = Keypair::new().pubkey().to_string();
    setup.proxy.rewrite(&genesis, &other);
    setup.is_ill("cluster", "one cluster only", &[]).await;
    setup.proxy = FaultProxy::start(&setup.chain.endpoint()).await;
    setup.settings.insert("RPC__FALLBACK_URLS", setup.proxy.endpoint().http);
    setup.is_well(&[]).await;

    setup.proxy.spoil_all("getSlot", Fault::Result(json!(1_000_000)));
    setup.is_ill("slots", "another endpoint", &[]).await;
    setup.proxy.heal();
    setup.is_well(&[]).await;

    let alone = setup.proxy.endpoint();
    let alone = [("RPC__URL", alone.http.as_str()), ("RPC__FALLBACK_URLS", "")];
    setup
        .proxy
        .spoil_all("getProgramAccounts", Fault::Error(-32_601, Value::Null));
    setup.is_ill("accounts", "rpc.fallback_urls", &alone).await;
    // The remedy: an endpoint that serves them.
    let able = [alone[0], ("RPC__FALLBACK_URLS", setup.settings["RPC__URL"].as_str())];
    setup.is_well(&able).await;
    setup.proxy.heal();

    // A node or gateway that cannot read the newest format: beside one that can, and alone.
    setup
        .proxy
        .spoil_all("simulateTransaction", Fault::Error(-32_602, Value::Null));
    setup.is_ill("version 1", "rpc.fallback_urls", &[]).await;
    let insisting = [alone[0], alone[1], ("CREATION__TRANSACTION_VERSION", "v1")];
    setup.is_ill("version 1", "\"auto\"", &insisting).await;
    setup.proxy.heal();
    setup.is_well(&[]).await;
    setup.is_well(&insisting).await;

    let an_hour_ago = session_clock::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 3_600;
    setup.proxy.spoil_all("getBlockTime", Fault::Result(json!(an_hour_ago)));
    setup.is_ill("clock", "timedatectl", &alone).await;
    setup.proxy.heal();
    setup.is_well(&alone).await;
}

async fn keys_and_wallets(setup: &mut Setup) {
    let key = format!("{:?}", setup.wallet.to_bytes());
    setup.write_key(&key, 0o644);
    setup.is_ill("keys", "chmod 600", &[]).await;
    setup.write_key(&key, 0o600);
    setup.is_well(&[]).await;
    // As Kubernetes mounts a secret for a group of the process: nothing is wrong with it.
    if std::fs::metadata(setup.key_file()).is_ok_and(|file| std::os::unix::fs::MetadataExt::uid(&file) == 0) {
        setup.write_key(&key, 0o440);
        setup.is_well(&[]).await;
    }
    setup.write_key("[1, 2, 3]", 0o600);
    setup.is_ill("keys", "solana-keygen new", &[]).await;
    setup.write_key(&key, 0o600);
    setup.is_well(&[]).await;

    let wallet = setup.wallet.pubkey();
    for left in [0, 10_490_000] {
        setup.chain.set_lamports(&wallet, left);
        setup.is_ill("wallet", "solana transfer", &[]).await;
        setup.chain.set_lamports(&wallet, FUNDS_LAMPORTS);
        setup.is_well(&[]).await;
    }
    let factory = std::fs::read(elf("session_factory")).unwrap();
    setup.chain.deploy(SESSION_PROGRAM_ID, &factory);
    setup.is_ill("instruction", "creation.instruction_name", &[]).await;
    setup
        .chain
        .deploy(SESSION_PROGRAM_ID, &std::fs::read(elf("session")).unwrap());
    setup.is_well(&[]).await;
}

async fn the_store_is_taken(setup: &mut Setup) {
    let folder = PathBuf::from(&setup.settings["SERVICE__STATE_DIR"]);
    let store = Store::open(&folder).await.unwrap();
    let stop = format!("kill {}", std::process::id());
    setup.is_ill("state_dir", &stop, &[]).await;
    store.close().await;
    setup.is_well(&[]).await;
    let file = folder.join(session_store::FILE);
    std::fs::write(&file, "this is no database, however long one looks at it").unwrap();
    setup.is_ill("state_dir", "move it away", &[]).await;
    std::fs::remove_file(&file).unwrap();
    setup.is_well(&[]).await;
}

async fn queues_are_not_set_up(setup: &mut Setup) {
    let missing = format!("{}-of-nobody", setup.queues.url);
    setup
        .one_setting("queue", "mend queue.url", &[("QUEUE__URL", &missing)])
        .await;
    setup
        .one_setting(
            "queue",
            "mend queue.dead_letter_url",
            &[("QUEUE__DEAD_LETTER_URL", &missing)],
        )
        .await;
    // The dead-letter queue itself has no redrive policy.
    let swapped = setup.queues.dead_letter_url.clone();
    setup
        .one_setting("queue", "redrive policy", &[("QUEUE__URL", &swapped)])
        .await;
    let others = setup
        .server
        .create(QueueAttributes {
            visibility_timeout: Duration::from_secs(30),
            max_receive_count: 5,
        })
        .await;
    setup
        .one_setting(
            "queue",
            "deadLetterTargetArn",
            &[("QUEUE__DEAD_LETTER_URL", &others.dead_letter_url)],
        )
        .await;
    setup
        .one_setting("queue", "queue.max_receive_count", &[("QUEUE__MAX_RECEIVE_COUNT", "4")])
        .await;
    let hasty = [
        ("QUEUE__URL", others.url.as_str()),
        ("QUEUE__DEAD_LETTER_URL", others.dead_letter_url.as_str()),
    ];
    setup.one_setting("queue", "VisibilityTimeout", &hasty).await;
}
