//! The values that labels can have.

/// Values that nobody knows beforehand, such as the names of handlers that a user has written.
pub const ANY: &[&str] = &[];

/// The factory's events, by their names in the IDL.
pub(super) const EVENTS: &[&str] = &[
    "PDAComputedEvent",
    "SessionReservedEvent",
    "SessionCreatedEvent",
    "SessionActivatedEvent",
    "SessionQueuedEvent",
    "SessionInitializedFromQueueEvent",
    "QueueProcessedEvent",
    "ManualSessionInitializedEvent",
    "EmergencySessionResetEvent",
];

/// Those that have a deadline.
pub(super) const EVENTS_WITH_A_DEADLINE: &[&str] = &[
    "PDAComputedEvent",
    "SessionReservedEvent",
    "SessionQueuedEvent",
    "QueueProcessedEvent",
];

/// How a request to the RPC ends.
pub(super) const RPC_OUTCOMES: &[&str] = &[
    "ok",
    "misconfigured",
    "wrong_cluster",
    "rate_limited",
    "unavailable",
    "timed_out",
    "resting",
    "deadline_reached",
    "node_behind",
    "min_context_slot_not_reached",
    "block_not_available",
    "slot_skipped",
    "unsupported_transaction_version",
    "preflight_failed",
    "rpc_error",
    "refused",
    "malformed_reply",
    "invalid_request",
];

/// What passes with time.
const LIMITS: &[&str] = &[
    "hourly_budget",
    "requester_budget",
    "wallet_reserve",
    "wallet_empty",
    "rate_limited",
    "no_node",
    "no_time_left",
    "account_busy",
    "no_ledger",
    "no_signature",
    "misconfigured",
];

/// What makes an attempt fail.
const FAILURES: &[&str] = &[
    "slot_skipped",
    "preflight_failed",
    "rpc_error",
    "invalid_request",
    "program_failed",
    "transaction_failed",
    "transaction_expired",
    "transaction_not_executed",
    "ledger_failed",
    "signing_failed",
    "compilation_failed",
    "unanswered",
];

/// What can never succeed, or was given up by a rule.
const GIVEN_UP: &[&str] = &[
    "bad_body",
    "session_id_too_long",
    "no_address",
    "address_mismatch",
    "size_over_limit",
    "owner_program_not_allowed",
    "refused_by_program",
    "owner_mismatch",
    "length_mismatch",
    "content_mismatch",
    "executable_account",
    "account_closed",
    "given_up",
    "deferred_too_long",
];

/// Why an attempt fails and is made again.
pub(super) const RETRIED_REASONS: &[&str] =
    &joined::<{ LIMITS.len() + FAILURES.len() + 1 }>(&[LIMITS, FAILURES, &["reported_failed"]]);

/// Why a message waits for room.
pub(super) const DEFERRED_REASONS: &[&str] = &joined::<{ LIMITS.len() + 1 }>(&[LIMITS, &["waiting"]]);

/// Why a message ends as a dead letter: what can never succeed, and what failed too often.
pub(super) const DEAD_LETTER_REASONS: &[&str] =
    &joined::<{ GIVEN_UP.len() + LIMITS.len() + FAILURES.len() }>(&[GIVEN_UP, LIMITS, FAILURES]);

/// Why an entry of a history is lost.
pub(super) const HISTORY_LOSSES: &[&str] = &["full", "store"];

/// What becomes of an alert.
pub(super) const ALERT_OUTCOMES: &[&str] = &["told", "failed", "dropped"];

/// Tables that others are parts of, each written once.
const fn joined<const N: usize>(parts: &[&[&'static str]]) -> [&'static str; N] {
    let mut all = [""; N];
    let (mut part, mut place) = (0, 0);
    while part < parts.len() {
        let mut item = 0;
        while item < parts[part].len() {
            all[place] = parts[part][item];
            (item, place) = (item + 1, place + 1);
        }
        part += 1;
    }
    assert!(place == N);
    all
}

/// Why a line that looks like an event is not believed.
pub(super) const REFUSALS: &[&str] = &[
    "wrong_program",
    "failed_transaction",
    "bad_base64",
    "no_discriminator",
    "unknown_discriminator",
    "no_layout",
    "short_borsh",
    "trailing_bytes",
    "truncated",
    "unbalanced",
];

/// What becomes of a transaction.
pub(super) const FATES: &[&str] = &["landed", "failed", "expired", "refused", "abandoned"];

/// Why a WebSocket connection ends.
pub(super) const DISCONNECTS: &[&str] = &[
    "connect",
    "connect_timeout",
    "subscribe",
    "broken",
    "malformed",
    "ended",
    "silent",
    "owes",
];

/// Why a notification is left to the listing.
pub(super) const LEFT: &[&str] = &[
    "too_far_ahead",
    "incomplete_logs",
    "backpressure",
    "no_signature",
    "no_room",
    "no_requester",
    "unreadable",
];

/// How a transaction or a message came to be known.
pub(super) const ORIGINS: &[&str] = &["live", "fill", "backfill", "recovery", "reconciliation"];

/// Why an instruction's events could not be had.
pub(super) const UNRECOVERED: &[&str] = &[
    "foreign_caller",
    "unknown_caller",
    "wrong_event_authority",
    "undecodable",
    "request",
    "logs_only",
];

/// Why something is in quarantine.
pub(super) const QUARANTINE_REASONS: &[&str] = &["withheld", "unreadable", "undecodable", "unsendable", "postponed"];

/// What endpoints can disagree about.
pub(super) const SUBJECTS: &[&str] = &["tip", "history", "transaction"];

/// How it is known that everything up to a slot was delivered.
pub(super) const BECAUSE: &[&str] = &["finality", "agreement", "beginning"];

/// What becomes of a transaction that no listing shows in its slot.
pub(super) const UNLISTED: &[&str] = &["moved", "gone", "not_listed", "unknown"];

/// What a custom handler does instead of taking an event.
pub(super) const HANDLER_FAILURES: &[&str] = &["backlog_full", "blocked", "error", "no_thread", "panic", "timed_out"];

/// How a comparison has found an entry.
pub(super) const RECONCILED: &[&str] = &[
    "remembered",
    "existing",
    "optimistic",
    "young",
    "covered",
    "underivable",
    "malformed",
    "queued",
];

/// How a comparison with account state ends.
pub(super) const RECONCILIATIONS: &[&str] = &["ok", "failed"];

/// Whether.
pub(super) const YES_OR_NO: &[&str] = &["true", "false"];
