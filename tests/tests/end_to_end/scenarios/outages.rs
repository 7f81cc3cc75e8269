//! What the service does while the chain's RPC does not do its part.

use std::{sync::Arc, time::Duration};

use create_accounts::Conclusion;
use serde_json::json;
use session_admin::LetterFilter;
use session_builder::client::Client;
use session_queue::DeadLetter;
use session_tests::{
    chain::TestChain,
    fault_proxy::{Fault, FaultProxy, Gate},
    http,
    rig::{LIMIT, Rig},
    wait,
};

/// What the function asks while it serves requests.
const METHODS: [&str; 5] = [
    "getMultipleAccounts",
    "getLatestBlockhash",
    "sendTransaction",
    "getSignatureStatuses",
    "simulateTransaction",
];

/// A program's failure that may pass: an attempt that could have succeeded.
fn program_failure() -> Fault {
    let failure = json!({"err": {"InstructionError": [0, {"Custom": 77}]}, "logs": [], "unitsConsumed": 1_000});
    Fault::Error(-32002, failure)
}

/// Fails unless every message that was seen was on its first attempt, and was verified or waited.
fn assert_no_attempt_was_lost(rig: &Rig) {
    for report in rig.recorder.reports() {
        assert_eq!(report.attempt, 1, "{report:?}");
        let waits = matches!(report.conclusion, Conclusion::Deferred { .. });
        assert!(
            waits || matches!(report.conclusion, Conclusion::Verified(_)),
            "{report:?}"
        );
    }
}

/// The sessions' reports of waiting so far: their codes.
fn waits(rig: &Rig, session_id: &str) -> Vec<&'static str> {
    let reports = rig.recorder.of_session(session_id).into_iter();
    reports
        .filter_map(|report| match report.conclusion {
            Conclusion::Deferred { reason, .. } => Some(reason.code),
            _ => None,
        })
        .collect()
}

pub(crate) async fn no_kind_of_outage_costs_an_attempt(chain: Arc<TestChain>) {
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let rig = Rig::start_behind(Arc::clone(&chain), proxy.endpoint(), |settings| {
        settings.queue.retry_waits = vec![Duration::from_millis(100)];
        settings.service.function_timeout = Duration::from_secs(3);
        settings.rpc.request_timeout = Duration::from_millis(500);
        settings.retry.max_retries = 2;
    })
    .await;
    let kinds = [
        ("limits the rate", Fault::Status(429, None)),
        ("is down", Fault::Status(503, None)),
        ("says nothing", Fault::Hold(Gate::closed())),
        ("answers null", Fault::Result(json!(null))),
        ("refuses the key", Fault::Status(401, None)),
        ("fails by its own fault", Fault::Error(-32603, json!(null))),
    ];
    for (number, (kind, fault)) in kinds.into_iter().enumerate() {
        for method in METHODS {
            proxy.spoil_all(method, fault.clone());
        }
        let (request, _) = chain.request_session().await;
        wait::until_true(&format!("two waits while the RPC {kind}"), LIMIT, || async {
            waits(&rig, &request.session_id).len() >= 2
        })
        .await;
        println!("the RPC {kind}: {:?}", waits(&rig, &request.session_id));
        proxy.heal();
        rig.recorder.verified(number + 1).await;
    }
    assert_no_attempt_was_lost(&rig);
    assert_eq!(rig.pipeline.dead_letters().depth().await.unwrap().total(), 0);
    rig.pipeline.drain().await;
}

pub(crate) async fn a_minute_of_rate_limits_costs_nothing_but_time(chain: Arc<TestChain>) {
    let half = Duration::from_secs(30);
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    // As many waits as there is time for, and none that lasts for long after it.
    let rig = Rig::start_behind(Arc::clone(&chain), proxy.endpoint(), |settings| {
        settings.queue.retry_waits = vec![Duration::from_secs(1), Duration::from_secs(5)];
    })
    .await;
    // The function alone is refused at first, so that messages come in; then the listener is refused as well.
    for method in METHODS {
        proxy.spoil_all(method, Fault::Status(429, None));
    }
    let mut requests = Vec::new();
    for _ in 0..10 {
        requests.push(chain.request_session().await.0);
    }
    tokio::time::sleep(half).await;
    proxy.spoil_everything(Fault::Status(429, None));
    for _ in 0..10 {
        requests.push(chain.request_session().await.0);
    }
    tokio::time::sleep(half).await;
    for request in &requests[..10] {
        let waits = waits(&rig, &request.session_id);
        assert!(waits.len() >= 2, "{waits:?}");
    }
    proxy.heal();
    rig.recorder.verified(20).await;
    assert_no_attempt_was_lost(&rig);
    assert_eq!(rig.pipeline.dead_letters().depth().await.unwrap().total(), 0);
    rig.pipeline.drain().await;
}

pub(crate) async fn a_record_that_fails_five_times_is_a_dead_letter_after_exactly_five(chain: Arc<TestChain>) {
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let rig = Rig::start_behind(Arc::clone(&chain), proxy.endpoint(), |settings| {
        settings.queue.retry_waits = vec![Duration::from_millis(100)];
        settings.service.function_timeout = Duration::from_secs(3);
    })
    .await;
    let before = rig.balance().await;
    proxy.spoil_all("sendTransaction", program_failure());
    let (request, _) = chain.request_session().await;
    let letter = DeadLetter::from_attributes(&rig.dead_letter().await.attributes).unwrap();
    // The letter is there a moment before its record's end is told.
    rig.recorder.conclusion(&request.session_id).await;

    let mut reports = rig.recorder.of_session(&request.session_id);
    // While a transaction of an earlier attempt is undecided, the message waits for it, which is no attempt.
    reports.retain(|report| !matches!(report.conclusion, Conclusion::Deferred { .. }));
    let attempts: Vec<u32> = reports.iter().map(|report| report.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5], "{reports:?}");
    assert!(
        reports[..4]
            .iter()
            .all(|report| matches!(report.conclusion, Conclusion::Retried { .. }))
    );
    assert!(matches!(reports[4].conclusion, Conclusion::DeadLettered(_)));
    assert_eq!(letter.attempts, 5);
    assert!(letter.last_at >= letter.first_at);
    assert_eq!(rig.balance().await, before, "nothing was paid");
    rig.pipeline.drain().await;
}

pub(crate) async fn one_command_mends_what_an_outage_left(chain: Arc<TestChain>) {
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let rig = Rig::start_behind(Arc::clone(&chain), proxy.endpoint(), |settings| {
        settings.queue.deferral_max = Duration::ZERO;
    })
    .await;
    proxy.spoil_all("sendTransaction", Fault::Error(-32603, json!(null)));
    let (request, _) = chain.request_session().await;
    let report = rig.recorder.conclusion(&request.session_id).await;
    let Conclusion::DeadLettered(reason) = &report.conclusion else {
        panic!("{report:?}")
    };
    assert_eq!(reason.code, "deferred_too_long");

    proxy.heal();
    let service = Client::of(rig.state_dir()).unwrap();
    let moved = service.redrive(&LetterFilter::default(), false).await.unwrap();
    assert_eq!((moved.matched, moved.done), (1, 1), "{moved:?}");
    let verified = rig.recorder.verified(1).await;
    let message = verified[0].message.as_ref().unwrap();
    assert_eq!(message.event.session_id, request.session_id);
    assert_eq!(rig.pipeline.dead_letters().depth().await.unwrap().total(), 0);
    rig.pipeline.drain().await;
}

pub(crate) async fn health_follows_the_chain_and_answers_at_once_meanwhile(chain: Arc<TestChain>) {
    const INTERVAL: Duration = Duration::from_secs(1);
    const AT_ONCE: Duration = Duration::from_millis(100);
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let rig = Rig::start_behind(chain, proxy.endpoint(), |settings| {
        settings.monitoring.health_check_interval = INTERVAL;
        settings.rpc.request_timeout = Duration::from_millis(500);
    })
    .await;
    let address = rig.pipeline.address();
    let status = |wanted: u16| async move {
        let answer = http::get(address, "/health").await;
        assert!(answer.elapsed < AT_ONCE, "{answer:?}");
        answer.status == wanted
    };
    wait::until_true("health at the start", LIMIT, || status(200)).await;
    let healthy = http::get(address, "/health").await.json();
    assert_eq!(healthy["status"], "healthy");
    assert_eq!(
        healthy["timestamp"].as_str().map(str::len),
        Some("2024-01-01T00:00:00Z".len()),
        "{healthy}"
    );

    // The RPC hangs, which is the worst that it can do.
    let gate = Gate::closed();
    for method in [
        "getSlot",
        "getBalance",
        "getMultipleAccounts",
        "getSignaturesForAddress",
        "getLatestBlockhash",
    ] {
        proxy.spoil_all(method, Fault::Hold(gate.clone()));
    }
    wait::until_true("503 within one interval and one check", 2 * INTERVAL, || status(503)).await;
    let unhealthy = http::get(address, "/health").await.json();
    assert_eq!(unhealthy["status"], "unhealthy");
    let failed: Vec<_> = unhealthy["failed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["check"].clone())
        .collect();
    assert!(failed.contains(&json!("rpc_slot")), "{unhealthy}");
    for page in ["/stats", "/metrics"] {
        let answer = http::get(address, page).await;
        assert!(answer.status == 200 && answer.elapsed < AT_ONCE, "{page}: {answer:?}");
    }
    let stats = rig.stats().await;
    assert!(
        stats["accounts_created"].is_u64() && stats["accounts_failed"].is_u64(),
        "{stats}"
    );
    assert!(
        stats["is_running"] == true && stats["uptime_seconds"].is_u64(),
        "{stats}"
    );

    proxy.heal();
    gate.open();
    wait::until_true("health when the chain is back", LIMIT, || status(200)).await;
    rig.pipeline.drain().await;
}
