//! A hostile program in the same transaction, before and after `session_factory` and around it by CPI.

use std::sync::Arc;

use session_events::{
    PdaComputedEvent,
    factory::{SESSION_FACTORY_ID, SessionRequest},
    session::SESSION_PROGRAM_ID,
};
use session_listener::ListenerConfig;
use session_message::Origin;
use session_tests::{
    chain::{FORGED_FACTORY_ID, HOSTILE_PROGRAM_ID, TestChain},
    hostile::{data_operation, event_bytes, hostile_around, told_to_itself_as},
    listening::{Collector, Listening, pool, quick_config},
};
use solana_pubkey::Pubkey;
use solana_sdk::{instruction::Instruction, signature::Signer};

use super::events::request;

const LOG: u8 = 0;
const SPAM: u8 = 2;

/// Prints a line.
fn log_operation(text: &str) -> Vec<u8> {
    [
        &[LOG][..],
        &u16::try_from(text.len()).unwrap().to_le_bytes(),
        text.as_bytes(),
    ]
    .concat()
}

/// Prints so many bytes.
pub(super) fn spam_operation(bytes: u32) -> Vec<u8> {
    [&[SPAM][..], &bytes.to_le_bytes()].concat()
}

/// An instruction of the hostile program that runs these operations.
pub(super) fn hostile(operations: &[Vec<u8>]) -> Instruction {
    Instruction::new_with_bytes(HOSTILE_PROGRAM_ID, &operations.concat(), Vec::new())
}

/// An instruction of a factory that records its events by calling itself, as Anchor's `emit_cpi!` does.
fn told_to_itself(event: &PdaComputedEvent) -> Instruction {
    told_to_itself_as(&event_bytes(event))
}

/// A perfect event of a session that nobody requested.
fn false_event(chain: &TestChain, session_id: &str) -> PdaComputedEvent {
    let owner = chain.payer().pubkey();
    PdaComputedEvent {
        expected_pda: session_events::session_address(&SESSION_PROGRAM_ID, &owner, session_id)
            .unwrap()
            .0,
        expected_size: 1_000,
        expected_owner: SESSION_PROGRAM_ID,
        session_id: session_id.to_owned(),
        owner,
        eval_program: Pubkey::new_unique(),
        shard_address: SESSION_PROGRAM_ID,
        namespaces: Vec::new(),
        compute_slot: 1,
    }
}

fn print_false_event(chain: &TestChain, session_id: &str) -> Vec<u8> {
    data_operation(&event_bytes(&false_event(chain, session_id)))
}

/// Sends the transactions while a listener listens, and expects the true sessions and no others, live and by a fill.
async fn only_truth_is_queued(chain: &TestChain, transactions: &[Vec<Instruction>], mut sessions: Vec<String>) {
    let (live, folder) = (Collector::start(), tempfile::tempdir().unwrap());
    let mut listening = Listening::start(quick_config(), pool(chain.endpoint()), live.queue(), folder.path());
    listening.connected().await;
    for transaction in transactions {
        chain.send(transaction).await.expect("the transaction succeeds");
    }
    // What comes after is not harmed either.
    sessions.extend(request(chain, 1).await);
    live.all_of(&sessions).await;
    let tip = chain.rpc().get_slot().await.unwrap();
    listening.watermark_at(tip).await;
    listening.stop().await.unwrap();

    let (filled, folder) = (Collector::start(), tempfile::tempdir().unwrap());
    let mut listening = Listening::start(quick_config(), pool(chain.endpoint()), filled.queue(), folder.path());
    listening.watermark_at(tip).await;
    filled.all_of(&sessions).await;
    listening.stop().await.unwrap();
    for collector in [live, filled] {
        let queued = collector.sessions();
        assert_eq!(
            queued.keys().collect::<Vec<_>>(),
            sorted(&sessions),
            "a false event is believed"
        );
        assert!(queued.values().all(|&times| times == 1), "{queued:?}");
    }
}

fn sorted(sessions: &[String]) -> Vec<&String> {
    let mut sorted: Vec<_> = sessions.iter().collect();
    sorted.sort();
    sorted
}

pub(crate) async fn events_of_another_program_are_not_believed(chain: Arc<TestChain>) {
    let (outer, inner) = (chain.session_request(), chain.session_request());
    let sessions = vec![outer.session_id.clone(), inner.session_id.clone()];
    let around = vec![
        hostile(&[print_false_event(&chain, "before")]),
        chain.request_instruction(&outer),
        hostile(&[print_false_event(&chain, "after")]),
    ];
    let by_cpi = vec![hostile_around(
        &[print_false_event(&chain, "inside-before")],
        &chain.request_instruction(&inner),
        &[print_false_event(&chain, "inside-after")],
    )];
    only_truth_is_queued(&chain, &[around, by_cpi], sessions).await;
}

pub(crate) async fn imitated_frames_deceive_nobody(chain: Arc<TestChain>) {
    let request = chain.session_request();
    let sessions = vec![request.session_id.clone()];
    let factory = SESSION_FACTORY_ID;
    let transaction = vec![
        hostile(&[
            log_operation(&format!("Program {factory} invoke [1]")),
            log_operation(&format!("\nProgram {factory} invoke [1]")),
            print_false_event(&chain, "imitated"),
            log_operation(&format!("Program {factory} success")),
            log_operation("Log truncated"),
        ]),
        chain.request_instruction(&request),
        hostile(&[
            log_operation(&format!("Program {factory} invoke [2]")),
            print_false_event(&chain, "imitated"),
        ]),
    ];
    only_truth_is_queued(&chain, &[transaction], sessions).await;
}

pub(crate) async fn forced_truncation_loses_nothing(chain: Arc<TestChain>) {
    let (after, inside) = (chain.session_request(), chain.session_request());
    let sessions = vec![after.session_id.clone(), inside.session_id.clone()];
    let spam_before = vec![hostile(&[spam_operation(12_000)]), chain.request_instruction(&after)];
    let spam_inside = vec![hostile_around(
        &[print_false_event(&chain, "cut"), spam_operation(12_000)],
        &chain.request_instruction(&inside),
        &[print_false_event(&chain, "cut")],
    )];
    only_truth_is_queued(&chain, &[spam_before, spam_inside], sessions).await;
}

pub(crate) async fn events_in_instructions_are_found(chain: Arc<TestChain>) {
    let (alone, cut) = (chain.session_request(), chain.session_request());
    let sessions = vec![alone.session_id.clone(), cut.session_id.clone()];
    let by_self_call = |request: &SessionRequest| {
        let event = request.clone().expected_event(&SESSION_PROGRAM_ID, 1).unwrap();
        told_to_itself(&event)
    };
    let transactions = [
        vec![by_self_call(&alone)],
        vec![hostile(&[spam_operation(12_000)]), by_self_call(&cut)],
    ];
    let (collector, folder) = (Collector::start(), tempfile::tempdir().unwrap());
    let config = ListenerConfig {
        program_id: FORGED_FACTORY_ID,
        ..quick_config()
    };
    let mut listening = Listening::start(config, pool(chain.endpoint()), collector.queue(), folder.path());
    listening.connected().await;
    for transaction in &transactions {
        chain.send(transaction).await.expect("the transaction succeeds");
    }
    collector.all_of(&sessions).await;
    listening.stop().await.unwrap();
    assert!(
        collector
            .messages()
            .iter()
            .all(|message| message.source.origin == Origin::Recovery)
    );
    assert!(
        collector.sessions().values().all(|&times| times == 1),
        "{:?}",
        collector.sessions()
    );
}
