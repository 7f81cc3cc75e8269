//! The parts of the AWS flow, started and joined as the template in `infra/` joins them.

use std::{
    fs::{OpenOptions, Permissions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use session_chain::Endpoint;
use session_config::QueueKind;
use session_events::{PdaComputedEvent, factory::SessionRequest};
use session_tests::{
    chain::TestChain,
    lambda::Lambda,
    rig::Rig,
    sqs_server::{QueueAttributes, QueuePair, SqsServer},
    wait,
};
use solana_sdk::signature::{Keypair, Signer};
use tempfile::TempDir;

/// How long anything may take that should take seconds.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);
const MAX_RECEIVE_COUNT: u32 = 5;
/// Short, so that a batch whose function has died comes back while a test waits.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(6);
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(5);

/// A running flow.
pub(crate) struct Flow {
    pub(crate) chain: Arc<TestChain>,
    pub(crate) lambda: Lambda,
    pub(crate) rig: Rig,
    pub(crate) wallet: Keypair,
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
        let queues = server
            .create(QueueAttributes {
                visibility_timeout: VISIBILITY_TIMEOUT,
                max_receive_count: MAX_RECEIVE_COUNT,
            })
            .await;
        let wallet = chain.wallet(100_000_000_000).await;
        let folder = tempfile::tempdir().unwrap();
        let environment = environment(&queues, endpoint, &keypair_file(folder.path(), &wallet));
        let lambda = Lambda::start(env!("CARGO_BIN_EXE_create-accounts"), environment).await;
        let function_url = lambda.url();
        let rig = Rig::start(Arc::clone(&chain), |settings| {
            settings.service.function_url = Some(function_url);
            settings.service.function_timeout = FUNCTION_TIMEOUT;
            settings.queue.kind = QueueKind::Sqs;
            settings.queue.url = Some(queues.url.clone());
            settings.queue.dead_letter_url = Some(queues.dead_letter_url.clone());
            settings.queue.endpoint_url = Some(queues.endpoint_url.clone());
            settings.queue.visibility_timeout = VISIBILITY_TIMEOUT;
        })
        .await;
        Self {
            chain,
            lambda,
            rig,
            wallet,
            server,
            _folder: folder,
        }
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
            self.created(requests).await == requests.len()
                && self.rig.pipeline.queue().depth().await.unwrap().total() == 0
        })
        .await;
        let rpc = self.chain.rpc();
        let (mut rent, mut least) = (0, u64::MAX);
        for event in requests.iter().map(event) {
            let account = rpc.get_account(&event.expected_pda).await.unwrap();
            let exempt = rpc
                .get_minimum_balance_for_rent_exemption(account.data.len())
                .await
                .unwrap();
            assert_eq!(account.owner, event.expected_owner);
            assert_eq!(account.data.len() as u64, event.expected_size);
            assert!(account.data.iter().all(|byte| *byte == 0));
            assert_eq!(account.lamports, exempt);
            rent += exempt;
            least = least.min(exempt);
        }
        let spent = 100_000_000_000 - rpc.get_balance(&self.wallet.pubkey()).await.unwrap();
        let fees = spent - rent;
        assert!(
            fees < least,
            "{fees} lamports beside the rent: an account of {least} was paid twice"
        );
    }

    /// Stops everything.
    pub(crate) async fn stop(self) {
        self.rig.pipeline.drain().await;
        self.lambda.stop().await;
        self.server.stop().await;
    }
}

/// The event of a request, without the slot that only the chain knows.
fn event(request: &SessionRequest) -> PdaComputedEvent {
    request.clone().expected_event(0).unwrap()
}

fn keypair_file(folder: &Path, wallet: &Keypair) -> String {
    let path = folder.join("wallet.json");
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .unwrap();
    file.set_permissions(Permissions::from_mode(0o600)).unwrap();
    write!(file, "{:?}", wallet.to_bytes()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn environment(queues: &QueuePair, endpoint: &Endpoint, keypair: &str) -> Vec<(String, String)> {
    let visibility_timeout = (6 * FUNCTION_TIMEOUT).as_secs().to_string();
    [
        ("RPC__URL", endpoint.http.as_str()),
        ("RPC__WS_URL", &endpoint.ws),
        ("SERVICE__KEYPAIR_PATH", keypair),
        (
            "SERVICE__FUNCTION_TIMEOUT_SECS",
            &FUNCTION_TIMEOUT.as_secs().to_string(),
        ),
        ("QUEUE__KIND", "sqs"),
        ("QUEUE__URL", &queues.url),
        ("QUEUE__DEAD_LETTER_URL", &queues.dead_letter_url),
        ("QUEUE__ENDPOINT_URL", &queues.endpoint_url),
        ("QUEUE__VISIBILITY_TIMEOUT_SECS", &visibility_timeout),
        ("QUEUE__RETRY_MAX_SECS", "1"),
    ]
    .map(|(key, value)| (format!("SESSION_BUILDER__{key}"), value.to_owned()))
    .into()
}
