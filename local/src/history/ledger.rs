//! A ledger whose transactions are told of: each signed one, and what became of it and what that cost. The ledger is where
//! every transaction is written down before it is sent, and where its fate is decided once, by whichever process finds out.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use session_ledger::{
    AddressRecord, Fate, Hold, HoldAnswer, HoldId, HoldRequest, Ledger, LedgerError, SentTransaction, Settlement,
    Summary,
};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::{
    Historian,
    chapters::{self, Transaction},
};

pub(super) struct ToldLedger {
    ledger: Arc<dyn Ledger>,
    historian: Historian,
    /// The transactions of holds that this process took and that are not decided.
    undecided: Mutex<HashMap<HoldId, Transaction>>,
}

impl ToldLedger {
    pub(super) fn new(ledger: Arc<dyn Ledger>, historian: Historian) -> Self {
        Self {
            ledger,
            historian,
            undecided: Mutex::default(),
        }
    }

    fn undecided(&self) -> MutexGuard<'_, HashMap<HoldId, Transaction>> {
        self.undecided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a hold pays for. One that an earlier process took is looked up.
    async fn transaction(&self, id: HoldId) -> Option<Transaction> {
        let known = self.undecided().get(&id).cloned();
        if known.is_some() {
            return known;
        }
        // Without an answer there is nothing to tell.
        let hold = self.ledger.open_hold(id).await.ok().flatten()?;
        Some(Transaction {
            members: hold.members,
            fee_lamports: hold.fee_lamports,
            sent: hold.sent,
        })
    }
}

#[async_trait]
impl Ledger for ToldLedger {
    async fn hold(&self, request: HoldRequest, now: SystemTime) -> Result<HoldAnswer, LedgerError> {
        let (id, transaction) = (
            request.id,
            Transaction {
                members: request.members.clone(),
                fee_lamports: request.fee_lamports,
                sent: None,
            },
        );
        let answer = self.ledger.hold(request, now).await?;
        if matches!(answer, HoldAnswer::Held { .. }) {
            self.undecided().insert(id, transaction);
        }
        Ok(answer)
    }

    async fn attach(&self, id: HoldId, sent: SentTransaction, now: SystemTime) -> Result<(), LedgerError> {
        self.ledger.attach(id, sent, now).await?;
        let signed = self.undecided().get_mut(&id).map(|transaction| {
            transaction.sent = Some(sent);
            transaction.clone()
        });
        if let Some(transaction) = signed {
            self.historian.tell_all(chapters::signed(&transaction, now));
        }
        Ok(())
    }

    async fn settle(&self, id: HoldId, fate: Fate, now: SystemTime) -> Result<Settlement, LedgerError> {
        let transaction = self.transaction(id).await;
        let settlement = self.ledger.settle(id, fate.clone(), now).await?;
        self.undecided().remove(&id);
        if let (Settlement::Now { .. }, Some(transaction)) = (&settlement, transaction) {
            self.historian.tell_all(chapters::decided(&transaction, &fate, now));
        }
        Ok(settlement)
    }

    async fn close(&self, pda: Pubkey, now: SystemTime) -> Result<(), LedgerError> {
        self.ledger.close(pda, now).await
    }

    async fn retract(&self, pda: Pubkey, signature: Signature, now: SystemTime) -> Result<(), LedgerError> {
        self.ledger.retract(pda, signature, now).await?;
        self.historian.tell(chapters::retracted(pda, signature, now));
        Ok(())
    }

    async fn open(&self) -> Result<Vec<Hold>, LedgerError> {
        self.ledger.open().await
    }

    async fn open_hold(&self, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        self.ledger.open_hold(id).await
    }

    async fn addresses(&self, pdas: &[Pubkey]) -> Result<BTreeMap<Pubkey, AddressRecord>, LedgerError> {
        self.ledger.addresses(pdas).await
    }

    async fn summary(&self, now: SystemTime) -> Result<Summary, LedgerError> {
        self.ledger.summary(now).await
    }
}
