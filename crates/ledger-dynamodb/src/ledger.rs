//! The steps of the ledger on the table.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, timeout::TimeoutConfig};
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, Delete, Put, TransactWriteItem},
};
use backon::{BackoffBuilder, ExponentialBuilder};
use futures::future::try_join;
use serde::Serialize;
use session_ledger::{
    AddressRecord, Books, Hold, HoldId, HoldState, LedgerError, Limits, Sheet, SheetKeys, Step, StepAnswer, Summary,
};
use solana_pubkey::Pubkey;

use crate::{
    error::{DynamoDbLedgerError, failed},
    item::{ACCOUNT, BadItem, EXPIRES_AT, Item, Key, OPEN, PK, VERSION, account_of, item_of, record_of, version_of},
    table::{Table, Written},
};

const TAKE: &str = "a step";
/// How long DynamoDB may take to accept a connection, and to answer a call with all its retries.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const TRY_LIMIT: Duration = Duration::from_secs(3);
const CALL_LIMIT: Duration = Duration::from_secs(8);
/// Beginning anew after somebody else was faster: the first pause, the longest, and how often.
const OVERTAKEN_PAUSE: Duration = Duration::from_millis(5);
const OVERTAKEN_PAUSE_MAX: Duration = Duration::from_millis(400);
const OVERTAKEN_MAX: usize = 60;
/// A settled hold answers late questions for so long.
const SETTLED_KEPT: Duration = Duration::from_hours(7 * 24);

/// Which table, and where.
#[derive(Clone, Debug)]
pub struct DynamoDbLedgerConfig {
    /// The table's name.
    pub table: String,
    /// Another endpoint than AWS's.
    pub endpoint_url: Option<String>,
    /// The region; the AWS environment's if absent.
    pub region: Option<String>,
}

/// The books of all processes that share a table.
#[derive(Clone, Debug)]
pub struct DynamoDbLedger {
    table: Table,
    limits: Limits,
}

/// What was read for a step: the records, and the versions of their items.
#[derive(Default)]
struct Loaded {
    sheet: Sheet,
    versions: BTreeMap<Key, u64>,
}

impl DynamoDbLedger {
    /// The ledger in a table, with the credentials that the SDK finds. Sends no request yet.
    ///
    /// # Errors
    /// [`DynamoDbLedgerError`] where the table cannot be addressed.
    pub async fn connect(config: DynamoDbLedgerConfig, limits: Limits) -> Result<Self, DynamoDbLedgerError> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_LIMIT)
            .operation_attempt_timeout(TRY_LIMIT)
            .operation_timeout(CALL_LIMIT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
        if let Some(region) = config.region {
            loader = loader.region(Region::new(region));
        }
        if let Some(endpoint) = config.endpoint_url {
            loader = loader.endpoint_url(endpoint);
        }
        let shared = loader.load().await;
        if shared.region().is_none() {
            return Err(DynamoDbLedgerError::NoRegion);
        }
        let (client, name) = (Client::new(&shared), config.table);
        Ok(Self {
            table: Table { client, name },
            limits,
        })
    }

    async fn load(&self, step: &Step) -> Result<Loaded, LedgerError> {
        let mut loaded = Loaded::default();
        loop {
            let needs = step.needs(&loaded.sheet);
            if needs.is_empty() {
                return Ok(loaded);
            }
            let found = self.table.get(keys_of(&needs)).await?;
            loaded.take(needs, &found).map_err(|error| self.bad(error))?;
        }
    }

    fn bad(&self, error: BadItem) -> LedgerError {
        failed(&self.table.name, TAKE, false, error.into())
    }

    async fn save(&self, before: &Loaded, after: &Sheet, token: &str, now: SystemTime) -> Result<Written, LedgerError> {
        let mut writes = Writes::new(&self.table.name, &before.versions);
        let written = writes.changes(&before.sheet, after, now);
        written.map_err(|source| failed(&self.table.name, TAKE, false, source))?;
        if writes.items.is_empty() {
            return Ok(Written::Yes);
        }
        self.table.write(writes.items, token).await
    }
}

#[async_trait]
impl Books for DynamoDbLedger {
    async fn take(&self, step: Step, now: SystemTime) -> Result<StepAnswer, LedgerError> {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(OVERTAKEN_PAUSE)
            .with_max_delay(OVERTAKEN_PAUSE_MAX)
            .with_max_times(OVERTAKEN_MAX)
            .with_jitter()
            .with_jitter_seed(session_clock::random())
            .build();
        loop {
            let loaded = self.load(&step).await?;
            let mut sheet = loaded.sheet.clone();
            let answer = step.apply(&mut sheet, &self.limits, now)?;
            // A name for this write and no other: one that begins anew has other versions in it.
            let token = HoldId::random().to_string();
            if let Written::Yes = self.save(&loaded, &sheet, &token, now).await? {
                return Ok(answer);
            }
            let Some(pause) = pauses.next() else {
                let source = format!("others were faster {OVERTAKEN_MAX} times").into();
                return Err(failed(&self.table.name, TAKE, true, source));
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn open_holds(&self) -> Result<Vec<Hold>, LedgerError> {
        let items = self.table.partition(OPEN).await?;
        let holds: Result<Vec<Hold>, BadItem> = items.iter().map(record_of).collect();
        let mut holds = holds.map_err(|error| self.bad(error))?;
        holds.sort_by_key(|hold| hold.held_at_ms);
        Ok(holds)
    }

    async fn addresses(&self, pdas: &[Pubkey]) -> Result<BTreeMap<Pubkey, AddressRecord>, LedgerError> {
        let found = self.table.get(pdas.iter().map(Key::address).collect()).await?;
        let mut known = BTreeMap::new();
        for pda in pdas {
            if let Some(item) = found.get(&Key::address(pda)) {
                known.insert(*pda, record_of(item).map_err(|error| self.bad(error))?);
            }
        }
        Ok(known)
    }

    async fn open_hold(&self, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        let found = self.table.get(vec![Key::open(id)]).await?;
        let hold = found.values().next().map(record_of).transpose();
        hold.map_err(|error| self.bad(error))
    }

    async fn sums(&self, now: SystemTime) -> Result<Summary, LedgerError> {
        let (items, open) = try_join(self.table.partition(ACCOUNT), self.table.partition(OPEN)).await?;
        let mut accounts = Vec::with_capacity(items.len());
        for item in &items {
            let key = Key::of(item).and_then(|key| account_of(&key.sk));
            let account = record_of(item).map_err(|error| self.bad(error))?;
            accounts.extend(key.map(|key| (key, account)));
        }
        Ok(Summary::of(accounts, open.len(), &self.limits, now))
    }
}

/// A hold is open or settled, and which of them is not known before it is read.
fn keys_of(needs: &SheetKeys) -> Vec<Key> {
    let holds = needs.holds.iter().flat_map(|id| [Key::open(*id), Key::settled(*id)]);
    let accounts = needs.accounts.iter().map(|key| Key::account(*key));
    let wallets = needs.wallets.iter().map(Key::wallet);
    let addresses = needs.addresses.iter().map(Key::address);
    holds.chain(accounts).chain(wallets).chain(addresses).collect()
}

impl Loaded {
    fn take(&mut self, needs: SheetKeys, found: &BTreeMap<Key, Item>) -> Result<(), BadItem> {
        for (key, item) in found {
            self.versions.insert(key.clone(), version_of(item)?);
        }
        for id in needs.holds {
            let state = match (found.get(&Key::open(id)), found.get(&Key::settled(id))) {
                (Some(open), _) => HoldState::Open(record_of(open)?),
                (None, Some(settled)) => HoldState::Settled(record_of(settled)?),
                (None, None) => HoldState::Absent,
            };
            self.sheet.holds.insert(id, state);
        }
        for key in needs.accounts {
            let account = found.get(&Key::account(key)).map(record_of).transpose()?;
            self.sheet.accounts.insert(key, account.unwrap_or_default());
        }
        for key in needs.wallets {
            let wallet = found.get(&Key::wallet(&key)).map(record_of).transpose()?;
            self.sheet.wallets.insert(key, wallet.unwrap_or_default());
        }
        for key in needs.addresses {
            let address = found.get(&Key::address(&key)).map(record_of).transpose()?;
            self.sheet.addresses.insert(key, address.unwrap_or_default());
        }
        Ok(())
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The writes of one step, each on the condition that its item is as it was read.
struct Writes<'a> {
    table: &'a str,
    versions: &'a BTreeMap<Key, u64>,
    items: Vec<TransactWriteItem>,
}

impl<'a> Writes<'a> {
    fn new(table: &'a str, versions: &'a BTreeMap<Key, u64>) -> Self {
        Self {
            table,
            versions,
            items: Vec::new(),
        }
    }

    fn changes(&mut self, before: &Sheet, after: &Sheet, now: SystemTime) -> Result<(), BoxError> {
        for (id, state) in changed(&before.holds, &after.holds) {
            match state {
                HoldState::Absent => {}
                HoldState::Open(hold) => self.put(&Key::open(*id), hold, None)?,
                HoldState::Settled(settled) => {
                    self.delete(&Key::open(*id))?;
                    let expires_at = session_clock::epoch_secs(now + SETTLED_KEPT);
                    self.put(&Key::settled(*id), settled, Some(expires_at))?;
                }
            }
        }
        for (key, account) in changed(&before.accounts, &after.accounts) {
            self.put(&Key::account(*key), account, None)?;
        }
        for (key, wallet) in changed(&before.wallets, &after.wallets) {
            self.put(&Key::wallet(key), wallet, None)?;
        }
        for (key, address) in changed(&before.addresses, &after.addresses) {
            self.put(&Key::address(key), address, None)?;
        }
        Ok(())
    }

    fn put<T: Serialize>(&mut self, key: &Key, record: &T, expires_at_secs: Option<u64>) -> Result<(), BoxError> {
        let version = self.versions.get(key).copied();
        let mut item = item_of(key, version.unwrap_or(0) + 1, record)?;
        if let Some(seconds) = expires_at_secs {
            item.insert(EXPIRES_AT.to_owned(), AttributeValue::N(seconds.to_string()));
        }
        let put = Put::builder().table_name(self.table).set_item(Some(item));
        let put = match version {
            Some(version) => put
                .condition_expression("#version = :version")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":version", AttributeValue::N(version.to_string())),
            None => put
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", PK),
        };
        self.items.push(TransactWriteItem::builder().put(put.build()?).build());
        Ok(())
    }

    fn delete(&mut self, key: &Key) -> Result<(), BoxError> {
        let version = self.versions.get(key).copied().unwrap_or(0).to_string();
        let delete = Delete::builder()
            .table_name(self.table)
            .set_key(Some(key.attributes()))
            .condition_expression("#version = :version")
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_values(":version", AttributeValue::N(version));
        let delete = TransactWriteItem::builder().delete(delete.build()?).build();
        self.items.push(delete);
        Ok(())
    }
}

fn changed<'sheet, K: Ord, V: PartialEq>(
    before: &'sheet BTreeMap<K, V>,
    after: &'sheet BTreeMap<K, V>,
) -> impl Iterator<Item = (&'sheet K, &'sheet V)> {
    after.iter().filter(|(key, value)| before.get(*key) != Some(*value))
}
