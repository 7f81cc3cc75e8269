//! The cluster's price of storage changes under a running service. One test in a process of its own: it looks at the
//! process's metrics.

use std::{sync::Arc, time::Duration};

use create_accounts::Conclusion;
use session_engine::Outcome;
use session_tests::{
    chain::TestChain,
    rig::{LIMIT, Rig},
    rooms::{Room, Test, conclude, trials},
    wait,
};
use solana_sdk::{signature::Signer, transaction::Transaction};

const NAME: &str = "changing_cluster";

pub(crate) const ROOM: Room = Room {
    name: NAME,
    run: |arguments| conclude(arguments, 1, trials(NAME, ALL)).exit_code(),
};

const ALL: &[(&str, Test)] = session_tests::tests![
    async:
        the_price_of_storage_falls_and_rises_under_a_running_service;
];

/// Steps of the price of storage, in lamports a byte, and back up again.
const RATES: [u64; 7] = [6_960, 6_333, 5_080, 2_575, 1_322, 696, 6_960];
const SESSIONS_PER_SECOND: u64 = 20;
const SESSIONS_PER_RATE: usize = 60;

/// Requests sessions at the given pace, without waiting for anybody.
async fn request_sessions(chain: &TestChain, count: usize) {
    let rpc = chain.rpc();
    let payer = chain.payer();
    let mut tick = tokio::time::interval(Duration::from_millis(1_000 / SESSIONS_PER_SECOND));
    for _ in 0..count {
        tick.tick().await;
        let request = chain.request_instruction(&chain.session_request());
        let blockhash = rpc.get_latest_blockhash().await.unwrap();
        let transaction = Transaction::new_signed_with_payer(&[request], Some(&payer.pubkey()), &[payer], blockhash);
        rpc.send_transaction(&transaction).await.unwrap();
    }
}

async fn the_price_of_storage_falls_and_rises_under_a_running_service() {
    let chain = Arc::new(TestChain::embedded().await);
    let rig = Rig::start(Arc::clone(&chain), |_| {}).await;
    for (step, rate) in RATES.into_iter().enumerate() {
        // The rate changes while sessions are on their way.
        let change = async {
            tokio::time::sleep(Duration::from_millis(700)).await;
            chain.set_rent(rate);
        };
        tokio::join!(request_sessions(&chain, SESSIONS_PER_RATE), change);
        rig.recorder.verified(SESSIONS_PER_RATE * (step + 1)).await;
        wait::until_true(&format!("the metric shows a rate of {rate}"), LIMIT, || async {
            rig.counter("rent_lamports_per_byte").await == rate
        })
        .await;
        println!(
            "{rate} lamports a byte: {} sessions verified",
            SESSIONS_PER_RATE * (step + 1)
        );
    }
    let reports = rig.recorder.reports();
    let created = reports
        .iter()
        .filter(|report| matches!(report.conclusion, Conclusion::Verified(Outcome::Created { .. })))
        .count();
    assert_eq!(created, SESSIONS_PER_RATE * RATES.len());
    for report in &reports {
        assert!(!matches!(report.conclusion, Conclusion::DeadLettered(_)), "{report:?}");
    }
    rig.pipeline.drain().await;
}
