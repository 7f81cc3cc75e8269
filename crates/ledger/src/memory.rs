//! The ledger in memory: for tests, and for a chain that goes with its process.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use solana_pubkey::Pubkey;

use crate::{
    account::Limits,
    error::LedgerError,
    hold::{Hold, HoldId},
    ledger::Books,
    sheet::{AddressRecord, HoldState, Sheet, SheetKeys},
    step::{Step, StepAnswer},
    summary::Summary,
};

/// A settled hold answers late questions for so long: by then nobody of this process follows its transaction any more.
const SETTLED_KEPT: Duration = Duration::from_hours(1);

/// Books that end with their process.
#[derive(Debug, Default)]
pub struct InMemoryLedger {
    limits: Limits,
    books: Mutex<Kept>,
}

/// What is kept in memory.
#[derive(Debug, Default)]
struct Kept {
    sheet: Sheet,
    /// Settled holds in the order in which they were settled, with when that was, in milliseconds since 1970.
    settled: VecDeque<(u64, HoldId)>,
}

impl Kept {
    /// Takes what a step changed, and lets go of what was settled too long ago to be asked for.
    fn take(&mut self, changed: Sheet, now: SystemTime) {
        for (id, state) in &changed.holds {
            if let HoldState::Settled(settled) = state
                && !matches!(self.sheet.holds.get(id), Some(HoldState::Settled(_)))
            {
                self.settled.push_back((settled.settled_at_ms, *id));
            }
        }
        // A question that found nothing leaves nothing.
        let known = changed
            .holds
            .into_iter()
            .filter(|(_, state)| *state != HoldState::Absent);
        self.sheet.holds.extend(known);
        self.sheet.accounts.extend(changed.accounts);
        self.sheet.wallets.extend(changed.wallets);
        self.sheet.addresses.extend(changed.addresses);
        let old = now.checked_sub(SETTLED_KEPT).map_or(0, session_clock::epoch_ms);
        while let Some((_, id)) = self.settled.pop_front_if(|(settled_at_ms, _)| *settled_at_ms < old) {
            self.sheet.holds.remove(&id);
        }
    }
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

    /// How many holds are kept: those whose transactions are not decided, and those that were settled not long ago.
    #[must_use]
    pub fn holds(&self) -> usize {
        self.books().sheet.holds.len()
    }

    /// A step that fails changes nothing, so a poisoned lock is as good as any.
    fn books(&self) -> MutexGuard<'_, Kept> {
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
            copy(&books.sheet, needs, &mut sheet);
        }
        let answer = step.apply(&mut sheet, &self.limits, now)?;
        books.take(sheet, now);
        Ok(answer)
    }

    async fn open_holds(&self) -> Result<Vec<Hold>, LedgerError> {
        let books = self.books();
        let mut open: Vec<Hold> = books
            .sheet
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
        let known = |pda: &Pubkey| Some((*pda, books.sheet.addresses.get(pda)?.clone()));
        Ok(pdas.iter().filter_map(known).collect())
    }

    async fn open_hold(&self, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        Ok(match self.books().sheet.holds.get(&id) {
            Some(HoldState::Open(hold)) => Some(hold.clone()),
            _ => None,
        })
    }

    async fn sums(&self, now: SystemTime) -> Result<Summary, LedgerError> {
        let books = &self.books().sheet;
        let open = books.holds.values().filter(|hold| matches!(hold, HoldState::Open(_)));
        let accounts = books.accounts.iter().map(|(key, account)| (*key, account.clone()));
        Ok(Summary::of(accounts, open.count(), &self.limits, now))
    }
}
