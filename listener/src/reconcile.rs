//! The second, independent source of truth: account state.
//!
//! The factory keeps a `SessionEntry` for every session. One with status `Requested` whose session account is missing
//! is a request that nobody has served: its event may be on its way, or be lost. This finds every loss that listening
//! could have had, also from before this service existed.

use std::{sync::Arc, time::Duration};

use metrics::counter;
use session_events::{Event, PdaComputedEvent, SessionEntry, SessionStatus, session_address};
use session_message::Origin;
use session_telemetry::names;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use time::OffsetDateTime;

use crate::{
    accounts::FactoryAccounts,
    chain::{HistoryError, ProgramHistory},
    config::ReconcileConfig,
    error::ReconcileError,
    history::{FULL_PAGE, Pages},
    intake::Intake,
    observed::{EventBody, ObservedEvent},
    patience::Patience,
    transaction,
};

/// A service that was down for long learns soon what it missed, though not before its fill is under way.
const FIRST_AFTER: Duration = Duration::from_mins(1);
/// An entry's own history is short, unless somebody wants it to look long.
const ENTRY_PAGES_MAX: usize = 5;

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    /// Whether it only looked.
    pub dry_run: bool,
    /// Entries of the factory.
    pub entries: u64,
    /// Accounts that look like entries and do not decode.
    pub malformed: Vec<Pubkey>,
    /// Entries with status `Requested`.
    pub requested: u64,
    /// Of these, requests that are so new that their event is probably under way.
    pub young: u64,
    /// Of these, requests that were queued a short while ago.
    pub covered: u64,
    /// Of these, requests whose session address follows from no owner program that is allowed.
    pub unexplained: Vec<Pubkey>,
    /// Of these, the sessions that were queued, or would have been.
    pub queued: Vec<MissedSession>,
}

/// A session that was requested and not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedSession {
    /// Its address.
    pub address: Pubkey,
    /// Its name.
    pub session_id: String,
    /// The transaction that requested it, if it was found.
    pub signature: Option<Signature>,
    /// Bytes of its account: as requested if the transaction was found, otherwise as configured.
    pub size_bytes: u64,
}

/// Compares entries with sessions.
pub(crate) struct Reconciliation {
    accounts: FactoryAccounts,
    history: ProgramHistory,
    intake: Arc<Intake>,
    patience: Patience,
    config: ReconcileConfig,
}

/// A request without a session, and what explains its address.
struct Missing {
    entry_address: Pubkey,
    entry: SessionEntry,
    owner_program: Pubkey,
}

impl Reconciliation {
    pub(crate) fn new(
        history: &ProgramHistory,
        intake: &Arc<Intake>,
        patience: &Patience,
        config: &ReconcileConfig,
    ) -> Self {
        Self {
            accounts: FactoryAccounts {
                pool: history.pool.clone(),
                program_id: history.program_id,
            },
            history: history.clone(),
            intake: Arc::clone(intake),
            patience: patience.clone(),
            config: config.clone(),
        }
    }

    /// Compares regularly until told to stop.
    pub(crate) async fn run_every(self, interval: Duration) {
        let mut pause = interval.min(FIRST_AFTER);
        while self.patience.wait(tokio::time::sleep(pause)).await.is_some() {
            pause = interval;
            match self.run(false).await {
                Ok(report) => tracing::info!(
                    entries = report.entries,
                    requested = report.requested,
                    unexplained = report.unexplained.len(),
                    queued = report.queued.len(),
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
    pub(crate) async fn run(&self, dry_run: bool) -> Result<ReconcileReport, ReconcileError> {
        let outcome = self.compare(dry_run).await;
        let name = if outcome.is_ok() { "ok" } else { "failed" };
        counter!(names::LISTENER_RECONCILIATIONS_TOTAL, "outcome" => name).increment(1);
        outcome
    }

    async fn compare(&self, dry_run: bool) -> Result<ReconcileReport, ReconcileError> {
        let entries = self.stoppable(self.accounts.entries()).await?;
        let mut report = ReconcileReport {
            dry_run,
            ..ReconcileReport::default()
        };
        let candidates = self.candidates(entries.accounts, &mut report);
        let sessions: Vec<_> = candidates
            .iter()
            .map(|missing| (missing.entry.session_address, missing.owner_program))
            .collect();
        let exist = self.stoppable(self.accounts.exist(&sessions, entries.slot)).await?;
        let missing = candidates
            .into_iter()
            .zip(exist)
            .filter(|(_, exists)| !exists)
            .map(|(missing, _)| missing);
        for missing in missing {
            let event = self.event(&missing, entries.slot).await?;
            report.queued.push(missed_session(&event));
            if !dry_run {
                self.queue(event).await?;
            }
        }
        Ok(report)
    }

    /// The requested sessions that have to exist by now.
    fn candidates(&self, accounts: Vec<(Pubkey, Vec<u8>)>, report: &mut ReconcileReport) -> Vec<Missing> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let mut candidates = Vec::new();
        for (entry_address, data) in accounts {
            report.entries += 1;
            let entry = match SessionEntry::decode(&data) {
                Ok(entry) => entry,
                Err(error) => {
                    tracing::error!(%entry_address, %error, "an entry of the factory cannot be read");
                    report.malformed.push(entry_address);
                    continue;
                }
            };
            if entry.status != SessionStatus::Requested {
                continue;
            }
            report.requested += 1;
            if now.abs_diff(entry.created_at) < self.config.min_age.as_secs() {
                report.young += 1;
            } else if self
                .intake
                .covered
                .is_covered(&entry.session_address, self.config.requeue_after)
            {
                report.covered += 1;
            } else if let Some(owner_program) = self.owner_program(&entry) {
                candidates.push(Missing {
                    entry_address,
                    entry,
                    owner_program,
                });
            } else {
                tracing::warn!(%entry_address, session = %entry.session_address, "no allowed owner program explains this session's address");
                report.unexplained.push(entry_address);
            }
        }
        candidates
    }

    /// The allowed program under which the session's seeds make its address.
    fn owner_program(&self, entry: &SessionEntry) -> Option<Pubkey> {
        let explains = |program: &&Pubkey| {
            session_address(program, &entry.owner, &entry.session_id)
                .is_ok_and(|(address, _)| address == entry.session_address)
        };
        self.config.owner_programs.iter().find(explains).copied()
    }

    /// The event that was missed: as the factory emitted it if its transaction is found, otherwise made from the entry.
    async fn event(&self, missing: &Missing, slot: u64) -> Result<ObservedEvent, ReconcileError> {
        let emitted = self.stoppable(self.emitted(missing, slot)).await?;
        let observed_at = OffsetDateTime::now_utc();
        if let Some((signature, slot, index, event)) = emitted {
            let body = EventBody::Known(Event::PdaComputed(event));
            let signature = Some(signature);
            return Ok(ObservedEvent {
                body,
                signature,
                slot,
                index,
                observed_at,
                origin: Origin::Reconciliation,
            });
        }
        let Missing {
            entry, owner_program, ..
        } = missing;
        let event = PdaComputedEvent {
            expected_pda: entry.session_address,
            expected_size: self.config.unknown_size_bytes,
            expected_owner: *owner_program,
            session_id: entry.session_id.clone(),
            owner: entry.owner,
            eval_program: entry.eval_program,
            shard_address: entry.shard_address,
            namespaces: entry.namespaces.clone(),
            compute_slot: slot,
        };
        let body = EventBody::Known(Event::PdaComputed(event));
        Ok(ObservedEvent {
            body,
            signature: None,
            slot,
            index: 0,
            observed_at,
            origin: Origin::Reconciliation,
        })
    }

    /// The event in the entry's first transaction, if that is still known and readable.
    async fn emitted(
        &self,
        missing: &Missing,
        slot: u64,
    ) -> Result<Option<(Signature, u64, u32, PdaComputedEvent)>, ReconcileError> {
        let pages = self.history.pages_of(missing.entry_address, slot);
        let mut before = None;
        for _ in 0..ENTRY_PAGES_MAX {
            let page = pages.page(before, FULL_PAGE).await.map_err(reply)?;
            let Some(oldest) = page.last() else { break };
            before = Some(oldest.signature);
        }
        let Some(signature) = before else { return Ok(None) };
        let transaction = self.history.transaction(signature).await.map_err(reply)?;
        if transaction::failed(&transaction) {
            return Ok(None);
        }
        let found = self
            .intake
            .reader
            .read_transaction(&signature, &transaction, Origin::Reconciliation);
        let wanted = found.into_iter().find_map(|found| match found.body {
            EventBody::Known(Event::PdaComputed(event)) if event.expected_pda == missing.entry.session_address => {
                Some((signature, transaction.slot, found.index, event))
            }
            _ => None,
        });
        Ok(wanted)
    }

    async fn queue(&self, event: ObservedEvent) -> Result<(), ReconcileError> {
        let mut room = self
            .intake
            .wait_for_room(1, &self.patience)
            .await
            .ok_or(ReconcileError::Stopped)?;
        self.intake.take_event(event, None, &mut room).await;
        Ok(())
    }

    async fn stoppable<T>(&self, ask: impl Future<Output = Result<T, ReconcileError>>) -> Result<T, ReconcileError> {
        self.patience.wait(ask).await.unwrap_or(Err(ReconcileError::Stopped))
    }
}

fn reply(error: HistoryError) -> ReconcileError {
    match error {
        HistoryError::Chain(error) => ReconcileError::Chain(error),
        other => ReconcileError::Reply(other.to_string()),
    }
}

fn missed_session(observed: &ObservedEvent) -> MissedSession {
    let (address, session_id, size_bytes) = match &observed.body {
        EventBody::Known(Event::PdaComputed(event)) => {
            (event.expected_pda, event.session_id.clone(), event.expected_size)
        }
        EventBody::Known(_) | EventBody::Declared { .. } => Default::default(),
    };
    MissedSession {
        address,
        session_id,
        signature: observed.signature,
        size_bytes,
    }
}
