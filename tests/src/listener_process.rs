//! The shipped `listener` as it runs in production: a process of its own, configured by its environment.

use std::{
    net::SocketAddr,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::process::{Child, Command};

use crate::{binaries::built, http, ports::free_port, wait};

/// How long a start, or a drain, may take before a test is given up.
const LIMIT: Duration = Duration::from_mins(1);

/// A running listener.
pub struct ListenerProcess {
    child: Child,
    address: SocketAddr,
}

impl ListenerProcess {
    /// Starts a listener with this environment beside the test's own, with metrics, its state in `folder`, and waits
    /// until it is healthy: from then on it misses nothing.
    pub async fn start(environment: &[(String, String)], folder: &Path) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let child = Command::new(built("listener"))
            .args(["--enable-metrics", "--metrics-port", &address.port().to_string()])
            .env("SESSION_BUILDER__SERVICE__STATE_DIR", folder)
            .env("SESSION_BUILDER__LISTENER__LISTING_INTERVAL_COMPLETE_SECS", "1")
            .env("SESSION_BUILDER__MONITORING__HEALTH_CHECK_INTERVAL_SECS", "1")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the listener starts");
        let listener = Self { child, address };
        wait::until_true("a healthy listener", LIMIT, || async {
            tokio::net::TcpStream::connect(address).await.is_ok()
                && http::get(address, "/health").await.status.is_success()
        })
        .await;
        listener
    }

    /// How it ends by itself, and what it says then.
    pub async fn refused(environment: &[(String, String)], folder: &Path) -> (ExitStatus, String) {
        let running = Command::new(built("listener"))
            .args(["--metrics-port", "0"])
            .env("SESSION_BUILDER__SERVICE__STATE_DIR", folder)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let ended = tokio::time::timeout(LIMIT, running).await;
        let output = ended.expect("it ends by itself").expect("the listener starts");
        (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// A metric of its `/metrics`, all its labels together.
    pub async fn metric(&self, name: &str) -> u64 {
        http::metric(self.address, name).await
    }

    /// Sends it a signal by its name, such as `TERM`.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await.unwrap();
        assert!(sent.success());
    }

    /// How it ended; panics if it has not within `limit`.
    pub async fn ended(mut self, limit: Duration) -> ExitStatus {
        let ended = tokio::time::timeout(limit, self.child.wait()).await;
        assert!(ended.is_ok(), "the listener still runs after {limit:?}");
        ended.unwrap().unwrap()
    }

    /// Stops it as a container is stopped, and gives how it ended.
    pub async fn terminate(self) -> ExitStatus {
        self.signal("TERM").await;
        self.ended(LIMIT).await
    }

    /// Kills it, as a crash does.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Where `/health`, `/stats` and `/metrics` are.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
