//! Accounts that are there already: success if they match, a named mismatch if they do not.

use std::sync::Arc;

use create_accounts::Conclusion;
use session_engine::Outcome;
use session_events::{
    factory::SessionRequest,
    session::{self, AccountRequest, SESSION_PROGRAM_ID, SessionInitialization},
    session_address,
};
use session_queue::DeadLetter;
use session_tests::{chain::TestChain, rig::Rig};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signer;

async fn create(chain: &TestChain, session_id: &str, size: u64) -> Pubkey {
    let payer = chain.payer().pubkey();
    let account = AccountRequest {
        owner: payer,
        session_id: session_id.to_owned(),
        size,
    };
    let create = session::create_session_account(&SESSION_PROGRAM_ID, &payer, &account).unwrap();
    chain.send(&[create]).await.unwrap();
    session_address(&SESSION_PROGRAM_ID, &payer, session_id).unwrap().0
}

pub(crate) async fn a_matching_account_is_success_without_a_transaction(chain: Arc<TestChain>) {
    let request = chain.session_request();
    create(&chain, &request.session_id, request.expected_size()).await;
    let rig = Rig::start(Arc::clone(&chain), |_| {}).await;
    let before = rig.balance().await;
    chain.send(&[chain.request_instruction(&request)]).await.unwrap();
    let report = rig.recorder.conclusion(&request.session_id).await;
    assert!(
        matches!(report.conclusion, Conclusion::Verified(Outcome::AlreadyExisted)),
        "{report:?}"
    );
    assert_eq!(rig.balance().await, before, "no transaction was sent");
    rig.pipeline.drain().await;
}

pub(crate) async fn an_initialised_account_of_the_same_session_is_success(chain: Arc<TestChain>) {
    let request = chain.session_request();
    create(&chain, &request.session_id, request.expected_size()).await;
    initialize(&chain, &request).await;
    let rig = Rig::start(Arc::clone(&chain), |_| {}).await;
    chain.send(&[chain.request_instruction(&request)]).await.unwrap();
    let report = rig.recorder.conclusion(&request.session_id).await;
    assert!(
        matches!(report.conclusion, Conclusion::Verified(Outcome::AlreadyExisted)),
        "{report:?}"
    );
    rig.pipeline.drain().await;
}

/// Makes a session of its account, as its owner.
async fn initialize(chain: &TestChain, request: &SessionRequest) {
    let initialization = SessionInitialization {
        owner: request.owner,
        eval_program: request.eval_program,
        session_id: request.session_id.clone(),
        namespaces: request.namespaces.clone(),
    };
    let initialize = session::initialize_session(&SESSION_PROGRAM_ID, &initialization).unwrap();
    chain.send(&[initialize]).await.unwrap();
}

pub(crate) async fn a_mismatch_is_named_in_the_dead_letter(chain: Arc<TestChain>) {
    let request = chain.session_request();
    let right = request.expected_size();
    // Shorter than it was asked for, and in use: nobody can grow it any more.
    create(&chain, &request.session_id, right - 8).await;
    initialize(&chain, &request).await;
    let rig = Rig::start(Arc::clone(&chain), |_| {}).await;
    let before = rig.balance().await;
    chain.send(&[chain.request_instruction(&request)]).await.unwrap();
    let letter = DeadLetter::from_attributes(&rig.dead_letter().await.attributes).unwrap();
    assert_eq!(letter.reason, "length_mismatch");
    let (is, should) = ((right - 8).to_string(), right.to_string());
    assert!(
        letter.sentence.contains(&is) && letter.sentence.contains(&should),
        "{}",
        letter.sentence
    );
    assert_eq!(rig.balance().await, before);
    rig.pipeline.drain().await;
}
