//! Somebody creates strangers' accounts before the service does, too short or as long as they can be.

use std::{collections::HashMap, sync::Arc};

use create_accounts::Conclusion;
use session_engine::Outcome;
use session_events::{
    factory::SessionRequest,
    session::{AccountRequest, MAX_ACCOUNT_SIZE, SESSION_PROGRAM_ID, create_session_accounts},
    session_address,
};
use session_tests::{chain::TestChain, rig::Rig};
use solana_sdk::{
    signature::{Keypair, Signer},
    transaction::Transaction,
};

/// Sessions of each kind.
const SESSIONS: usize = 50;
/// Accounts that the griefer creates in one transaction of the oldest format.
const AT_ONCE: usize = 5;

/// Creates the requests' accounts, all of one size. Gives what that has cost, in lamports.
async fn grieve(chain: &TestChain, griefer: &Keypair, requests: &[SessionRequest], size: u64) -> u64 {
    let rpc = chain.rpc();
    let before = rpc.get_balance(&griefer.pubkey()).await.unwrap();
    for some in requests.chunks(AT_ONCE) {
        let accounts: Vec<_> = some
            .iter()
            .map(|request| AccountRequest {
                owner: request.owner,
                session_id: request.session_id.clone(),
                size,
            })
            .collect();
        let create = create_session_accounts(&SESSION_PROGRAM_ID, &griefer.pubkey(), &accounts).unwrap();
        let blockhash = rpc.get_latest_blockhash().await.unwrap();
        let payer = griefer.pubkey();
        let transaction = Transaction::new_signed_with_payer(&[create], Some(&payer), &[griefer], blockhash);
        rpc.send_and_confirm_transaction(&transaction).await.unwrap();
    }
    before - rpc.get_balance(&griefer.pubkey()).await.unwrap()
}

pub(crate) async fn a_griefer_pays_for_strangers_sessions_and_spoils_none(chain: Arc<TestChain>) {
    let rpc = chain.rpc();
    let griefer = chain.wallet(20_000_000_000).await;
    let requests: Vec<_> = (0..2 * SESSIONS).map(|_| chain.session_request()).collect();
    let (empty, long) = requests.split_at(SESSIONS);
    let paid_for_empty = grieve(&chain, &griefer, empty, 0).await;
    let paid_for_long = grieve(&chain, &griefer, long, MAX_ACCOUNT_SIZE).await;

    let rig = Rig::start(Arc::clone(&chain), |_| {}).await;
    let before = rig.balance().await;
    for ten in requests.chunks(10) {
        let sends = ten.iter().map(|request| async {
            let request = [chain.request_instruction(request)];
            chain.send(&request).await.unwrap();
        });
        futures::future::join_all(sends).await;
    }
    let reports = rig.recorder.verified(2 * SESSIONS).await;
    let paid_by_service = before - rig.balance().await;

    let outcomes: HashMap<_, _> = reports
        .into_iter()
        .map(|report| (report.message.unwrap().event.session_id, report.conclusion))
        .collect();
    let exempt = async |bytes: usize| rpc.get_minimum_balance_for_rent_exemption(bytes).await.unwrap();
    let (rent_of_nothing, mut difference) = (exempt(0).await, 0);
    for (place, request) in requests.iter().enumerate() {
        let (address, _) = session_address(&SESSION_PROGRAM_ID, &request.owner, &request.session_id).unwrap();
        let account = rpc.get_account(&address).await.unwrap();
        assert_eq!(account.owner, SESSION_PROGRAM_ID);
        assert!(account.data.iter().all(|byte| *byte == 0));
        let asked = usize::try_from(request.expected_size()).unwrap();
        let outcome = &outcomes[&request.session_id];
        if place < SESSIONS {
            assert_eq!(account.data.len(), asked, "it was grown to what was asked for");
            assert_eq!(account.lamports, exempt(asked).await);
            assert!(
                matches!(outcome, Conclusion::Verified(Outcome::Created { .. })),
                "{:#?}",
                rig.recorder.of_session(&request.session_id)
            );
            difference += account.lamports - rent_of_nothing;
        } else {
            assert_eq!(
                account.data.len() as u64,
                MAX_ACCOUNT_SIZE,
                "longer than asked is as good"
            );
            assert!(
                matches!(outcome, Conclusion::Verified(Outcome::AlreadyExisted)),
                "{outcome:?}"
            );
        }
    }
    let fees = paid_by_service - difference;
    assert!(fees <= SESSIONS as u64 * 5_000, "{fees} lamports of fees");
    let alone = difference + SESSIONS as u64 * rent_of_nothing;
    println!(
        "griefer: {paid_for_empty} lamports for {SESSIONS} empty accounts, {paid_for_long} for {SESSIONS} of {MAX_ACCOUNT_SIZE} bytes"
    );
    println!(
        "service: {difference} of rent and {fees} of fees for the {SESSIONS} that it grew (alone it would have paid {alone}), nothing for the others"
    );
    rig.pipeline.drain().await;
}
