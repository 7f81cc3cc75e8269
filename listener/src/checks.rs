//! What `/health` looks at wherever a listener runs: the RPC's slot, and the event stream.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use session_admin::{Check, CheckFailure, Health};
use session_chain::{RpcClient, RpcPool};
use tokio::sync::watch;

use crate::status::ListenerStatus;

/// A check is made of one request, which may take this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// The RPC tells its slot.
#[derive(Clone)]
pub struct RpcSlot(pub RpcPool);

#[async_trait]
impl Check for RpcSlot {
    fn name(&self) -> &'static str {
        "rpc_slot"
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        let ask = |client: Arc<RpcClient>| async move { client.get_slot().await };
        let slot = self.0.call("getSlot", Some(Instant::now() + PATIENCE), ask).await;
        slot.map(|_| Health::Good)
            .map_err(|error| CheckFailure::new(error.to_string()))
    }
}

/// The listener hears the chain, gets ahead, and can save its cursor.
#[derive(Debug, Clone)]
pub struct EventStream(pub watch::Receiver<ListenerStatus>);

#[async_trait]
impl Check for EventStream {
    fn name(&self) -> &'static str {
        "event_stream"
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        let status = self.0.borrow();
        if let Some(trouble) = status.trouble() {
            return Err(CheckFailure::new(trouble));
        }
        if let Some(withheld) = &status.withheld {
            return Ok(Health::Degraded(withheld.clone()));
        }
        if status.backpressure {
            return Ok(Health::Degraded(
                "the queue is slow; the listener waits for it".to_owned(),
            ));
        }
        Ok(Health::Good)
    }
}
