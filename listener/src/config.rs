//! How a listener behaves; only binaries make one of these from the settings.

use std::time::Duration;

use session_events::{Decoder, factory::SESSION_FACTORY_ID, idl::Idl, session::SESSION_PROGRAM_ID};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;

use crate::{error::ListenerError, intake::handlers::HandlerLimits, status::AgeLimits};

/// Everything about a listener that can be chosen. `Default` is the choice for mainnet.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// The `session_factory` to listen to.
    pub program_id: Pubkey,
    /// The program that its sessions belong to: what is recovered follows from it.
    pub session_program: Pubkey,
    /// A newer IDL of it, if its events have changed since this service was built.
    pub idl: Option<Idl>,
    /// Where to begin when there is no watermark yet.
    pub start_at: StartAt,
    /// How long the lease on listening lasts after each renewal, where the watermark's store can have one; `None`: no lease, whoever
    /// runs listens.
    pub lease: Option<Duration>,
    /// How often the chain's own listing is compared with what was seen.
    pub listing_interval: Duration,
    /// The same while listings find nothing that the subscription had not delivered.
    pub listing_interval_complete: Duration,
    /// Transactions whose logs were cut that are fetched in any hour; those on top wait.
    pub truncated_fetches_per_hour: u32,
    /// Those that may wait for their fetch, claimed, some 200 bytes each. What comes on top is put into quarantine, if account
    /// state is compared; else the listing reads it.
    pub truncated_waiting_max: usize,
    /// Slots below the tip whose listing is not final yet: nodes index transactions a moment after they confirm them.
    pub listing_margin_slots: u64,
    /// How often two endpoints' listings are compared at most, while something new is not final: each time costs a listing of
    /// every endpoint. Nothing is compared where there is one endpoint.
    pub comparison_interval: Duration,
    /// Transactions that are fetched at the same time.
    pub fetch_concurrency: usize,
    /// A connection without a slot notification for so long is broken: mainnet makes one every 400 ms.
    pub silence_limit: Duration,
    /// How long a connection and its subscriptions may take.
    pub connect_timeout: Duration,
    /// Notifications between the socket and their decoding; what comes on top is left to the listing.
    pub notifications_max: usize,
    /// Transactions that may be known from notifications alone, some 200 bytes each; what comes on top is left to the listing.
    /// A listing counts what is finalized, some 13 s behind, and may come but once a minute.
    pub unlisted_max: usize,
    /// Events under way, which the queue has not settled. At this many nothing more is read.
    pub unsettled_events_max: usize,
    /// How long a batch waits for more messages (at most 50 ms by the design of this service).
    pub linger: Duration,
    /// How often the watermark is saved, if it has moved.
    pub watermark_interval: Duration,
    /// From when on the listener's silence is trouble.
    pub age_limits: AgeLimits,
    /// A task that takes longer for a step hangs: much longer than any request with all its repetitions.
    pub hung_after: Duration,
    /// How long a shutdown waits for the queue to settle what was read.
    pub drain_limit: Duration,
    /// Events that wait for each custom handler; what comes on top is dropped and counted.
    pub handler_backlog_max: usize,
    /// How long a custom handler may take over one event.
    pub handler_time_limit: Duration,
    /// The comparison with account state.
    pub reconcile: ReconcileConfig,
    /// Whether messages name who paid for their transaction, which a notification does not tell: it takes one more call
    /// for each transaction that asks for accounts and is heard live.
    pub look_up_requesters: bool,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self {
            program_id: SESSION_FACTORY_ID,
            session_program: SESSION_PROGRAM_ID,
            idl: None,
            start_at: StartAt::Now,
            lease: Some(Duration::from_secs(15)),
            listing_interval: Duration::from_secs(5),
            listing_interval_complete: Duration::from_mins(1),
            truncated_fetches_per_hour: 3_600,
            truncated_waiting_max: 16_384,
            listing_margin_slots: 8,
            comparison_interval: Duration::from_secs(10),
            fetch_concurrency: 8,
            silence_limit: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            notifications_max: 4_096,
            unlisted_max: 65_536,
            unsettled_events_max: 1_000,
            linger: Duration::from_millis(20),
            watermark_interval: Duration::from_secs(1),
            age_limits: AgeLimits::default(),
            hung_after: Duration::from_mins(3),
            drain_limit: Duration::from_secs(10),
            handler_backlog_max: 1_024,
            handler_time_limit: Duration::from_secs(10),
            reconcile: ReconcileConfig::default(),
            look_up_requesters: false,
        }
    }
}

/// How the factory's accounts are compared with the sessions that exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconcileConfig {
    /// How often; `None`: only when asked to.
    pub interval: Option<Duration>,
    /// A request is left alone for so long, because its event is probably under way.
    pub min_age: Duration,
    /// A session that was queued is not queued again by a comparison before so long, and each time twice as long.
    pub requeue_after: Duration,
    /// Calls of a comparison a second, at most; 0: no limit.
    pub calls_per_second: u32,
}

impl Default for ReconcileConfig {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_mins(10)),
            min_age: Duration::from_mins(1),
            requeue_after: Duration::from_hours(1),
            calls_per_second: 10,
        }
    }
}

/// Where to begin when no watermark was saved. It is never guessed: whatever applies is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// With the first slot after the start.
    Now,
    /// With the program's first transaction that the node still has.
    Genesis,
    /// With this slot.
    Slot(u64),
    /// With the transaction after this one.
    Signature(Signature),
}

/// Fewer unsettled events than one transaction can have would stop the listener for good.
const UNSETTLED_EVENTS_MIN: usize = 100;
/// The longest that a message may wait for others.
const LINGER_MAX: Duration = Duration::from_millis(50);

impl ListenerConfig {
    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), ListenerError> {
        let refuse = |setting, value: String, expected| {
            Err(ListenerError::Setting {
                setting,
                value,
                expected,
            })
        };
        if self.unsettled_events_max < UNSETTLED_EVENTS_MIN {
            return refuse(
                "unsettled_events_max",
                self.unsettled_events_max.to_string(),
                "at least 100",
            );
        }
        if self.linger > LINGER_MAX {
            return refuse("linger", format!("{:?}", self.linger), "at most 50 ms");
        }
        let counts = [
            ("notifications_max", self.notifications_max),
            ("unlisted_max", self.unlisted_max),
            ("fetch_concurrency", self.fetch_concurrency),
            ("truncated_waiting_max", self.truncated_waiting_max),
            ("handler_backlog_max", self.handler_backlog_max),
        ];
        if let Some((setting, value)) = counts.into_iter().find(|(_, value)| *value == 0) {
            return refuse(setting, value.to_string(), "at least 1");
        }
        let times = [
            ("listing_interval", Some(self.listing_interval)),
            ("watermark_interval", Some(self.watermark_interval)),
            ("silence_limit", Some(self.silence_limit)),
            ("handler_time_limit", Some(self.handler_time_limit)),
            ("reconcile.interval", self.reconcile.interval),
        ];
        match times
            .into_iter()
            .find(|(_, time)| time.is_some_and(|time| time.is_zero()))
        {
            Some((setting, _)) => refuse(setting, "0".to_owned(), "more than 0"),
            None => Ok(()),
        }
    }

    /// What each custom handler may take.
    pub(crate) fn handler_limits(&self) -> HandlerLimits {
        HandlerLimits {
            backlog_max: self.handler_backlog_max,
            time: self.handler_time_limit,
        }
    }

    /// What reads this configuration's events.
    pub(crate) fn decoder(&self) -> Result<Decoder, ListenerError> {
        let decoder = match &self.idl {
            Some(idl) => Decoder::with_idl(&self.program_id, idl)?,
            None => Decoder::new(&self.program_id),
        };
        Ok(decoder.with_session_program(&self.session_program))
    }
}
