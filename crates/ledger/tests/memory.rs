//! The ledger in memory does what every ledger does.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod conformance;

use std::sync::Arc;

use session_ledger::InMemoryLedger;

#[tokio::test]
async fn the_ledger_in_memory() {
    for (name, case) in conformance::CASES {
        println!("{name}");
        case(Arc::new(InMemoryLedger::new(conformance::LIMITS))).await;
    }
}
