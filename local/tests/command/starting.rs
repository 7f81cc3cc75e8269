//! How a service begins: whatever can be wrong is found before anything is received, what keeps it is said by the setting
//! that mends it, and whoever changes his mind is heard.

use std::{path::Path, time::Duration};

use futures::future::join_all;
use session_builder::embedded::EmbeddedChain;
use solana_sdk::signature::{Keypair, Signer};
use tokio::{net::TcpListener, time::Instant};

use crate::{
    process::{Ended, LIMIT, Run, binary, configure, ended},
    surroundings::Stranger,
};

/// Nobody has to look at an empty screen for longer.
const SOON: Duration = Duration::from_secs(5);
/// From a signal to the end of a process that had only begun.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Without any the queue would not be asked, whatever else happens.
const CREDENTIALS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];

/// An address where somebody listens and nobody ever answers.
async fn black_hole() -> (String, TcpListener) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    (format!("http://{}", listener.local_addr().unwrap()), listener)
}

async fn chain_and_config(folder: &Path) -> (EmbeddedChain, Keypair, String) {
    let wallet = Keypair::new();
    let chain = EmbeddedChain::start(vec![wallet.pubkey()]).await.unwrap();
    let config = configure(folder, &chain, &wallet);
    (chain, wallet, config)
}

/// Runs the service with these settings to its end, which must be a bad one.
async fn refused(config: &str, settings: &[(&str, &str)]) -> Ended {
    let mut command = binary();
    command.args(["run", "--config", config]).envs(CREDENTIALS);
    for (key, value) in settings {
        command.env(format!("SESSION_BUILDER__{key}"), value);
    }
    let output = tokio::time::timeout(LIMIT, command.output()).await;
    let output = output.expect("an end in time").unwrap();
    let ended = Ended {
        code: output.status.code().unwrap(),
        lines: String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    assert_ne!(ended.code, 0, "{settings:?}: {:#?}", ended.lines);
    ended
}

/// A message that is received has an attempt less, so a start that fails asks for none.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_has_received_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, wallet, config) = chain_and_config(folder.path()).await;
    let queue = Stranger::start().await;
    let url = format!("{}/123456789012/sessions", queue.url);
    let sqs = [
        ("QUEUE__KIND", "sqs"),
        ("QUEUE__URL", &url),
        ("QUEUE__DEAD_LETTER_URL", &url),
        ("QUEUE__ENDPOINT_URL", &queue.url),
        ("QUEUE__REGION", "us-east-1"),
        ("MONITORING__METRICS_PORT", "0"),
    ];
    let taken = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    let nobody = Keypair::new().pubkey().to_string();
    let no_program = wallet.pubkey().to_string();
    for (key, value, code, told) in [
        ("MONITORING__METRICS_PORT", taken.as_str(), 1, "--metrics-port"),
        (
            "LISTENER__IDL_PATH",
            "/nonexistent/idl.json",
            1,
            "/nonexistent/idl.json",
        ),
        ("LISTENER__WATERMARK_URL", "file:///proc/nowhere", 1, "/proc/nowhere"),
        ("SERVICE__STATE_DIR", "/proc/nowhere", 1, "/proc/nowhere"),
        (
            "SERVICE__KEYPAIR_PATH",
            "/nonexistent/key.json",
            1,
            "/nonexistent/key.json",
        ),
        (
            "SERVICE__PROGRAM_ID",
            &nobody,
            2,
            "service.program_id: no program is at",
        ),
        (
            "SERVICE__SESSION_PROGRAM_ID",
            &no_program,
            2,
            "service.session_program_id: what is at",
        ),
        ("SERVICE__FUNCTION_URL", "https://127.0.0.1:9", 2, "must be http"),
    ] {
        let ended = refused(&config, &[&sqs[..], &[(key, value)]].concat()).await;
        assert!(ended.errors.contains(told), "{key}: {}", ended.errors);
        assert_eq!(ended.code, code, "{key}: {}", ended.errors);
        assert_eq!(queue.calls(), 0, "{key}: the queue was asked");
    }

    // With nothing wrong it is asked.
    let variables = sqs.map(|(key, value)| (format!("SESSION_BUILDER__{key}"), value));
    let mut environment: Vec<(&str, &str)> = variables.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    environment.extend(CREDENTIALS);
    let mut run = Run::start_in(&environment, &["run", "--config", &config]);
    run.pages().await;
    let begun = Instant::now();
    while queue.calls() == 0 {
        assert!(begun.elapsed() < LIMIT, "the queue is never asked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    run.interrupt().await;
    run.rest().await;
    assert!(run.end().await.success());
    chain.stop().unwrap();
}

/// Nobody answers, or somebody never does: the screen says who, by which setting, and again; Ctrl-C is heard meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_not_there_is_named_while_it_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, _, config) = chain_and_config(folder.path()).await;
    let (hole, _kept) = black_hole().await;
    for (url, reason) in [("http://127.0.0.1:9", "Connection refused"), (&hole, "did not answer")] {
        let mut run = Run::start_in(&[("SESSION_BUILDER__RPC__URL", url)], &["run", "--config", &config]);
        let begun = Instant::now();
        let told = run.line_of("chain ").await;
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        let setting = format!("rpc.url = {url}");
        assert!(told.contains(&setting) && told.contains(reason), "{told}");
        assert!(told.contains("is the node running"), "{told}");
        let again = run.line_of("chain ").await;
        assert!(again.contains(&setting), "{again}");
        stopped_at_once(run).await;
    }
    chain.stop().unwrap();
}

/// The first signal ends what has only begun.
async fn stopped_at_once(mut run: Run) {
    let begun = Instant::now();
    run.interrupt().await;
    let lines = run.rest().await;
    assert!(run.end().await.success(), "{lines:#?}");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_not_there_is_said_on_the_screen() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, _, config) = chain_and_config(folder.path()).await;
    let url = [("SESSION_BUILDER__SERVICE__FUNCTION_URL", "http://127.0.0.1:9")];
    let mut run = Run::start_in(&url, &["run", "--config", &config]);
    let told = run.line_of("function  still waiting").await;
    assert!(
        told.contains("http://127.0.0.1:9") && told.contains("cargo lambda watch"),
        "{told}"
    );
    stopped_at_once(run).await;
    chain.stop().unwrap();
}

/// How commands end that wait for nobody, with what they say, where neither a cluster nor a service is there.
const ASKED: [(&[&str], i32, &str); 15] = [
    (&["wallet"], 4, "rpc.url = http://127.0.0.1:9: "),
    (&["wallet", "--json"], 4, "`session-builder doctor`"),
    (
        &["inspect", "SysvarRent111111111111111111111111111111111"],
        4,
        "rpc.url = http://127.0.0.1:9: ",
    ),
    (&["inspect", "nobody"], 1, "nothing is known of \"nobody\""),
    (&["status"], 4, "service.state_dir = /"),
    (&["status", "--watch", "--json"], 4, "`session-builder run`"),
    (&["dead-letters", "redrive"], 4, "service.state_dir = /"),
    (&["dead-letters", "redrive", "--dry-run"], 0, ""),
    (&["dead-letters", "list"], 0, ""),
    (
        &["dead-letters", "show", "nobody"],
        1,
        "`session-builder dead-letters list`",
    ),
    (&["quarantine", "list", "--json"], 0, ""),
    (
        &["quarantine", "show", "nobody"],
        1,
        "`session-builder quarantine list`",
    ),
    (&["doctor"], 1, ""),
    (&["config", "check"], 0, ""),
    (&["config", "show", "--origin", "--json"], 0, ""),
];

async fn only_asked(folder: &Path, text: &str) {
    let (config, state) = (folder.join("asked.toml"), folder.join("looked at"));
    std::fs::write(&config, text.replace("/state\"", "/looked at\"")).unwrap();
    let config = config.to_str().unwrap();
    let commands = ASKED.map(|(command, _, _)| [command, &["--config", config]].concat());
    let all = join_all(commands.iter().map(|command| ended(command))).await;
    for ((command, code, told), ended) in ASKED.iter().zip(all) {
        assert_eq!(ended.code, *code, "{command:?}: {}", ended.errors);
        assert!(ended.errors.contains(told), "{command:?}: {}", ended.errors);
        assert_eq!(
            ended.errors.lines().count(),
            usize::from(!told.is_empty()),
            "{command:?}: {}",
            ended.errors
        );
    }
    assert!(
        !state.join(session_store::FILE).exists(),
        "whoever only looks makes no store"
    );
}

/// Whoever asks for one thing is told when nobody answers, by an exit code of its own.
#[tokio::test]
async fn commands_do_not_wait_for_ever_for_a_cluster_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let keypair = folder.path().join("keypair.json");
    std::fs::write(&keypair, format!("{:?}", Keypair::new().to_bytes())).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&keypair, private).unwrap();
    let text = format!(
        "[rpc]\nurl = \"http://127.0.0.1:9\"\n[service]\nkeypair_path = {keypair:?}\nstate_dir = {:?}\n",
        folder.path().join("state")
    );
    std::fs::write(&config, &text).unwrap();
    let config = config.to_str().unwrap();
    let commands = [
        &["run"][..],
        &["reconcile"],
        &["reconcile", "--dry-run"],
        &["backfill", "--from", "0"],
        &["watermark", "show"],
        &["watermark", "set", "5", "--yes"],
    ]
    .map(|command| [command, &["--config", config]].concat());
    let waiting = join_all(commands.iter().map(|command| ended(command)));
    let (waited, ()) = futures::join!(waiting, only_asked(folder.path(), &text));
    for ended in waited {
        assert_eq!(ended.code, 4, "{}", ended.errors);
        let told = ended.errors.lines().last().unwrap();
        assert!(
            told.starts_with("error: no RPC endpoint answered within 30 s: rpc.url = http://127.0.0.1:9"),
            "{told}"
        );
        assert!(told.contains("Connection refused"), "{told}");
    }
}
