//! Where the listener goes on, and which of several listens.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};
use session_listener::Mark;
use session_tests::{http, listener_process::ListenerProcess, wait};
use tokio::time::Instant;

use crate::stage::{LIMIT, Queued, Requested, Stage};

const FEW: usize = 3;

pub(crate) async fn killed_and_restarted() {
    let stage = Stage::start().await;
    let listener = stage.listener_with_s3(stage.aws()).await;
    let before = stage.request_sessions(FEW).await;
    stage.take_all(&before, &mut Queued::new()).await;
    let newest = newest_slot(&stage, &before).await;
    wait::until_true("a watermark in S3", LIMIT, || async {
        stage.watermark_in_s3().await.is_some_and(|slot| slot >= newest)
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
        "what the watermark had passed is not repeated"
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
        wait::until_true("a watermark that both have saved", LIMIT, || async {
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
    let seed = session_clock::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let stage = Stage::start().await;
    let mut watermarks = [
        stage.s3_watermark().await,
        stage.s3_watermark().await,
        stage.s3_watermark().await,
    ];
    let mut last = None;
    for step in 0..STEPS {
        let mark = Mark {
            slot: random.random_range(0..=step as u64 / 4),
            signature: None,
        };
        let watermark = &mut watermarks[random.random_range(0..3)];
        match random.random_range(0..5) {
            0 => drop(watermark.load().await.unwrap()),
            1 => *watermark = stage.s3_watermark().await,
            2 => drop(watermark.begin(mark).await.unwrap()),
            _ => assert!(watermark.advance(mark).await.unwrap().slot >= mark.slot),
        }
        let saved = stage.watermark_in_s3().await;
        assert!(saved >= last, "step {step}: from {last:?} to {saved:?}");
        last = saved;
    }
    assert!(last > Some(STEPS as u64 / 8), "{last:?}");
    // Two at the same time: one of them is told so, and the further one stays.
    let [one, other, _] = &mut watermarks;
    for slot in 1_000..1_010 {
        let mark = |slot| Mark { slot, signature: None };
        let (first, second) = tokio::join!(one.advance(mark(slot)), other.advance(mark(slot + 1)));
        assert!(first.unwrap().slot >= slot && second.unwrap().slot == slot + 1);
        assert_eq!(stage.watermark_in_s3().await, Some(slot + 1));
    }
    stage.stop().await;
}

/// How long the lease lasts, and how soon after that another listener has to have taken over: a look at the lease and a start.
const LEASE: Duration = Duration::from_secs(6);
const TAKEOVER_MAX: Duration = Duration::from_secs(15);
/// How long credits are counted.
const IDLE: Duration = Duration::from_secs(15);

pub(crate) async fn a_standby_takes_over() {
    let stage = Stage::start().await;
    let active = stage.listener_with_lease(stage.aws(), LEASE).await;
    let standby = stage.listener_with_lease(stage.aws(), LEASE).await;
    assert_eq!(active.metric("listener_standby").await, 0);
    wait::until_true("a listener that stands by", LIMIT, || async {
        standby.metric("listener_standby").await == 1
    })
    .await;
    assert!(http::get(standby.address(), "/health").await.status.is_success());

    let credits = |listener: &ListenerProcess| {
        let address = listener.address();
        async move { http::metric(address, "rpc_credits_total").await }
    };
    let before = (credits(&active).await, credits(&standby).await);
    tokio::time::sleep(IDLE).await;
    let spent = (credits(&active).await - before.0, credits(&standby).await - before.1);
    println!(
        "credits in {IDLE:?}: {} of the active listener, {} of the one that stands by",
        spent.0, spent.1
    );
    assert!(spent.1 * 10 <= spent.0, "{spent:?}");

    let mut requested = stage.request_sessions(FEW).await;
    stage.take_all(&requested, &mut Queued::new()).await;
    active.kill().await;
    let killed = Instant::now();
    // Nobody listens while these are requested.
    requested.extend(stage.request_sessions(FEW).await);
    wait::until_true("a takeover", LIMIT, || async {
        standby.metric("listener_standby").await == 0 && standby.metric("listener_connected").await == 1
    })
    .await;
    let took = killed.elapsed();
    println!("a standby takes over {took:?} after the active listener was killed, by a lease of {LEASE:?}");
    assert!(took <= TAKEOVER_MAX, "{took:?}");
    assert!(took + LEASE / 3 >= LEASE, "{took:?}: the lease was still held");
    let mut queued = Queued::new();
    let missed = &requested[FEW..];
    stage.take_all(missed, &mut queued).await;
    assert_eq!(standby.metric("listener_takeovers_total").await, 1);

    // Whoever stops in good order is waited for no longer than for a look.
    let next = stage.listener_with_lease(stage.aws(), LEASE).await;
    assert_eq!(next.metric("listener_standby").await, 1);
    assert!(standby.terminate().await.success());
    wait::until_true("a lease that was given back", LEASE, || async {
        next.metric("listener_standby").await == 0
    })
    .await;
    assert_eq!(next.metric("listener_takeovers_total").await, 0);
    assert!(next.terminate().await.success());
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
