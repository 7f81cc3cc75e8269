//! What every ledger does, and how little each has to bring for it.

use std::{collections::BTreeMap, time::SystemTime};

use async_trait::async_trait;
use solana_pubkey::Pubkey;
use solana_signature::Signature;

use crate::{
    error::LedgerError,
    fate::{Fate, Settlement},
    hold::{Hold, HoldId, HoldRequest, SentTransaction},
    refusal::HoldAnswer,
    sheet::AddressRecord,
    step::{Step, StepAnswer},
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
