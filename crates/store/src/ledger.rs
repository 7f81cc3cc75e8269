//! The ledger in the store's file.

use std::{collections::BTreeMap, str::FromStr, time::SystemTime};

use async_trait::async_trait;
use rusqlite::{Connection, ToSql};
use serde::{Serialize, de::DeserializeOwned};
use session_ledger::{
    Account, AccountKey, AddressRecord, Books, Hold, HoldId, HoldState, LedgerError, Limits, SettledHold, Sheet,
    SheetKeys, Step, StepAnswer, Summary,
};
use solana_pubkey::Pubkey;

use crate::{
    error::StoreError,
    reader::Reader,
    row::{execute, from_json, one, sql, to_json, together},
    store::Store,
};

const TAKE: &str = "take a step in the ledger";
const READ: &str = "read the ledger";
const TOTAL: &str = "total";
/// A settled hold answers late questions for so long; then it is forgotten.
const SETTLED_KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// The books of one machine.
#[derive(Clone, Debug)]
pub struct StoreLedger {
    store: Store,
    limits: Limits,
}

impl StoreLedger {
    /// The books in a store, under these limits.
    #[must_use]
    pub fn new(store: Store, limits: Limits) -> Self {
        Self { store, limits }
    }
}

#[async_trait]
impl Books for StoreLedger {
    async fn take(&self, step: Step, now: SystemTime) -> Result<StepAnswer, LedgerError> {
        let limits = self.limits;
        let taken = self.store.worker().run(move |connection| {
            // A refusal by the rules rolls nothing back: it has changed nothing.
            together(connection, TAKE, |connection| take(connection, &step, &limits, now))
        });
        taken.await.map_err(storage(TAKE))?
    }

    async fn open_holds(&self) -> Result<Vec<Hold>, LedgerError> {
        self.store
            .worker()
            .run(|connection| open_holds(connection))
            .await
            .map_err(storage(READ))
    }

    async fn addresses(&self, pdas: &[Pubkey]) -> Result<BTreeMap<Pubkey, AddressRecord>, LedgerError> {
        let pdas = pdas.to_vec();
        let read = self.store.worker().run(move |connection| {
            let mut known = BTreeMap::new();
            for pda in pdas {
                if let Some(record) = record(connection, "addresses", "pda", &pda.to_string())? {
                    known.insert(pda, record);
                }
            }
            Ok(known)
        });
        read.await.map_err(storage(READ))
    }

    async fn open_hold(&self, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        let read = self.store.worker().run(move |connection| hold_state(connection, id));
        Ok(match read.await.map_err(storage(READ))? {
            HoldState::Open(hold) => Some(hold),
            HoldState::Absent | HoldState::Settled(_) => None,
        })
    }

    async fn sums(&self, now: SystemTime) -> Result<Summary, LedgerError> {
        self.store.ledger_summary(self.limits, now).await.map_err(storage(READ))
    }
}

impl Reader {
    /// The ledger's sums, against these limits.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ledger_summary(&self, limits: Limits, now: SystemTime) -> Result<Summary, StoreError> {
        self.worker()
            .run(move |connection| {
                let open = one::<i64>(connection, READ, "SELECT count(*) FROM holds WHERE state = 'open'", &[])?;
                let open = open.and_then(|open| usize::try_from(open).ok()).unwrap_or(0);
                Ok(Summary::of(accounts(connection)?, open, &limits, now))
            })
            .await
    }
}

/// What the rules say, inside of what the file says.
type Taken = Result<StepAnswer, LedgerError>;

fn take(connection: &Connection, step: &Step, limits: &Limits, now: SystemTime) -> Result<Taken, StoreError> {
    let mut sheet = Sheet::default();
    loop {
        let needs = step.needs(&sheet);
        if needs.is_empty() {
            break;
        }
        load(connection, needs, &mut sheet)?;
    }
    let before = sheet.clone();
    let answer = step.apply(&mut sheet, limits, now);
    if answer.is_ok() {
        save(connection, &before, &sheet)?;
    }
    Ok(answer)
}

fn load(connection: &Connection, keys: SheetKeys, sheet: &mut Sheet) -> Result<(), StoreError> {
    for id in keys.holds {
        sheet.holds.insert(id, hold_state(connection, id)?);
    }
    for key in keys.accounts {
        let account = record(connection, "accounts", "key", &account_text(key))?;
        sheet.accounts.insert(key, account.unwrap_or_default());
    }
    for key in keys.wallets {
        let wallet = record(connection, "wallets", "address", &key.to_string())?;
        sheet.wallets.insert(key, wallet.unwrap_or_default());
    }
    for key in keys.addresses {
        let address = record(connection, "addresses", "pda", &key.to_string())?;
        sheet.addresses.insert(key, address.unwrap_or_default());
    }
    Ok(())
}

fn save(connection: &Connection, before: &Sheet, after: &Sheet) -> Result<(), StoreError> {
    for (id, state) in changed(&before.holds, &after.holds) {
        save_hold(connection, *id, state)?;
    }
    for (key, account) in changed(&before.accounts, &after.accounts) {
        put(connection, "accounts", "key", &account_text(*key), account)?;
    }
    for (key, wallet) in changed(&before.wallets, &after.wallets) {
        put(connection, "wallets", "address", &key.to_string(), wallet)?;
    }
    for (key, address) in changed(&before.addresses, &after.addresses) {
        put(connection, "addresses", "pda", &key.to_string(), address)?;
    }
    Ok(())
}

fn changed<'sheet, K: Ord, V: PartialEq>(
    before: &'sheet BTreeMap<K, V>,
    after: &'sheet BTreeMap<K, V>,
) -> impl Iterator<Item = (&'sheet K, &'sheet V)> {
    after.iter().filter(|(key, value)| before.get(*key) != Some(*value))
}

fn hold_state(connection: &Connection, id: HoldId) -> Result<HoldState, StoreError> {
    let key = id.to_string();
    let query = "SELECT record FROM holds WHERE id = ?1 AND state = ?2";
    if let Some(open) = one::<String>(connection, READ, query, &[&key, &"open"])? {
        return Ok(HoldState::Open(from_json("holds", &key, &open)?));
    }
    match one::<String>(connection, READ, query, &[&key, &"settled"])? {
        Some(settled) => Ok(HoldState::Settled(from_json("holds", &key, &settled)?)),
        None => Ok(HoldState::Absent),
    }
}

fn save_hold(connection: &Connection, id: HoldId, state: &HoldState) -> Result<(), StoreError> {
    let key = id.to_string();
    let (word, at_ms, record) = match state {
        HoldState::Absent => return Ok(()),
        HoldState::Open(hold) => ("open", hold.held_at_ms, to_json("holds", &key, hold)?),
        HoldState::Settled(settled) => {
            let settled: &SettledHold = settled;
            ("settled", settled.settled_at_ms, to_json("holds", &key, settled)?)
        }
    };
    let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
    let statement = "INSERT INTO holds (id, state, at_ms, record) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (id) DO UPDATE SET state = ?2, at_ms = ?3, record = ?4";
    execute(connection, TAKE, statement, &[&key, &word, &at_ms, &record])?;
    let old = at_ms.saturating_sub(SETTLED_KEPT_MS);
    let forget = "DELETE FROM holds WHERE state = 'settled' AND at_ms < ?1";
    execute(connection, TAKE, forget, &[&old]).map(drop)
}

fn open_holds(connection: &Connection) -> Result<Vec<Hold>, StoreError> {
    let query = "SELECT id, record FROM holds WHERE state = 'open' ORDER BY at_ms, id";
    pairs(connection, query)?
        .into_iter()
        .map(|(id, record)| from_json("holds", &id, &record))
        .collect()
}

fn accounts(connection: &Connection) -> Result<Vec<(AccountKey, Account)>, StoreError> {
    let mut accounts = Vec::new();
    for (key, record) in pairs(connection, "SELECT key, record FROM accounts")? {
        let account = from_json("accounts", &key, &record)?;
        let key = if key == TOTAL {
            Some(AccountKey::Total)
        } else {
            Pubkey::from_str(&key).ok().map(AccountKey::Requester)
        };
        accounts.extend(key.map(|key| (key, account)));
    }
    Ok(accounts)
}

fn pairs(connection: &Connection, query: &str) -> Result<Vec<(String, String)>, StoreError> {
    let mut statement = connection.prepare_cached(query).map_err(sql(READ))?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.and_then(Iterator::collect).map_err(sql(READ))
}

fn account_text(key: AccountKey) -> String {
    match key {
        AccountKey::Total => TOTAL.to_owned(),
        AccountKey::Requester(requester) => requester.to_string(),
    }
}

fn record<T: DeserializeOwned>(
    connection: &Connection,
    room: &'static str,
    column: &str,
    key: &str,
) -> Result<Option<T>, StoreError> {
    let query = format!("SELECT record FROM {room} WHERE {column} = ?1");
    let text: Option<String> = one(connection, READ, &query, &[&key as &dyn ToSql])?;
    text.map(|text| from_json(room, key, &text)).transpose()
}

fn put<T: Serialize>(
    connection: &Connection,
    room: &'static str,
    column: &str,
    key: &str,
    value: &T,
) -> Result<(), StoreError> {
    let record = to_json(room, key, value)?;
    let statement = format!(
        "INSERT INTO {room} ({column}, record) VALUES (?1, ?2) ON CONFLICT ({column}) DO UPDATE SET record = ?2"
    );
    execute(connection, TAKE, &statement, &[&key, &record]).map(drop)
}

fn storage(operation: &'static str) -> impl FnOnce(StoreError) -> LedgerError {
    move |error| LedgerError::Storage {
        place: String::from("in the store"),
        operation,
        retryable: error.is_retryable(),
        source: Box::new(error),
    }
}
