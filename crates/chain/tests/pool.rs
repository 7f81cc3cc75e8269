//! The pool against servers that misbehave in every way that it knows of.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod scripted;

use std::sync::Arc;
use std::time::Duration;

use scripted::{Reply, ScriptedServer};
use serde_json::{Value, json};
use session_chain::{ChainError, CommitmentConfig, RetryPolicy, Retryability, RpcClient, RpcPool, TransactionFailure};
use solana_sdk::transaction::TransactionError;
use tokio::time::Instant;

const REQUEST_TIMEOUT: Duration = Duration::from_millis(300);

fn pool_of(servers: &[&ScriptedServer]) -> RpcPool {
    let endpoints = servers.iter().map(|server| server.endpoint()).collect();
    let retry = RetryPolicy {
        max_tries: 3,
        initial_delay: Duration::from_millis(10),
        max_delay: Duration::from_millis(50),
    };
    RpcPool::new(endpoints, CommitmentConfig::confirmed(), retry, REQUEST_TIMEOUT).unwrap()
}

async fn slot(pool: &RpcPool, deadline: Option<Instant>) -> Result<u64, ChainError> {
    pool.call("getSlot", deadline, |client: Arc<RpcClient>| async move {
        client.get_slot().await
    })
    .await
}

fn answers(slot: u64) -> Reply {
    Reply::Result(json!(slot))
}

#[tokio::test]
async fn fails_over_at_once_and_returns_to_the_preferred_endpoint() {
    let preferred = ScriptedServer::start([Reply::Status(503, None)]).await;
    let second = ScriptedServer::start([answers(2)]).await;
    let pool = pool_of(&[&preferred, &second]);
    for _ in 0..8 {
        assert_eq!(slot(&pool, None).await.unwrap(), 2);
    }
    assert_eq!(preferred.requests(), 5, "its circuit is open after five failures");
    assert_eq!(pool.preferred(), second.endpoint());

    preferred.answer(answers(1));
    let recovered_by = Instant::now() + Duration::from_secs(5);
    while slot(&pool, None).await.unwrap() == 2 {
        assert!(
            Instant::now() < recovered_by,
            "the preferred endpoint was not asked again"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(pool.preferred(), preferred.endpoint());
}

#[tokio::test]
async fn waits_as_long_as_retry_after_asks() {
    let server = ScriptedServer::start([Reply::Status(429, Some(1)), answers(7)]).await;
    let started = Instant::now();
    assert_eq!(slot(&pool_of(&[&server]), None).await.unwrap(), 7);
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_retry_after_past_the_deadline_is_the_answer_at_once() {
    let server = ScriptedServer::start([Reply::Status(429, Some(60))]).await;
    let pool = pool_of(&[&server]);
    let started = Instant::now();
    let error = slot(&pool, Some(started + Duration::from_secs(5))).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(1));
    let ChainError::DeadlineReached { last: Some(last), .. } = &error else {
        panic!("{error}")
    };
    assert!(matches!(**last, ChainError::RateLimited { .. }), "{last}");
    assert_eq!(error.retryability(), Retryability::After(Duration::from_mins(1)));
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn the_pool_knows_when_somebody_may_be_asked_again() {
    let resting = ScriptedServer::start([Reply::Status(429, Some(60))]).await;
    let pool = pool_of(&[&resting]);
    assert_eq!(pool.rests_for(), Duration::ZERO);
    let error = slot(&pool, Some(Instant::now() + Duration::from_secs(1)))
        .await
        .unwrap_err();
    assert!(error.is_outage(), "{error}");
    assert!(pool.rests_for() > Duration::from_secs(50), "{:?}", pool.rests_for());

    let second = ScriptedServer::start([answers(2)]).await;
    let pool = pool_of(&[&resting, &second]);
    slot(&pool, None).await.unwrap();
    assert_eq!(pool.rests_for(), Duration::ZERO, "the second one may be asked");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_at_the_deadline() {
    let server = ScriptedServer::start([Reply::Silence]).await;
    let pool = pool_of(&[&server]);
    let deadline = Instant::now() + Duration::from_millis(150);
    let error = slot(&pool, Some(deadline)).await.unwrap_err();
    assert!(Instant::now() < deadline + Duration::from_millis(100));
    let ChainError::DeadlineReached { last: Some(last), .. } = &error else {
        panic!("{error}")
    };
    assert!(matches!(**last, ChainError::TimedOut { .. }), "{last}");
    assert!(error.is_ambiguous(), "the request was sent");
}

#[tokio::test]
async fn a_silent_endpoint_costs_one_timeout_and_the_next_one_answers() {
    let silent = ScriptedServer::start([Reply::Silence]).await;
    let second = ScriptedServer::start([answers(2)]).await;
    let started = Instant::now();
    assert_eq!(slot(&pool_of(&[&silent, &second]), None).await.unwrap(), 2);
    assert!(started.elapsed() < 2 * REQUEST_TIMEOUT);
}

#[tokio::test]
async fn errors_are_told_apart_by_their_codes() {
    type Check = fn(&ChainError) -> bool;
    let cases: [(i64, Value, Check, u32); 9] = [
        (
            -32_005,
            json!({"numSlotsBehind": 42}),
            |e| {
                matches!(
                    e,
                    ChainError::NodeBehind {
                        slots_behind: Some(42),
                        ..
                    }
                )
            },
            3,
        ),
        (
            -32_016,
            json!({"contextSlot": 1}),
            |e| matches!(e, ChainError::MinContextSlotNotReached { .. }),
            3,
        ),
        (
            -32_004,
            Value::Null,
            |e| matches!(e, ChainError::BlockNotAvailable { .. }),
            3,
        ),
        (
            -32_014,
            Value::Null,
            |e| matches!(e, ChainError::BlockNotAvailable { .. }),
            3,
        ),
        (
            -32_603,
            Value::Null,
            |e| matches!(e, ChainError::Rpc { code: -32_603, .. }),
            3,
        ),
        (-32_007, Value::Null, |e| matches!(e, ChainError::SlotSkipped { .. }), 1),
        (-32_009, Value::Null, |e| matches!(e, ChainError::SlotSkipped { .. }), 1),
        (
            -32_015,
            Value::Null,
            |e| matches!(e, ChainError::UnsupportedTransactionVersion),
            1,
        ),
        (
            -32_602,
            Value::Null,
            |e| matches!(e, ChainError::Rpc { code: -32_602, .. }),
            1,
        ),
    ];
    for (code, data, is_expected, tries) in cases {
        let server = ScriptedServer::start([Reply::Error(code, data)]).await;
        // Only a question about a slot can be answered by a skipped one.
        let ask = |client: Arc<RpcClient>| async move { client.get_block(7).await };
        let error = pool_of(&[&server]).call("getBlock", None, ask).await.unwrap_err();
        assert!(is_expected(&error), "{code}: {error:?}");
        assert_eq!(server.requests(), tries, "{code}");
    }
}

#[tokio::test]
async fn a_refusal_by_simulation_carries_its_reason() {
    let data = json!({"err": {"InstructionError": [3, {"Custom": 6010}]}, "logs": ["a line"], "unitsConsumed": 5});
    let server = ScriptedServer::start([Reply::Error(-32_002, data)]).await;
    let error = slot(&pool_of(&[&server]), None).await.unwrap_err();
    let ChainError::PreflightFailed {
        failure: TransactionFailure::Known(TransactionError::InstructionError(3, _)),
        logs,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(logs, ["a line"]);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn an_endpoint_of_another_cluster_is_named_even_if_it_was_down_at_first() {
    let genesis = |letter: &str| Reply::Result(json!(letter.repeat(32)));
    let preferred = ScriptedServer::start([genesis("1"), genesis("1"), Reply::Status(503, None)]).await;
    let stray = ScriptedServer::start([Reply::Status(503, None)]).await;
    let pool = pool_of(&[&preferred, &stray]);
    pool.verify_cluster(None).await.unwrap();
    stray.answer(Reply::Result(json!("11111111111111111111111111111112")));
    let error = slot(&pool, None).await.unwrap_err();
    assert!(matches!(error, ChainError::WrongCluster { .. }), "{error}");

    let up = ScriptedServer::start([genesis("1")]).await;
    let both = pool_of(&[&up, &stray]);
    assert!(matches!(
        both.verify_cluster(None).await,
        Err(ChainError::WrongCluster { .. })
    ));
}

#[tokio::test]
async fn no_error_shows_the_secret_in_an_address() {
    for reply in [
        Reply::Status(503, None),
        Reply::Status(403, None),
        Reply::Silence,
        Reply::Result(json!("no slot")),
    ] {
        let server = ScriptedServer::start([reply]).await;
        let error = slot(&pool_of(&[&server]), None).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
    let gone = ScriptedServer::start([answers(1)]).await.endpoint();
    let pool = RpcPool::new(
        vec![gone],
        CommitmentConfig::confirmed(),
        RetryPolicy::once(),
        REQUEST_TIMEOUT,
    )
    .unwrap();
    let error = slot(&pool, None).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
}

#[tokio::test]
async fn every_request_is_counted_over_tries_and_endpoints() {
    let first = ScriptedServer::start([Reply::Status(503, None)]).await;
    let second = ScriptedServer::start([answers(2)]).await;
    let pool = pool_of(&[&first, &second]);
    slot(&pool, None).await.unwrap();
    assert_eq!(pool.calls(), 2);
}

/// Twenty answers, so that the pool knows how fast the endpoint nearly always is.
async fn get_to_know(pool: &RpcPool) {
    for _ in 0..20 {
        slot(pool, None).await.unwrap();
    }
}

#[tokio::test]
async fn a_silent_endpoint_costs_no_timeout_once_its_pace_is_known() {
    let preferred = ScriptedServer::start([answers(1)]).await;
    let second = ScriptedServer::start([answers(2)]).await;
    let pool = pool_of(&[&preferred, &second]);
    get_to_know(&pool).await;
    assert_eq!(second.requests(), 0, "nobody was slow");
    preferred.answer(Reply::Silence);
    for _ in 0..5 {
        let started = Instant::now();
        assert_eq!(slot(&pool, None).await.unwrap(), 2);
        assert!(started.elapsed() < REQUEST_TIMEOUT, "{:?}", started.elapsed());
    }
    let started = Instant::now();
    assert_eq!(slot(&pool, None).await.unwrap(), 2);
    assert!(
        started.elapsed() < Duration::from_millis(90),
        "its circuit is open: {:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn rate_limits_under_http_200_go_to_the_next_endpoint() {
    for code in [429, -32_429, -32_007, -32_603, 1_015] {
        let limited = ScriptedServer::start([Reply::Error(code, Value::Null)]).await;
        let second = ScriptedServer::start([answers(2)]).await;
        assert_eq!(slot(&pool_of(&[&limited, &second]), None).await.unwrap(), 2, "{code}");
        assert_eq!(limited.requests(), 1, "{code}");
    }
}

#[tokio::test]
async fn two_at_once_do_not_wait_for_a_silent_one() {
    let silent = ScriptedServer::start([Reply::Silence]).await;
    let second = ScriptedServer::start([answers(2)]).await;
    let pool = pool_of(&[&silent, &second]);
    let started = Instant::now();
    let ask = |client: Arc<RpcClient>| async move { client.get_slot().await };
    assert_eq!(pool.call_two("getSlot", None, ask).await.unwrap(), 2);
    assert!(started.elapsed() < Duration::from_millis(90), "{:?}", started.elapsed());
}
