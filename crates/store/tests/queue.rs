//! The queue in memory over the store: what it keeps survives whatever happens to its process.
//!
//! `SEED=…` repeats the moments of the kills.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use rand::{Rng, SeedableRng, rngs::StdRng};
use session_queue::{
    DeferEntry, InMemoryConfig, InMemoryQueue, Queue, ReceiveRequest, ReceivedMessage, SendEntry, redrive,
};
use session_store::{Reader, Store};
use tokio::time::Instant;

const LETTERS: usize = 500;
/// Letters that are redriven before the first of them is handled.
const PART: usize = 50;
const MAX_RECEIVE_COUNT: u32 = 3;
/// Set in the process that is killed: the folder that it works in.
const FOLDER: &str = "SESSION_BUILDER_STORE_TEST";
/// How long all of it may take.
const LIMIT: Duration = Duration::from_mins(3);

async fn queues(folder: &Path) -> (InMemoryQueue, Arc<InMemoryQueue>) {
    let config = |name: &str| InMemoryConfig {
        name: name.to_owned(),
        visibility_timeout: Duration::from_mins(3),
        capacity: 10_000,
    };
    let store = Arc::new(Store::open(folder).await.unwrap());
    let dead_letters = Arc::new(
        InMemoryQueue::dead_letters(config("dead-letters"), store)
            .await
            .unwrap(),
    );
    let source = InMemoryQueue::new(config("sessions"), Arc::clone(&dead_letters), MAX_RECEIVE_COUNT);
    (source, dead_letters)
}

fn entry(body: &str) -> SendEntry {
    SendEntry {
        body: body.to_owned(),
        attributes: [(String::from("slot"), String::from("7"))].into(),
        delay: Duration::ZERO,
    }
}

fn request(wait: Duration) -> ReceiveRequest {
    ReceiveRequest {
        max_messages: 1,
        wait,
        visibility_timeout: None,
    }
}

async fn receive(queue: &InMemoryQueue) -> Option<ReceivedMessage> {
    queue.receive(request(Duration::ZERO)).await.unwrap().pop()
}

#[tokio::test]
async fn a_receive_that_is_broken_off_loses_no_message() {
    let folder = tempfile::tempdir().unwrap();
    let (source, dead_letters) = queues(folder.path()).await;
    source.send_batch(vec![entry("a")]).await.unwrap();
    for _ in 0..MAX_RECEIVE_COUNT {
        let mut at_once = request(Duration::ZERO);
        at_once.visibility_timeout = Some(Duration::ZERO);
        assert_eq!(source.receive(at_once).await.unwrap().len(), 1);
    }
    // Polled until the move to the dead letters is under way, and dropped.
    let mut receiving = Box::pin(source.receive(request(Duration::ZERO)));
    while source.depth().await.unwrap().total() == 1 {
        assert!((&mut receiving).now_or_never().is_none(), "the move was under way");
    }
    drop(receiving);
    assert_eq!(source.depth().await.unwrap().total(), 1);
    assert_eq!(receive(&source).await, None);
    assert_eq!(dead_letters.depth().await.unwrap().total(), 1);
    let reader = Reader::open(folder.path()).await.unwrap();
    assert_eq!(reader.dead_letter_depth().await.unwrap(), 1);
}

#[tokio::test]
async fn what_waits_is_there_after_a_restart_and_goes_once_it_is_done_with() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = queues(folder.path()).await;
    let deferral = DeferEntry {
        body: String::from("later"),
        attributes: entry("").attributes,
        delay: Duration::from_millis(300),
    };
    source.defer_batch(vec![deferral]).await.unwrap();
    assert_eq!(receive(&source).await, None);
    drop(source);
    let (source, _) = reopened(folder.path()).await;
    let message = source
        .receive(request(Duration::from_secs(20)))
        .await
        .unwrap()
        .remove(0);
    assert_eq!(
        (message.body.as_str(), &message.attributes),
        ("later", &entry("").attributes)
    );
    // In flight is not done with.
    drop(source);
    let (source, _) = reopened(folder.path()).await;
    let message = receive(&source).await.unwrap();
    source.delete_batch(vec![message.receipt_handle]).await.unwrap();
    drop(source);
    let (source, _) = reopened(folder.path()).await;
    assert_eq!(source.depth().await.unwrap().deferred, 0);
    assert_eq!(receive(&source).await, None);
}

/// The store's thread gives the file back a moment after the last queue is gone.
async fn reopened(folder: &Path) -> (InMemoryQueue, Arc<InMemoryQueue>) {
    let began = Instant::now();
    loop {
        match Store::open(folder).await {
            Ok(store) => {
                store.close().await;
                return queues(folder).await;
            }
            Err(error) => assert!(began.elapsed() < LIMIT, "{error}"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_redrive_that_is_killed_loses_no_letter() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return redrive_until_killed(Path::new(&folder)).await;
    }
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(session_clock::random);
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let (_, dead_letters) = queues(folder.path()).await;
    for number in 0..LETTERS {
        dead_letters.send_batch(vec![entry(&number.to_string())]).await.unwrap();
    }
    drop(dead_letters);
    let (began, mut kills) = (Instant::now(), 0);
    let reader = Reader::open(folder.path()).await.unwrap();
    while reader.dead_letter_depth().await.unwrap() > 0 {
        assert!(began.elapsed() < LIMIT, "letters are left after {LIMIT:?}");
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_redrive_that_is_killed_loses_no_letter", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // By progress and not by time: a fast machine would be done before the first kill, a slow one never begin.
        let enough = handled(folder.path()).len() + random.random_range(1..LETTERS / 5);
        while handled(folder.path()).len() < enough.min(LETTERS) {
            assert!(began.elapsed() < LIMIT, "no progress after {LIMIT:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        process.kill().unwrap();
        process.wait().unwrap();
        kills += 1;
        let kept = reader.dead_letters(usize::MAX).await.unwrap();
        let kept: BTreeSet<String> = kept.into_iter().map(|stored| stored.letter.body).collect();
        let found: BTreeSet<String> = kept.union(&handled(folder.path())).cloned().collect();
        assert_eq!(found.len(), LETTERS, "after {kills} kills");
    }
    assert_eq!(handled(folder.path()).len(), LETTERS);
    assert!(kills > 1, "it was never killed in the middle");
    println!("killed {kills} times; {LETTERS} letters handled, none lost");
}

/// Redrives all letters, and handles what comes as a function would: the work first, then the acknowledgement.
async fn redrive_until_killed(folder: &Path) {
    let (source, dead_letters) = queues(folder).await;
    let mut work = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("handled"))
        .unwrap();
    loop {
        // In parts, so that a kill finds some under way and some done.
        let redriven = redrive(dead_letters.as_ref(), &source, PART).await.unwrap();
        assert!(redriven.refused.is_empty());
        for _ in 0..redriven.moved {
            let message = receive(&source).await.unwrap();
            writeln!(work, "{}", message.body).unwrap();
            source.delete_batch(vec![message.receipt_handle]).await.unwrap();
        }
    }
}

fn handled(folder: &Path) -> BTreeSet<String> {
    let path = folder.join("handled");
    File::options().create(true).append(true).open(&path).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}
