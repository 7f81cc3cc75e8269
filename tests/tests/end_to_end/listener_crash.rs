//! The listener as it is shipped, killed again and again at any moment: it loses no session, its watermark gets ahead all the
//! time, and is never ahead of the queue.

use std::{
    collections::BTreeSet,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use session_message::Message;
use session_queue::{Queue, ReceiveRequest};
use session_queue_sqs::SqsQueue;
use session_tests::{
    binaries::built,
    chain::TestChain,
    ports::free_port,
    rooms::{Room, Test, conclude, trials},
    sqs_server::{QueueAttributes, QueuePair, SqsServer},
    wait,
};
use solana_sdk::signature::Signature;
use tokio::{
    process::{Child, Command},
    time::Instant,
};

const NAME: &str = "listener_crash";

pub(crate) const ROOM: Room = Room {
    name: NAME,
    run: |arguments| conclude(arguments, 1, trials(NAME, ALL)).exit_code(),
};

const ALL: &[(&str, Test)] = session_tests::tests![
    async:
        every_session_is_queued_whenever_the_listener_is_killed;
];

const SESSIONS: usize = 500;
const KILLS: usize = 50;
/// The watermark is saved anew in the time of so many kills at least: one of them comes before anything could be saved.
const KILLS_PER_ADVANCE: usize = 5;
/// Requests that come in in a second: the traffic lasts about as long as the kills.
const REQUESTS_PER_SECOND: u32 = 5;
/// A process lives for so long at most: long enough to subscribe, fill, send and save.
const LIFE_MAX: Duration = Duration::from_secs(2);
/// Or for so many times what the first one takes to do that, where the machine has others' work to do.
const FIRST_LIVES: u32 = 3;
const LIMIT: Duration = Duration::from_mins(3);
/// Signatures that a node takes in one question.
const STATUSES_MAX: usize = 256;

/// Sessions that are confirmed on chain, with their transactions.
type Requested = Arc<Mutex<Vec<(String, Signature)>>>;

async fn every_session_is_queued_whenever_the_listener_is_killed() {
    let chain = Arc::new(TestChain::embedded().await);
    let server = SqsServer::start().await;
    let pair = server.create(QueueAttributes::RECEIVED_ONCE).await;
    let queue = pair.source().await;
    let state = tempfile::tempdir().unwrap();
    let requested = Requested::default();
    let traffic = tokio::spawn(request_all(Arc::clone(&chain), Arc::clone(&requested)));

    let seed: u64 = session_clock::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (mut queued, mut watermarks) = (BTreeSet::new(), BTreeSet::new());
    let life_max = LIFE_MAX.max(FIRST_LIVES * first_life(&chain, &pair, state.path()).await);
    for _ in 0..KILLS {
        let mut listener = start(&chain, &pair, state.path());
        let life = random.random_range(Duration::ZERO..life_max);
        // Killed at any moment, and at another one each time.
        tokio::time::sleep(life).await;
        listener.kill().await.unwrap();
        // Nobody sends now: what the watermark has passed must be in the queue.
        drain(&queue, &mut queued).await;
        let watermark = saved_watermark(state.path());
        assert!(
            watermark >= watermarks.last().copied(),
            "the watermark went back to {watermark:?} from {watermarks:?}"
        );
        watermarks.extend(watermark);
        for session_id in confirmed_until(&chain, &requested, watermark).await {
            assert!(
                queued.contains(&session_id),
                "{session_id} is behind the watermark at {watermark:?} and not queued"
            );
        }
    }
    let mut listener = start(&chain, &pair, state.path());
    traffic.await.unwrap();
    let collected = tokio::sync::Mutex::new(&mut queued);
    wait::until_true("every session", LIMIT, || async {
        let mut queued = collected.lock().await;
        drain(&queue, &mut queued).await;
        queued.len() >= SESSIONS
    })
    .await;
    let newest = newest_slot(&chain, &requested).await;
    wait::until_true("a watermark behind which everything lies", LIMIT, || async {
        saved_watermark(state.path()).is_some_and(|watermark| watermark >= newest)
    })
    .await;
    listener.kill().await.unwrap();
    println!(
        "{KILLS} kills, the watermark was seen in {} places: {watermarks:?}",
        watermarks.len()
    );
    assert!(
        watermarks.len() > KILLS / KILLS_PER_ADVANCE,
        "the watermark hardly moved: {watermarks:?}"
    );
    let all: BTreeSet<String> = requested
        .lock()
        .unwrap()
        .iter()
        .map(|(session_id, _)| session_id.clone())
        .collect();
    assert_eq!(queued, all);
    server.stop().await;
}

/// How long a listener takes to save that it has got ahead. What it has queued stays queued.
async fn first_life(chain: &TestChain, pair: &QueuePair, state: &Path) -> Duration {
    let (began, mut listener) = (Instant::now(), start(chain, pair, state));
    wait::until_true("a saved watermark", LIMIT, || async {
        saved_watermark(state) > Some(0)
    })
    .await;
    listener.kill().await.unwrap();
    began.elapsed()
}

async fn request_all(chain: Arc<TestChain>, requested: Requested) {
    let mut pace = tokio::time::interval(Duration::from_secs(1) / REQUESTS_PER_SECOND);
    for _ in 0..SESSIONS {
        pace.tick().await;
        let (request, signature) = chain.request_session().await;
        requested.lock().unwrap().push((request.session_id, signature));
    }
}

fn start(chain: &TestChain, pair: &QueuePair, state: &Path) -> Child {
    let endpoint = chain.endpoint();
    Command::new(built("listener"))
        .args(["--metrics-port", &free_port().to_string()])
        .env("SESSION_BUILDER__RPC__URL", endpoint.http)
        .env("SESSION_BUILDER__RPC__WS_URL", endpoint.ws)
        .env("SESSION_BUILDER__SERVICE__STATE_DIR", state)
        .env("SESSION_BUILDER__LISTENER__START", "genesis")
        .env("SESSION_BUILDER__LISTENER__LISTING_INTERVAL_SECS", "1")
        .env("SESSION_BUILDER__QUEUE__KIND", "sqs")
        .env("SESSION_BUILDER__QUEUE__URL", &pair.url)
        .env("SESSION_BUILDER__QUEUE__DEAD_LETTER_URL", &pair.dead_letter_url)
        .env("SESSION_BUILDER__QUEUE__ENDPOINT_URL", &pair.endpoint_url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the listener starts")
}

/// Takes everything out of the queue.
async fn drain(queue: &SqsQueue, queued: &mut BTreeSet<String>) {
    let request = ReceiveRequest {
        max_messages: 10,
        wait: Duration::ZERO,
        visibility_timeout: None,
    };
    loop {
        let received = queue.receive(request).await.unwrap();
        if received.is_empty() {
            return;
        }
        let handles = received.iter().map(|message| message.receipt_handle.clone()).collect();
        let session = |body: &str| Message::from_json(body).unwrap().event.session_id;
        queued.extend(received.iter().map(|message| session(&message.body)));
        queue.delete_batch(handles).await.unwrap();
    }
}

/// The slot of the saved watermark, once there is one; it must never be half written.
fn saved_watermark(state: &Path) -> Option<u64> {
    let folder = std::fs::read_dir(state.join("cursors")).ok()?;
    let saved = folder
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "json"))?;
    let document: Value = serde_json::from_slice(&std::fs::read(saved).unwrap()).unwrap();
    document["slot"].as_u64()
}

/// The slot of the last request.
async fn newest_slot(chain: &TestChain, requested: &Requested) -> u64 {
    let (mut low, mut high) = (0, chain.rpc().get_slot().await.unwrap());
    let all = confirmed_until(chain, requested, Some(high)).await.len();
    while low < high {
        let middle = low.midpoint(high);
        if confirmed_until(chain, requested, Some(middle)).await.len() == all {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// The sessions that were requested in slots up to this one.
async fn confirmed_until(chain: &TestChain, requested: &Requested, slot: Option<u64>) -> Vec<String> {
    let Some(slot) = slot else { return Vec::new() };
    let requested = requested.lock().unwrap().clone();
    let mut confirmed = Vec::new();
    for chunk in requested.chunks(STATUSES_MAX) {
        let signatures: Vec<Signature> = chunk.iter().map(|(_, signature)| *signature).collect();
        let statuses = chain.rpc().get_signature_statuses(&signatures).await.unwrap().value;
        let behind = chunk
            .iter()
            .zip(statuses)
            .filter(|(_, status)| status.as_ref().is_some_and(|status| status.slot <= slot));
        confirmed.extend(behind.map(|((session_id, _), _)| session_id.clone()));
    }
    confirmed
}
