//! `session-builder` as a process whose light is watched.

use std::{
    fs::Permissions,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use session_chain::Endpoint;
use session_tests::{binaries::built, chain::TestChain, http, ports::free_port, wait};
use solana_sdk::signature::Keypair;
use tokio::{
    process::{Child, Command},
    time::Instant,
};

use super::table;

/// How often the services under test look at themselves.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// What a busy machine may take over an interval.
const SLACK: Duration = Duration::from_secs(2);
/// A start, or a recovery, of a debug build on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// A running service.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Service {
    /// Starts `session-builder run` with these settings, its state in `folder`, and waits until its light is green.
    pub(crate) async fn start(
        folder: &Path,
        endpoint: &Endpoint,
        wallet: &Keypair,
        settings: &[(&str, String)],
    ) -> Self {
        let keypair = keypair_file(folder, wallet);
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let own = [
            ("RPC__URL", endpoint.http.clone()),
            ("RPC__WS_URL", endpoint.ws.clone()),
            ("RPC__REQUEST_TIMEOUT_MS", String::from("2000")),
            ("SERVICE__KEYPAIR_PATH", keypair.display().to_string()),
            ("SERVICE__STATE_DIR", folder.join("state").display().to_string()),
            ("SERVICE__FUNCTION_TIMEOUT_SECS", String::from("5")),
            ("MONITORING__HEALTH_CHECK_INTERVAL_SECS", INTERVAL.as_secs().to_string()),
            ("MONITORING__METRICS_PORT", address.port().to_string()),
            ("MONITORING__LOG_LEVEL", String::from("warn")),
            ("QUEUE__VISIBILITY_TIMEOUT_SECS", String::from("30")),
            // Nobody is given up while a cause lasts.
            ("QUEUE__RETRY_WAITS", String::from("1s")),
            ("QUEUE__MAX_RECEIVE_COUNT", String::from("1000")),
            ("LISTENER__SILENCE_LIMIT_SECS", String::from("2")),
            ("LISTENER__LISTING_INTERVAL_SECS", String::from("1")),
            ("LISTENER__RECONCILE_INTERVAL_SECS", String::from("0")),
        ];
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(built("session-builder"))
            .arg("run")
            .envs(own.iter().chain(settings).map(|(key, value)| (variable(key), value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the service starts");
        let service = Self { child, address };
        wait::until_true("a service that answers", LIMIT, || async {
            tokio::net::TcpStream::connect(address).await.is_ok()
        })
        .await;
        service.is_green("its start").await;
        service
    }

    /// Waits until the light is red by the cause's check; fails where that takes longer than an interval.
    pub(crate) async fn goes_red(&self, cause: &str) {
        let (begun, check) = (Instant::now(), table::check_of(cause));
        let limit = INTERVAL + SLACK;
        loop {
            let answer = http::get(self.address, "/health").await;
            let page = answer.json();
            let failed = page["failed"].as_array().cloned().unwrap_or_default();
            if answer.status == 503 && failed.iter().any(|failed| failed["check"] == check) {
                assert!(failed.iter().all(|failed| failed["since"].is_string()), "{page}");
                eprintln!("{cause}: red after {:.1} s", begun.elapsed().as_secs_f64());
                return;
            }
            assert!(
                begun.elapsed() < limit,
                "{cause}: not red by {check} within {limit:?}: {page}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the light is green.
    pub(crate) async fn is_green(&self, after: &str) {
        let begun = Instant::now();
        loop {
            let answer = http::get(self.address, "/health").await;
            if answer.status == 200 {
                return;
            }
            assert!(
                begun.elapsed() < LIMIT,
                "{after}: not green within {LIMIT:?}: {}",
                answer.body
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the light is green and this check has nothing to warn of.
    pub(crate) async fn is_without_warning(&self, check: &str) {
        wait::until_true(&format!("{check} without a warning"), LIMIT, || async {
            let answer = http::get(self.address, "/health").await;
            let degraded = answer.json()["degraded"].as_array().cloned().unwrap_or_default();
            answer.status == 200 && degraded.iter().all(|degraded| degraded["check"] != check)
        })
        .await;
    }

    /// A cause that was ended has made the light red before, and makes it green now.
    pub(crate) async fn recovers(&self, cause: &'static str) {
        self.is_green(cause).await;
        table::produced(cause);
    }

    /// Watches that the light stays green for two intervals in which a session is requested every second, and that the
    /// link that is broken is told all the same.
    pub(crate) async fn stays_green(&self, state: &str, chain: &TestChain, check: &str) {
        let (begun, mut told) = (Instant::now(), false);
        while begun.elapsed() < 2 * INTERVAL {
            chain.request_session().await;
            for _ in 0..5 {
                let answer = http::get(self.address, "/health").await;
                assert_eq!(answer.status, 200, "{state}: {}", answer.body);
                let degraded = answer.json()["degraded"].as_array().cloned().unwrap_or_default();
                told |= degraded.iter().any(|degraded| degraded["check"] == check);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        assert!(told, "{state}: a warning by {check} within two intervals");
    }

    /// Waits until its listener has read where to begin, and gone on from there.
    pub(crate) async fn has_begun(&self) {
        wait::until_true("notifications", LIMIT, || async {
            let metrics = http::get(self.address, "/metrics").await.body;
            metrics.lines().any(|line| line == "listener_connected 1")
        })
        .await;
    }

    /// Waits until so many accounts are created.
    pub(crate) async fn has_created(&self, count: u64) {
        wait::until_true(&format!("{count} accounts"), LIMIT, || async {
            let stats = http::get(self.address, "/stats").await.json();
            stats["accounts_created"].as_u64() >= Some(count)
        })
        .await;
    }

    /// Kills it: what it leaves is looked at by others.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// A setting's variable.
pub(crate) fn variable(key: &str) -> String {
    format!("SESSION_BUILDER__{key}")
}

fn keypair_file(folder: &Path, wallet: &Keypair) -> PathBuf {
    let path = folder.join("wallet.json");
    std::fs::write(&path, format!("{:?}", wallet.to_bytes())).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}
