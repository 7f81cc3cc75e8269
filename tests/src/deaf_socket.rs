//! A WebSocket that is half dead: it brings slots and, while it is deaf, no transactions.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{accept_async, connect_async, tungstenite::Message};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A relay in front of a node's WebSocket. It stops when dropped.
pub struct DeafSocket {
    address: SocketAddr,
    deaf: Arc<AtomicBool>,
    _stop: DropGuard,
}

impl DeafSocket {
    /// A relay that is deaf from the start.
    pub async fn start(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (deaf, stop) = (Arc::new(AtomicBool::new(true)), CancellationToken::new());
        let (hears, stopped) = (Arc::clone(&deaf), stop.clone());
        tokio::spawn(async move {
            while let Some(accepted) = stopped.run_until_cancelled(listener.accept()).await {
                let (client, _) = accepted.unwrap();
                let relay = relay(client, upstream.clone(), Arc::clone(&hears));
                let stopped = stopped.clone();
                tokio::spawn(async move { Box::pin(stopped.run_until_cancelled(relay)).await });
            }
        });
        Self {
            address,
            deaf,
            _stop: stop.drop_guard(),
        }
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// From now on it hears everything.
    pub fn hear(&self) {
        self.deaf.store(false, Ordering::Relaxed);
    }
}

/// Passes on what both sides say until one of them ends.
async fn relay(client: TcpStream, upstream: String, deaf: Arc<AtomicBool>) {
    let mut client = accept_async(client).await.unwrap();
    let (mut node, _) = connect_async(upstream).await.unwrap();
    let is_logs = |message: &Message| matches!(message, Message::Text(text) if text.contains("logsNotification"));
    loop {
        let passed = tokio::select! {
            Some(Ok(message)) = client.next() => node.send(message).await,
            Some(Ok(message)) = node.next() => {
                if deaf.load(Ordering::Relaxed) && is_logs(&message) {
                    continue;
                }
                client.send(message).await
            }
            else => return,
        };
        if passed.is_err() {
            return;
        }
    }
}
