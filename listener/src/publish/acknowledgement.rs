//! Waits for the queue to be done with what it accepted, and settles it.

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::publish::publisher::Sent;

/// Runs until the publisher has ended and everything that it sent is settled, or until `abort`.
pub(crate) async fn settle_all(sent: mpsc::Receiver<Sent>, abort: CancellationToken) {
    abort.run_until_cancelled(settle(sent)).await;
}

async fn settle(mut sent: mpsc::Receiver<Sent>) {
    let mut unsettled = FuturesUnordered::new();
    let mut open = true;
    while open || !unsettled.is_empty() {
        tokio::select! {
            next = sent.recv(), if open => match next {
                Some(Sent { settled, receipt }) => unsettled.push(async move { (settled.wait().await, receipt) }),
                None => open = false,
            },
            Some((settled, receipt)) = unsettled.next() => {
                // A queue that went away has settled nothing: the watermark stays, and the transaction is read again.
                if settled {
                    receipt.settles.settle();
                }
            }
        }
    }
}
