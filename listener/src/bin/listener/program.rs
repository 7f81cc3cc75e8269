//! Whether there is a program to listen to: one that isn't there would be listened to for ever, and nothing would be wrong.

use std::time::Duration;

use session_chain::{
    RpcPool,
    replies::{Deployment, deployments},
};
use solana_pubkey::Pubkey;
use tokio::time::{Instant, sleep};

/// How long the endpoints have for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// Before they are asked again.
const PAUSE: Duration = Duration::from_secs(5);

/// Why there is nothing to listen to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoProgram {
    #[error(
        "service.program_id: no program is at {address} on this cluster, by every endpoint's word; deploy it there, set \
         service.program_id to the program that is, or mend rpc.url"
    )]
    Missing { address: Pubkey },
    #[error("service.program_id: what is at {address} is an account and no program; set it to the program")]
    NotExecutable { address: Pubkey },
}

/// Says so if no program is there; says nothing, for ever, if one is. While nobody answers it asks on: that is no evidence.
pub(crate) async fn missing(pool: &RpcPool, address: Pubkey) -> NoProgram {
    loop {
        let deadline = Some(Instant::now() + ANSWERED_WITHIN);
        match deployments(pool, &[address], deadline).await.as_deref() {
            Ok([Deployment::NotExecutable]) => return NoProgram::NotExecutable { address },
            Ok([Deployment::Missing]) => return NoProgram::Missing { address },
            Ok(_) => return std::future::pending().await,
            Err(error) => {
                tracing::warn!(%error, %address, "nobody says whether the program is there; asked again in {PAUSE:?}");
                sleep(PAUSE).await;
            }
        }
    }
}
