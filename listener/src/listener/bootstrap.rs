//! Where a listener begins: at its saved cursor, or where it is told to if there is none.

use session_chain::ChainError;

use crate::{
    checkpoint::cursor::SavedCursor,
    checkpoint::watermark::Mark,
    config::StartAt,
    error::ListenerError,
    patience::{Patience, Setback},
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
/// [`ListenerError::Cursor`] if the cursor cannot be read or written.
pub(crate) async fn mark(
    history: &ProgramHistory,
    patience: &Patience,
    cursor: &mut SavedCursor,
    start_at: StartAt,
) -> Result<Option<Mark>, ListenerError> {
    if let Some(mark) = cursor.load().await? {
        tracing::info!(slot = mark.slot, signature = ?mark.signature, "listening goes on from the saved cursor");
        return Ok(Some(mark));
    }
    let Some(mark) = first_mark(history, patience, start_at).await else {
        return Ok(None);
    };
    tracing::warn!(
        ?start_at,
        after_slot = mark.slot,
        "there is no saved cursor: listening begins as configured"
    );
    // A crash before the first regular save must not make this decision anew.
    cursor.advance(mark).await?;
    Ok(Some(mark))
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
            Some(Mark { slot, signature: None })
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
