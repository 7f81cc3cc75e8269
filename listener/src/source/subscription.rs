//! The subscription: a fast path to new transactions, and the heartbeat that shows it alive.
//!
//! Its reader never waits: what cannot be taken at once is left to the listing, which moves the watermark in any case.

use std::{sync::Arc, time::Duration};

use metrics::{counter, gauge};
use session_admin::Pulse;
use session_chain::{Endpoint, RpcPool};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    decode::wire::{Fate, LogsNotification},
    intake::slot_clock::SlotClock,
    patience::pauses,
    source::gap::Gap,
    source::heard::HeardSlot,
    source::owing::Owing,
    source::socket::{Heard, Socket, SocketError},
    status::StatusBoard,
};
use session_telemetry::names;

/// A connection that held for so long was a good one: the next failure is a new story.
const STABLE_AFTER: Duration = Duration::from_mins(1);
/// How long a connection may take to say goodbye.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// A transaction that mentions the program.
#[derive(Debug)]
pub(crate) struct Notification {
    pub(crate) signature: Signature,
    pub(crate) slot: u64,
    pub(crate) fate: Fate,
    pub(crate) logs: Vec<String>,
}

/// The one task that holds the subscription.
pub(crate) struct Subscription {
    pub(crate) pool: RpcPool,
    pub(crate) program_id: Pubkey,
    pub(crate) silence_limit: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) notifications: mpsc::Sender<Notification>,
    pub(crate) clock: Arc<SlotClock>,
    pub(crate) heard: Arc<HeardSlot>,
    pub(crate) status: Arc<StatusBoard>,
    /// Asks for a listing.
    pub(crate) gap: Arc<Gap>,
    /// What it should have brought.
    pub(crate) owing: Arc<Owing>,
    /// Shows that it makes progress.
    pub(crate) pulse: Pulse,
    pub(crate) stop: CancellationToken,
}

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
enum SubscriptionError {
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("no connection and subscriptions within {} ms", .0.as_millis())]
    ConnectTimeout(Duration),
    #[error("no sign of life for {} ms", .0.as_millis())]
    Silent(Duration),
    #[error("the listing shows {0} transactions that this subscription has not brought")]
    Owes(usize),
}

impl SubscriptionError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Socket(SocketError::Connect(_)) => "connect",
            Self::Socket(SocketError::Broken(_)) => "broken",
            Self::Socket(SocketError::Refused { .. }) => "subscribe",
            Self::Socket(SocketError::Malformed(_)) => "malformed",
            Self::Socket(SocketError::Ended) => "ended",
            Self::ConnectTimeout(_) => "connect_timeout",
            Self::Silent(_) => "silent",
            Self::Owes(_) => "owes",
        }
    }
}

impl Subscription {
    /// Connects for ever, each time to the next endpoint in order of preference, until told to stop.
    pub(crate) async fn run(self) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.reconnect()).await;
        self.set_connected(false);
    }

    async fn reconnect(&self) {
        let mut failures = 0;
        let mut delays = pauses();
        loop {
            self.pulse.beat();
            let endpoint = self.endpoint(failures);
            let since = tokio::time::Instant::now();
            let error = Box::pin(self.hold(&endpoint)).await;
            self.set_connected(false);
            counter!(names::LISTENER_DISCONNECTS_TOTAL, "reason" => error.reason()).increment(1);
            tracing::warn!(endpoint = %endpoint.label(), %error, "the subscription ended; connecting again");
            if since.elapsed() >= STABLE_AFTER {
                failures = 0;
                delays = pauses();
            } else {
                failures += 1;
            }
            if let Some(delay) = delays.next() {
                sleep(delay).await;
            }
        }
    }

    /// The preferred endpoint first, then the others in turn.
    fn endpoint(&self, failures: usize) -> Endpoint {
        let preferred = self.pool.preferred();
        let mut endpoints = self.pool.endpoints();
        endpoints.retain(|endpoint| *endpoint != preferred);
        endpoints.insert(0, preferred);
        let turn = failures % endpoints.len();
        endpoints.swap_remove(turn)
    }

    /// Holds one subscription as long as it lives.
    async fn hold(&self, endpoint: &Endpoint) -> SubscriptionError {
        let mut socket = match timeout(self.connect_timeout, self.subscribe(endpoint)).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return error.into(),
            Err(_) => return SubscriptionError::ConnectTimeout(self.connect_timeout),
        };
        tracing::info!(endpoint = %endpoint.label(), program = %self.program_id, "subscribed");
        self.owing.subscribed();
        self.set_connected(true);
        self.gap.list();
        let error = tokio::select! {
            error = self.listen(&mut socket) => error,
            owed = self.owing.too_much() => SubscriptionError::Owes(owed),
        };
        // The connection ends when it is dropped; this only gives it time to say goodbye.
        let _ = timeout(CLOSE_LIMIT, socket.close()).await;
        error
    }

    async fn subscribe(&self, endpoint: &Endpoint) -> Result<Socket, SocketError> {
        let mut socket = Socket::open(endpoint, &self.program_id, &self.pool).await?;
        loop {
            match socket.next().await? {
                Heard::Subscribed => return Ok(socket),
                heard => self.heard(heard),
            }
        }
    }

    async fn listen(&self, socket: &mut Socket) -> SubscriptionError {
        loop {
            match self.pulse.rest(timeout(self.silence_limit, socket.next())).await {
                Ok(Ok(heard)) => self.heard(heard),
                Ok(Err(error)) => return error.into(),
                Err(_) => return SubscriptionError::Silent(self.silence_limit),
            }
        }
    }

    fn heard(&self, heard: Heard) {
        match heard {
            Heard::Life | Heard::Subscribed => {}
            Heard::Slot(slot) => self.saw_slot(slot),
            Heard::Logs(notification) => self.pass_on(notification),
            Heard::Unreadable(error) => {
                tracing::warn!(%error, "a notification cannot be read: it is left to the listing");
                self.gap.leave("unreadable");
            }
        }
    }

    fn saw_slot(&self, slot: u64) {
        self.clock.saw(slot);
        self.heard.heard(slot);
        self.owing.saw_slot(slot);
        self.status.saw_slot(slot);
        #[expect(
            clippy::cast_precision_loss,
            reason = "gauges are floating point, and slots stay below 2^53"
        )]
        gauge!(names::LISTENER_LAST_SLOT).set(slot as f64);
    }

    /// Never waits: a notification that finds no room is left to the listing.
    fn pass_on(&self, LogsNotification { context, value }: LogsNotification) {
        self.clock.saw(context.slot);
        // Simulated transactions have an all-zero signature, which reads as ones in base58.
        let signature = value
            .signature
            .parse()
            .ok()
            .filter(|signature| *signature != Signature::default());
        let Some(signature) = signature else {
            return self.gap.leave("no_signature");
        };
        self.owing.heard(signature);
        let notification = Notification {
            signature,
            slot: context.slot,
            fate: value.err,
            logs: value.logs.unwrap_or_default(),
        };
        if self.notifications.try_send(notification).is_err() {
            self.gap.leave("no_room");
        }
    }

    fn set_connected(&self, connected: bool) {
        gauge!(names::LISTENER_CONNECTED).set(if connected { 1.0 } else { 0.0 });
        self.status.connected(connected);
    }
}
