//! The subscription: a fast path to new transactions, and the heartbeat that shows it alive (pitfalls 5 and 6).
//!
//! The client's own channel is unbounded, so it is emptied by a task that never waits. What its reader cannot take at
//! once is left to the listing, which moves the cursor in any case.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use metrics::{counter, gauge};
use session_chain::{Endpoint, RpcPool};
use solana_client::{
    nonblocking::pubsub_client::{PubsubClient, PubsubClientError},
    rpc_config::{RpcTransactionLogsConfig, RpcTransactionLogsFilter},
    rpc_response::{Response, RpcLogsResponse},
};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{patience::pauses, slot_clock::SlotClock, status::StatusBoard};
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
    pub(crate) failed: bool,
    pub(crate) logs: Vec<String>,
}

/// The one task that holds the subscription.
pub(crate) struct Live {
    pub(crate) pool: RpcPool,
    pub(crate) program_id: Pubkey,
    pub(crate) silence_limit: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) notifications: mpsc::Sender<Notification>,
    pub(crate) clock: Arc<SlotClock>,
    pub(crate) status: Arc<StatusBoard>,
    /// Asks for a listing.
    pub(crate) gap: Arc<Notify>,
    pub(crate) stop: CancellationToken,
}

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
enum LiveError {
    #[error("no connection: {0}")]
    Connect(Box<PubsubClientError>),
    #[error("no connection and subscriptions within {} ms", .0.as_millis())]
    ConnectTimeout(Duration),
    #[error("the subscription was refused: {0}")]
    Subscribe(Box<PubsubClientError>),
    #[error("the connection ended")]
    Ended,
    #[error("no slot notification for {} ms", .0.as_millis())]
    Silent(Duration),
}

impl LiveError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::ConnectTimeout(_) => "connect_timeout",
            Self::Subscribe(_) => "subscribe",
            Self::Ended => "ended",
            Self::Silent(_) => "silent",
        }
    }
}

impl Live {
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
    async fn hold(&self, endpoint: &Endpoint) -> LiveError {
        let client = match timeout(self.connect_timeout, PubsubClient::new(endpoint.ws.as_str())).await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return LiveError::Connect(Box::new(error)),
            Err(_) => return LiveError::ConnectTimeout(self.connect_timeout),
        };
        let error = self.listen(&client, endpoint).await;
        // Its task ends with the client in any case; this only gives it time to say goodbye.
        let _ = timeout(CLOSE_LIMIT, client.shutdown()).await;
        error
    }

    async fn listen(&self, client: &PubsubClient, endpoint: &Endpoint) -> LiveError {
        let filter = RpcTransactionLogsFilter::Mentions(vec![self.program_id.to_string()]);
        let config = RpcTransactionLogsConfig {
            commitment: Some(self.pool.commitment()),
        };
        let subscriptions = async { tokio::try_join!(client.logs_subscribe(filter, config), client.slot_subscribe()) };
        let ((mut logs, _), (mut slots, _)) = match timeout(self.connect_timeout, subscriptions).await {
            Ok(Ok(subscriptions)) => subscriptions,
            Ok(Err(error)) => return LiveError::Subscribe(Box::new(error)),
            Err(_) => return LiveError::ConnectTimeout(self.connect_timeout),
        };
        tracing::info!(endpoint = %endpoint.label(), program = %self.program_id, "subscribed");
        self.set_connected(true);
        self.gap.notify_one();
        let silence = sleep(self.silence_limit);
        tokio::pin!(silence);
        loop {
            tokio::select! {
                slot = slots.next() => match slot {
                    Some(info) => {
                        silence.as_mut().reset(tokio::time::Instant::now() + self.silence_limit);
                        self.saw_slot(info.slot);
                    }
                    None => return LiveError::Ended,
                },
                notification = logs.next() => match notification {
                    Some(notification) => self.pass_on(notification),
                    None => return LiveError::Ended,
                },
                () = &mut silence => return LiveError::Silent(self.silence_limit),
            }
        }
    }

    fn saw_slot(&self, slot: u64) {
        self.clock.saw(slot);
        self.status.saw_slot(slot);
        #[expect(
            clippy::cast_precision_loss,
            reason = "gauges are floating point, and slots stay below 2^53"
        )]
        gauge!(names::LISTENER_LAST_SLOT).set(slot as f64);
    }

    /// Never waits: a notification that finds no room is left to the listing.
    fn pass_on(&self, Response { context, value }: Response<RpcLogsResponse>) {
        self.clock.saw(context.slot);
        // Simulated transactions have an all-zero signature, which reads as ones in base58 (pitfall 9).
        let signature = value
            .signature
            .parse()
            .ok()
            .filter(|signature| *signature != Signature::default());
        let Some(signature) = signature else {
            return left("no_signature");
        };
        let notification = Notification {
            signature,
            slot: context.slot,
            failed: value.err.is_some(),
            logs: value.logs,
        };
        if self.notifications.try_send(notification).is_err() {
            left("no_room");
        }
    }

    fn set_connected(&self, connected: bool) {
        gauge!(names::LISTENER_CONNECTED).set(if connected { 1.0 } else { 0.0 });
        self.status.connected(connected);
    }
}

/// Counts a notification that the listing has to make up for.
pub(crate) fn left(reason: &'static str) {
    counter!(names::LISTENER_NOTIFICATIONS_LEFT_TOTAL, "reason" => reason).increment(1);
}
