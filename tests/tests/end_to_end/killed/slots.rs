//! When each slot was: block times are whole seconds, in which many of this test's minutes go by.

use std::{collections::BTreeMap, time::Duration};

use session_chain::CommitmentConfig;
use solana_client::nonblocking::rpc_client::RpcClient;
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep},
};

/// Often enough to see each slot.
const POLL: Duration = Duration::from_millis(20);

/// The task that looks.
pub(crate) struct Slots {
    task: JoinHandle<BTreeMap<u64, Instant>>,
    stop: oneshot::Sender<()>,
}

impl Slots {
    pub(crate) fn watch(rpc_url: String) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut seen = BTreeMap::new();
            tokio::select! {
                () = look(&rpc_url, &mut seen) => {}
                _ = stopped => {}
            }
            seen
        });
        Self { task, stop }
    }

    /// The moment at which each slot was first heard of, until now.
    pub(crate) async fn seen(self) -> BTreeMap<u64, Instant> {
        self.stop.send(()).unwrap();
        self.task.await.unwrap()
    }
}

async fn look(rpc_url: &str, seen: &mut BTreeMap<u64, Instant>) {
    let rpc = RpcClient::new_with_commitment(rpc_url.to_owned(), CommitmentConfig::processed());
    loop {
        if let Ok(slot) = rpc.get_slot().await {
            seen.entry(slot).or_insert_with(Instant::now);
        }
        sleep(POLL).await;
    }
}
