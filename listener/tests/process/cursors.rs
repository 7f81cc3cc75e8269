//! Where the listener goes on.

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

/// The newest slot that holds one of the requests.
async fn newest_slot(stage: &Stage, requested: &[Requested]) -> u64 {
    let mut newest = 0;
    for (_, signature) in requested {
        newest = newest.max(stage.slot_of(signature).await);
    }
    newest
}
