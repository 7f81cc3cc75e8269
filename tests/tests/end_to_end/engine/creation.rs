//! Creating, and not creating again.

use session_engine::{
    BatchEncoding, BatchShape, CreationRequest, EngineConfig, InstructionShape, MarkCreated, Outcome, Policy,
    TransactionVersion,
};
use session_events::{
    SessionEntry, SessionStatus,
    factory::{SESSION_FACTORY_ID, entry_address},
    session::SESSION_PROGRAM_ID,
    session_address,
};
use session_tests::{
    chain::TestChain,
    creation::{CreationRig, assert_all_created, requests},
};
use surfpool_sdk::cheatcodes::builders::SetAccount;

pub(crate) async fn a_batch_of_ten_shares_one_transaction_and_eight_calls() {
    let chain = TestChain::embedded().await;
    let rig = CreationRig::start(&chain).await;
    // The first batch fetches the blockhash that later ones find in the cache.
    assert_all_created(&rig.create(&requests(1, 100)).await);
    let (calls, balance) = (rig.pool.calls(), rig.balance().await);
    let requests = requests(10, 512);
    let answers = rig.create(&requests).await;
    assert_eq!(assert_all_created(&answers), 1, "transactions");
    assert!(rig.pool.calls() - calls <= 8, "{} calls", rig.pool.calls() - calls);
    rig.assert_created(&requests).await;
    assert_eq!(balance - rig.balance().await, rig.rent_of(&requests).await + 5_000);
    rig.engine.shutdown().await;
}

pub(crate) async fn one_instruction_for_many_carries_as_many_as_a_hold_and_one_each_32() {
    let chain = TestChain::embedded().await;
    let rig = CreationRig::start(&chain).await;
    let many = requests(session_ledger::MEMBERS_MAX, 300);
    assert_eq!(assert_all_created(&rig.create(&many).await), 1);
    rig.assert_created(&many).await;

    let singly = InstructionShape {
        batch: None,
        ..InstructionShape::default()
    };
    let config = EngineConfig {
        instruction: singly,
        ..EngineConfig::default()
    };
    let usual = CreationRig::start_at(&chain, vec![chain.endpoint()], 10_000_000_000, config).await;
    let forty = requests(40, 300);
    assert_eq!(assert_all_created(&usual.create(&forty).await), 2);
    usual.assert_created(&forty).await;
}

pub(crate) async fn version_0_carries_fewer_and_a_list_in_borsh_fewer_still() {
    let chain = TestChain::embedded().await;
    let borsh = InstructionShape {
        batch: Some(BatchShape {
            name: "create_session_accounts".to_owned(),
            encoding: BatchEncoding::Borsh,
        }),
        ..InstructionShape::default()
    };
    for (instruction, expected) in [(InstructionShape::default(), 2), (borsh, 3)] {
        let config = EngineConfig {
            transaction_version: TransactionVersion::V0,
            instruction,
            ..EngineConfig::default()
        };
        let rig = CreationRig::start_at(&chain, vec![chain.endpoint()], 10_000_000_000, config).await;
        let wanted = requests(30, 300);
        assert_eq!(assert_all_created(&rig.create(&wanted).await), expected);
        rig.assert_created(&wanted).await;
    }
}

pub(crate) async fn sizes_from_nothing_to_the_largest_are_created() {
    let chain = TestChain::embedded().await;
    let rig = CreationRig::start(&chain).await;
    let all: Vec<_> = [0, 1, 48, 9_999, 10_240]
        .into_iter()
        .flat_map(|size| requests(1, size))
        .collect();
    assert_all_created(&rig.create(&all).await);
    rig.assert_created(&all).await;
}

pub(crate) async fn an_account_that_is_there_is_success_for_one_call_and_no_lamports() {
    let chain = TestChain::embedded().await;
    let rig = CreationRig::start(&chain).await;
    let requests = requests(10, 512);
    assert_all_created(&rig.create(&requests).await);
    let (calls, balance) = (rig.pool.calls(), rig.balance().await);
    for answer in rig.create(&requests).await {
        assert_eq!(answer.unwrap(), Outcome::AlreadyExisted);
    }
    assert_eq!(rig.pool.calls() - calls, 1);
    assert_eq!(rig.balance().await, balance);
}

pub(crate) async fn an_account_that_is_something_else_is_rejected_with_the_difference() {
    let chain = TestChain::embedded().await;
    let rig = CreationRig::start(&chain).await;
    let asked = requests(1, 513);
    let in_use = SetAccount::new(asked[0].pda)
        .owner(SESSION_PROGRAM_ID)
        .lamports(10_000_000)
        .data(vec![1; 512]);
    chain
        .as_embedded()
        .unwrap()
        .surfnet()
        .cheatcodes()
        .execute(in_use)
        .unwrap();
    let error = rig.create(&asked).await.remove(0).unwrap_err();
    assert_eq!(error.reason_code(), "length_mismatch");
    assert!(error.to_string().contains("512 bytes, not 513"), "{error}");
}

pub(crate) async fn an_account_that_somebody_made_too_short_is_grown_and_a_longer_one_is_taken() {
    let chain = TestChain::embedded().await;
    let somebody = CreationRig::start(&chain).await;
    let mut asked = requests(30, 512);
    for (request, size) in asked.iter_mut().zip([0, 511, 10_240].into_iter().cycle()) {
        request.size = size;
    }
    assert_all_created(&somebody.create(&asked).await);
    somebody.engine.shutdown().await;
    let rig = CreationRig::start(&chain).await;
    let (before, held) = (rig.balance().await, rig.rent_of(&asked).await);
    for request in &mut asked {
        request.size = 512;
    }
    for (place, answer) in rig.create(&asked).await.into_iter().enumerate() {
        let outcome = answer.unwrap();
        assert_eq!(
            matches!(outcome, Outcome::AlreadyExisted),
            place % 3 == 2,
            "{outcome:?}"
        );
    }
    let added = rig.rent_of(&asked).await - held;
    assert_eq!(before - rig.balance().await, added + 5_000, "one transaction");
}

pub(crate) async fn one_bad_creation_does_not_sink_the_others() {
    let chain = TestChain::embedded().await;
    let policy = Policy {
        max_account_size: 20_000,
        ..Policy::default()
    };
    let config = EngineConfig {
        policy,
        ..EngineConfig::default()
    };
    let rig = CreationRig::start_at(&chain, vec![chain.endpoint()], 100_000_000_000, config).await;
    let mut requests = requests(10, 512);
    requests[3].size = 10_241;
    requests[7].size = 20_000;
    let mut answers = rig.create(&requests).await;
    for place in [7, 3] {
        let error = answers.remove(place).unwrap_err();
        assert_eq!(error.reason_code(), "refused_by_program");
        assert!(error.to_string().contains("SizeTooLarge (6009)"), "{error}");
        requests.remove(place);
    }
    assert_all_created(&answers);
    rig.assert_created(&requests).await;
}

pub(crate) async fn lamports_sent_beforehand_prevent_nothing_and_are_not_paid_again() {
    let chain = TestChain::embedded().await;
    let rig = CreationRig::start(&chain).await;
    let requests = requests(50, 512);
    for some in requests.chunks(10) {
        let grief = |request: &session_engine::CreationRequest| {
            let griefer = solana_sdk::signature::Signer::pubkey(chain.payer());
            solana_system_interface::instruction::transfer(&griefer, &request.pda, 1_000_000)
        };
        chain.send(&some.iter().map(grief).collect::<Vec<_>>()).await.unwrap();
    }
    let balance = rig.balance().await;
    let transactions = assert_all_created(&rig.create(&requests).await);
    rig.assert_created(&requests).await;
    let gifts = 50 * 1_000_000;
    let fees = 5_000 * transactions as u64;
    assert_eq!(
        balance - rig.balance().await,
        rig.rent_of(&requests).await - gifts + fees
    );
}

pub(crate) async fn the_factorys_entry_says_created_once_the_account_is() {
    let chain = TestChain::embedded().await;
    let authority = chain.payer().insecure_clone();
    let mark = MarkCreated {
        factory: SESSION_FACTORY_ID,
        authority: solana_sdk::signature::Signer::pubkey(&authority),
    };
    let config = EngineConfig {
        mark_created: Some(mark),
        ..EngineConfig::default()
    };
    let rig = CreationRig::start_with(&chain, vec![chain.endpoint()], authority, config).await;
    let mut requests = Vec::new();
    for _ in 0..3 {
        let (asked, _) = chain.request_session().await;
        let (pda, _) = session_address(&SESSION_PROGRAM_ID, &asked.owner, &asked.session_id).unwrap();
        requests.push(CreationRequest {
            pda,
            owner_program: SESSION_PROGRAM_ID,
            session_owner: asked.owner,
            session_id: asked.session_id,
            size: 500,
            requester: None,
            asked_at_slot: None,
        });
    }
    assert_eq!(
        assert_all_created(&rig.create(&requests).await),
        1,
        "marking takes no transaction of its own"
    );
    for request in &requests {
        let (entry, _) = entry_address(&SESSION_FACTORY_ID, &request.session_owner, &request.session_id).unwrap();
        let entry = SessionEntry::decode(&chain.rpc().get_account_data(&entry).await.unwrap()).unwrap();
        assert_eq!(entry.status, SessionStatus::Created);
    }
}
