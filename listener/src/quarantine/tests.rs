//! What is in quarantine lasts, is counted, comes back when its time has come, and is safe before the watermark passes it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use session_events::factory::SESSION_FACTORY_ID;
use solana_sdk::signature::Signature;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    checkpoint::{
        claim::Claim,
        settles::Settles,
        shared::SharedWatermark,
        watermark::{Mark, Watermark},
    },
    decode::listed::Listed,
    patience::Patience,
    quarantine::{
        item::{Finding, QuarantineItem, QuarantineReason, Scope, Testimony},
        keeper::Keeping,
        objects::Objects,
        place::{Admitted, Quarantine},
        retrier::{Looked, Retrier, SecondLook},
        store::{QuarantineError, QuarantineStore},
    },
    status::{ListenerStatus, StatusBoard},
};

const LIMIT: Duration = Duration::from_secs(20);

fn scope() -> Scope {
    Scope {
        program_id: SESSION_FACTORY_ID,
        genesis_hash: "cluster".to_owned(),
    }
}

fn finding(reason: QuarantineReason) -> Finding {
    Finding {
        reason,
        detail: "for a test".to_owned(),
        evidence: vec![Testimony::now("http://127.0.0.1:1", "null")],
    }
}

fn item(number: u8, reason: QuarantineReason) -> QuarantineItem {
    scope().transaction(&Signature::from([number; 64]), number.into(), finding(reason))
}

#[tokio::test]
async fn what_was_saved_is_there_after_a_restart_whole() {
    let folder = tempfile::tempdir().unwrap();
    let kept = item(1, QuarantineReason::Withheld);
    let quarantine = Quarantine::folder(folder.path()).unwrap();
    quarantine.admit(kept.clone()).await.unwrap();
    let again = Quarantine::folder(folder.path()).unwrap();
    assert_eq!(again.list().await.unwrap(), [kept]);
}

#[tokio::test]
async fn another_try_in_vain_is_counted_and_the_first_moment_stays() {
    let quarantine = Quarantine::in_memory();
    let first = item(1, QuarantineReason::Withheld);
    quarantine.admit(first.clone()).await.unwrap();
    quarantine.admit(item(1, QuarantineReason::Unreadable)).await.unwrap();
    let items = quarantine.list().await.unwrap();
    let [item] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!((item.attempts, item.first_seen), (2, first.first_seen));
    assert_eq!(item.reason, QuarantineReason::Unreadable, "the last word counts");
}

#[tokio::test]
async fn an_operator_has_one_tried_now_and_releases_another() {
    let quarantine = Quarantine::in_memory();
    for number in [1, 2] {
        quarantine
            .admit(item(number, QuarantineReason::Undecodable))
            .await
            .unwrap();
    }
    let ids = |number| vec![item(number, QuarantineReason::Undecodable).id];
    assert_eq!(quarantine.retry(&ids(1)).await.unwrap().len(), 1);
    assert_eq!(quarantine.release(&ids(2)).await.unwrap().len(), 1);
    assert_eq!(quarantine.release(&ids(2)).await.unwrap(), [], "it is gone");
    let items = quarantine.list().await.unwrap();
    let [left] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!(left.id, ids(1)[0]);
    assert!(left.next_try <= session_clock::now_utc());
}

#[tokio::test]
async fn a_full_quarantine_stops_what_nobody_else_has_and_not_what_account_state_tells() {
    let quarantine = Quarantine::in_memory().with_items_max(1);
    quarantine.admit(item(1, QuarantineReason::Withheld)).await.unwrap();
    let refused = quarantine.admit(item(2, QuarantineReason::Withheld)).await;
    assert!(
        matches!(refused, Err(QuarantineError::Full { items: 1 })),
        "{refused:?}"
    );
    let passed = quarantine.admit(item(2, QuarantineReason::Undecodable)).await.unwrap();
    assert_eq!(passed, Admitted::NoRoom);
    let known = quarantine.admit(item(1, QuarantineReason::Withheld)).await.unwrap();
    assert_eq!(known, Admitted::Kept, "what is there has its room");
}

#[tokio::test]
async fn an_item_that_cannot_be_read_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let quarantine = Quarantine::folder(folder.path()).unwrap();
    let kept = item(1, QuarantineReason::Withheld);
    quarantine.admit(kept.clone()).await.unwrap();
    let beside = folder.path().join(kept.key()).with_file_name("other.json");
    std::fs::write(beside, "{\"version\":99}").unwrap();
    assert_eq!(quarantine.list().await.unwrap(), [kept]);
}

#[test]
fn pauses_grow_to_their_longest_and_never_beyond() {
    for reason in QuarantineReason::ALL {
        let pauses: Vec<Duration> = (1..40).map(|attempts| reason.pause(attempts, 0.0)).collect();
        assert!(pauses.is_sorted(), "{reason}: {pauses:?}");
        assert!(
            pauses[0] < pauses[1] && pauses[38] == pauses[37],
            "{reason}: {pauses:?}"
        );
        assert!(reason.pause(u32::MAX, 1.0) <= pauses[38].mul_f64(1.1), "{reason}");
    }
}

/// A place that saves nothing until it is let.
struct Slow {
    inner: Objects,
    open: watch::Receiver<bool>,
}

#[async_trait]
impl QuarantineStore for Slow {
    async fn all(&self) -> Result<Vec<QuarantineItem>, QuarantineError> {
        self.inner.all().await
    }

    async fn get(&self, key: &str) -> Result<Option<QuarantineItem>, QuarantineError> {
        self.inner.get(key).await
    }

    async fn put(&self, item: &QuarantineItem) -> Result<(), QuarantineError> {
        if *self.open.borrow() {
            self.inner.put(item).await
        } else {
            Err(QuarantineError::place("away"))
        }
    }

    async fn remove(&self, key: &str) -> Result<bool, QuarantineError> {
        self.inner.remove(key).await
    }
}

/// The transaction of slot 7, claimed, in a listing that is complete up to slot 100.
fn claimed(watermark: &Arc<SharedWatermark>) -> Claim {
    let listed = Listed {
        signature: Signature::from([7; 64]),
        slot: 7,
        failed: false,
    };
    let claim = watermark.claim(listed.signature, listed.slot).unwrap();
    watermark.with(|watermark| {
        watermark.list(listed);
        watermark.complete_up_to(100);
    });
    claim
}

fn settled_slot(watermark: &SharedWatermark) -> u64 {
    watermark.with(|watermark| watermark.mark()).slot
}

#[tokio::test(start_paused = true)]
async fn the_watermark_passes_what_is_saved_and_nothing_that_is_not() {
    let (open, opened) = watch::channel(false);
    let inner = Objects::in_memory();
    let quarantine = Quarantine::new(Arc::new(Slow { inner, open: opened }));
    let watermark = Arc::new(SharedWatermark::new(Watermark::new(Mark::default())));
    let (parking, keeping) = Keeping::start(quarantine.clone(), scope());
    let (claim, slot) = (claimed(&watermark), 7);
    parking
        .park(item(7, QuarantineReason::Withheld), Settles::Transaction(claim))
        .await;
    // The place is asked again and again in this time.
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(
        settled_slot(&watermark),
        slot - 1,
        "it waits before what only this process knows"
    );
    assert_eq!(quarantine.list().await.unwrap(), []);

    open.send(true).unwrap();
    drop(parking);
    keeping.drain(Duration::from_mins(5)).await.unwrap();
    assert_eq!(quarantine.list().await.unwrap().len(), 1);
    assert_eq!(settled_slot(&watermark), 100);
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_is_over_leaves_the_watermark_before_what_is_not_saved() {
    let (_open, opened) = watch::channel(false);
    let inner = Objects::in_memory();
    let quarantine = Quarantine::new(Arc::new(Slow { inner, open: opened }));
    let watermark = Arc::new(SharedWatermark::new(Watermark::new(Mark::default())));
    let (parking, keeping) = Keeping::start(quarantine, scope());
    let claim = claimed(&watermark);
    parking
        .park(item(7, QuarantineReason::Withheld), Settles::Transaction(claim))
        .await;
    drop(parking);
    keeping.drain(Duration::from_secs(10)).await.unwrap();
    assert_eq!(settled_slot(&watermark), 6);
}

/// Answers as told, and remembers what it was asked for.
#[derive(Default)]
struct Told {
    asked: Mutex<Vec<String>>,
    resolves: Mutex<bool>,
}

#[async_trait]
impl SecondLook for Told {
    async fn look(&self, item: &QuarantineItem) -> Looked {
        self.asked.lock().unwrap().push(item.id.clone());
        if *self.resolves.lock().unwrap() {
            Looked::UnderWay(Box::pin(async { true }))
        } else {
            Looked::Still(finding(item.reason))
        }
    }
}

struct Rounds {
    quarantine: Quarantine,
    told: Arc<Told>,
    status: watch::Receiver<ListenerStatus>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Rounds {
    fn start(quarantine: Quarantine) -> Self {
        let (told, stop, board) = (
            Arc::<Told>::default(),
            CancellationToken::new(),
            Arc::<StatusBoard>::default(),
        );
        let retrier = Retrier {
            quarantine: quarantine.clone(),
            scope: Arc::new(scope()),
            second_look: told.clone(),
            patience: Patience::new(Arc::clone(&board), stop.clone()),
            status: Arc::clone(&board),
        };
        Self {
            quarantine,
            told,
            status: board.watch(),
            stop,
            task: tokio::spawn(retrier.run()),
        }
    }

    async fn until(&self, what: &str, condition: impl Fn(&ListenerStatus) -> bool) {
        let mut status = self.status.clone();
        let reached = tokio::time::timeout(LIMIT, status.wait_for(|status| condition(status))).await;
        assert!(matches!(reached, Ok(Ok(_))), "{what}");
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

#[tokio::test]
async fn what_an_operator_has_tried_again_is_resolved_and_gone() {
    let rounds = Rounds::start(Quarantine::in_memory());
    let kept = item(1, QuarantineReason::Unreadable);
    rounds.quarantine.admit(kept.clone()).await.unwrap();
    rounds
        .until("it is counted", |status| {
            status.quarantine.by_reason.get("unreadable") == Some(&1)
        })
        .await;
    assert_eq!(
        *rounds.told.asked.lock().unwrap(),
        Vec::<String>::new(),
        "its time has not come"
    );
    *rounds.told.resolves.lock().unwrap() = true;
    rounds.quarantine.retry(&[kept.id]).await.unwrap();
    rounds.until("it is gone", |status| status.quarantine.items == 0).await;
    assert_eq!(rounds.quarantine.list().await.unwrap(), []);
    rounds.stop().await;
}

#[tokio::test]
async fn a_start_tries_at_once_what_it_may_have_mended() {
    let quarantine = Quarantine::in_memory();
    for (number, reason) in (1..).zip(QuarantineReason::ALL) {
        quarantine.admit(item(number, reason)).await.unwrap();
    }
    let rounds = Rounds::start(quarantine.clone());
    rounds
        .until("they are counted", |status| status.quarantine.items == 5)
        .await;
    session_tests::wait::until_true("three tries", LIMIT, || async {
        rounds.told.asked.lock().unwrap().len() == 3
    })
    .await;
    rounds.stop().await;
    let items = quarantine.list().await.unwrap();
    let tried: Vec<_> = items
        .iter()
        .filter(|item| item.attempts == 2)
        .map(|item| item.reason)
        .collect();
    let mended = QuarantineReason::ALL.map(|reason| reason.is_mended_by_a_start().then_some(reason));
    assert_eq!(tried, mended.into_iter().flatten().collect::<Vec<_>>());
    assert_eq!(tried.len(), 3);
}

#[tokio::test]
async fn another_clusters_items_are_left_alone() {
    let quarantine = Quarantine::in_memory();
    let mut foreign = item(1, QuarantineReason::Undecodable);
    foreign.genesis_hash = "another".to_owned();
    quarantine.admit(foreign).await.unwrap();
    quarantine.admit(item(2, QuarantineReason::Undecodable)).await.unwrap();
    let rounds = Rounds::start(quarantine);
    rounds
        .until("one is counted", |status| status.quarantine.items == 1)
        .await;
    session_tests::wait::until_true("a try", LIMIT, || async {
        !rounds.told.asked.lock().unwrap().is_empty()
    })
    .await;
    let asked = rounds.told.asked.lock().unwrap().clone();
    assert_eq!(asked, [item(2, QuarantineReason::Undecodable).id]);
    rounds.stop().await;
}

#[tokio::test]
async fn an_attack_by_cut_logs_takes_a_part_of_the_quarantine_and_no_more() {
    let quarantine = Quarantine::in_memory();
    for number in 0..100 {
        quarantine
            .admit(item(number, QuarantineReason::Postponed))
            .await
            .unwrap();
    }
    let withheld = quarantine.admit(item(200, QuarantineReason::Withheld)).await.unwrap();
    assert_eq!(withheld, Admitted::Kept);
    let one_more = quarantine.admit(item(201, QuarantineReason::Postponed)).await.unwrap();
    assert_eq!(one_more, Admitted::NoRoom, "account state tells of its sessions");
    assert_eq!(quarantine.list().await.unwrap().len(), 65);
}
