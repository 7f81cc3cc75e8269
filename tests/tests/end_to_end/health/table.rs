//! The causes that are known, and that the document has the same.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// Which check goes red, in what words the cause stands in docs/health.md.
pub(crate) const CAUSES: [(&str, &str); 32] = [
    ("rpc_slot", "The RPC refuses connections or answers with HTTP 503"),
    ("rpc_slot", "The RPC takes requests and never answers"),
    ("rpc_slot", "The RPC limits the rate by HTTP 429"),
    (
        "rpc_slot",
        "The RPC limits the rate under HTTP 200, by an error in the body",
    ),
    ("rpc_slot", "The RPC refuses the key by HTTP 401"),
    ("rpc_slot", "The RPC's answers are no JSON-RPC"),
    ("rpc_slot", "The chain stands still, or the node has lost it"),
    ("accounts", "Transactions are refused at the rate limit"),
    ("accounts", "Transactions are accepted and go nowhere"),
    ("accounts", "Transactions are refused by a node that is behind"),
    ("accounts", "Transactions' statuses cannot be read"),
    ("accounts", "Transactions' statuses are never known"),
    ("accounts", "Accounts cannot be read"),
    ("accounts", "Readings of accounts never end"),
    ("event_stream", "Neither notifications nor the listing come"),
    ("event_stream", "Notifications have fallen silent and the listing fails"),
    ("event_stream", "Listed transactions are not given"),
    ("wallet_balance", "The wallet is at its reserve"),
    ("wallet_balance", "The wallet is empty"),
    ("accounts", "The budget of the hour is spent"),
    ("accounts", "The owner program does not know the instruction"),
    ("accounts", "The books cannot be written"),
    ("queue", "The queue never answers"),
    ("queue", "The queue's service is down"),
    ("queue", "Messages may not be sent"),
    ("queue", "Messages may not be received"),
    ("queue", "The dead-letter queue refuses letters"),
    ("accounts", "The function hangs"),
    ("accounts", "The function is gone"),
    ("accounts", "The function fails"),
    ("accounts", "The function names every record as failed"),
    ("accounts", "The function names records that it was not sent"),
];

static PRODUCED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

/// The check that a cause turns red.
pub(crate) fn check_of(cause: &str) -> &'static str {
    let found = CAUSES.iter().find(|(_, known)| *known == cause);
    found.unwrap_or_else(|| panic!("{cause:?} is not in the list")).0
}

/// A cause has made the light red, and its end green.
pub(crate) fn produced(cause: &'static str) {
    PRODUCED.lock().unwrap_or_else(PoisonError::into_inner).insert(cause);
}

pub(crate) fn every_cause_was_produced() {
    let produced = PRODUCED.lock().unwrap_or_else(PoisonError::into_inner);
    let missing: Vec<&str> = CAUSES
        .iter()
        .map(|(_, cause)| *cause)
        .filter(|cause| !produced.contains(cause))
        .collect();
    assert_eq!(missing, Vec::<&str>::new(), "no test has produced these");
}

pub(crate) fn the_table_is_the_list() {
    let document = include_str!("../../../../docs/health.md");
    let rows = document.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let check = cells.next()?.trim_end_matches('`');
        Some((check, cells.next()?))
    });
    let told: BTreeSet<(&str, &str)> = rows.collect();
    let listed: BTreeSet<(&str, &str)> = CAUSES.into_iter().collect();
    assert_eq!(told, listed);
}
