//! What every ledger does, and how little each has to bring for it.

use std::{collections::BTreeMap, time::SystemTime};

use async_trait::async_trait;
use solana_pubkey::Pubkey;
use solana_signature::Signature;

use crate::{
    fate::{Fate, Settlement},
    hold::{Hold, HoldId, HoldRequest, SentTransaction},
    refusal::HoldAnswer,
    sheet::AddressRecord,
    step::{MEMBERS_MAX, Step, StepAnswer},
    summary::Summary,
};

/// A place where the books are kept.
#[async_trait]
pub trait Books: Send + Sync + 'static {
    /// Loads what a step needs, applies it and stores what it changed, all or nothing, as if no other step ran meanwhile.
    ///
    /// # Errors
    /// [`LedgerError`] of the rules, or of the place.
    async fn take(&self, step: Step, now: SystemTime) -> Result<StepAnswer, LedgerError>;

    /// The holds whose transactions are not decided, the oldest first.
    ///
    /// # Errors
    /// [`LedgerError::Storage`].
    async fn open_holds(&self) -> Result<Vec<Hold>, LedgerError>;

    /// What is known of addresses; those of which nothing is known are left out.
    ///
    /// # Errors
    /// [`LedgerError::Storage`].
    async fn addresses(&self, pdas: &[Pubkey]) -> Result<BTreeMap<Pubkey, AddressRecord>, LedgerError>;

    /// A hold that is not decided.
    ///
    /// # Errors
    /// [`LedgerError::Storage`].
    async fn open_hold(&self, id: HoldId) -> Result<Option<Hold>, LedgerError>;

    /// The sums of all accounts.
    ///
    /// # Errors
    /// [`LedgerError::Storage`].
    async fn sums(&self, now: SystemTime) -> Result<Summary, LedgerError>;
}

/// Money, before and after it is spent. All processes that pay from the same wallets share one.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Sets money aside for one transaction, from the budgets and the wallet together, or says all that stands against
    /// it. Whoever asks has seen that none of the accounts is there. Asked again with the same name and content, it
    /// answers the same and takes nothing twice.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing is held then, as far as is known: nothing may be signed.
    async fn hold(&self, request: HoldRequest, now: SystemTime) -> Result<HoldAnswer, LedgerError>;

    /// Writes down the transaction that was signed for a hold. Only then may it be sent.
    ///
    /// # Errors
    /// [`LedgerError::SettledAlready`] where somebody else gave the hold up meanwhile; whatever the error is, the
    /// transaction must not be sent.
    async fn attach(&self, id: HoldId, sent: SentTransaction, now: SystemTime) -> Result<(), LedgerError>;

    /// Puts a transaction's fate in the books. The first that does it counts; all others learn what it said.
    ///
    /// # Errors
    /// [`LedgerError`]; the hold stays.
    async fn settle(&self, id: HoldId, fate: Fate, now: SystemTime) -> Result<Settlement, LedgerError>;

    /// The account at an address is gone, says the chain. Its rent is lost, once; nothing happens where the books know
    /// of no account there.
    ///
    /// # Errors
    /// [`LedgerError::Storage`].
    async fn close(&self, pda: Pubkey, now: SystemTime) -> Result<(), LedgerError>;

    /// The transaction that created an account is in no block after all: what it spent in rent is in the wallet again.
    /// The hour in which it was counted keeps it.
    ///
    /// # Errors
    /// [`LedgerError::Storage`].
    async fn retract(&self, pda: Pubkey, signature: Signature, now: SystemTime) -> Result<(), LedgerError>;

    /// The holds whose transactions are not decided, the oldest first: anybody may find out what became of them.
    ///
    /// # Errors
    /// [`LedgerError::Storage`].
    async fn open(&self) -> Result<Vec<Hold>, LedgerError>;

    /// The undecided hold of a name.
    ///
    /// # Errors
    /// [`LedgerError::Storage`].
    async fn open_hold(&self, id: HoldId) -> Result<Option<Hold>, LedgerError>;

    /// What is known of addresses: an open hold, and how the account was created. Those of which nothing is known are
    /// left out.
    ///
    /// # Errors
    /// [`LedgerError::Storage`].
    async fn addresses(&self, pdas: &[Pubkey]) -> Result<BTreeMap<Pubkey, AddressRecord>, LedgerError>;

    /// The sums, for a person.
    ///
    /// # Errors
    /// [`LedgerError::Storage`].
    async fn summary(&self, now: SystemTime) -> Result<Summary, LedgerError>;
}

/// The ledger could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// No such hold is known, or it was settled so long ago that it is forgotten.
    #[error("there is no hold {id}")]
    UnknownHold {
        /// Its name.
        id: HoldId,
    },
    /// Another hold has the name.
    #[error("a hold with the name {id} is there already, for something else")]
    NameTaken {
        /// The name.
        id: HoldId,
    },
    /// The hold is decided.
    #[error("hold {id} is settled already: {fate:?}")]
    SettledAlready {
        /// Its name.
        id: HoldId,
        /// What became of it.
        fate: Box<Fate>,
    },
    /// A hold has one transaction, and only the chain knows what becomes of it.
    #[error("hold {id} has transaction {signature} already")]
    AlreadySent {
        /// Its name.
        id: HoldId,
        /// The transaction.
        signature: Signature,
    },
    /// A hold without a transaction cannot have been in a block.
    #[error("hold {id} has no transaction that could have landed, failed or expired")]
    NeverSent {
        /// Its name.
        id: HoldId,
    },
    /// Too many accounts, or none.
    #[error("a hold has {members} accounts; it must have 1 to {MEMBERS_MAX}")]
    MemberCount {
        /// How many.
        members: usize,
    },
    /// Each account is created once.
    #[error("account {pda} is in the hold twice")]
    MemberTwice {
        /// The account.
        pda: Pubkey,
    },
    /// The place where the books are kept failed.
    #[error("ledger {place}: {operation} failed: {source}")]
    Storage {
        /// Which place.
        place: String,
        /// What was tried.
        operation: &'static str,
        /// Whether the same may succeed later.
        retryable: bool,
        /// What the place says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl LedgerError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Storage { retryable: true, .. })
    }
}

#[async_trait]
impl<B: Books> Ledger for B {
    async fn hold(&self, request: HoldRequest, now: SystemTime) -> Result<HoldAnswer, LedgerError> {
        loop {
            match self.take(Step::Hold(request.clone()), now).await? {
                StepAnswer::Hold(answer) => return Ok(answer),
                StepAnswer::Unclosed(pdas) => {
                    for pda in pdas {
                        self.take(Step::Close(pda), now).await?;
                    }
                }
                StepAnswer::Settled(_) | StepAnswer::Done => unreachable_answer("hold")?,
            }
        }
    }

    async fn attach(&self, id: HoldId, sent: SentTransaction, now: SystemTime) -> Result<(), LedgerError> {
        self.take(Step::Attach(id, sent), now).await.map(drop)
    }

    async fn settle(&self, id: HoldId, fate: Fate, now: SystemTime) -> Result<Settlement, LedgerError> {
        match self.take(Step::Settle(id, fate), now).await? {
            StepAnswer::Settled(settlement) => Ok(settlement),
            _ => unreachable_answer("settle"),
        }
    }

    async fn close(&self, pda: Pubkey, now: SystemTime) -> Result<(), LedgerError> {
        self.take(Step::Close(pda), now).await.map(drop)
    }

    async fn retract(&self, pda: Pubkey, signature: Signature, now: SystemTime) -> Result<(), LedgerError> {
        self.take(Step::Retract(pda, signature), now).await.map(drop)
    }

    async fn open(&self) -> Result<Vec<Hold>, LedgerError> {
        self.open_holds().await
    }

    async fn open_hold(&self, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        Books::open_hold(self, id).await
    }

    async fn addresses(&self, pdas: &[Pubkey]) -> Result<BTreeMap<Pubkey, AddressRecord>, LedgerError> {
        Books::addresses(self, pdas).await
    }

    async fn summary(&self, now: SystemTime) -> Result<Summary, LedgerError> {
        self.sums(now).await
    }
}

/// A place that answers one step with another's answer is broken.
fn unreachable_answer<T>(operation: &'static str) -> Result<T, LedgerError> {
    Err(LedgerError::Storage {
        place: String::from("books"),
        operation,
        retryable: false,
        source: "the place gave another step's answer".into(),
    })
}
