//! An engine on a chain, and requests for it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use session_chain::{CommitmentConfig, Endpoint, RetryPolicy, RpcPool};
use session_engine::{CreationRequest, Engine, EngineConfig, Outcome, SignerPool};
use session_events::{session::SESSION_PROGRAM_ID, session_address};
use session_ledger::InMemoryLedger;
use solana_client::nonblocking::rpc_client::RpcClient;
use solana_pubkey::Pubkey;
use solana_sdk::signature::{Keypair, Signer};
use tokio::time::Instant;

use crate::{chain::TestChain, fault_proxy::FaultProxy};

/// A request's answer.
pub type Answer = Result<Outcome, session_engine::CreationError>;

/// How long a request may take before a test calls it lost.
pub const LIMIT: Duration = Duration::from_secs(20);

/// An engine and its wallet.
pub struct CreationRig {
    /// The engine.
    pub engine: Engine,
    /// Its connections: they count their calls.
    pub pool: RpcPool,
    /// Its only wallet.
    pub wallet: Keypair,
    /// Its books.
    pub ledger: Arc<InMemoryLedger>,
    rpc: RpcClient,
}

impl CreationRig {
    /// An engine with default settings and a wallet of 100 SOL, talking to the chain itself.
    pub async fn start(chain: &TestChain) -> Self {
        Self::start_at(chain, vec![chain.endpoint()], 100_000_000_000, EngineConfig::default()).await
    }

    /// An engine that talks to `endpoints`, which lead to `chain`, with a new wallet of so many lamports.
    pub async fn start_at(chain: &TestChain, endpoints: Vec<Endpoint>, lamports: u64, config: EngineConfig) -> Self {
        let wallet = chain.wallet(lamports).await;
        Self::start_with(chain, endpoints, wallet, config).await
    }

    /// An engine with a wallet of 10 SOL whose two endpoints, both leading to `chain`, are behind a proxy each, the preferred
    /// one's first.
    pub async fn behind_two(chain: &TestChain) -> (Self, [FaultProxy; 2]) {
        let proxies = [
            FaultProxy::start(&chain.endpoint()).await,
            FaultProxy::start(&chain.endpoint()).await,
        ];
        let endpoints = proxies.iter().map(FaultProxy::endpoint).collect();
        let rig = Self::start_at(chain, endpoints, 10_000_000_000, EngineConfig::default()).await;
        (rig, proxies)
    }

    /// The same as [`start_at`](Self::start_at) with a wallet that exists.
    pub async fn start_with(
        chain: &TestChain,
        endpoints: Vec<Endpoint>,
        wallet: Keypair,
        config: EngineConfig,
    ) -> Self {
        Self::start_on_ledger(chain, endpoints, wallet, config, Arc::default()).await
    }

    /// The same, whose money is in these books.
    pub async fn start_on_ledger(
        chain: &TestChain,
        endpoints: Vec<Endpoint>,
        wallet: Keypair,
        config: EngineConfig,
        ledger: Arc<InMemoryLedger>,
    ) -> Self {
        let request_timeout = Duration::from_secs(2);
        let retry = RetryPolicy::default();
        let pool = RpcPool::new(endpoints, CommitmentConfig::confirmed(), retry, request_timeout).unwrap();
        let signers = SignerPool::of_keypairs(vec![wallet.insecure_clone()]).unwrap();
        let engine = Engine::start(config, pool.clone(), signers, ledger.clone())
            .await
            .unwrap();
        Self {
            engine,
            pool,
            wallet,
            ledger,
            rpc: chain.rpc(),
        }
    }

    /// Serves the requests within [`LIMIT`].
    pub async fn create(&self, requests: &[CreationRequest]) -> Vec<Answer> {
        self.create_within(requests, LIMIT).await
    }

    /// Serves the requests within `limit`, and fails if it takes longer.
    pub async fn create_within(&self, requests: &[CreationRequest], limit: Duration) -> Vec<Answer> {
        let deadline = Instant::now() + limit;
        let answers = self.engine.create_batch(requests.to_vec(), deadline).await;
        assert!(
            Instant::now() < deadline + Duration::from_millis(250),
            "it ran past its deadline"
        );
        answers
    }

    /// The wallet's lamports, by the chain.
    pub async fn balance(&self) -> u64 {
        self.rpc.get_balance(&self.wallet.pubkey()).await.unwrap()
    }

    /// Fails unless every account is on chain as it was asked for, by the chain's own word.
    pub async fn assert_created(&self, requests: &[CreationRequest]) {
        for request in requests {
            let account = self.rpc.get_account(&request.pda).await.unwrap();
            assert_eq!(account.owner, request.owner_program);
            assert_eq!(account.data.len() as u64, request.size);
            assert!(account.data.iter().all(|byte| *byte == 0));
            let exempt = self
                .rpc
                .get_minimum_balance_for_rent_exemption(account.data.len())
                .await
                .unwrap();
            assert!(account.lamports >= exempt);
        }
    }

    /// Lamports of rent that the accounts hold, by the chain.
    pub async fn rent_of(&self, requests: &[CreationRequest]) -> u64 {
        let mut rent = 0;
        for request in requests {
            rent += self
                .rpc
                .get_account(&request.pda)
                .await
                .map_or(0, |account| account.lamports);
        }
        rent
    }
}

/// `count` requests of one new session owner, for accounts of `size` bytes.
#[must_use]
pub fn requests(count: usize, size: u64) -> Vec<CreationRequest> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let session_owner = Pubkey::new_unique();
    let request = |_| {
        let session_id = format!("session-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        request_of(session_owner, session_id, size)
    };
    (0..count).map(request).collect()
}

/// A request for the account of this session, of which nobody knows who asked for it and when.
///
/// # Panics
/// If the id is no seed.
#[must_use]
pub fn request_of(session_owner: Pubkey, session_id: String, size: u64) -> CreationRequest {
    let (pda, _) = session_address(&SESSION_PROGRAM_ID, &session_owner, &session_id).unwrap();
    CreationRequest {
        pda,
        owner_program: SESSION_PROGRAM_ID,
        session_owner,
        session_id,
        size,
        requester: None,
        asked_at_slot: None,
    }
}

/// Fails unless this engine created every account; gives the number of transactions that it took.
#[allow(clippy::must_use_candidate, reason = "an assertion is complete without its number")]
pub fn assert_all_created(answers: &[Answer]) -> usize {
    let mut signatures = BTreeSet::new();
    for answer in answers {
        match answer {
            Ok(Outcome::Created { signature, .. }) => signatures.insert(signature.to_string()),
            other => panic!("not created: {other:?}"),
        };
    }
    signatures.len()
}

/// Fails unless every request has its account, whoever created it.
pub fn assert_all_there(answers: &[Answer]) {
    for answer in answers {
        assert!(answer.is_ok(), "{}", answer.as_ref().unwrap_err());
    }
}
