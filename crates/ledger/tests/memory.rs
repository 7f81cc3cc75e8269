//! The ledger in memory does what every ledger does.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod conformance;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use session_ledger::{
    Fate, HoldAnswer, HoldId, HoldRequest, InMemoryLedger, Ledger, Limits, Member, SentTransaction, Settlement,
};
use solana_pubkey::Pubkey;
use solana_signature::Signature;

#[tokio::test]
async fn the_ledger_in_memory() {
    for (name, case) in conformance::CASES {
        println!("{name}");
        case(Arc::new(InMemoryLedger::new(conformance::LIMITS))).await;
    }
}

#[tokio::test]
async fn settled_holds_are_let_go_and_what_was_spent_stays() {
    const HOLDS: u64 = 10_000;
    let ledger = InMemoryLedger::new(Limits::default());
    let start = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
    let mut most = 0;
    for number in 0..HOLDS {
        // One a second: an hour has 3,600.
        let now = start + Duration::from_secs(number);
        let id = HoldId::from_random(u128::from(number) << 64);
        let mut pda = [0; 32];
        pda[..8].copy_from_slice(&number.to_be_bytes());
        let request = HoldRequest {
            id,
            wallet: Pubkey::new_from_array([9; 32]),
            members: vec![Member {
                pda: Pubkey::new_from_array(pda),
                requester: Pubkey::new_from_array([1; 32]),
                rent_lamports: 10,
                asked_at_slot: Some(1),
            }],
            fee_lamports: 1,
            wallet_reading: None,
        };
        assert_eq!(
            ledger.hold(request, now).await.unwrap(),
            HoldAnswer::Held { created_before: None }
        );
        let sent = SentTransaction {
            signature: Signature::from([7; 64]),
            last_valid_block_height: 1,
        };
        ledger.attach(id, sent, now).await.unwrap();
        let landed = Fate::Landed { slot: 2, spent: None };
        ledger.settle(id, landed.clone(), now).await.unwrap();
        assert_eq!(
            ledger.settle(id, landed.clone(), now).await.unwrap(),
            Settlement::Before(landed),
            "a late question is answered"
        );
        most = most.max(ledger.holds());
    }
    assert!((3_000..=3_602).contains(&most), "{most} holds were kept at a time");
    let summary = ledger.summary(start + Duration::from_secs(HOLDS)).await.unwrap();
    assert_eq!(summary.total.spent_lamports(), HOLDS * 11);
}
