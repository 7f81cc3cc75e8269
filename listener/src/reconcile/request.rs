//! What an entry asked for: as the factory emitted it, or as the factory's rules have it. Nothing is guessed.

use std::sync::Arc;

use session_events::{Event, PdaComputedEvent, SessionEntry, factory::SessionRequest};
use session_message::Origin;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;

use crate::{
    checkpoint::settles::Behalf,
    decode::observed::{EventBody, ObservedEvent},
    error::ReconcileError,
    intake::transactions::Intake,
    patience::Patience,
    reconcile::report::MissedSession,
    source::pager::{FULL_PAGE, Pages},
    source::rpc::{HistoryError, ProgramHistory},
};

/// An entry's own history is short, unless somebody wants it to look long.
const ENTRY_PAGES_MAX: usize = 5;
/// Transactions of it that are read for its last request, the newest first; then only the very first one is.
const ENTRY_TRANSACTIONS_MAX: usize = 20;

/// An entry whose session does not exist.
pub(crate) struct Candidate {
    pub(crate) entry_address: Pubkey,
    pub(crate) entry: SessionEntry,
}

/// Finds out what was asked for, and queues it.
pub(crate) struct Requests {
    pub(crate) history: ProgramHistory,
    pub(crate) intake: Arc<Intake>,
    pub(crate) patience: Patience,
    pub(crate) session_program: Pubkey,
}

impl Requests {
    /// The event that was missed: as the factory emitted it if its transaction is found, otherwise what the factory's rules
    /// make of the entry; `None` if they make another address of it.
    pub(crate) async fn event(
        &self,
        candidate: &Candidate,
        slot: u64,
    ) -> Result<Option<ObservedEvent>, ReconcileError> {
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

    /// The event of the entry's last request, if that is still known and readable. A session whose entry was closed can be
    /// requested anew, and what was asked for before has been answered.
    async fn emitted(&self, candidate: &Candidate, slot: u64) -> Result<Option<ObservedEvent>, HistoryError> {
        let pages = self.history.pages_of(candidate.entry_address, slot);
        let (mut succeeded, mut before) = (Vec::new(), None);
        for _ in 0..ENTRY_PAGES_MAX {
            let page = pages.page(before, FULL_PAGE).await?;
            let Some(oldest) = page.entries.last() else { break };
            before = Some(oldest.signature);
            let signatures = page.entries.iter().filter(|listed| !listed.failed);
            succeeded.extend(signatures.map(|listed| listed.signature));
        }
        let newest = succeeded.iter().take(ENTRY_TRANSACTIONS_MAX);
        let oldest = succeeded.iter().skip(ENTRY_TRANSACTIONS_MAX).last();
        for signature in newest.chain(oldest) {
            if let Some(event) = self.emitted_by(*signature, candidate).await? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The event that asks for the candidate's session, if this transaction has it.
    async fn emitted_by(
        &self,
        signature: Signature,
        candidate: &Candidate,
    ) -> Result<Option<ObservedEvent>, HistoryError> {
        let transaction = self.history.transaction(signature).await?;
        let reader = &self.intake.reader;
        let reading = reader.read_transaction(&signature, &transaction, Origin::Reconciliation);
        let wanted = reading.events.into_iter().find_map(|found| match found.body {
            EventBody::Known(Event::PdaComputed(event)) if event.expected_pda == candidate.entry.session_address => {
                let observed = reconciled(event, Some(signature), transaction.slot, found.index);
                Some(ObservedEvent {
                    requester: found.requester,
                    ..observed
                })
            }
            _ => None,
        });
        Ok(wanted)
    }

    /// Queues it.
    pub(crate) async fn queue(&self, event: ObservedEvent) -> Result<(), ReconcileError> {
        let mut room = self
            .intake
            .wait_for_room(1, &self.patience)
            .await
            .ok_or(ReconcileError::Stopped)?;
        self.intake.take_event(event, Behalf::Nobody, &mut room).await;
        Ok(())
    }
}

fn reconciled(event: PdaComputedEvent, signature: Option<Signature>, slot: u64, index: u32) -> ObservedEvent {
    ObservedEvent {
        body: EventBody::Known(Event::PdaComputed(event)),
        signature,
        slot,
        index,
        observed_at: session_clock::now_utc(),
        origin: Origin::Reconciliation,
        requester: None,
    }
}

pub(crate) fn missed_session(observed: &ObservedEvent) -> MissedSession {
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
