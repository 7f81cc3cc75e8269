//! Hours that go by in seconds: a ledger whose time runs faster than its user's.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use session_ledger::{
    AddressRecord, Fate, Hold, HoldAnswer, HoldId, HoldRequest, Ledger, LedgerError, Refusal, SentTransaction,
    Settlement, Summary,
};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;

/// An hour in eighteen seconds.
const SPEED: u32 = 200;

/// The time of the books, which all processes share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    began: SystemTime,
}

impl Pace {
    pub(crate) fn from_now() -> Self {
        Self::read(&ms(session_clock::now()).to_string()).unwrap()
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let began = UNIX_EPOCH + Duration::from_millis(text.parse().ok()?);
        Some(Self { began })
    }

    pub(crate) fn text(self) -> String {
        ms(self.began).to_string()
    }

    /// The books' time.
    pub(crate) fn of(self, at: SystemTime) -> SystemTime {
        self.began + at.duration_since(self.began).unwrap_or_default() * SPEED
    }

    /// The world's.
    fn back(self, booked: SystemTime) -> SystemTime {
        self.began + booked.duration_since(self.began).unwrap_or_default() / SPEED
    }

    /// How much of the world's time a time of the books takes.
    pub(crate) fn takes(duration: Duration) -> Duration {
        duration / SPEED
    }
}

fn ms(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The ledger. What it says of times is in its user's.
pub(crate) struct Hurried {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) pace: Pace,
}

impl Hurried {
    fn hold_of(&self, hold: Hold) -> Hold {
        let held_at = UNIX_EPOCH + Duration::from_millis(hold.held_at_ms);
        Hold {
            held_at_ms: ms(self.pace.back(held_at)),
            ..hold
        }
    }

    fn refusal(&self, mut refusal: Refusal) -> Refusal {
        if let Refusal::Budget { room_at, .. } | Refusal::RequesterBudget { room_at, .. } = &mut refusal {
            *room_at = room_at.map(|at| self.pace.back(at));
        }
        refusal
    }
}

#[async_trait]
impl Ledger for Hurried {
    async fn hold(&self, request: HoldRequest, now: SystemTime) -> Result<HoldAnswer, LedgerError> {
        Ok(match self.ledger.hold(request, self.pace.of(now)).await? {
            HoldAnswer::Refused(refusals) => {
                let refusals = refusals.into_iter().map(|refusal| self.refusal(refusal));
                HoldAnswer::Refused(refusals.collect())
            }
            held @ HoldAnswer::Held { .. } => held,
        })
    }

    async fn attach(&self, id: HoldId, sent: SentTransaction, now: SystemTime) -> Result<(), LedgerError> {
        self.ledger.attach(id, sent, self.pace.of(now)).await
    }

    async fn settle(&self, id: HoldId, fate: Fate, now: SystemTime) -> Result<Settlement, LedgerError> {
        self.ledger.settle(id, fate, self.pace.of(now)).await
    }

    async fn close(&self, pda: Pubkey, now: SystemTime) -> Result<(), LedgerError> {
        self.ledger.close(pda, self.pace.of(now)).await
    }

    async fn retract(&self, pda: Pubkey, signature: Signature, now: SystemTime) -> Result<(), LedgerError> {
        self.ledger.retract(pda, signature, self.pace.of(now)).await
    }

    async fn open(&self) -> Result<Vec<Hold>, LedgerError> {
        let open = self.ledger.open().await?;
        Ok(open.into_iter().map(|hold| self.hold_of(hold)).collect())
    }

    async fn open_hold(&self, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        let open = self.ledger.open_hold(id).await?;
        Ok(open.map(|hold| self.hold_of(hold)))
    }

    async fn addresses(&self, pdas: &[Pubkey]) -> Result<BTreeMap<Pubkey, AddressRecord>, LedgerError> {
        self.ledger.addresses(pdas).await
    }

    async fn summary(&self, now: SystemTime) -> Result<Summary, LedgerError> {
        self.ledger.summary(self.pace.of(now)).await
    }
}
