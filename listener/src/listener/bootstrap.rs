//! Where a listener begins: at its saved watermark, or where it is told to if there is none.

use session_chain::ChainError;

use crate::{
    checkpoint::watermark::Mark,
    checkpoint::{error::WatermarkError, saved::SavedWatermark},
    config::StartAt,
    error::ListenerError,
    patience::{Patience, Setback, Stall},
    source::rpc::ProgramHistory,
};

/// An endpoint that did not say which cluster it serves.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Unknown(ChainError);

impl Setback for Unknown {
    fn needs_action(&self) -> bool {
        self.0.retryability() == session_chain::Retryability::Never
    }
}

/// The cluster's genesis hash, once all endpoints that answer agree on it; `None` if told to stop before.
///
/// # Errors
/// [`ListenerError::Cluster`] if they don't agree.
pub(crate) async fn cluster(history: &ProgramHistory, patience: &Patience) -> Result<Option<String>, ListenerError> {
    let ask = || async {
        match history.pool.verify_cluster(None).await {
            Ok(genesis) => Ok(Ok(genesis)),
            Err(different @ ChainError::WrongCluster { .. }) => Ok(Err(different)),
            Err(unknown) => Err(Unknown(unknown)),
        }
    };
    Ok(patience.insist("asking which cluster this is", ask).await.transpose()?)
}

/// The mark to begin after; `None` if told to stop before it is known.
///
/// # Errors
/// [`ListenerError::Watermark`] if the watermark cannot be read or written.
pub(crate) async fn mark(
    history: &ProgramHistory,
    patience: &Patience,
    saved: &mut SavedWatermark,
    start_at: StartAt,
) -> Result<Option<Mark>, ListenerError> {
    let Some(found) = insist_on_store(patience, saved, Wanted::Saved).await? else {
        return Ok(None);
    };
    if let Some(mark) = found {
        tracing::info!(slot = mark.slot, signature = ?mark.signature, "listening goes on from the saved watermark");
        return Ok(Some(mark));
    }
    let Some(mark) = first_mark(history, patience, start_at).await else {
        return Ok(None);
    };
    tracing::warn!(
        ?start_at,
        after_slot = mark.slot,
        "there is no saved watermark: listening begins as configured"
    );
    // A crash before the first regular save must not make this decision anew, nor may another listener.
    let begun = insist_on_store(patience, saved, Wanted::FirstOf(mark)).await?;
    Ok(begun.flatten())
}

/// What is asked of the watermark's store.
#[derive(Clone, Copy)]
enum Wanted {
    /// The mark that is saved.
    Saved,
    /// The same, and this one if there is none.
    FirstOf(Mark),
}

/// A store that does not answer for the moment.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Away(WatermarkError);

impl Setback for Away {
    fn needs_action(&self) -> bool {
        false
    }
}

/// Asks a store until it answers; `None` if told to stop before.
///
/// # Errors
/// What no repetition mends.
async fn insist_on_store(
    patience: &Patience,
    saved: &mut SavedWatermark,
    wanted: Wanted,
) -> Result<Option<Option<Mark>>, ListenerError> {
    let mut stall = Stall::default();
    loop {
        let asked = async {
            match wanted {
                Wanted::Saved => saved.load().await,
                Wanted::FirstOf(mark) => saved.begin(mark).await.map(Some),
            }
        };
        match patience.wait(asked).await {
            None => return Ok(None),
            Some(Err(error)) if error.is_passing() => {
                let borne = patience
                    .bear(&mut stall, "asking for the saved watermark", &Away(error))
                    .await;
                if borne.is_none() {
                    return Ok(None);
                }
            }
            Some(answer) => return Ok(Some(answer?)),
        }
    }
}

async fn first_mark(history: &ProgramHistory, patience: &Patience, start_at: StartAt) -> Option<Mark> {
    match start_at {
        StartAt::Genesis => Some(Mark {
            slot: 0,
            signature: None,
        }),
        StartAt::Slot(slot) => Some(Mark {
            slot: slot.saturating_sub(1),
            signature: None,
        }),
        StartAt::Now => {
            let slot = patience.insist("asking for the newest slot", || history.tip()).await?;
            // A chain that is younger than its finality has nothing before its first block, and nobody could prove that there
            // was nothing.
            let first = patience
                .insist("asking for the first block", || history.first_available())
                .await?;
            Some(Mark {
                slot: slot.max(first.saturating_sub(1)),
                signature: None,
            })
        }
        StartAt::Signature(signature) => {
            let ask = || history.transaction(signature);
            let transaction = patience
                .insist("asking for the transaction to start after", ask)
                .await?;
            Some(Mark {
                slot: transaction.slot.saturating_sub(1),
                signature: Some(signature),
            })
        }
    }
}
