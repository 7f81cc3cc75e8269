//! The engine: answers batches of requests, one flight for each PDA, and owns the tasks behind them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use session_chain::replies::read_accounts;
use session_chain::{ChainError, Cluster, RpcPool};
use session_ledger::Ledger;
use solana_pubkey::Pubkey;
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::batch::error::{CreationError, EngineError, Outcome};
use crate::batch::serve::{Batch, Means};
use crate::config::EngineConfig;
use crate::delivery::blockhash::blockhashes;
use crate::delivery::courier::Courier;
use crate::delivery::read_back::read_back;
use crate::delivery::registry::Registry;
use crate::delivery::statuses::statuses;
use crate::delivery::sweep;
use crate::flights::{Answer, Claim, Flight, Flights, answer_of_other};
use crate::rehearsal::{RehearsalError, rehearse};
use crate::request::claim::CreationRequest;
use crate::request::policy::Policy;
use crate::transaction::formats::Formats;
use crate::transaction::units::Units;
use crate::treasury::hold::Treasury;
use crate::treasury::market::FeeMarket;
use crate::treasury::monitor::{Monitor, WalletStatus, wallet_statuses};
use crate::treasury::signer::SignerPool;
use crate::verify::standing::{Standing, judge};

/// Asking the chain what the engine must know takes no longer than this.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// Time to put the answers together.
const ANSWER_TIME: Duration = Duration::from_millis(20);

/// Creates session accounts, many in one transaction, and verifies them.
pub struct Engine {
    means: Means,
    flights: Flights,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Engine {
    /// Asks the chain for its rent, its transaction format and the wallets' balances, makes sure that all endpoints
    /// are of one cluster, and starts the background tasks. Money is taken from `ledger`'s budgets. Needs a Tokio
    /// runtime.
    ///
    /// # Errors
    /// [`EngineError`] if the chain does not answer within 30 s or the configuration cannot work.
    pub async fn start(
        config: EngineConfig,
        pool: RpcPool,
        signers: SignerPool,
        ledger: Arc<dyn Ledger>,
    ) -> Result<Self, EngineError> {
        Self::start_by(config, pool, signers, ledger, Instant::now() + START_PATIENCE).await
    }

    /// The same for whoever has less time: the chain is asked until `deadline`.
    ///
    /// # Errors
    /// [`EngineError`] if the chain does not answer by then, with what it said last, or the configuration cannot work.
    pub async fn start_by(
        config: EngineConfig,
        pool: RpcPool,
        signers: SignerPool,
        ledger: Arc<dyn Ledger>,
        deadline: Instant,
    ) -> Result<Self, EngineError> {
        let Some(payer) = signers.addresses().first().copied() else {
            return Err(EngineError::NoWallet);
        };
        if let Some(mark) = config
            .mark_created
            .filter(|mark| !signers.addresses().contains(&mark.authority))
        {
            return Err(EngineError::AuthorityIsNoWallet {
                authority: mark.authority,
            });
        }
        pool.verify_cluster(Some(deadline)).await?;
        let cluster = Cluster::learn(&pool, deadline).await?;
        let formats = Formats::detect(config.transaction_version, cluster.clone(), &pool, &payer, deadline).await?;
        let market = FeeMarket::default();
        let monitor = Monitor {
            pool: pool.clone(),
            signers: signers.clone(),
            cluster: cluster.clone(),
            policy: config.policy.clone(),
            market: market.clone(),
        };
        monitor.look(deadline).await?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (blockhashes, fetcher) = blockhashes(cluster.clone());
        let (statuses, poller) = statuses(cluster.clone());
        let (read_back, reader) = read_back(cluster.clone(), signers.clone());
        let courier = Courier {
            pool: pool.clone(),
            cluster: cluster.clone(),
            treasury: Treasury::new(signers, ledger, config.policy.wallet_reserve_lamports),
            market,
            blockhashes: Arc::new(blockhashes),
            statuses,
            read_back,
            registry: Registry::default(),
            rebroadcast_interval: config.rebroadcast_interval,
            room: Arc::new(Semaphore::new(config.transactions_in_flight_max)),
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(fetcher.run(pool.clone(), stop.clone()));
        tasks.spawn(poller.run(pool.clone(), stop.clone()));
        tasks.spawn(reader.run(pool.clone(), stop.clone()));
        tasks.spawn(monitor.run(config.wallet_poll_interval, stop.clone()));
        tasks.spawn(sweep::run(courier.clone(), stop.clone()));
        Ok(Self {
            means: Means {
                config: Arc::new(config),
                pool,
                cluster,
                formats,
                units: Units::default(),
                courier,
            },
            flights: Flights::default(),
            tasks,
            stop,
        })
    }

    /// The rules that requests are checked against.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.means.config.policy
    }

    /// What is known of the cluster.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.means.cluster
    }

    /// The wallets as they were last read.
    #[must_use]
    pub fn wallets(&self) -> Vec<WalletStatus> {
        wallet_statuses(&self.means.courier.treasury.signers, self.policy())
    }

    /// Serves every request and answers in order. Never runs past `deadline`: what is not done by then is
    /// [`CreationError::Deferred`], and a transaction that is out is followed all the same, for the next attempt.
    pub async fn create_batch(
        &self,
        requests: Vec<CreationRequest>,
        deadline: Instant,
    ) -> Vec<Result<Outcome, CreationError>> {
        let mut answers: Vec<Option<Answer>> = requests.iter().map(|_| None).collect();
        self.create_each(requests, deadline, |index, answer| answers[index] = Some(answer))
            .await;
        let unanswered = || Err(CreationError::no_time_left(None));
        answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(unanswered))
            .collect()
    }

    /// Serves every request and hands over each answer, with the request's place, as soon as there is one. Never runs
    /// past `deadline`; every request is answered by then.
    pub async fn create_each(
        &self,
        requests: Vec<CreationRequest>,
        deadline: Instant,
        mut answered: impl FnMut(usize, Answer),
    ) {
        let mut open: Vec<bool> = requests.iter().map(|_| true).collect();
        // What is known shortly before the deadline is answered; cutting off at the deadline itself would lose it.
        let inner_deadline = deadline.checked_sub(ANSWER_TIME).unwrap_or(deadline);
        let mut hand_over = |index: usize, answer: Answer| {
            if std::mem::take(&mut open[index]) {
                answered(index, answer);
            }
        };
        let serve = self.serve_all(&requests, &mut hand_over, inner_deadline);
        if tokio::time::timeout_at(deadline, serve).await.is_err() {
            tracing::debug!("the deadline cut a batch off");
        }
        for index in 0..requests.len() {
            hand_over(index, Err(CreationError::no_time_left(None)));
        }
    }

    /// What is at a request's address; creates nothing.
    ///
    /// # Errors
    /// [`ChainError`] if no endpoint answers before `deadline`.
    pub async fn inspect(&self, request: &CreationRequest, deadline: Instant) -> Result<Standing, ChainError> {
        let reading = read_accounts(&self.means.pool, &[request.pda], None, Some(deadline)).await?;
        let account = reading.accounts.into_iter().next().flatten();
        Ok(judge(request, account.as_ref()))
    }

    /// Has the chain simulate what would be sent for a session of `owner_program` that nobody asked for.
    ///
    /// # Errors
    /// [`RehearsalError`]: why none could be created now.
    pub async fn rehearse(&self, owner_program: Pubkey, deadline: Instant) -> Result<(), RehearsalError> {
        let means = &self.means;
        let payer = wallet_statuses(&means.courier.treasury.signers, self.policy())
            .into_iter()
            .max_by_key(|wallet| wallet.lamports)
            .map_or_else(Pubkey::default, |wallet| wallet.address);
        rehearse(&means.pool, &means.config.instruction, owner_program, payer, deadline).await
    }

    /// Stops the background tasks and waits for them. Call it after the last `create_batch` has returned.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Claims PDAs, serves the ones it got, takes over the answers for the others, until all are answered.
    async fn serve_all(
        &self,
        requests: &[CreationRequest],
        answered: &mut impl FnMut(usize, Answer),
        deadline: Instant,
    ) {
        let mut open: Vec<usize> = (0..requests.len()).collect();
        while !open.is_empty() {
            let mut mine: HashMap<Pubkey, (usize, Flight)> = HashMap::new();
            let mut others = Vec::new();
            for index in open.drain(..) {
                match self.flights.claim(requests[index].pda) {
                    Claim::Mine(flight) => drop(mine.insert(requests[index].pda, (index, flight))),
                    Claim::Others(other) => others.push((index, other)),
                }
            }
            let own = mine.values().map(|(index, _)| requests[*index].clone()).collect();
            let batch = Batch::new(&self.means, own, deadline);
            batch
                .run(|request, answer| {
                    if let Some((index, flight)) = mine.remove(&request.pda) {
                        answered(index, answer.clone());
                        flight.land(request, answer);
                    }
                })
                .await;
            let waiting = others
                .into_iter()
                .map(|(index, other)| async move { (index, answer_of_other(other, &requests[index]).await) });
            for (index, answer) in join_all(waiting).await {
                match answer {
                    Some(answer) => answered(index, answer),
                    None => open.push(index),
                }
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
