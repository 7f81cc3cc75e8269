//! Where the listener goes on.

use rand::{Rng, SeedableRng, rngs::StdRng};
use session_listener::Mark;
use session_tests::{http, wait};

use crate::stage::{LIMIT, Queued, Requested, Stage};

const FEW: usize = 3;

pub(crate) async fn killed_and_restarted() {
    let stage = Stage::start().await;
    let listener = stage.listener_with_s3(stage.aws()).await;
    let before = stage.request_sessions(FEW).await;
    stage.take_all(&before, &mut Queued::new()).await;
    let newest = newest_slot(&stage, &before).await;
    wait::until_true("a cursor in S3", LIMIT, || async {
        stage.cursor_in_s3().await.is_some_and(|slot| slot >= newest)
    })
    .await;
    listener.kill().await;
    assert!(!stage.folder().join("cursors").exists(), "it is kept in S3 alone");

    let meanwhile = stage.request_sessions(FEW).await;
    let next = stage.listener_with_s3(stage.aws()).await;
    let mut queued = Queued::new();
    stage.take_all(&meanwhile, &mut queued).await;
    assert_eq!(
        queued.len(),
        meanwhile.len(),
        "what the cursor had passed is not repeated"
    );
    assert!(next.terminate().await.success());
    stage.stop().await;
}

pub(crate) async fn two_at_once() {
    let stage = Stage::start().await;
    let listeners = [
        stage.listener_with_s3(stage.aws()).await,
        stage.listener_with_s3(stage.aws()).await,
    ];
    let requested = stage.request_sessions(FEW).await;
    stage.take_all(&requested, &mut Queued::new()).await;
    let newest = newest_slot(&stage, &requested).await;
    for listener in &listeners {
        wait::until_true("a cursor that both have saved", LIMIT, || async {
            listener.metric("listener_cursor_slot").await >= newest
        })
        .await;
    }
    for listener in listeners {
        assert_eq!(listener.metric("listener_cursor_save_failures_total").await, 0);
        assert!(http::get(listener.address(), "/health").await.status.is_success());
        assert!(listener.terminate().await.success());
    }
    stage.stop().await;
}

/// Whatever several listeners save, read and forget in which order, what S3 holds never goes back.
pub(crate) async fn never_back() {
    const STEPS: usize = 300;
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let stage = Stage::start().await;
    let mut cursors = [
        stage.s3_cursor().await,
        stage.s3_cursor().await,
        stage.s3_cursor().await,
    ];
    let mut last = None;
    for step in 0..STEPS {
        let mark = Mark {
            slot: random.random_range(0..=step as u64 / 4),
            signature: None,
        };
        let cursor = &mut cursors[random.random_range(0..3)];
        match random.random_range(0..5) {
            0 => drop(cursor.load().await.unwrap()),
            1 => *cursor = stage.s3_cursor().await,
            2 => drop(cursor.begin(mark).await.unwrap()),
            _ => assert!(cursor.advance(mark).await.unwrap().slot >= mark.slot),
        }
        let saved = stage.cursor_in_s3().await;
        assert!(saved >= last, "step {step}: from {last:?} to {saved:?}");
        last = saved;
    }
    assert!(last > Some(STEPS as u64 / 8), "{last:?}");
    // Two at the same time: one of them is told so, and the further one stays.
    let [one, other, _] = &mut cursors;
    for slot in 1_000..1_010 {
        let mark = |slot| Mark { slot, signature: None };
        let (first, second) = tokio::join!(one.advance(mark(slot)), other.advance(mark(slot + 1)));
        assert!(first.unwrap().slot >= slot && second.unwrap().slot == slot + 1);
        assert_eq!(stage.cursor_in_s3().await, Some(slot + 1));
    }
    stage.stop().await;
}

/// The newest slot that holds one of the requests.
async fn newest_slot(stage: &Stage, requested: &[Requested]) -> u64 {
    let mut newest = 0;
    for (_, signature) in requested {
        newest = newest.max(stage.slot_of(signature).await);
    }
    newest
}
