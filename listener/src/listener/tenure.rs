//! Whether this listener listens or stands by: it listens as long as it holds the lease.

use std::{sync::Arc, time::Duration};

use metrics::{counter, gauge};
use session_telemetry::names;
use tokio::{
    task::{JoinError, JoinHandle},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    checkpoint::error::WatermarkError,
    checkpoint::lease::{Lease, Look, RenewError},
    patience::{Patience, Setback, Stall},
    status::StatusBoard,
};

/// How long giving the lease back may take at the end: whoever stands by waits no longer than for the lease.
const GIVE_BACK_LIMIT: Duration = Duration::from_secs(1);

/// The time for which a listener listens.
pub(crate) struct Tenure {
    /// It ends here, whether the listener is told to stop or has lost the lease.
    pub(crate) stop: CancellationToken,
    keeper: Option<Keeper>,
}

struct Keeper {
    /// Answers whether the lease was lost.
    task: JoinHandle<bool>,
    /// Nothing is done any more that the lease is for.
    done: CancellationToken,
}

/// A lease that cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[error("the lease on listening: {0}")]
struct Unseen(WatermarkError);

impl Setback for Unseen {
    fn needs_action(&self) -> bool {
        matches!(
            self.0,
            WatermarkError::Malformed { .. } | WatermarkError::Version { .. }
        )
    }
}

impl Tenure {
    /// Stands by until the lease is this listener's; `None` if told to stop before. Without a lease there is nothing to wait for.
    pub(crate) async fn begin(
        lease: Option<Lease>,
        status: &Arc<StatusBoard>,
        patience: &Patience,
        stop: &CancellationToken,
    ) -> Option<Self> {
        let stop = stop.child_token();
        let Some(mut lease) = lease else {
            return Some(Self { stop, keeper: None });
        };
        acquire(&mut lease, status, patience).await?;
        let done = CancellationToken::new();
        let task = tokio::spawn(keep(lease, stop.clone(), done.clone()));
        Some(Self {
            stop,
            keeper: Some(Keeper { task, done }),
        })
    }

    /// Gives the lease back, now that all is done; answers whether it was lost before.
    ///
    /// # Errors
    /// The panic of the task that kept it.
    pub(crate) async fn end(self) -> Result<bool, JoinError> {
        match self.keeper {
            None => Ok(false),
            Some(Keeper { task, done }) => {
                done.cancel();
                task.await
            }
        }
    }
}

async fn acquire(lease: &mut Lease, status: &Arc<StatusBoard>, patience: &Patience) -> Option<()> {
    const WHAT: &str = "looking who listens";
    let mut stall = Stall::default();
    loop {
        match patience.wait(lease.look()).await? {
            Ok(Look::Held { taken_from }) => {
                stall.overcome(WHAT);
                if let Some(holder) = taken_from {
                    counter!(names::LISTENER_TAKEOVERS_TOTAL).increment(1);
                    tracing::warn!(%holder, "another listener has stopped renewing its lease: this one takes over");
                }
                stands_by(status, None);
                return Some(());
            }
            Ok(Look::Elsewhere { holder, again }) => {
                stall.overcome(WHAT);
                stands_by(status, Some(holder));
                patience.wait(tokio::time::sleep(again)).await?;
            }
            Err(error) => patience.bear(&mut stall, WHAT, &Unseen(error)).await?,
        }
    }
}

fn stands_by(status: &StatusBoard, holder: Option<String>) {
    gauge!(names::LISTENER_STANDBY).set(if holder.is_some() { 1.0 } else { 0.0 });
    if let Some(holder) = &holder
        && status.watch().borrow().standby.is_none()
    {
        tracing::info!(%holder, "another listener listens: this one stands by");
    }
    status.standby(holder);
}

/// Renews the lease until all is done, and gives it back; or until another listener has it. Answers whether it is lost.
async fn keep(mut lease: Lease, listening: CancellationToken, done: CancellationToken) -> bool {
    let interval = lease.interval();
    while done.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
        match timeout(interval, lease.renew()).await {
            Ok(Ok(())) => {}
            Ok(Err(RenewError::Lost)) => {
                tracing::warn!("another listener has taken over: this one stands by from now on");
                listening.cancel();
                return true;
            }
            // Whoever would take over has to see the same store. Should it, both listen for a while, which harms nobody.
            Ok(Err(RenewError::Store(error))) => tracing::warn!(%error, "the lease is not renewed"),
            Err(_) => tracing::warn!(limit = ?interval, "the lease is not renewed: its store does not answer"),
        }
    }
    if let Ok(Err(error)) = timeout(GIVE_BACK_LIMIT, lease.give_back()).await {
        tracing::warn!(%error, "the lease is not given back: whoever stands by waits for its end");
    }
    false
}
