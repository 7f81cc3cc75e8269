//! The names of all metrics, with their kind, unit, labels and meaning. The first seven are the service's contract
//! (`docs/contract.md`), so their names stay as they are; all others are in snake case, unit last.
//!
//! Every counter is there from the first scrape, at 0, with every value that its labels can have: the increase of a
//! series that begins at 1 is invisible to whoever watches for it.

use metrics::{
    Counter, Gauge, Label, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

mod labels;

pub use labels::ANY;
use labels::{
    ALERT_OUTCOMES, BECAUSE, DEAD_LETTER_REASONS, DEFERRED_REASONS, DISCONNECTS, EVENTS, EVENTS_WITH_A_DEADLINE, FATES,
    HANDLER_FAILURES, HISTORY_LOSSES, LEFT, ORIGINS, QUARANTINE_REASONS, RECONCILED, RECONCILIATIONS, REFUSALS,
    RETRIED_REASONS, RPC_OUTCOMES, SUBJECTS, UNLISTED, UNRECOVERED, YES_OR_NO,
};

/// How a metric measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by size.
    Histogram,
}

/// A metric of the service.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it measures.
    pub kind: Kind,
    /// What it is measured in.
    pub unit: Unit,
    /// Its labels, each with all the values that it can have; [`ANY`] where they are not known beforehand.
    pub labels: &'static [(&'static str, &'static [&'static str])],
    /// What it means.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:ident, $unit:expr, [$($label:ident: $values:expr),*], $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $constant: &str = $name;
        )+

        /// All of them.
        pub const ALL: &[Metric] = &[$(Metric {
            name: $name,
            kind: Kind::$kind,
            unit: $unit,
            labels: &[$((stringify!($label), $values)),*],
            help: $help,
        }),+];
    };
}

metrics! {
    ACCOUNTS_CREATED_TOTAL = "accounts_created_total", Counter, Unit::Count, [], "Accounts that this service created and verified.";
    ACCOUNTS_FAILED_TOTAL = "accounts_failed_total", Counter, Unit::Count, [], "Messages that ended as a dead letter.";
    EVENT_PROCESSING_DURATION = "event_processing_duration", Histogram, Unit::Seconds, [event: EVENTS], "From an event's visibility to its verified account or recorded metric, in seconds, by event.";
    RPC_CONNECTION_STATUS = "rpc_connection_status", Gauge, Unit::Count, [], "1 while the RPC answers, else 0.";
    SERVICE_UPTIME_SECONDS = "service_uptime_seconds", Counter, Unit::Seconds, [], "Seconds since the service started.";
    QUEUE_SIZE = "queue_size", Gauge, Unit::Count, [], "Messages waiting in the queue.";
    WALLET_BALANCE_LAMPORTS = "wallet_balance_lamports", Gauge, Unit::Count, [], "Lamports in the service's wallets.";
    ACCOUNTS_EXISTING_TOTAL = "accounts_existing_total", Counter, Unit::Count, [], "Accounts that existed already and passed verification.";
    ACCOUNTS_BELOW_RENT_MINIMUM_TOTAL = "accounts_below_rent_minimum_total", Counter, Unit::Count, [], "Verified accounts that hold less than their length requires at today's price of storage.";
    CREATION_LATENCY_SLOTS = "creation_latency_slots", Histogram, Unit::Count, [], "From an event's block to the block of its account's creation, in slots.";
    PRIORITY_FEE = "priority_fee_micro_lamports_per_unit", Gauge, Unit::Count, [], "The price of compute units that is offered, in micro-lamports, before the cap.";
    CREATION_COMPUTE_UNITS = "creation_compute_units", Gauge, Unit::Count, [program: ANY], "Compute units that a creation is given beside those for its address and size, by owner program.";
    RENT_LAMPORTS_PER_BYTE = "rent_lamports_per_byte", Gauge, Unit::Count, [], "The cluster's price of storage that is in use, in lamports a byte.";
    SLOT_TIME_SECONDS = "slot_time_seconds", Gauge, Unit::Seconds, [], "How long a slot takes, as measured.";
    ATTEMPTS_FAILED_TOTAL = "attempts_failed_total", Counter, Unit::Count, [reason: RETRIED_REASONS], "Attempts that failed and will be made again, by reason.";
    MESSAGES_DEFERRED_TOTAL = "messages_deferred_total", Counter, Unit::Count, [reason: DEFERRED_REASONS], "Messages sent anew to wait for room, which is no attempt, by reason.";
    EVENTS_TOTAL = "events_total", Counter, Unit::Count, [event: EVENTS], "Events of the factory, by event.";
    EVENTS_REFUSED_TOTAL = "events_refused_total", Counter, Unit::Count, [reason: REFUSALS], "Log lines that look like events and are not believed, by reason.";
    EVENTS_UNREADABLE_TOTAL = "events_unreadable_total", Counter, Unit::Count, [event: ANY], "Events of the factory that cannot be read, by event where its name is known.";
    EVENTS_SKIPPED_TOTAL = "events_skipped_total", Counter, Unit::Count, [], "Events that ask for no account (optimistic sessions).";
    DEADLINE_MISSED_TOTAL = "deadline_missed_total", Counter, Unit::Count, [event: EVENTS_WITH_A_DEADLINE], "Events that took longer than their deadline, by event.";
    DEAD_LETTERS_TOTAL = "dead_letters_total", Counter, Unit::Count, [reason: DEAD_LETTER_REASONS], "Messages sent to the dead-letter queue, by reason.";
    DEAD_LETTERS = "dead_letters", Gauge, Unit::Count, [], "Messages in the dead-letter queue.";
    ALERTS_TOTAL = "alerts_total", Counter, Unit::Count, [outcome: ALERT_OUTCOMES], "Alerts to the webhook, by what became of them.";
    HISTORY_ENTRIES_LOST_TOTAL = "history_entries_lost_total", Counter, Unit::Count, [reason: HISTORY_LOSSES], "Entries of sessions' histories that could not be kept, by reason: they came faster than the store takes them, or it failed.";
    QUEUE_IN_FLIGHT = "queue_in_flight", Gauge, Unit::Count, [], "Messages that are being handled.";
    RPC_REQUESTS_TOTAL = "rpc_requests_total", Counter, Unit::Count, [method: ANY, outcome: RPC_OUTCOMES], "Requests to the RPC, by method and outcome.";
    RPC_RATE_LIMITED_TOTAL = "rpc_rate_limited_total", Counter, Unit::Count, [], "Requests that the RPC refused because there were too many.";
    RPC_CREDITS_TOTAL = "rpc_credits_total", Counter, Unit::Count, [method: ANY], "Credits that requests to the RPC cost by the provider's prices, by method; a WebSocket's stand under `websocket`.";
    RPC_CREDITS_PER_HOUR = "rpc_credits_per_hour", Gauge, Unit::Count, [], "Credits an hour, at the rate of the last ten minutes.";
    TRANSACTIONS_SENT_TOTAL = "transactions_sent_total", Counter, Unit::Count, [], "Transactions signed and sent for the first time.";
    CREATION_TRANSACTIONS_IN_FLIGHT = "creation_transactions_in_flight", Gauge, Unit::Count, [], "Creation transactions under way; at most `service.max_concurrent_creations`.";
    TRANSACTIONS_SETTLED_TOTAL = "transactions_settled_total", Counter, Unit::Count, [outcome: FATES], "Transactions whose end is known, by outcome.";
    WALLET_LOW = "wallet_low", Gauge, Unit::Count, [], "Wallets that have less than they should be refilled at.";
    LISTENER_STANDBY = "listener_standby", Gauge, Unit::Count, [], "1 while another listener holds the lease on listening and this one stands by, else 0.";
    LISTENER_TAKEOVERS_TOTAL = "listener_takeovers_total", Counter, Unit::Count, [], "Leases that this listener took over from one that had stopped renewing them.";
    LISTENER_CONNECTED = "listener_connected", Gauge, Unit::Count, [], "1 while notifications come in, else 0.";
    LISTENER_DISCONNECTS_TOTAL = "listener_disconnects_total", Counter, Unit::Count, [reason: DISCONNECTS], "WebSocket connections that ended, by reason.";
    LISTENER_NOTIFICATIONS_LEFT_TOTAL = "listener_notifications_left_total", Counter, Unit::Count, [reason: LEFT], "Notifications that were left to the listing, by reason.";
    LISTENER_REQUESTERS_LOOKED_UP_TOTAL = "listener_requesters_looked_up_total", Counter, Unit::Count, [], "Transactions that were fetched for nothing but who paid for them (`policy.lamports_per_requester_per_hour`).";
    LISTENER_LAST_SLOT = "listener_last_slot", Gauge, Unit::Count, [], "The newest slot that was heard of.";
    LISTENER_CURSOR_SLOT = "listener_cursor_slot", Gauge, Unit::Count, [], "The watermark: the last slot of which everything is settled.";
    LISTENER_CURSOR_SAVE_FAILURES_TOTAL = "listener_cursor_save_failures_total", Counter, Unit::Count, [], "Saves of the watermark that failed.";
    LISTENER_BACKPRESSURE = "listener_backpressure", Gauge, Unit::Count, [], "1 while reading waits because too many events are unsettled, else 0.";
    LISTENER_STALLED = "listener_stalled", Gauge, Unit::Count, [], "1 while the listing does not get ahead, else 0.";
    LISTENER_SETBACKS_TOTAL = "listener_setbacks_total", Counter, Unit::Count, [needs_action: YES_OR_NO], "Attempts of the listing that failed and are made again, by whether somebody has to act.";
    LISTENER_TRANSACTIONS_TOTAL = "listener_transactions_total", Counter, Unit::Count, [origin: ORIGINS], "Transactions read, by how they were found.";
    LISTENER_PUBLISHED_TOTAL = "listener_published_total", Counter, Unit::Count, [origin: ORIGINS], "Messages that the queue has accepted, by origin.";
    LISTENER_SEND_FAILURES_TOTAL = "listener_send_failures_total", Counter, Unit::Count, [], "Entries of a batch that the queue refused.";
    LISTENER_UNSENDABLE_TOTAL = "listener_unsendable_total", Counter, Unit::Count, [], "Messages that the queue can never take.";
    LISTENER_QUARANTINE = "listener_quarantine", Gauge, Unit::Count, [reason: QUARANTINE_REASONS], "Transactions and messages in quarantine, by reason.";
    LISTENER_QUARANTINE_OLDEST_SECONDS = "listener_quarantine_oldest_seconds", Gauge, Unit::Seconds, [], "For how long the oldest of them is there, in seconds.";
    LISTENER_QUARANTINED_TOTAL = "listener_quarantined_total", Counter, Unit::Count, [reason: QUARANTINE_REASONS], "Transactions and messages that were put into quarantine, by reason.";
    LISTENER_QUARANTINE_RESOLVED_TOTAL = "listener_quarantine_resolved_total", Counter, Unit::Count, [reason: QUARANTINE_REASONS], "Those that went their normal way after another try, by reason.";
    LISTENER_QUARANTINE_REFUSED_TOTAL = "listener_quarantine_refused_total", Counter, Unit::Count, [], "What the quarantine had no room for though the service goes on: undecodable events, of which only the log tells, and postponed transactions, whose sessions account state tells.";
    LISTENER_QUARANTINE_SAVE_FAILURES_TOTAL = "listener_quarantine_save_failures_total", Counter, Unit::Count, [], "Times that the quarantine could not be saved; the watermark waits.";
    LISTENER_UNRECOVERED_TOTAL = "listener_unrecovered_total", Counter, Unit::Count, [reason: UNRECOVERED], "Instructions of the factory whose events, if they had any, are not known, by reason.";
    LISTENER_INCOMPLETE_LOGS_TOTAL = "listener_incomplete_logs_total", Counter, Unit::Count, [], "Transactions whose logs were cut or do not balance.";
    LISTENER_INCOMPLETE_LOGS_WAITING = "listener_incomplete_logs_waiting", Gauge, Unit::Count, [], "Transactions with such logs that wait to be fetched.";
    LISTENER_STREAM_COMPLETE = "listener_stream_complete", Gauge, Unit::Count, [], "1 while listings find nothing that the subscription had not delivered, and are therefore rare, else 0.";
    LISTENER_HANDLER_FAILURES_TOTAL = "listener_handler_failures_total", Counter, Unit::Count, [handler: ANY, reason: HANDLER_FAILURES], "Events that a custom handler did not take, by handler and reason.";
    LISTENER_HANDLER_DURATION_SECONDS = "listener_handler_duration_seconds", Histogram, Unit::Seconds, [handler: ANY], "How long a custom handler took over an event, in seconds, by handler.";
    LISTENER_DISAGREEMENTS_TOTAL = "listener_disagreements_total", Counter, Unit::Count, [endpoint: ANY, subject: SUBJECTS], "Answers of an endpoint that another endpoint contradicts, by endpoint and subject.";
    LISTENER_LAST_STATEMENT_SECONDS = "listener_last_statement_timestamp_seconds", Gauge, Unit::Seconds, [], "When it was last known of a later slot that everything was delivered, in unix seconds.";
    LISTENER_LAST_ACKNOWLEDGEMENT_SECONDS = "listener_last_acknowledgement_timestamp_seconds", Gauge, Unit::Seconds, [], "When the queue last acknowledged a message, in unix seconds.";
    LISTENER_COMPLETE_SLOT = "listener_complete_slot", Gauge, Unit::Count, [], "Up to this slot everything is known to be delivered.";
    LISTENER_STATEMENTS_TOTAL = "listener_statements_total", Counter, Unit::Count, [because: BECAUSE], "Statements that everything up to a slot was delivered, by how that is known.";
    LISTENER_UNLISTED_TRANSACTIONS_TOTAL = "listener_unlisted_transactions_total", Counter, Unit::Count, [outcome: UNLISTED], "Transactions that were confirmed and are not listed in their slot once it is complete, by what the chain says when asked again.";
    LISTENER_MOVED_TRANSACTIONS_TOTAL = "listener_moved_transactions_total", Counter, Unit::Count, [], "Transactions that a fork has put into another slot than the one they were seen in; they are read again.";
    LISTENER_RECONCILIATIONS_TOTAL = "listener_reconciliations_total", Counter, Unit::Count, [outcome: RECONCILIATIONS], "Comparisons with account state, by outcome.";
    LISTENER_RECONCILED_ENTRIES = "listener_reconciled_entries", Gauge, Unit::Count, [state: RECONCILED], "Entries of the factory as the last comparison has found them, by state.";
    SESSION_QUEUE_POSITION = "session_queue_position", Gauge, Unit::Count, [], "Place in the on-chain queue of the session that was queued last.";
    SESSION_QUEUE_DEPTH = "session_queue_depth", Gauge, Unit::Count, [], "Sessions in the on-chain queue.";
    SESSION_QUEUE_SOONEST_DEADLINE_SECONDS = "session_queue_soonest_deadline_seconds", Gauge, Unit::Seconds, [], "The soonest deadline of a queued session, unix time; 0 if none is queued.";
    SESSION_QUEUE_PROCESSED = "session_queue_processed", Gauge, Unit::Count, [], "Queued sessions that the factory has processed since it was deployed.";
    SESSION_QUEUE_FAILED = "session_queue_failed", Gauge, Unit::Count, [], "Queued sessions that have failed since the factory was deployed.";
    SESSION_RESERVATIONS_OPEN = "session_reservations_open", Gauge, Unit::Count, [], "Reservations that have not expired and were not used.";
    SESSION_RESERVATIONS_EXPIRED = "session_reservations_expired", Gauge, Unit::Count, [], "Reservations that expired unused, of those that are remembered.";
}

/// Tells the installed recorder what each metric means.
pub fn describe() {
    for Metric {
        name, kind, unit, help, ..
    } in ALL
    {
        match kind {
            Kind::Counter => describe_counter!(*name, *unit, *help),
            Kind::Gauge => describe_gauge!(*name, *unit, *help),
            Kind::Histogram => describe_histogram!(*name, *unit, *help),
        }
    }
}

/// Makes the installed recorder show every metric whose labels are known beforehand.
pub fn register() {
    for metric in ALL {
        for labels in metric.series() {
            match metric.kind {
                Kind::Counter => drop::<Counter>(counter!(metric.name, labels)),
                Kind::Gauge => drop::<Gauge>(gauge!(metric.name, labels)),
                Kind::Histogram => drop(histogram!(metric.name, labels)),
            }
        }
    }
}

impl Metric {
    /// The labels of every series that it has; none where they are not known beforehand.
    #[must_use]
    pub fn series(&self) -> Vec<Vec<Label>> {
        self.labels.iter().fold(vec![Vec::new()], |series, (name, values)| {
            let with = |labels: &Vec<Label>, value: &'static str| {
                let label = Label::from_static_parts(name, value);
                labels.iter().cloned().chain([label]).collect()
            };
            series
                .iter()
                .flat_map(|labels| values.iter().map(move |value| with(labels, value)))
                .collect()
        })
    }
}

#[cfg(test)]
mod tests;
