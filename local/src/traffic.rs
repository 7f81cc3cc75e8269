//! Requests sessions on the embedded chain at a gentle rate, as users of `session_factory` would.

use std::{sync::Arc, time::Duration};

use session_chain::CommitmentConfig;
use session_events::factory::{self, SessionRequest};
use solana_client::{
    client_error::ClientError, nonblocking::rpc_client::RpcClient, rpc_config::RpcSendTransactionConfig,
};
use solana_pubkey::Pubkey;
use solana_sdk::{
    hash::Hash,
    instruction::Instruction,
    signature::{Keypair, Signature, Signer},
    transaction::Transaction,
};
use solana_transaction_status_client_types::TransactionStatus;
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How many requests may be on their way to the node at once.
const SENDING_MAX: usize = 64;
/// How many may wait for their confirmation.
const UNCONFIRMED_MAX: usize = 4_096;
/// How often confirmations are asked for, as many at once as a node answers.
const CONFIRM_EVERY: Duration = Duration::from_millis(250);
/// A node answers so many signatures at once (`getSignatureStatuses`).
const STATUSES_MAX: usize = 256;
/// A request that is not confirmed by then is made again.
const UNCONFIRMED_AFTER: Duration = Duration::from_secs(30);
/// How long a blockhash is used for further requests: a fraction of its life.
const BLOCKHASH_AGE_MAX: Duration = Duration::from_secs(2);
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
    /// The newest blockhash, and when it was asked for.
    blockhash: Mutex<Option<(Hash, Instant)>>,
}

/// A request that was sent.
#[derive(Debug, Clone, Copy)]
struct Unconfirmed {
    number: u64,
    signature: Signature,
    sent_at: Instant,
    tries: u32,
}

/// What became of it so far.
enum Judged {
    Confirmed,
    Open(Unconfirmed),
    Lost,
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
            blockhash: Mutex::default(),
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
        let (sent, unconfirmed) = mpsc::channel(UNCONFIRMED_MAX);
        let confirming = tokio::spawn(Arc::clone(&traffic).confirm(unconfirmed));
        let slots = Arc::new(Semaphore::new(SENDING_MAX));
        let requests = TaskTracker::new();
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / plan.rate_per_second));
        // What a busy machine is late with is made up for, so that the rate is the rate.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for number in 1..=plan.sessions.unwrap_or(u64::MAX) {
            let next = async {
                ticks.tick().await;
                Arc::clone(&slots).acquire_owned().await
            };
            let Some(Ok(slot)) = stop.run_until_cancelled(next).await else {
                break;
            };
            let (traffic, sent) = (Arc::clone(&traffic), sent.clone());
            requests.spawn(async move {
                if let Some(request) = traffic.request_once(number, 1).await {
                    // The other end waits for all of them.
                    let _ = sent.send(request).await;
                }
                drop(slot);
            });
        }
        requests.close();
        requests.wait().await;
        drop(sent);
        confirming.await.unwrap_or_default()
    }

    /// Signs and sends a request, and says what is to be confirmed.
    async fn request_once(&self, number: u64, tries: u32) -> Option<Unconfirmed> {
        let (session_id, namespaces) = shape(number);
        match self.send_once(session_id, namespaces).await {
            Ok(signature) => Some(Unconfirmed {
                number,
                signature,
                sent_at: Instant::now(),
                tries,
            }),
            Err(error) => {
                tracing::error!(number, %error, "session not requested");
                None
            }
        }
    }

    /// Counts confirmations until everything that was sent has one, or has been tried often enough.
    async fn confirm(self: Arc<Self>, mut sent: mpsc::Receiver<Unconfirmed>) -> u64 {
        let (mut waiting, mut confirmed) = (Vec::new(), 0);
        loop {
            tokio::time::sleep(CONFIRM_EVERY).await;
            let ended = sent.is_closed() && sent.is_empty();
            while let Ok(request) = sent.try_recv() {
                waiting.push(request);
            }
            if ended && waiting.is_empty() {
                return confirmed;
            }
            let mut left = Vec::with_capacity(waiting.len());
            for requests in waiting.chunks(STATUSES_MAX) {
                let signatures: Vec<Signature> = requests.iter().map(|request| request.signature).collect();
                let statuses = self.rpc.get_signature_statuses(&signatures).await;
                let statuses = statuses.map_or_else(|_| vec![None; requests.len()], |answer| answer.value);
                for (request, status) in requests.iter().zip(statuses) {
                    match self.judge(*request, status).await {
                        Judged::Confirmed => confirmed += 1,
                        Judged::Open(request) => left.push(request),
                        Judged::Lost => {}
                    }
                }
            }
            waiting = left;
        }
    }

    async fn judge(&self, request: Unconfirmed, status: Option<TransactionStatus>) -> Judged {
        let number = request.number;
        match status {
            // What failed was made again, and the first one had made it after all: a session is requested once.
            Some(status) if status.err.is_some() && request.tries > 1 => Judged::Confirmed,
            Some(status) if status.err.is_some() => {
                tracing::error!(number, error = ?status.err, "session not requested");
                Judged::Lost
            }
            Some(status) if status.satisfies_commitment(CommitmentConfig::confirmed()) => Judged::Confirmed,
            _ if request.sent_at.elapsed() < UNCONFIRMED_AFTER => Judged::Open(request),
            _ if request.tries >= TRIES_MAX => {
                tracing::error!(number, "session not requested: never confirmed");
                Judged::Lost
            }
            _ => match self.request_once(number, request.tries + 1).await {
                Some(request) => Judged::Open(request),
                None => Judged::Lost,
            },
        }
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
        let instruction = self.request_instruction(session_id, namespaces)?;
        self.send(&[instruction], &what).await
    }

    fn request_instruction(
        &self,
        session_id: String,
        namespaces: Vec<String>,
    ) -> Result<Instruction, factory::InstructionError> {
        let request = SessionRequest {
            owner: self.requester.pubkey(),
            eval_program: Pubkey::new_unique(),
            session_id,
            namespaces,
            shard_address: SHARD,
        };
        let payer = self.requester.pubkey();
        factory::request_session_creation(&factory::SESSION_FACTORY_ID, &payer, &request)
    }

    /// Sends without waiting for anything but the node's word that it has it.
    async fn send_once(&self, session_id: String, namespaces: Vec<String>) -> Result<Signature, TrafficError> {
        let what = format!("the request of {session_id:?}");
        let not_sent = |source| TrafficError::NotConfirmed {
            what: what.clone(),
            source: Box::new(source),
        };
        let instruction = self.request_instruction(session_id, namespaces)?;
        let transaction = self.signed(&[instruction]).await.map_err(not_sent)?;
        let config = RpcSendTransactionConfig {
            skip_preflight: true,
            ..RpcSendTransactionConfig::default()
        };
        match (
            self.rpc.send_transaction_with_config(&transaction, config).await,
            transaction.signatures.first(),
        ) {
            (Ok(signature), _) => Ok(signature),
            // A node that has not answered may have it all the same; whoever confirms finds out.
            (Err(error), Some(signature)) if error.get_transaction_error().is_none() => {
                tracing::debug!(%error, "{what} may have been sent");
                Ok(*signature)
            }
            (Err(error), _) => Err(not_sent(error)),
        }
    }

    async fn signed(&self, instructions: &[Instruction]) -> Result<Transaction, ClientError> {
        let blockhash = self.blockhash().await?;
        let payer = self.requester.pubkey();
        Ok(Transaction::new_signed_with_payer(
            instructions,
            Some(&payer),
            &[&self.requester],
            blockhash,
        ))
    }

    async fn blockhash(&self) -> Result<Hash, ClientError> {
        let mut kept = self.blockhash.lock().await;
        if let Some((blockhash, asked_at)) = *kept
            && asked_at.elapsed() < BLOCKHASH_AGE_MAX
        {
            return Ok(blockhash);
        }
        let blockhash = self.rpc.get_latest_blockhash().await?;
        *kept = Some((blockhash, Instant::now()));
        Ok(blockhash)
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
        let transaction = self.signed(instructions).await?;
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
