//! Requests end as verified accounts, and the chain agrees.

use std::{collections::HashSet, sync::Arc};

use create_accounts::{Conclusion, RecordReport};
use serde_json::json;
use session_engine::Outcome;
use session_events::{
    factory::{self, OptimisticRequest, SESSION_FACTORY_ID},
    session::SESSION_PROGRAM_ID,
};
use session_tests::{chain::TestChain, rig::Rig};
use solana_sdk::signature::Signer;

pub(crate) async fn fifty_sessions_are_verified_once_each(chain: Arc<TestChain>) {
    let rig = Rig::start(Arc::clone(&chain), |_| {}).await;
    let before = rig.balance().await;
    for _ in 0..10 {
        futures::future::join_all((0..5).map(|_| chain.request_session())).await;
    }
    let reports = rig.recorder.verified(50).await;

    let events: Vec<_> = reports
        .iter()
        .map(|report| &report.message.as_ref().unwrap().event)
        .collect();
    assert_eq!(reports.len(), 50);
    assert!(
        reports
            .iter()
            .all(|report| matches!(report.conclusion, Conclusion::Verified(Outcome::Created { .. })))
    );

    let mut rent = 0;
    for event in &events {
        rent += chain.assert_created(event).await;
    }
    let spent = before - rig.balance().await;
    assert!(spent >= rent, "the wallet paid {spent}, the accounts hold {rent}");
    assert!(
        spent - rent <= 50 * 5_000,
        "fees of {} lamports for 50 accounts",
        spent - rent
    );
    rig.pipeline.drain().await;
    assert_each_event_was_verified_once(rig.recorder.reports());
}

/// An event is one of its block: what landed again in another block is another event of the same session.
fn assert_each_event_was_verified_once(reports: Vec<RecordReport>) {
    let mut sources = HashSet::new();
    for report in reports {
        let source = &report.message.as_ref().unwrap().source;
        let event = (source.signature.clone(), source.slot, source.event_index);
        assert!(sources.insert(event), "{report:?} was concluded before");
    }
}

pub(crate) async fn an_optimistic_session_is_skipped_and_is_no_failure(chain: Arc<TestChain>) {
    let rig = Rig::start(Arc::clone(&chain), |_| {}).await;
    let before = rig.counter("events_skipped_total").await;
    let request = chain.session_request();
    let optimistic = OptimisticRequest {
        owner: request.owner,
        session_id: request.session_id.clone(),
    };
    let optimistic =
        factory::create_optimistic_session(&SESSION_FACTORY_ID, &chain.payer().pubkey(), &optimistic).unwrap();
    chain.send(&[optimistic]).await.unwrap();
    // A session that is requested afterwards shows that the optimistic one was passed.
    let (next, _) = chain.request_session().await;
    rig.recorder.conclusion(&next.session_id).await;

    assert!(
        rig.recorder
            .of_session(&request.session_id)
            .iter()
            .all(|report| matches!(report.conclusion, Conclusion::Skipped))
    );
    let (address, _) =
        session_events::session_address(&SESSION_PROGRAM_ID, &request.owner, &request.session_id).unwrap();
    assert!(
        chain.rpc().get_account(&address).await.is_err(),
        "an optimistic session has no account"
    );
    assert_eq!(
        rig.counter("events_skipped_total").await,
        before + 1,
        "it is counted as skipped"
    );
    let stats = rig.stats().await;
    assert_eq!(
        (&stats["accounts_failed"], &stats["accounts_created"]),
        (&json!(0), &json!(1)),
        "{stats}"
    );
    rig.pipeline.drain().await;
}
