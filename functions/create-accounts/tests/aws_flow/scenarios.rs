//! What has to hold when the service runs as it does in AWS.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use session_events::{PdaComputedEvent, factory::SESSION_FACTORY_ID, session::SESSION_PROGRAM_ID};
use session_message::{Message, Origin, Source};
use session_queue::{DeadLetter, SendEntry};
use session_tests::{
    chain::TestChain,
    fault_proxy::{Fault, FaultProxy, Gate},
    lambda,
    on_aws::Scenario,
    wait,
};

use crate::{
    by_hand,
    flow::{Flow, LIMIT, QUEUE},
};

/// Every scenario, with its name.
pub(crate) const ALL: &[(&str, Scenario)] = &[
    (
        "a_hundred_sessions_are_verified_and_ten_poisoned_messages_are_dead_letters",
        || Box::pin(a_hundred_sessions_and_ten_poisoned_messages()),
    ),
    (
        "a_function_killed_in_mid_batch_loses_nothing_and_pays_nothing_twice",
        || Box::pin(a_killed_function()),
    ),
    (
        "what_fails_for_ever_is_a_dead_letter_after_exactly_five_receives",
        || Box::pin(what_fails_for_ever()),
    ),
    (
        "an_outage_at_the_cold_start_is_the_reason_of_those_records_that_need_the_chain",
        || Box::pin(an_outage_at_the_cold_start()),
    ),
    ("an_event_file_prints_what_the_readme_says", || {
        Box::pin(by_hand::event_files())
    }),
    ("the_local_runner_shows_what_a_watched_function_creates", || {
        Box::pin(by_hand::queue_in_memory())
    }),
    ("the_local_runner_feeds_a_watched_function_from_sqs", || {
        Box::pin(by_hand::queue_in_sqs())
    }),
];

async fn a_hundred_sessions_and_ten_poisoned_messages() {
    let flow = Flow::start().await;
    let bodies: BTreeSet<String> = (0..10).map(|number| poisoned(&flow.chain, number)).collect();
    send(&flow, &bodies).await;
    let requests = flow.request_sessions(100).await;
    flow.assert_created_once(&requests).await;

    let mut reasons = BTreeMap::new();
    let mut kept = BTreeSet::new();
    for _ in 0..10 {
        let letter = flow.dead_letter().await;
        let reason = DeadLetter::from_attributes(&letter.attributes).unwrap();
        assert_eq!(reason.attempts, 1, "what can never succeed is not tried again");
        *reasons.entry(reason.reason).or_insert(0) += 1;
        kept.insert(letter.body);
    }
    assert_eq!(kept, bodies, "the messages themselves are kept");
    let expected = [("address_mismatch", 5), ("bad_body", 5)].map(|(reason, count)| (reason.to_owned(), count));
    assert_eq!(reasons, expected.into());
    assert_eq!(flow.dead_letters().depth().await.unwrap().visible, 0, "and no others");
    assert_eq!(
        flow.recorder.verified(100).await.len(),
        100,
        "the event source saw what became of them"
    );
    assert_told(&flow.lambda.output());
    flow.stop().await;
}

/// Fails unless metrics and logs say what happened.
fn assert_told(output: &str) {
    let lines: Vec<serde_json::Value> = output
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let total = |name: &str| lines.iter().filter_map(|line| line[name].as_u64()).sum::<u64>();
    assert_eq!(total("accounts_created_total") + total("accounts_existing_total"), 100);
    assert_eq!(total("dead_letters_total"), 10);
    let metrics: Vec<_> = lines.iter().filter(|line| line["_aws"].is_object()).collect();
    assert!(
        metrics
            .iter()
            .all(|line| line["request_id"].as_str().is_some_and(|id| !id.is_empty()))
    );
    assert!(metrics.iter().all(|line| line["FunctionName"] == lambda::NAME));
    let created = lines
        .iter()
        .find(|line| line["message"] == "account created and verified")
        .unwrap();
    for field in ["message_id", "pda", "signature"] {
        assert!(created[field].is_string(), "{field} in {created}");
    }
    assert!(
        created["span"]["requestId"].is_string() && created["span"]["xrayTraceId"].is_string(),
        "{created}"
    );
}

async fn an_outage_at_the_cold_start() {
    let chain = Arc::new(TestChain::embedded().await);
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    proxy.spoil_all("getGenesisHash", Fault::Status(503, None));
    let flow = Flow::start_behind(chain, &proxy.endpoint()).await;
    let requests = flow.request_sessions(3).await;
    let poison = BTreeSet::from([poisoned(&flow.chain, 0)]);
    send(&flow, &poison).await;
    // What needs no chain is concluded while there is none.
    let letter = flow.dead_letter().await;
    assert!(poison.contains(&letter.body));
    assert_eq!(flow.created(&requests).await, 0);
    wait::until_true("the reason of the others", LIMIT, || async { !waits(&flow).is_empty() }).await;
    proxy.heal();
    flow.assert_created_once(&requests).await;
    for line in waits(&flow) {
        assert_eq!(line["attempt"], 1, "waiting is no attempt: {line}");
    }
    assert_eq!(flow.dead_letters().depth().await.unwrap().visible, 0, "and no others");
    flow.stop().await;
}

/// What the function has logged of records that waited for a node; its metrics have the same reason and no record.
fn waits(flow: &Flow) -> Vec<serde_json::Value> {
    let output = flow.lambda.output();
    let lines = output.lines().filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|line: &serde_json::Value| line["reason"] == "no_node" && !line["_aws"].is_object())
        .collect()
}

async fn a_killed_function() {
    let chain = Arc::new(TestChain::embedded().await);
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let mut flow = Flow::start_behind(chain, &proxy.endpoint()).await;
    // Killed once before its transactions have reached the chain, and once when they have and it cannot know.
    proxy.spoil_all("sendTransaction", Fault::Hold(Gate::closed()));
    let requests = flow.request_sessions(40).await;
    proxy.arrived("sendTransaction", 1).await;
    flow.lambda.crash().await;
    assert_eq!(flow.created(&requests).await, 0, "the transactions were held back");

    proxy.spoil_all("sendTransaction", Fault::LoseAnswer);
    wait::until_true("the first accounts", LIMIT, || async {
        flow.created(&requests).await > 0
    })
    .await;
    flow.lambda.crash().await;
    assert!(
        flow.created(&requests).await < requests.len(),
        "it was killed before its work was done"
    );

    proxy.heal();
    flow.assert_created_once(&requests).await;
    assert_eq!(flow.dead_letters().depth().await.unwrap().total(), 0);
    flow.stop().await;
}

async fn what_fails_for_ever() {
    let chain = Arc::new(TestChain::embedded().await);
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let flow = Flow::start_behind(chain, &proxy.endpoint()).await;
    let failure = json!({"err": {"InstructionError": [0, {"Custom": 77}]}, "logs": [], "unitsConsumed": 1_000});
    proxy.spoil_all("sendTransaction", Fault::Error(-32002, failure));
    let request = flow.request_sessions(1).await.remove(0);
    let letter = flow.dead_letter().await;
    let reason = DeadLetter::from_attributes(&letter.attributes).unwrap();
    assert_eq!(reason.attempts, QUEUE.max_receive_count, "{reason:?}");
    assert_eq!(
        Message::from_json(&letter.body).unwrap().event.session_id,
        request.session_id
    );
    assert_eq!(flow.created(&[request]).await, 0);
    flow.stop().await;
}

async fn send(flow: &Flow, bodies: &BTreeSet<String>) {
    let entry = |body: &String| SendEntry {
        body: body.clone(),
        attributes: BTreeMap::new(),
        delay: Duration::ZERO,
    };
    let entries = bodies.iter().map(entry).collect();
    let outcome = flow.queue().send_batch(entries).await.unwrap();
    assert!(outcome.entries.iter().all(Result::is_ok));
}

/// The even ones are no messages, the odd ones ask for an account at an address that is not the session's.
fn poisoned(chain: &TestChain, number: u32) -> String {
    if number.is_multiple_of(2) {
        return format!(r#"{{"version":1,"event":{{"expected_size":"many {number}"}}}}"#);
    }
    let event = chain.session_request().expected_event(&SESSION_PROGRAM_ID, 1).unwrap();
    let event = PdaComputedEvent {
        expected_pda: event.owner,
        ..event
    };
    let source = Source {
        signature: None,
        slot: 1,
        event_index: 0,
        program_id: SESSION_FACTORY_ID,
        observed_at: session_clock::now().into(),
        origin: Origin::Backfill,
        requester: None,
    };
    Message::new(event, source).to_json().unwrap()
}
