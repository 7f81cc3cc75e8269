//! The second, independent source of truth: account state.
//!
//! The factory keeps a `SessionEntry` for every session. One whose session account is missing is a request that nobody has
//! served: its event may be on its way, or be lost. This finds every loss that listening could have had, also from before
//! this service existed. The entry's status is not asked, because anybody may set it.
//!
//! What is queued follows from the entry by the factory's own rules, or is what the factory logged. Where neither can be had,
//! the session is reported by name: nothing is guessed.

use std::{sync::Arc, time::Duration};

use metrics::counter;
use session_events::{Event, PdaComputedEvent, SessionEntry, factory::SessionRequest};
use session_message::Origin;
use session_telemetry::{Quoted, names};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use time::OffsetDateTime;

use crate::{
    checkpoint::settles::Behalf,
    config::{ListenerConfig, ReconcileConfig},
    decode::observed::{EventBody, ObservedEvent},
    error::ReconcileError,
    intake::transactions::Intake,
    patience::Patience,
    reconcile::accounts::{EntryAccount, FactoryAccounts},
    source::pager::{FULL_PAGE, Pages},
    source::rpc::{HistoryError, ProgramHistory},
};

/// A service that was down for long learns soon what it missed, though not before its fill is under way.
const FIRST_AFTER: Duration = Duration::from_mins(1);
/// An entry's own history is short, unless somebody wants it to look long.
const ENTRY_PAGES_MAX: usize = 5;

/// What a comparison found. The entries are those that follow, in sum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    /// Whether it only looked.
    pub dry_run: bool,
    /// Entries of the factory.
    pub entries: u64,
    /// Accounts that look like entries and do not decode, as the node names them.
    pub malformed: Vec<String>,
    /// Optimistic sessions, which ask for no account.
    pub optimistic: u64,
    /// Sessions whose account exists.
    pub existing: u64,
    /// Requests that are so new that their event is probably under way.
    pub young: u64,
    /// Requests that were queued a short while ago.
    pub covered: u64,
    /// Sessions without an account whose address does not follow from the session program.
    pub underivable: Vec<UnderivableSession>,
    /// Sessions that were queued, or would have been.
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
    /// Bytes of its account: as the factory logged, or as its rules have it for the entry.
    pub size_bytes: u64,
}

/// A session that cannot be created by what its entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderivableSession {
    /// The entry's address.
    pub entry: Pubkey,
    /// The session's address, which follows from none of the seeds.
    pub address: Pubkey,
    /// Its name.
    pub session_id: String,
}

/// Compares entries with sessions.
pub(crate) struct Reconciliation {
    accounts: FactoryAccounts,
    history: ProgramHistory,
    intake: Arc<Intake>,
    patience: Patience,
    session_program: Pubkey,
    config: ReconcileConfig,
}

/// An entry whose session should exist.
struct Candidate {
    entry_address: Pubkey,
    entry: SessionEntry,
}

impl Reconciliation {
    pub(crate) fn new(
        history: &ProgramHistory,
        intake: &Arc<Intake>,
        patience: &Patience,
        config: &ListenerConfig,
    ) -> Self {
        Self {
            accounts: FactoryAccounts {
                pool: history.pool.clone(),
                program_id: history.program_id,
            },
            history: history.clone(),
            intake: Arc::clone(intake),
            patience: patience.clone(),
            session_program: config.session_program,
            config: config.reconcile.clone(),
        }
    }

    /// Compares regularly until told to stop.
    pub(crate) async fn run_every(self, interval: Duration) {
        let mut pause = interval.min(FIRST_AFTER);
        while self.patience.wait(tokio::time::sleep(pause)).await.is_some() {
            pause = interval;
            // It can wait: events have their own way.
            let credits = self.history.pool.credits();
            let room = credits.room(credits.price("getProgramAccounts"));
            if self.patience.wait(room).await.is_none() {
                return;
            }
            match self.run(false).await {
                Ok(report) => tracing::info!(
                    entries = report.entries,
                    existing = report.existing,
                    underivable = report.underivable.len(),
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
            .map(|candidate| candidate.entry.session_address)
            .collect();
        let exist = self.accounts.exist(&sessions, &self.session_program, entries.slot);
        let exist = self.stoppable(exist).await?;
        for (candidate, exists) in candidates.into_iter().zip(exist) {
            if exists {
                report.existing += 1;
            } else {
                self.missing(candidate, entries.slot, &mut report).await?;
            }
        }
        Ok(report)
    }

    /// The sessions that have to exist by now.
    fn candidates(&self, accounts: Vec<EntryAccount>, report: &mut ReconcileReport) -> Vec<Candidate> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let mut candidates = Vec::new();
        for account in accounts {
            report.entries += 1;
            let Some(candidate) = decoded(&account) else {
                report.malformed.push(account.address);
                continue;
            };
            let Candidate { entry, .. } = &candidate;
            if entry.is_optimistic() {
                report.optimistic += 1;
            } else if now.abs_diff(entry.created_at) < self.config.min_age.as_secs() {
                report.young += 1;
            } else if self
                .intake
                .queued_lately
                .was_queued(&entry.session_address, self.config.requeue_after)
            {
                report.covered += 1;
            } else {
                candidates.push(candidate);
            }
        }
        candidates
    }

    /// Queues a session that does not exist, unless it only looks or the session cannot be derived.
    async fn missing(
        &self,
        candidate: Candidate,
        slot: u64,
        report: &mut ReconcileReport,
    ) -> Result<(), ReconcileError> {
        let Some(event) = self.event(&candidate, slot).await? else {
            let Candidate { entry_address, entry } = candidate;
            tracing::warn!(entry = %entry_address, session = %entry.session_address, session_id = %Quoted(&entry.session_id),
                "this session has no account, and its address does not follow from the session program");
            report.underivable.push(UnderivableSession {
                entry: entry_address,
                address: entry.session_address,
                session_id: entry.session_id,
            });
            return Ok(());
        };
        report.queued.push(missed_session(&event));
        if report.dry_run {
            Ok(())
        } else {
            self.queue(event).await
        }
    }

    /// The event that was missed: as the factory emitted it if its transaction is found, otherwise what the factory's rules
    /// make of the entry; `None` if they make another address of it.
    async fn event(&self, candidate: &Candidate, slot: u64) -> Result<Option<ObservedEvent>, ReconcileError> {
        let emitted = match self.patience.wait(self.emitted(candidate, slot)).await {
            None => return Err(ReconcileError::Stopped),
            Some(Ok(emitted)) => emitted,
            Some(Err(error)) => {
                tracing::warn!(entry = %candidate.entry_address, %error, "its request cannot be read: the entry is taken at its word");
                None
            }
        };
        Ok(emitted.or_else(|| self.derived(&candidate.entry, slot)))
    }

    /// What the factory's rules make of an entry.
    fn derived(&self, entry: &SessionEntry, slot: u64) -> Option<ObservedEvent> {
        let request = SessionRequest::from(entry.clone());
        let event = request.expected_event(&self.session_program, slot).ok()?;
        (event.expected_pda == entry.session_address).then(|| reconciled(event, None, slot, 0))
    }

    /// The event in the entry's first transaction, if that is still known and readable.
    async fn emitted(&self, candidate: &Candidate, slot: u64) -> Result<Option<ObservedEvent>, HistoryError> {
        let pages = self.history.pages_of(candidate.entry_address, slot);
        let mut before = None;
        for _ in 0..ENTRY_PAGES_MAX {
            let page = pages.page(before, FULL_PAGE).await?;
            let Some(oldest) = page.entries.last() else { break };
            before = Some(oldest.signature);
        }
        let Some(signature) = before else { return Ok(None) };
        let transaction = self.history.transaction(signature).await?;
        let reader = &self.intake.reader;
        let reading = reader.read_transaction(&signature, &transaction, Origin::Reconciliation);
        let wanted = reading.events.into_iter().find_map(|found| match found.body {
            EventBody::Known(Event::PdaComputed(event)) if event.expected_pda == candidate.entry.session_address => {
                Some(reconciled(event, Some(signature), transaction.slot, found.index))
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
        self.intake.take_event(event, Behalf::Nobody, &mut room).await;
        Ok(())
    }

    async fn stoppable<T>(&self, ask: impl Future<Output = Result<T, ReconcileError>>) -> Result<T, ReconcileError> {
        self.patience.wait(ask).await.unwrap_or(Err(ReconcileError::Stopped))
    }
}

fn decoded(account: &EntryAccount) -> Option<Candidate> {
    let Ok(entry_address) = account.address.parse() else {
        tracing::error!(
            address = account.address,
            "an entry of the factory has an address that is none"
        );
        return None;
    };
    let Some(data) = &account.data else {
        tracing::error!(%entry_address, "the data of an entry of the factory is not base64");
        return None;
    };
    match SessionEntry::decode(data) {
        Ok(entry) => Some(Candidate { entry_address, entry }),
        Err(error) => {
            tracing::error!(%entry_address, %error, "an entry of the factory cannot be read");
            None
        }
    }
}

fn reconciled(event: PdaComputedEvent, signature: Option<Signature>, slot: u64, index: u32) -> ObservedEvent {
    ObservedEvent {
        body: EventBody::Known(Event::PdaComputed(event)),
        signature,
        slot,
        index,
        observed_at: OffsetDateTime::now_utc(),
        origin: Origin::Reconciliation,
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
