//! What is known of the cluster and changes while a service runs: the price of storage, the time of a slot, the
//! transaction formats that it takes. Each is a value with an age.
//!
//! Owns how each fact is read, believed and doubted. A fact comes in with the readings that are made anyway: the rent
//! sysvar and a feature's account ride along with the accounts of a batch, and every reading says its slot. Knows nothing
//! of what the facts are used for.

mod formats;
mod rent;
mod slot_time;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::gauge;
use session_telemetry::names;
use solana_pubkey::Pubkey;
use tokio::time::Instant;

use self::formats::{FormatBelief, VERSION_1_FEATURE, version_1_by_feature, version_1_by_simulation};
use self::slot_time::SlotClock;
use crate::replies::{AccountState, Reading, performance_samples, read_accounts};
use crate::{ChainError, RpcPool};

pub use formats::version_1_everywhere;
pub use rent::{RENT_SYSVAR, RentRate};

/// Samples of a minute each: five are the average of the last five minutes.
const SAMPLES: usize = 5;
/// They are worth knowing, and nobody waits for them.
const SAMPLES_PATIENCE: Duration = Duration::from_secs(2);

/// What is known of the cluster. Clones share it.
#[derive(Clone)]
pub struct Cluster {
    facts: Arc<Mutex<Facts>>,
}

struct Facts {
    rent: Dated<RentRate>,
    clock: SlotClock,
    version_1: FormatBelief,
}

/// A fact, and the slot that it held at: its age is in slots.
#[derive(Clone, Copy, Debug)]
struct Dated<T> {
    value: T,
    slot: u64,
}

impl Cluster {
    /// The accounts that tell facts: whoever reads accounts anyway adds them, and hands them to [`note`](Self::note).
    pub const FACTS: [Pubkey; 2] = [RENT_SYSVAR, VERSION_1_FEATURE];

    /// Asks for every fact once.
    ///
    /// # Errors
    /// [`ChainError`] if no endpoint tells the price of storage before `deadline`.
    pub async fn learn(pool: &RpcPool, deadline: Instant) -> Result<Self, ChainError> {
        let reading = read_accounts(pool, &Self::FACTS, None, Some(deadline)).await?;
        let sysvar = reading.accounts.first().and_then(Option::as_ref);
        let rent = match sysvar.and_then(|account| RentRate::of_sysvar(&account.data)) {
            Some(rent) => rent,
            None => rent::ask(pool, deadline).await?,
        };
        let mut clock = SlotClock::default();
        let samples_until = deadline.min(Instant::now() + SAMPLES_PATIENCE);
        match performance_samples(pool, SAMPLES, Some(samples_until)).await {
            Ok(samples) => clock.take_samples(&samples),
            // Not every node serves them; the readings to come tell the same.
            Err(error) => tracing::debug!(%error, "the cluster's performance samples are not known"),
        }
        let facts = Facts {
            rent: Dated {
                value: rent,
                slot: reading.slot,
            },
            clock,
            version_1: FormatBelief::default(),
        };
        let cluster = Self {
            facts: Arc::new(Mutex::new(facts)),
        };
        cluster.note(&Self::FACTS, &reading);
        Ok(cluster)
    }

    /// Takes over what a reading tells of the cluster: its slot, and the facts among the accounts that were asked for.
    pub fn note(&self, asked: &[Pubkey], reading: &Reading) {
        let mut facts = self.facts();
        facts.clock.observe(reading.slot, Instant::now());
        for (address, account) in asked.iter().zip(&reading.accounts) {
            if *address == RENT_SYSVAR {
                facts.note_rent(account.as_ref(), reading.slot);
            } else if *address == VERSION_1_FEATURE
                && let Some(takes) = version_1_by_feature(account.as_ref())
            {
                facts.version_1.learn(takes);
            }
        }
        facts.report();
    }

    /// The price of storage.
    #[must_use]
    pub fn rent(&self) -> RentRate {
        self.facts().rent.value
    }

    /// How long `count` slots take, as measured.
    #[must_use]
    pub fn slots(&self, count: u32) -> Duration {
        self.facts().clock.slot_time().saturating_mul(count)
    }

    /// How many slots take `time`, as measured.
    #[must_use]
    pub fn in_slots(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.facts().clock.slot_time().as_secs_f64()
    }

    /// Asks a node to simulate a version-1 transaction where the cluster's features are hidden, as test validators do.
    ///
    /// # Errors
    /// [`ChainError`] if no endpoint answers before `deadline`.
    pub async fn learn_formats(&self, pool: &RpcPool, payer: &Pubkey, deadline: Instant) -> Result<(), ChainError> {
        if self.facts().version_1.is_known() {
            return Ok(());
        }
        let takes = version_1_by_simulation(pool, payer, deadline).await?;
        let mut facts = self.facts();
        facts.version_1.learn(true);
        if !takes {
            // It was one node's answer.
            facts.version_1.refused(Instant::now());
        }
        Ok(())
    }

    /// Whether the next transaction may be one of version 1. After a refusal that is no for a while, and then yes again:
    /// one endpoint's answer is not the cluster's for ever.
    #[must_use]
    pub fn takes_version_1(&self) -> bool {
        self.facts().version_1.may_try(Instant::now())
    }

    /// An endpoint refused a version-1 transaction.
    pub fn version_1_was_refused(&self) {
        let rest = self.facts().version_1.refused(Instant::now());
        tracing::warn!(
            again_in_s = rest.as_secs(),
            "an endpoint refuses version-1 transactions; version 0 until then"
        );
    }

    /// A version-1 transaction landed.
    pub fn version_1_has_landed(&self) {
        self.facts().version_1.taken();
    }

    /// Facts are replaced as wholes, so a poisoned lock is as good as any.
    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    fn note_rent(&mut self, sysvar: Option<&AccountState>, slot: u64) {
        let Some(rate) = sysvar.and_then(|account| RentRate::of_sysvar(&account.data)) else {
            tracing::warn!(%RENT_SYSVAR, "the rent sysvar could not be read; the last rate stays in use");
            return;
        };
        // Endpoints differ in how far they are.
        if slot < self.rent.slot {
            return;
        }
        if rate != self.rent.value {
            tracing::info!(
                from = self.rent.value.lamports_per_byte(),
                to = rate.lamports_per_byte(),
                slot,
                "the cluster's price of storage has changed"
            );
        }
        self.rent = Dated { value: rate, slot };
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float, and a rate a few thousand"
    )]
    fn report(&self) {
        gauge!(names::RENT_LAMPORTS_PER_BYTE).set(self.rent.value.lamports_per_byte() as f64);
        gauge!(names::SLOT_TIME_SECONDS).set(self.clock.slot_time().as_secs_f64());
    }
}
