//! Transactions whose logs the stream has cut: whole ones are fetched, at the rate that a bucket allows.
//!
//! Anybody can have logs cut, at 5,000 lamports a transaction, and a fetch is among the dearest calls that a provider
//! has. Those that find no token yet wait here, claimed; those that find no room, or whose one fetch does not
//! bring them whole, are given back, and the listing reads them as all others. Nothing is lost either way.

use std::sync::Arc;

use futures::{StreamExt, stream};
use metrics::gauge;
use session_telemetry::names;
use tokio::sync::{Notify, mpsc};

use crate::{
    checkpoint::claim::Claim,
    decode::listed::Listed,
    source::{bucket::Bucket, fetcher::Fetcher},
};

/// Transactions that may wait for their fetch: some megabytes.
pub(crate) const WAITING_MAX: usize = 16_384;

/// A transaction whose logs are cut, and whoever has taken it on.
pub(crate) type Cut = (Listed, Claim);

/// The one task that fetches them.
pub(crate) struct TruncatedFetches {
    pub(crate) fetcher: Fetcher,
    pub(crate) waiting: mpsc::Receiver<Cut>,
    pub(crate) bucket: Bucket,
    /// Asks for a listing.
    pub(crate) gap: Arc<Notify>,
}

impl TruncatedFetches {
    /// Fetches until told to stop. What still waits then is given back.
    pub(crate) async fn run(self) {
        let Self {
            fetcher,
            waiting,
            bucket,
            gap,
        } = self;
        let paced = stream::unfold((waiting, bucket), |(mut waiting, mut bucket)| async move {
            show(waiting.len());
            let cut = waiting.recv().await?;
            bucket.take().await;
            Some((cut, (waiting, bucket)))
        });
        let (patience, limit) = (fetcher.patience.clone(), fetcher.fetch_concurrency);
        let fetcher = Arc::new(fetcher);
        let fetches = paced.for_each_concurrent(limit, |(listed, claim)| {
            let (fetcher, gap) = (Arc::clone(&fetcher), Arc::clone(&gap));
            async move {
                // The listing tells what is wrong with it, and tries again.
                if fetcher.take_claimed(listed, claim).await.is_none() {
                    gap.notify_one();
                }
            }
        });
        patience.wait(fetches).await;
        show(0);
    }
}

// At most 16,384: exact as a float.
#[expect(clippy::cast_precision_loss, reason = "there is a limit")]
fn show(waiting: usize) {
    gauge!(names::LISTENER_INCOMPLETE_LOGS_WAITING).set(waiting as f64);
}
