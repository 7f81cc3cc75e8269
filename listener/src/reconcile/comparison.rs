//! The second, independent source of truth: account state.
//!
//! The factory keeps a `SessionEntry` for every session. One whose session account is missing is a request that nobody has
//! served: its event may be on its way, or be lost. This finds every loss that listening could have had, also from before
//! this service existed. The entry's status is not asked, because anybody may set it.
//!
//! What is queued follows from the entry by the factory's own rules, or is what the factory logged. Where neither can be had,
//! the session is reported by name: nothing is guessed.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use metrics::{counter, gauge};
use session_events::SessionEntry;
use session_telemetry::{Escaped, names};
use tokio::time::{sleep, timeout};

use crate::{
    config::{ListenerConfig, ReconcileConfig},
    error::ReconcileError,
    intake::transactions::Intake,
    patience::Patience,
    reconcile::{
        accounts::FactoryAccounts,
        pace::Pace,
        pass::Pass,
        report::{ReconcileReport, ReconcileRequest},
        request::Requests,
        served::{Served, ServedOf},
    },
    source::rpc::ProgramHistory,
};

/// A service that was down for long learns soon what it missed, though not before its fill is under way.
const FIRST_AFTER: Duration = Duration::from_mins(1);
/// Entries that were told of, and are not told of again.
const TOLD_MAX: usize = 10_000;

/// Compares entries with sessions.
pub(crate) struct Reconciliation {
    pub(crate) accounts: FactoryAccounts,
    pub(crate) requests: Requests,
    pub(crate) served: ServedOf,
    config: ReconcileConfig,
    /// What was said of entries that stay as they are: once is enough.
    told: Mutex<HashSet<String>>,
}

impl Reconciliation {
    pub(crate) fn new(
        history: &ProgramHistory,
        intake: &Arc<Intake>,
        patience: &Patience,
        config: &ListenerConfig,
        served: &Served,
    ) -> Self {
        Self {
            accounts: FactoryAccounts {
                pool: history.pool.clone(),
                program_id: history.program_id,
                session_program: config.session_program,
                pace: Pace::new(config.reconcile.calls_per_second),
            },
            requests: Requests {
                history: history.clone(),
                intake: Arc::clone(intake),
                patience: patience.clone(),
                session_program: config.session_program,
            },
            served: served.of(&intake.parking.scope.name()),
            config: config.reconcile.clone(),
            told: Mutex::default(),
        }
    }

    /// Compares regularly until told to stop, and before its time where a fork has taken something away: once what it took is
    /// old enough to be compared.
    pub(crate) async fn run_every(self, interval: Duration) {
        let mut pause = interval.min(FIRST_AFTER);
        let comparison = &self.requests.intake.comparison;
        let due = async |pause| {
            if timeout(pause, comparison.notified()).await.is_ok() {
                sleep(pause.min(self.config.min_age)).await;
            }
        };
        while self.requests.patience.wait(due(pause)).await.is_some() {
            pause = interval;
            match self.carry_out(Pass::at_leisure(&self)).await {
                Ok(report) => tracing::info!(
                    entries = report.entries,
                    remembered = report.remembered,
                    existing = report.existing,
                    underivable = report.underivable.count,
                    malformed = report.malformed.count,
                    queued = report.queued.count,
                    failed_shards = report.failed_shards,
                    "account state compared"
                ),
                Err(ReconcileError::Stopped) => return,
                Err(error) => {
                    tracing::error!(%error, "account state not compared; the next comparison comes regularly");
                }
            }
        }
    }

    /// Compares once, and queues what is missing unless it is a dry run.
    pub(crate) async fn run(&self, request: ReconcileRequest) -> Result<ReconcileReport, ReconcileError> {
        self.carry_out(Pass::new(self, request)).await
    }

    async fn carry_out(&self, mut pass: Pass<'_>) -> Result<ReconcileReport, ReconcileError> {
        let outcome = pass.run().await;
        let name = match &outcome {
            Ok(()) if pass.report.failed_shards == 0 => "ok",
            Ok(()) | Err(_) => "failed",
        };
        counter!(names::LISTENER_RECONCILIATIONS_TOTAL, "outcome" => name).increment(1);
        outcome?;
        measure(&pass.report);
        Ok(pass.report)
    }

    /// A request that is so new that its event is probably under way.
    pub(crate) fn is_young(&self, entry: &SessionEntry) -> bool {
        let now = session_clock::now_utc().unix_timestamp();
        now.abs_diff(entry.created_at) < self.config.min_age.as_secs()
    }

    /// A request that was queued a short while ago.
    pub(crate) fn is_covered(&self, entry: &SessionEntry) -> bool {
        let queued_lately = &self.requests.intake.queued_lately;
        queued_lately.was_queued(&entry.session_address, self.config.requeue_after)
    }

    /// Waits for an answer; [`ReconcileError::Stopped`] if told to stop before it came.
    pub(crate) async fn stoppable<T>(
        &self,
        ask: impl Future<Output = Result<T, ReconcileError>>,
    ) -> Result<T, ReconcileError> {
        self.requests
            .patience
            .wait(ask)
            .await
            .unwrap_or(Err(ReconcileError::Stopped))
    }

    /// Warns of an entry, the first time that it is found.
    pub(crate) fn tell_once(&self, entry: &str, what: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(entry) {
            return;
        }
        if told.len() < TOLD_MAX {
            told.insert(entry.to_owned());
        }
        tracing::warn!(entry = %Escaped(entry), "{what}");
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floating point, and no factory has 2^53 entries"
)]
fn measure(report: &ReconcileReport) {
    let counts = [
        ("remembered", report.remembered),
        ("existing", report.existing),
        ("optimistic", report.optimistic),
        ("young", report.young),
        ("covered", report.covered),
        ("underivable", report.underivable.count),
        ("malformed", report.malformed.count),
        ("queued", report.queued.count),
    ];
    for (state, count) in counts {
        gauge!(names::LISTENER_RECONCILED_ENTRIES, "state" => state).set(count as f64);
    }
}
