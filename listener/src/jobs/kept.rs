//! The saved watermark in an operator's hands: where it is, and another place for it.

use session_chain::RpcPool;

use crate::{
    checkpoint::lease::{Lease, Look},
    checkpoint::watermark::Mark,
    checkpoint::{
        error::WatermarkError,
        saved::{Provenance, SavedWatermark},
        watermarks::Watermarks,
    },
    config::ListenerConfig,
    error::ListenerError,
    jobs::backfill::Point,
    source::rpc::{HistoryError, ProgramHistory},
};

/// A lease that nobody renews is over after three looks; one more is for what came between.
const LOOKS_MAX: u32 = 4;

/// One program's watermark for one queue on one cluster, as it was saved.
pub struct KeptWatermark {
    history: ProgramHistory,
    saved: SavedWatermark,
    /// Whoever holds it moves the watermark; there is none where files are kept.
    lease: Option<Lease>,
}

impl KeptWatermark {
    /// The watermark of the configured program for the queue of this name, on the cluster that the endpoints serve.
    ///
    /// # Errors
    /// [`ListenerError::Cluster`] if no endpoint answers, or they don't agree.
    pub async fn open(
        config: &ListenerConfig,
        pool: RpcPool,
        watermarks: &Watermarks,
        queue: &str,
    ) -> Result<Self, ListenerError> {
        let genesis_hash = pool.verify_cluster(None).await?;
        Ok(Self {
            saved: watermarks.of(queue, &config.program_id, &genesis_hash),
            lease: config
                .lease
                .and_then(|lasts| watermarks.lease(queue, &config.program_id, &genesis_hash, lasts)),
            history: ProgramHistory::new(pool, config.program_id),
        })
    }

    /// Reads it; `None` where no listener has saved one.
    ///
    /// # Errors
    /// [`ListenerError::Watermark`].
    pub async fn load(&mut self) -> Result<Option<(Mark, Provenance)>, ListenerError> {
        let mark = self.saved.load().await?;
        Ok(mark.zip(self.saved.provenance()))
    }

    /// Where it is kept.
    #[must_use]
    pub fn location(&self) -> String {
        self.saved.location().to_owned()
    }

    /// The newest slot at the configured commitment.
    ///
    /// # Errors
    /// [`ListenerError::History`].
    pub async fn newest_slot(&self) -> Result<u64, ListenerError> {
        self.history.tip().await.map_err(unanswered("its newest slot"))
    }

    /// The slot of a point.
    ///
    /// # Errors
    /// [`ListenerError::History`] where no endpoint has the transaction.
    pub async fn slot_of(&self, point: Point) -> Result<u64, ListenerError> {
        match point {
            Point::Slot(slot) => Ok(slot),
            Point::Signature(signature) => {
                let transaction = self.history.transaction(signature).await;
                Ok(transaction.map_err(unanswered("the transaction's slot"))?.slot)
            }
        }
    }

    /// Saves it behind a point, whose slot is known: the next start reads what comes after.
    ///
    /// # Errors
    /// [`ListenerError::Watermark`] if it cannot be saved, or a listener has saved it since it was [loaded](Self::load).
    pub async fn set(&mut self, point: Point, slot: u64) -> Result<Mark, ListenerError> {
        let mark = match point {
            Point::Slot(_) => Mark { slot, signature: None },
            // Others of its slot may come after it.
            Point::Signature(signature) => Mark {
                slot: slot.saturating_sub(1),
                signature: Some(signature),
            },
        };
        self.take_turn().await?;
        let set = self.saved.set(mark).await;
        if let Some(lease) = &mut self.lease
            && let Err(error) = lease.give_back().await
        {
            tracing::warn!(%error, "the lease is not given back: a listener waits until it is over");
        }
        set?;
        Ok(mark)
    }

    async fn take_turn(&mut self) -> Result<(), WatermarkError> {
        let Some(lease) = &mut self.lease else { return Ok(()) };
        match held_by_another(lease).await? {
            None => Ok(()),
            Some(holder) => Err(WatermarkError::Leased {
                path: self.location(),
                holder,
            }),
        }
    }
}

/// Waits for a lease for as long as one lasts whose holder is gone. Answers who holds it, if that is somebody else still.
async fn held_by_another(lease: &mut Lease) -> Result<Option<String>, WatermarkError> {
    for _ in 0..LOOKS_MAX {
        match lease.look().await? {
            Look::Held { .. } => return Ok(None),
            Look::Elsewhere { again, .. } => tokio::time::sleep(again).await,
        }
    }
    Ok(match lease.look().await? {
        Look::Held { .. } => None,
        Look::Elsewhere { holder, .. } => Some(holder),
    })
}

fn unanswered(what: &'static str) -> impl FnOnce(HistoryError) -> ListenerError {
    move |error| ListenerError::History {
        what,
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use solana_pubkey::Pubkey;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_nobodys_turn_while_a_listener_renews_its_lease() {
        let store = Watermarks::in_memory();
        let lease = || {
            store
                .lease("sessions", &Pubkey::default(), "genesis", Duration::from_secs(15))
                .unwrap()
        };
        let mut listening = lease();
        assert!(matches!(listening.look().await.unwrap(), Look::Held { .. }));
        let renewing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(listening.interval()).await;
                listening.renew().await.unwrap();
            }
        });
        assert!(held_by_another(&mut lease()).await.unwrap().is_some());
        renewing.abort();
        assert_eq!(held_by_another(&mut lease()).await.unwrap(), None, "its holder is gone");
    }
}
