//! The ledger in memory: for tests, and for a chain that goes with its process.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use solana_pubkey::Pubkey;

use crate::{
    account::Limits,
    hold::{Hold, HoldId},
    ledger::{Books, LedgerError},
    sheet::{AddressRecord, HoldState, Sheet, SheetKeys},
    step::{Step, StepAnswer},
    summary::Summary,
};

/// Books that end with their process.
#[derive(Debug, Default)]
pub struct InMemoryLedger {
    limits: Limits,
    books: Mutex<Sheet>,
}

impl InMemoryLedger {
    /// Empty books under these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            books: Mutex::default(),
        }
    }

    /// A step that fails changes nothing, so a poisoned lock is as good as any.
    fn books(&self) -> MutexGuard<'_, Sheet> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn copy(books: &Sheet, keys: SheetKeys, sheet: &mut Sheet) {
    for id in keys.holds {
        let hold = books.holds.get(&id).cloned().unwrap_or(HoldState::Absent);
        sheet.holds.insert(id, hold);
    }
    for key in keys.accounts {
        sheet
            .accounts
            .insert(key, books.accounts.get(&key).cloned().unwrap_or_default());
    }
    for key in keys.wallets {
        sheet
            .wallets
            .insert(key, books.wallets.get(&key).cloned().unwrap_or_default());
    }
    for key in keys.addresses {
        sheet
            .addresses
            .insert(key, books.addresses.get(&key).cloned().unwrap_or_default());
    }
}

#[async_trait]
impl Books for InMemoryLedger {
    async fn take(&self, step: Step, now: SystemTime) -> Result<StepAnswer, LedgerError> {
        let mut books = self.books();
        let mut sheet = Sheet::default();
        loop {
            let needs = step.needs(&sheet);
            if needs.is_empty() {
                break;
            }
            copy(&books, needs, &mut sheet);
        }
        let answer = step.apply(&mut sheet, &self.limits, now)?;
        books.holds.extend(sheet.holds);
        books.accounts.extend(sheet.accounts);
        books.wallets.extend(sheet.wallets);
        books.addresses.extend(sheet.addresses);
        Ok(answer)
    }

    async fn open_holds(&self) -> Result<Vec<Hold>, LedgerError> {
        let books = self.books();
        let mut open: Vec<Hold> = books
            .holds
            .values()
            .filter_map(|hold| match hold {
                HoldState::Open(hold) => Some(hold.clone()),
                HoldState::Absent | HoldState::Settled(_) => None,
            })
            .collect();
        open.sort_by_key(|hold| hold.held_at_ms);
        Ok(open)
    }

    async fn addresses(&self, pdas: &[Pubkey]) -> Result<BTreeMap<Pubkey, AddressRecord>, LedgerError> {
        let books = self.books();
        let known = |pda: &Pubkey| Some((*pda, books.addresses.get(pda)?.clone()));
        Ok(pdas.iter().filter_map(known).collect())
    }

    async fn open_hold(&self, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        Ok(match self.books().holds.get(&id) {
            Some(HoldState::Open(hold)) => Some(hold.clone()),
            _ => None,
        })
    }

    async fn sums(&self, now: SystemTime) -> Result<Summary, LedgerError> {
        let books = self.books();
        let open = books.holds.values().filter(|hold| matches!(hold, HoldState::Open(_)));
        let accounts = books.accounts.iter().map(|(key, account)| (*key, account.clone()));
        Ok(Summary::of(accounts, open.count(), &self.limits, now))
    }
}
