//! What the listener's process runs against, and what a test can see of it from outside.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use object_store::aws::AmazonS3Builder;
use session_chain::Endpoint;
use session_events::factory::{SESSION_FACTORY_ID, SessionRequest};
use session_listener::{SavedWatermark, Watermarks};
use session_message::Message;
use session_queue::{Queue, ReceiveRequest, ReceivedMessage};
use session_queue_sqs::SqsQueue;
use session_tests::{
    chain::TestChain,
    listener_process::ListenerProcess,
    sqs_server::{QueueAttributes, QueuePair, SqsServer},
    tcp_proxy::TcpProxy,
    wait,
};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use tempfile::TempDir;

/// How long anything may take that should take seconds.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);
/// The bucket for watermarks, and their folder in it.
const BUCKET: &str = "listener-state";
const PREFIX: &str = "cursors";

/// A request of a session that is confirmed, with its transaction.
pub(crate) type Requested = (SessionRequest, Signature);
/// What came out of the queue, by session id.
pub(crate) type Queued = BTreeMap<String, ReceivedMessage>;

/// Everything that a listener depends on, each behind a proxy.
pub(crate) struct Dependencies {
    pub(crate) rpc: TcpProxy,
    pub(crate) socket: TcpProxy,
    pub(crate) sqs: TcpProxy,
    pub(crate) s3: TcpProxy,
}

/// Everything around the listener.
pub(crate) struct Stage {
    pub(crate) chain: Arc<TestChain>,
    server: SqsServer,
    queues: QueuePair,
    queue: SqsQueue,
    folder: TempDir,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        let chain = Arc::new(TestChain::embedded().await);
        let server = SqsServer::start().await;
        let queues = server.create(QueueAttributes::RECEIVED_ONCE).await;
        server.create_bucket(BUCKET).await;
        Self {
            chain,
            server,
            queue: queues.source().await,
            queues,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
    }

    /// Where the listener keeps its state.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where SQS and S3 answer.
    pub(crate) fn aws(&self) -> &str {
        &self.queues.endpoint_url
    }

    /// Something to put between the listener and SQS or S3.
    pub(crate) async fn proxy(&self) -> TcpProxy {
        TcpProxy::start(self.aws().trim_start_matches("http://").to_owned()).await
    }

    /// A listener with its watermark in its folder. Where it has none it starts with what happens now, so that a restart
    /// that did not find its watermark would lose what happened before.
    pub(crate) async fn listener(&self, sqs: &str) -> ListenerProcess {
        ListenerProcess::start(&self.environment(sqs), self.folder()).await
    }

    /// The environment of a listener with its watermark in S3 whose every dependency is behind a proxy, and that is soon alarmed.
    pub(crate) fn environment_behind(&self, away: &Dependencies) -> Vec<(String, String)> {
        let url = |proxy: &TcpProxy| format!("http://{}", proxy.address());
        let mut environment = self.environment(&url(&away.sqs));
        environment.extend([
            variable("RPC__URL", &url(&away.rpc)),
            variable("RPC__WS_URL", &format!("ws://{}", away.socket.address())),
            variable("RPC__REQUEST_TIMEOUT_MS", "2000"),
            variable("LISTENER__SILENCE_LIMIT_SECS", "2"),
            variable("LISTENER__COMPLETENESS_AGE_MAX_SECS", "6"),
            variable("LISTENER__ACKNOWLEDGEMENT_AGE_MAX_SECS", "4"),
            variable("LISTENER__WATERMARK_URL", &format!("s3://{BUCKET}/{PREFIX}")),
            (String::from("AWS_ENDPOINT_URL"), url(&away.s3)),
        ]);
        environment
    }

    /// Proxies in front of everything that a listener depends on.
    pub(crate) async fn dependencies(&self) -> Dependencies {
        let chain = self.chain.endpoint();
        let host = |url: &str| {
            url.trim_start_matches("http://")
                .trim_start_matches("ws://")
                .trim_end_matches('/')
                .to_owned()
        };
        Dependencies {
            rpc: TcpProxy::start(host(&chain.http)).await,
            socket: TcpProxy::start(host(&chain.ws)).await,
            sqs: self.proxy().await,
            s3: self.proxy().await,
        }
    }

    /// The same with its watermark in S3, and no lease.
    pub(crate) async fn listener_with_s3(&self, s3: &str) -> ListenerProcess {
        self.listener_with_lease(s3, Duration::ZERO).await
    }

    /// The same with a lease that lasts so long.
    pub(crate) async fn listener_with_lease(&self, s3: &str, lease: Duration) -> ListenerProcess {
        let mut environment = self.environment(self.aws());
        environment.push(variable("LISTENER__LEASE_SECS", &lease.as_secs().to_string()));
        environment.extend([
            variable("LISTENER__WATERMARK_URL", &format!("s3://{BUCKET}/{PREFIX}")),
            (String::from("AWS_ENDPOINT_URL"), s3.to_owned()),
        ]);
        ListenerProcess::start(&environment, self.folder()).await
    }

    /// The environment of a listener from the genesis on, with what lasts in S3, that sees chain and queue through others'
    /// eyes.
    pub(crate) fn environment_with_s3(&self, chain: &Endpoint, sqs: &str, program: &str) -> Vec<(String, String)> {
        let mut environment = self.environment(sqs);
        environment.extend([
            variable("RPC__URL", &chain.http),
            variable("SERVICE__PROGRAM_ID", program),
            variable("LISTENER__START", "genesis"),
            variable("LISTENER__RECONCILE_INTERVAL_SECS", "0"),
            variable("LISTENER__WATERMARK_URL", &format!("s3://{BUCKET}/{PREFIX}")),
            (String::from("AWS_ENDPOINT_URL"), self.aws().to_owned()),
        ]);
        environment
    }

    /// A listener with this environment.
    pub(crate) async fn started(&self, environment: &[(String, String)]) -> ListenerProcess {
        ListenerProcess::start(environment, self.folder()).await
    }

    /// Waits until each of the sessions was in the queue.
    pub(crate) async fn take_sessions(&self, sessions: &[&String], queued: &mut Queued) {
        let queued = tokio::sync::Mutex::new(queued);
        wait::until_true("every session in the queue", LIMIT, || async {
            let mut queued = queued.lock().await;
            self.take(&mut queued).await;
            sessions.iter().all(|session| queued.contains_key(*session))
        })
        .await;
    }

    fn environment(&self, sqs: &str) -> Vec<(String, String)> {
        let chain = self.chain.endpoint();
        vec![
            variable("RPC__URL", &chain.http),
            variable("RPC__WS_URL", &chain.ws),
            variable("QUEUE__KIND", "sqs"),
            variable("QUEUE__URL", &self.queues.url),
            variable("QUEUE__DEAD_LETTER_URL", &self.queues.dead_letter_url),
            variable("QUEUE__ENDPOINT_URL", sqs),
            variable("LISTENER__START", "now"),
            variable("LISTENER__LISTING_INTERVAL_SECS", "1"),
            // The flag has the last word.
            variable("MONITORING__ENABLE_PROMETHEUS", "false"),
        ]
    }

    /// Requests so many sessions at once, and waits until they are confirmed.
    pub(crate) async fn request_sessions(&self, count: usize) -> Vec<Requested> {
        futures::future::join_all((0..count).map(|_| self.chain.request_session())).await
    }

    /// The slot of a confirmed transaction.
    pub(crate) async fn slot_of(&self, signature: &Signature) -> u64 {
        let statuses = self.chain.rpc().get_signature_statuses(&[*signature]).await.unwrap();
        statuses.value[0].as_ref().unwrap().slot
    }

    /// Takes what is in the queue now.
    pub(crate) async fn take(&self, queued: &mut Queued) {
        let request = ReceiveRequest {
            max_messages: 10,
            wait: Duration::ZERO,
            visibility_timeout: None,
        };
        loop {
            let received = self.queue.receive(request).await.unwrap();
            if received.is_empty() {
                return;
            }
            let handles = received.iter().map(|message| message.receipt_handle.clone()).collect();
            self.queue.delete_batch(handles).await.unwrap();
            for message in received {
                let session_id = Message::from_json(&message.body).unwrap().event.session_id;
                queued.insert(session_id, message);
            }
        }
    }

    /// Waits until each of the sessions was in the queue.
    pub(crate) async fn take_all(&self, requested: &[Requested], queued: &mut Queued) {
        let sessions: Vec<&String> = requested.iter().map(|(request, _)| &request.session_id).collect();
        self.take_sessions(&sessions, queued).await;
    }

    /// The slot of the watermark that is saved in the listener's folder.
    pub(crate) async fn watermark_in_folder(&self) -> Option<u64> {
        let watermarks = Watermarks::folder(&self.folder().join("cursors")).unwrap();
        self.watermark(&watermarks, &SESSION_FACTORY_ID).await
    }

    /// The slot of the watermark that is saved in S3.
    pub(crate) async fn watermark_in_s3(&self) -> Option<u64> {
        self.watermark_in_s3_of(&SESSION_FACTORY_ID).await
    }

    /// The same of another program.
    pub(crate) async fn watermark_in_s3_of(&self, program: &Pubkey) -> Option<u64> {
        self.watermark(&self.s3(), program).await
    }

    /// The watermark in S3, as somebody has it who has just started.
    pub(crate) async fn s3_watermark(&self) -> SavedWatermark {
        self.saved(&self.s3(), &SESSION_FACTORY_ID).await
    }

    fn s3(&self) -> Watermarks {
        let store = AmazonS3Builder::from_env()
            .with_endpoint(self.aws())
            .with_allow_http(true)
            .with_bucket_name(BUCKET)
            .build()
            .unwrap();
        Watermarks::object_store(Arc::new(store), PREFIX)
    }

    async fn watermark(&self, watermarks: &Watermarks, program: &Pubkey) -> Option<u64> {
        let saved = self.saved(watermarks, program).await.load().await.unwrap();
        saved.map(|mark| mark.slot)
    }

    async fn saved(&self, watermarks: &Watermarks, program: &Pubkey) -> SavedWatermark {
        let genesis_hash = self.chain.rpc().get_genesis_hash().await.unwrap().to_string();
        watermarks.of(self.queue.name(), program, &genesis_hash)
    }
}

fn variable(key: &str, value: &str) -> (String, String) {
    (format!("SESSION_BUILDER__{key}"), value.to_owned())
}
