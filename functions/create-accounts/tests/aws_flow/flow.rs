//! The parts of the AWS flow, started and joined as the template in `infra/` joins them.

use std::{path::Path, sync::Arc, time::Duration};

use session_builder::handling::{Handling, HandlingParts, Readied};
use session_chain::{Endpoint, rpc_pool_of};
use session_config::{QueueKind, Settings};
use session_engine::SignerPool;
use session_events::{PdaComputedEvent, factory::SessionRequest, session::SESSION_PROGRAM_ID};
use session_queue::{Queue, ReceiveRequest, ReceivedMessage};
use session_tests::{
    chain::TestChain,
    lambda::Lambda,
    listener_process::ListenerProcess,
    rig::Recorder,
    sqs_server::{QueueAttributes, QueuePair, SqsServer},
    wait,
};
use solana_sdk::signature::{Keypair, Signer};
use tempfile::TempDir;

/// How long anything may take that should take seconds.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);
/// The receives of `infra/template.yaml`. The timeout is short, so that a batch whose function has died comes back while
/// a test waits.
pub(crate) const QUEUE: QueueAttributes = QueueAttributes {
    visibility_timeout: Duration::from_secs(6),
    max_receive_count: 5,
};
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(5);
/// What the function's wallet starts with.
pub(crate) const FUNDS_LAMPORTS: u64 = 100_000_000_000;

/// A running flow.
pub(crate) struct Flow {
    pub(crate) chain: Arc<TestChain>,
    pub(crate) lambda: Lambda,
    pub(crate) recorder: Arc<Recorder>,
    event_source: Handling,
    listener: ListenerProcess,
    wallet: Keypair,
    server: SqsServer,
    _folder: TempDir,
}

impl Flow {
    /// Starts everything, the function on its own wallet.
    pub(crate) async fn start() -> Self {
        let chain = Arc::new(TestChain::embedded().await);
        let endpoint = chain.endpoint();
        Self::start_behind(chain, &endpoint).await
    }

    /// The same, the function talking to the chain by another address, such as a proxy's.
    pub(crate) async fn start_behind(chain: Arc<TestChain>, endpoint: &Endpoint) -> Self {
        let server = SqsServer::start().await;
        let queues = server.create(QUEUE).await;
        let wallet = chain.wallet(FUNDS_LAMPORTS).await;
        let folder = tempfile::tempdir().unwrap();
        let lambda = Lambda::start(
            env!("CARGO_BIN_EXE_create-accounts"),
            function_environment(&queues, endpoint, &wallet),
        )
        .await;
        let recorder = Arc::new(Recorder::default());
        let event_source = event_source(&chain, &queues, &wallet, &lambda, folder.path(), Arc::clone(&recorder)).await;
        let listener = listener(&chain, &queues, folder.path()).await;
        Self {
            chain,
            lambda,
            recorder,
            event_source,
            listener,
            wallet,
            server,
            _folder: folder,
        }
    }

    /// The queue between listener and function.
    pub(crate) fn queue(&self) -> &dyn Queue {
        self.event_source.queues().source.as_ref()
    }

    /// The dead-letter queue.
    pub(crate) fn dead_letters(&self) -> &dyn Queue {
        self.event_source.queues().dead_letters.as_ref()
    }

    /// Waits until the dead-letter queue holds a message, and gives it.
    pub(crate) async fn dead_letter(&self) -> ReceivedMessage {
        wait::until("a dead letter", LIMIT, || async {
            let request = ReceiveRequest {
                max_messages: 1,
                wait: Duration::ZERO,
                visibility_timeout: Some(Duration::from_mins(10)),
            };
            self.dead_letters().receive(request).await.unwrap().pop()
        })
        .await
    }

    /// Requests so many sessions, ten transactions at a time.
    pub(crate) async fn request_sessions(&self, count: usize) -> Vec<SessionRequest> {
        let mut requests = Vec::new();
        while requests.len() < count {
            let batch = (count - requests.len()).min(10);
            let sent = futures::future::join_all((0..batch).map(|_| self.chain.request_session())).await;
            requests.extend(sent.into_iter().map(|(request, _)| request));
        }
        requests
    }

    /// How many of the requested accounts exist.
    pub(crate) async fn created(&self, requests: &[SessionRequest]) -> usize {
        let addresses: Vec<_> = requests.iter().map(|request| event(request).expected_pda).collect();
        let mut created = 0;
        for addresses in addresses.chunks(100) {
            let accounts = self.chain.rpc().get_multiple_accounts(addresses).await.unwrap();
            created += accounts.into_iter().flatten().count();
        }
        created
    }

    /// Waits until every account exists and the queue is empty, then fails unless each is as it was asked for and was
    /// paid once.
    pub(crate) async fn assert_created_once(&self, requests: &[SessionRequest]) {
        wait::until_true("all accounts, and an empty queue", LIMIT, || async {
            self.created(requests).await == requests.len() && self.queue().depth().await.unwrap().total() == 0
        })
        .await;
        let (mut rent, mut least) = (0, u64::MAX);
        for event in requests.iter().map(event) {
            let exempt = self.chain.assert_created(&event).await;
            rent += exempt;
            least = least.min(exempt);
        }
        let balance = self.chain.rpc().get_balance(&self.wallet.pubkey()).await.unwrap();
        let spent = FUNDS_LAMPORTS - balance;
        let fees = spent - rent;
        assert!(
            fees < least,
            "{fees} lamports beside the rent: an account of {least} was paid twice"
        );
    }

    /// Stops everything, as it would be stopped in production.
    pub(crate) async fn stop(self) {
        assert!(self.listener.terminate().await.success(), "the listener drains");
        self.event_source.drain().await;
        self.lambda.stop().await;
        self.server.stop().await;
    }
}

/// The event of a request, without the slot that only the chain knows.
fn event(request: &SessionRequest) -> PdaComputedEvent {
    request.clone().expected_event(&SESSION_PROGRAM_ID, 0).unwrap()
}

/// AWS's event source mapping, as the local runner plays it.
async fn event_source(
    chain: &TestChain,
    queues: &QueuePair,
    wallet: &Keypair,
    lambda: &Lambda,
    folder: &Path,
    recorder: Arc<Recorder>,
) -> Handling {
    let mut settings = Settings::defaults().unwrap();
    settings.service.state_dir = folder.join("event-source");
    settings.service.function_url = Some(lambda.url());
    settings.service.function_timeout = FUNCTION_TIMEOUT;
    settings.queue.kind = QueueKind::Sqs;
    settings.queue.url = Some(queues.url.clone());
    settings.queue.dead_letter_url = Some(queues.dead_letter_url.clone());
    settings.queue.endpoint_url = Some(queues.endpoint_url.clone());
    settings.queue.visibility_timeout = QUEUE.visibility_timeout;
    let pool = rpc_pool_of(&settings, vec![chain.endpoint()]).unwrap();
    let parts = HandlingParts {
        pool,
        signers: SignerPool::of_keypairs(vec![wallet.insecure_clone()]).unwrap(),
        observer: recorder,
        passing: None,
    };
    Readied::open(&settings, parts).await.unwrap().begin()
}

/// The listener's own binary, from the chain's beginning on.
async fn listener(chain: &TestChain, queues: &QueuePair, folder: &Path) -> ListenerProcess {
    let mut environment = [queue_variables(queues), chain_variables(&chain.endpoint())].concat();
    environment.push(variable("LISTENER__START", "genesis"));
    ListenerProcess::start(&environment, folder).await
}

fn function_environment(queues: &QueuePair, endpoint: &Endpoint, wallet: &Keypair) -> Vec<(String, String)> {
    let timeout = FUNCTION_TIMEOUT.as_secs().to_string();
    let visibility_timeout = (6 * FUNCTION_TIMEOUT).as_secs().to_string();
    let mut environment = [
        queue_variables(queues),
        chain_variables(endpoint),
        wallet_variables(wallet),
    ]
    .concat();
    environment.extend([
        variable("SERVICE__FUNCTION_TIMEOUT_SECS", &timeout),
        variable("QUEUE__VISIBILITY_TIMEOUT_SECS", &visibility_timeout),
        variable("QUEUE__RETRY_WAITS", "1s"),
    ]);
    environment
}

pub(crate) fn queue_variables(queues: &QueuePair) -> Vec<(String, String)> {
    vec![
        variable("QUEUE__KIND", "sqs"),
        variable("QUEUE__URL", &queues.url),
        variable("QUEUE__DEAD_LETTER_URL", &queues.dead_letter_url),
        variable("QUEUE__ENDPOINT_URL", &queues.endpoint_url),
    ]
}

pub(crate) fn chain_variables(endpoint: &Endpoint) -> Vec<(String, String)> {
    vec![
        variable("RPC__URL", &endpoint.http),
        variable("RPC__WS_URL", &endpoint.ws),
    ]
}

pub(crate) fn wallet_variables(wallet: &Keypair) -> Vec<(String, String)> {
    vec![
        variable("SIGNER__KIND", "environment"),
        (String::from("SESSION_BUILDER_KEYPAIR"), wallet.to_base58_string()),
    ]
}

fn variable(key: &str, value: &str) -> (String, String) {
    (format!("SESSION_BUILDER__{key}"), value.to_owned())
}
