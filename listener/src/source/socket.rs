//! One WebSocket connection with the two subscriptions that a listener needs (Solana RPC, "logsSubscribe" and
//! "slotSubscribe").
//!
//! A client library would put notifications into a channel without bounds and drop those whose fields it doesn't know; here
//! each is read when its reader has time for it, and as tolerantly as all replies.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use session_chain::{Credits, Endpoint, RpcPool};
use solana_pubkey::Pubkey;
use tokio::{
    net::TcpStream,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error as WebSocketError, Message},
};

use crate::decode::wire::{LogsNotification, SlotNotification};

/// Ids of the two requests.
const LOGS_REQUEST: u64 = 1;
const SLOTS_REQUEST: u64 = 2;
/// A node that sends nothing of its own shows by its answers that it is there.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// What is heard next.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The node is there.
    Life,
    /// The logs of transactions are subscribed: from now on they come.
    Subscribed,
    /// A slot has begun.
    Slot(u64),
    /// A transaction mentions the program.
    Logs(LogsNotification),
    /// A notification that does not say what it must.
    Unreadable(serde_json::Error),
}

/// Why a connection is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("no connection: {0}")]
    Connect(#[source] Box<WebSocketError>),
    #[error("the connection broke: {0}")]
    Broken(#[source] Box<WebSocketError>),
    #[error("the node refuses to subscribe the program's logs: {reason}")]
    Refused { reason: String },
    #[error("the node sends what is no message of JSON-RPC: {0}")]
    Malformed(#[source] serde_json::Error),
    #[error("the connection ended")]
    Ended,
}

/// A connection.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Number of each subscription, once it stands.
    logs: Option<u64>,
    slots: Option<u64>,
    pings: Interval,
    /// What comes through is paid for.
    credits: Credits,
}

/// Anything that a node sends.
#[derive(Debug, Deserialize)]
struct Frame {
    #[serde(default)]
    id: Option<u64>,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    params: Option<Notified>,
}

#[derive(Debug, Deserialize)]
struct Notified {
    subscription: u64,
    result: Value,
}

impl Socket {
    /// Connects, and asks for the subscriptions.
    pub(crate) async fn open(endpoint: &Endpoint, program_id: &Pubkey, pool: &RpcPool) -> Result<Self, SocketError> {
        let (commitment, credits) = (pool.commitment(), pool.credits().clone());
        credits.opened_stream();
        let connected = connect_async(&endpoint.ws).await;
        let (mut stream, _) = connected.map_err(|error| SocketError::Connect(Box::new(error)))?;
        let requests = [
            json!({"jsonrpc": "2.0", "id": LOGS_REQUEST, "method": "logsSubscribe",
                "params": [{"mentions": [program_id.to_string()]}, {"commitment": commitment.commitment}]}),
            json!({"jsonrpc": "2.0", "id": SLOTS_REQUEST, "method": "slotSubscribe", "params": []}),
        ];
        for request in requests {
            stream.send(Message::text(request.to_string())).await.map_err(broken)?;
        }
        let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            stream,
            logs: None,
            slots: None,
            pings,
            credits,
        })
    }

    /// Waits for what comes next. Can be given up and called again: nothing is lost.
    pub(crate) async fn next(&mut self) -> Result<Heard, SocketError> {
        loop {
            let message = tokio::select! {
                message = self.stream.next() => message,
                _ = self.pings.tick() => {
                    self.stream.send(Message::Ping(Vec::new().into())).await.map_err(broken)?;
                    continue;
                }
            };
            return match message {
                None | Some(Ok(Message::Close(_))) => Err(SocketError::Ended),
                Some(Err(error)) => Err(broken(error)),
                Some(Ok(Message::Text(text))) => {
                    self.credits.streamed(text.len());
                    self.read(&text)
                }
                // Whoever answers pings may stand before a node that is dead: where slots are subscribed, they are its life.
                Some(Ok(_)) if self.slots.is_some() => continue,
                Some(Ok(_)) => Ok(Heard::Life),
            };
        }
    }

    /// Says goodbye.
    pub(crate) async fn close(mut self) {
        // The connection is dropped next: whether the other side hears it changes nothing.
        let _ = self.stream.close(None).await;
    }

    fn read(&mut self, text: &str) -> Result<Heard, SocketError> {
        let frame: Frame = serde_json::from_str(text).map_err(SocketError::Malformed)?;
        if let Some(Notified { subscription, result }) = frame.params {
            return Ok(self.notified(subscription, result));
        }
        let number = frame.result.as_ref().and_then(Value::as_u64);
        match (frame.id, number) {
            (Some(LOGS_REQUEST), Some(number)) => {
                self.logs = Some(number);
                Ok(Heard::Subscribed)
            }
            (Some(LOGS_REQUEST), None) => Err(SocketError::Refused {
                reason: frame.error.or(frame.result).unwrap_or_default().to_string(),
            }),
            (Some(SLOTS_REQUEST), None) => {
                let reason = frame.error.or(frame.result).unwrap_or_default();
                tracing::warn!(%reason, "the node gives no slots; its answers to pings are its signs of life");
                Ok(Heard::Life)
            }
            (Some(SLOTS_REQUEST), number) => {
                self.slots = number;
                Ok(Heard::Life)
            }
            _ => Ok(Heard::Life),
        }
    }

    fn notified(&self, subscription: u64, result: Value) -> Heard {
        let heard = if self.logs == Some(subscription) {
            serde_json::from_value::<LogsNotification>(result).map(Heard::Logs)
        } else if self.slots == Some(subscription) {
            serde_json::from_value::<SlotNotification>(result).map(|notification| Heard::Slot(notification.slot))
        } else {
            Ok(Heard::Life)
        };
        heard.unwrap_or_else(Heard::Unreadable)
    }
}

fn broken(error: WebSocketError) -> SocketError {
    SocketError::Broken(Box::new(error))
}
