//! The whole service in this process, on a given chain, with every record's report kept for the test to look at.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use create_accounts::{Conclusion, RecordObserver, RecordReport};
use session_builder::pipeline::{Pipeline, PipelineParts};
use session_chain::{Endpoint, rpc_pool_of};
use session_config::Settings;
use session_engine::{Outcome, SignerPool};
use session_queue::ReceivedMessage;
use session_telemetry::PrometheusHandle;
use solana_sdk::signature::{Keypair, Signer};
use tempfile::TempDir;

use crate::{chain::TestChain, http, wait};

/// How long a test waits for what should take seconds, on a machine that has others' work to do.
pub const LIMIT: Duration = Duration::from_mins(2);

/// Keeps every report.
#[derive(Default)]
pub struct Recorder(Mutex<Vec<RecordReport>>);

impl Recorder {
    /// All reports so far.
    pub fn reports(&self) -> Vec<RecordReport> {
        self.0.lock().unwrap().clone()
    }

    /// The reports of one session so far.
    pub fn of_session(&self, session_id: &str) -> Vec<RecordReport> {
        let of_session = |report: &RecordReport| {
            report
                .message
                .as_ref()
                .is_some_and(|message| message.event.session_id == session_id)
        };
        self.reports().into_iter().filter(of_session).collect()
    }

    /// Waits for the session's conclusion, retries left out.
    pub async fn conclusion(&self, session_id: &str) -> RecordReport {
        wait::until(&format!("the conclusion of {session_id}"), LIMIT, || async {
            let concluded = |report: &RecordReport| {
                !matches!(
                    report.conclusion,
                    Conclusion::Retried { .. } | Conclusion::Deferred { .. }
                )
            };
            self.of_session(session_id).into_iter().find(concluded)
        })
        .await
    }

    /// Waits until this many sessions are verified, and gives one report of each: the one that created its account, where
    /// one did. A loaded validator drops a block of its own now and then, and its transactions land again in a later one:
    /// then a session's event was emitted twice, and the second finds the account.
    pub async fn verified(&self, count: usize) -> Vec<RecordReport> {
        wait::until(&format!("{count} verified sessions"), LIMIT, || async {
            let sessions = one_of_each_session(self.reports());
            (sessions.len() >= count).then_some(sessions)
        })
        .await
    }
}

fn one_of_each_session(reports: Vec<RecordReport>) -> Vec<RecordReport> {
    let created = |report: &RecordReport| matches!(report.conclusion, Conclusion::Verified(Outcome::Created { .. }));
    let mut of_session: HashMap<_, RecordReport> = HashMap::new();
    for report in reports {
        let (Conclusion::Verified(_), Some(message)) = (&report.conclusion, &report.message) else {
            continue;
        };
        let session = message.event.expected_pda;
        if created(&report) || !of_session.contains_key(&session) {
            of_session.insert(session, report);
        }
    }
    of_session.into_values().collect()
}

impl RecordObserver for Recorder {
    fn concluded(&self, report: &RecordReport) {
        self.0.lock().unwrap().push(report.clone());
    }
}

/// The test process's metrics: one recorder for all its services.
fn metrics() -> &'static PrometheusHandle {
    static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();
    METRICS.get_or_init(|| session_telemetry::install_prometheus().unwrap())
}

/// A running service and what belongs to it.
pub struct Rig {
    /// The chain it runs on.
    pub chain: Arc<TestChain>,
    /// The service.
    pub pipeline: Pipeline,
    /// Every record's report.
    pub recorder: Arc<Recorder>,
    /// The service's wallet.
    pub wallet: Keypair,
    state: TempDir,
}

impl Rig {
    /// Starts the service on a chain, with the default settings as `adjust` changes them.
    pub async fn start(chain: Arc<TestChain>, adjust: impl FnOnce(&mut Settings)) -> Self {
        let endpoint = chain.endpoint();
        Self::start_behind(chain, endpoint, adjust).await
    }

    /// The same, talking to the chain by another address, such as a proxy's.
    pub async fn start_behind(chain: Arc<TestChain>, endpoint: Endpoint, adjust: impl FnOnce(&mut Settings)) -> Self {
        metrics();
        let wallet = chain.wallet(100_000_000_000).await;
        let state = tempfile::tempdir().unwrap();
        let mut settings = Settings::defaults().unwrap();
        settings.service.state_dir = state.path().to_owned();
        settings.monitoring.metrics_port = 0;
        adjust(&mut settings);
        let pool = rpc_pool_of(&settings, vec![endpoint]).unwrap();
        let recorder = Arc::new(Recorder::default());
        let observer: Arc<dyn RecordObserver> = recorder.clone();
        let signers = SignerPool::of_keypairs(vec![wallet.insecure_clone()]).unwrap();
        let parts = PipelineParts {
            pool,
            chain: String::from("a test's chain"),
            signers,
            observer,
            metrics: Some(Arc::new(|| metrics().render())),
            event_handlers: Vec::new(),
        };
        let pipeline = Pipeline::start(&settings, parts).await.unwrap();
        tokio::time::timeout(LIMIT, pipeline.listening())
            .await
            .expect("the listener hears the chain");
        Self {
            chain,
            pipeline,
            recorder,
            wallet,
            state,
        }
    }

    /// The service's state folder.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        self.state.path()
    }

    /// The wallet's lamports.
    pub async fn balance(&self) -> u64 {
        self.chain.rpc().get_balance(&self.wallet.pubkey()).await.unwrap()
    }

    /// The page `/stats`.
    pub async fn stats(&self) -> serde_json::Value {
        http::get(self.pipeline.address(), "/stats").await.json()
    }

    /// A counter of `/metrics`, all its labels together. The process's services share it: compare two readings.
    pub async fn counter(&self, name: &str) -> u64 {
        http::metric(self.pipeline.address(), name).await
    }

    /// Waits until the dead-letter queue holds a message, and gives it.
    pub async fn dead_letter(&self) -> ReceivedMessage {
        let letters = self.pipeline.dead_letters();
        wait::until("a dead letter", LIMIT, || async {
            let request = session_queue::ReceiveRequest {
                max_messages: 1,
                wait: Duration::ZERO,
                visibility_timeout: Some(Duration::from_mins(10)),
            };
            letters.receive(request).await.unwrap().pop()
        })
        .await
    }
}
