//! What the service must refuse: each with its own reason, and none for a single lamport.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use create_accounts::Conclusion;
use session_events::{PdaComputedEvent, factory::SESSION_FACTORY_ID, session::SESSION_PROGRAM_ID, session_address};
use session_message::{Message, Origin, Source};
use session_queue::{DeadLetter, SendEntry};
use session_tests::{
    chain::{HOSTILE_PROGRAM_ID, TestChain},
    hostile,
    rig::Rig,
};
use solana_pubkey::Pubkey;

fn event(session_id: &str) -> PdaComputedEvent {
    let owner = Pubkey::new_unique();
    let expected_pda = session_address(&SESSION_PROGRAM_ID, &owner, session_id)
        .map_or_else(|_| Pubkey::new_unique(), |(address, _)| address);
    PdaComputedEvent {
        expected_pda,
        expected_size: 256,
        expected_owner: SESSION_PROGRAM_ID,
        session_id: session_id.to_owned(),
        owner,
        eval_program: Pubkey::new_unique(),
        shard_address: SESSION_PROGRAM_ID,
        namespaces: Vec::new(),
        compute_slot: 1,
    }
}

fn body(event: PdaComputedEvent) -> String {
    let source = Source {
        signature: None,
        slot: 1,
        event_index: 0,
        program_id: SESSION_FACTORY_ID,
        observed_at: session_clock::now().into(),
        origin: Origin::Reconciliation,
        requester: None,
    };
    Message::new(event, source).to_json().unwrap()
}

/// Queues a body, waits for its dead letter, and says that nothing was paid.
async fn refused(chain: Arc<TestChain>, body: String) -> DeadLetter {
    let rig = Rig::start(chain, |_| {}).await;
    let before = rig.balance().await;
    let entry = SendEntry {
        body: body.clone(),
        attributes: BTreeMap::new(),
        delay: Duration::ZERO,
    };
    rig.pipeline
        .queue()
        .send_batch(vec![entry])
        .await
        .unwrap()
        .entries
        .remove(0)
        .unwrap();
    let letter = rig.dead_letter().await;
    assert_eq!(letter.body, body, "the message itself is kept");
    assert_eq!(rig.balance().await, before, "a refusal costs nothing");
    let reason = DeadLetter::from_attributes(&letter.attributes).unwrap();
    assert_eq!(reason.attempts, 1, "what can never succeed is not tried again");
    rig.pipeline.drain().await;
    reason
}

pub(crate) async fn a_session_id_over_32_bytes_is_refused(chain: Arc<TestChain>) {
    let reason = refused(chain, body(event(&"x".repeat(33)))).await;
    assert_eq!(reason.reason, "session_id_too_long");
    assert!(reason.sentence.contains("33"), "{}", reason.sentence);
}

pub(crate) async fn a_size_over_the_limit_is_refused(chain: Arc<TestChain>) {
    let reason = refused(
        chain,
        body(PdaComputedEvent {
            expected_size: 10_241,
            ..event("too-large")
        }),
    )
    .await;
    assert_eq!(reason.reason, "size_over_limit");
    assert!(
        reason.sentence.contains("10241") && reason.sentence.contains("10240"),
        "{}",
        reason.sentence
    );
}

pub(crate) async fn an_owner_program_off_the_list_is_refused(chain: Arc<TestChain>) {
    let mut event = event("stranger");
    event.expected_owner = HOSTILE_PROGRAM_ID;
    event.expected_pda = session_address(&HOSTILE_PROGRAM_ID, &event.owner, &event.session_id)
        .unwrap()
        .0;
    let reason = refused(chain, body(event)).await;
    assert_eq!(reason.reason, "owner_program_not_allowed");
    assert!(
        reason.sentence.contains(&HOSTILE_PROGRAM_ID.to_string()),
        "{}",
        reason.sentence
    );
}

pub(crate) async fn a_wrong_address_is_refused(chain: Arc<TestChain>) {
    let wrong = Pubkey::new_unique();
    let reason = refused(
        chain,
        body(PdaComputedEvent {
            expected_pda: wrong,
            ..event("elsewhere")
        }),
    )
    .await;
    assert_eq!(reason.reason, "address_mismatch");
    assert!(reason.sentence.contains(&wrong.to_string()), "{}", reason.sentence);
}

pub(crate) async fn a_body_that_is_no_message_is_refused(chain: Arc<TestChain>) {
    let reason = refused(chain, String::from(r#"{"version":1,"event":{"expected_size":"many"}}"#)).await;
    assert_eq!(reason.reason, "bad_body");
    assert!(reason.sentence.contains("event"), "{}", reason.sentence);
}

pub(crate) async fn an_event_of_another_program_is_not_believed(chain: Arc<TestChain>) {
    let rig = Rig::start(Arc::clone(&chain), |_| {}).await;
    let before = rig.counter("events_refused_total").await;
    let forged = event("forged");
    let request = chain.session_request();
    let forge = hostile::log_event(&HOSTILE_PROGRAM_ID, &forged);
    chain
        .send(&[forge.clone(), chain.request_instruction(&request), forge])
        .await
        .unwrap();
    let report = rig.recorder.conclusion(&request.session_id).await;
    assert!(
        matches!(report.conclusion, Conclusion::Verified(_)),
        "the true event beside the forged one is served"
    );

    assert!(
        rig.recorder.of_session("forged").is_empty(),
        "the forged event was never queued"
    );
    assert!(
        chain.rpc().get_account(&forged.expected_pda).await.is_err(),
        "no account was created for it"
    );
    assert!(
        rig.counter("events_refused_total").await >= before + 2,
        "both forgeries are counted"
    );
    rig.pipeline.drain().await;
}
