//! The ledger in the store does what every ledger does, and still knows it after a restart.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

#[path = "../../ledger/tests/conformance/mod.rs"]
mod conformance;

use std::sync::Arc;

use session_ledger::{HoldAnswer, HoldId, HoldRequest, Ledger, Limits, Member};
use session_store::{Store, StoreLedger};
use solana_pubkey::Pubkey;

#[tokio::test]
async fn the_ledger_in_the_store() {
    for (name, case) in conformance::CASES {
        println!("{name}");
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        case(Arc::new(StoreLedger::new(store, conformance::LIMITS))).await;
    }
}

#[tokio::test]
async fn what_is_held_is_held_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        lamports_per_hour: Some(100),
        ..Limits::default()
    };
    let request = |number: u8| HoldRequest {
        id: HoldId::random(),
        wallet: Pubkey::new_from_array([9; 32]),
        members: vec![Member {
            pda: Pubkey::new_from_array([number; 32]),
            requester: Pubkey::new_from_array([1; 32]),
            rent_lamports: 80,
            asked_at_slot: Some(1),
        }],
        fee_lamports: 5,
        wallet_reading: None,
    };
    let now = session_clock::now();
    let store = Store::open(folder.path()).await.unwrap();
    let ledger = StoreLedger::new(store.clone(), limits);
    assert_eq!(
        ledger.hold(request(1), now).await.unwrap(),
        HoldAnswer::Held { created_before: None }
    );
    drop(ledger);
    store.close().await;

    let ledger = StoreLedger::new(Store::open(folder.path()).await.unwrap(), limits);
    assert!(matches!(
        ledger.hold(request(2), now).await.unwrap(),
        HoldAnswer::Refused(_)
    ));
    assert_eq!(ledger.open().await.unwrap().len(), 1);
}
