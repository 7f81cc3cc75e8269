//! Requests sessions on the embedded chain at a gentle rate, as users of `session_factory` would.

use std::{sync::Arc, time::Duration};

use session_chain::CommitmentConfig;
use session_events::factory::{self, SessionRequest};
use solana_client::{client_error::ClientError, nonblocking::rpc_client::RpcClient};
use solana_pubkey::Pubkey;
use solana_sdk::{
    instruction::Instruction,
    signature::{Keypair, Signature, Signer},
    transaction::Transaction,
};
use tokio::{sync::Semaphore, time::MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How many requests may wait for their confirmation at once.
const IN_FLIGHT_MAX: usize = 64;
/// How often one request is signed and sent before it counts as not made.
const TRIES_MAX: u32 = 5;

/// The sessions' shard. It owns no account, so that nobody takes it for the session program.
const SHARD: Pubkey = Pubkey::from_str_const("Shard11111111111111111111111111111111111111");

/// The id and the namespaces of a session, on which the size of its account depends: 184, 208, 360 and 168 bytes in turn.
fn shape(number: u64) -> (String, Vec<String>) {
    let named = format!("session-{number:05}");
    let namespaces = |count: u64| -> Vec<String> { (1..=count).map(|index| format!("namespace-{index:04}")).collect() };
    match number % 4 {
        1 => (named, vec!["games".to_owned()]),
        2 => (named, [namespaces(1), vec!["games".to_owned()]].concat()),
        3 => (named, namespaces(10)),
        _ => (format!("s{number:05}"), Vec::new()),
    }
}

/// What traffic to make.
#[derive(Debug, Clone, Copy)]
pub struct TrafficPlan {
    /// Sessions to request; without end if absent.
    pub sessions: Option<u64>,
    /// Requests a second.
    pub rate_per_second: f64,
}

/// A user of `session_factory` with a funded wallet.
pub struct Traffic {
    rpc: RpcClient,
    requester: Keypair,
}

/// The factory's one-time initialisation, or a request, could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// The chain refused or lost the transaction.
    #[error("{what} was not confirmed: {source}")]
    NotConfirmed {
        /// What was to be done.
        what: String,
        /// What the RPC client says.
        source: Box<ClientError>,
    },
    /// The instruction cannot be made.
    #[error(transparent)]
    BadInstruction(#[from] factory::InstructionError),
}

impl Traffic {
    /// A user who pays with `requester` on the chain at `rpc_url`.
    #[must_use]
    pub fn new(rpc_url: String, requester: Keypair) -> Self {
        Self {
            rpc: RpcClient::new_with_commitment(rpc_url, CommitmentConfig::confirmed()),
            requester,
        }
    }

    /// Initialises the factory; must come before the first request, once per chain.
    ///
    /// # Errors
    /// [`TrafficError`] where the transaction is not confirmed.
    pub async fn initialize_factory(&self) -> Result<Signature, TrafficError> {
        let instruction = factory::initialize(&factory::SESSION_FACTORY_ID, &self.requester.pubkey())?;
        self.send(&[instruction], "the factory's initialisation").await
    }

    /// Requests sessions as planned until done or stopped, then waits for what is under way. Answers how many were
    /// confirmed.
    pub async fn run(self, plan: TrafficPlan, stop: CancellationToken) -> u64 {
        let traffic = Arc::new(self);
        let slots = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
        let confirmed = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let requests = TaskTracker::new();
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / plan.rate_per_second));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 1..=plan.sessions.unwrap_or(u64::MAX) {
            let next = async {
                ticks.tick().await;
                Arc::clone(&slots).acquire_owned().await
            };
            let Some(Ok(slot)) = stop.run_until_cancelled(next).await else {
                break;
            };
            let (traffic, confirmed) = (Arc::clone(&traffic), Arc::clone(&confirmed));
            requests.spawn(async move {
                match traffic.request(number).await {
                    Ok(_signature) => {
                        confirmed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                    Err(error) => tracing::error!(number, %error, "session not requested"),
                }
                drop(slot);
            });
        }
        requests.close();
        requests.wait().await;
        confirmed.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Requests one session, named by its number.
    ///
    /// # Errors
    /// [`TrafficError`] where the transaction is not confirmed.
    pub async fn request(&self, number: u64) -> Result<Signature, TrafficError> {
        let (session_id, namespaces) = shape(number);
        self.request_session(session_id, namespaces).await
    }

    /// Requests one session of any name.
    ///
    /// # Errors
    /// [`TrafficError`] where the transaction is not confirmed.
    pub async fn request_named(&self, session_id: &str) -> Result<Signature, TrafficError> {
        self.request_session(session_id.to_owned(), Vec::new()).await
    }

    async fn request_session(&self, session_id: String, namespaces: Vec<String>) -> Result<Signature, TrafficError> {
        let what = format!("the request of {session_id:?}");
        let request = SessionRequest {
            owner: self.requester.pubkey(),
            eval_program: Pubkey::new_unique(),
            session_id,
            namespaces,
            shard_address: SHARD,
        };
        let payer = self.requester.pubkey();
        let instruction = factory::request_session_creation(&factory::SESSION_FACTORY_ID, &payer, &request)?;
        self.send(&[instruction], &what).await
    }

    async fn send(&self, instructions: &[Instruction], what: &str) -> Result<Signature, TrafficError> {
        let mut tries = 1;
        loop {
            match self.try_send(instructions).await {
                Ok(signature) => return Ok(signature),
                Err(error) if tries >= TRIES_MAX || error.get_transaction_error().is_some() => {
                    return Err(TrafficError::NotConfirmed {
                        what: what.to_owned(),
                        source: Box::new(error),
                    });
                }
                Err(error) => {
                    tracing::debug!(tries, %error, "{what} sent again");
                    tries += 1;
                }
            }
        }
    }

    async fn try_send(&self, instructions: &[Instruction]) -> Result<Signature, ClientError> {
        let blockhash = self.rpc.get_latest_blockhash().await?;
        let transaction = Transaction::new_signed_with_payer(
            instructions,
            Some(&self.requester.pubkey()),
            &[&self.requester],
            blockhash,
        );
        self.rpc.send_and_confirm_transaction(&transaction).await
    }
}

#[cfg(test)]
mod tests {
    use session_events::factory::session_size;

    use super::*;

    #[test]
    fn sizes_differ_from_session_to_session_and_ids_never_repeat() {
        let sizes = (1..=8).map(|number| {
            let (session_id, namespaces) = shape(number);
            session_size(&session_id, &namespaces)
        });
        assert_eq!(sizes.collect::<Vec<_>>(), [184, 208, 360, 168, 184, 208, 360, 168]);
        let ids: std::collections::HashSet<_> = (1..2_000).map(|number| shape(number).0).collect();
        assert_eq!(ids.len(), 1_999);
    }
}
