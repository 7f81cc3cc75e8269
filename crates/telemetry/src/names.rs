//! The names of all metrics, with their kind and meaning. The first seven are the service's contract (DESIGN,
//! "Contract of the service"), so their names stay as they are; all others are in snake case, with the unit last.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// What a metric measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:ident, $unit:expr, $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $constant: &str = $name;
        )+

        const ALL: &[(&str, Kind, Unit, &str)] = &[$(($name, Kind::$kind, $unit, $help)),+];
    };
}

metrics! {
    ACCOUNTS_CREATED_TOTAL = "accounts_created_total", Counter, Unit::Count, "Accounts that this service created and verified.";
    ACCOUNTS_FAILED_TOTAL = "accounts_failed_total", Counter, Unit::Count, "Messages that ended as a dead letter.";
    EVENT_PROCESSING_DURATION = "event_processing_duration", Histogram, Unit::Seconds, "From an event's visibility to its verified account or recorded metric, in seconds, by event.";
    RPC_CONNECTION_STATUS = "rpc_connection_status", Gauge, Unit::Count, "1 while the RPC answers, else 0.";
    SERVICE_UPTIME_SECONDS = "service_uptime_seconds", Counter, Unit::Seconds, "Seconds since the service started.";
    QUEUE_SIZE = "queue_size", Gauge, Unit::Count, "Messages waiting in the queue.";
    WALLET_BALANCE_LAMPORTS = "wallet_balance_lamports", Gauge, Unit::Count, "Lamports in the service's wallets.";
    ACCOUNTS_EXISTING_TOTAL = "accounts_existing_total", Counter, Unit::Count, "Accounts that existed already and passed verification.";
    ATTEMPTS_FAILED_TOTAL = "attempts_failed_total", Counter, Unit::Count, "Attempts that failed and will be made again, by reason.";
    EVENTS_TOTAL = "events_total", Counter, Unit::Count, "Events of the factory, by event.";
    EVENTS_REFUSED_TOTAL = "events_refused_total", Counter, Unit::Count, "Log lines that look like events and are not believed, by reason.";
    EVENTS_SKIPPED_TOTAL = "events_skipped_total", Counter, Unit::Count, "Events that ask for no account (optimistic sessions).";
    DEADLINE_MISSED_TOTAL = "deadline_missed_total", Counter, Unit::Count, "Events that took longer than their deadline, by event.";
    DEAD_LETTERS_TOTAL = "dead_letters_total", Counter, Unit::Count, "Messages sent to the dead-letter queue, by reason.";
    DEAD_LETTERS = "dead_letters", Gauge, Unit::Count, "Messages in the dead-letter queue.";
    QUEUE_IN_FLIGHT = "queue_in_flight", Gauge, Unit::Count, "Messages that are being handled.";
    RPC_REQUESTS_TOTAL = "rpc_requests_total", Counter, Unit::Count, "Requests to the RPC, by method and outcome.";
    RPC_RATE_LIMITED_TOTAL = "rpc_rate_limited_total", Counter, Unit::Count, "Requests that the RPC refused because there were too many.";
    TRANSACTIONS_SENT_TOTAL = "transactions_sent_total", Counter, Unit::Count, "Transactions signed and sent for the first time.";
    TRANSACTIONS_SETTLED_TOTAL = "transactions_settled_total", Counter, Unit::Count, "Transactions whose end is known, by outcome.";
    ACCOUNTS_BELOW_RENT_MINIMUM_TOTAL = "accounts_below_rent_minimum_total", Counter, Unit::Count, "Verified accounts that hold less than their length requires at today's price of storage.";
    CREATION_LATENCY_SLOTS = "creation_latency_slots", Histogram, Unit::Count, "From an event's block to the block of its account's creation, in slots.";
    RENT_LAMPORTS_PER_BYTE = "rent_lamports_per_byte", Gauge, Unit::Count, "The cluster's price of storage that is in use, in lamports a byte.";
    SLOT_TIME_SECONDS = "slot_time_seconds", Gauge, Unit::Seconds, "How long a slot takes, as measured.";
    WALLET_LOW = "wallet_low", Gauge, Unit::Count, "Wallets that have less than they should be refilled at.";
    LISTENER_CONNECTED = "listener_connected", Gauge, Unit::Count, "1 while notifications come in, else 0.";
    LISTENER_DISCONNECTS_TOTAL = "listener_disconnects_total", Counter, Unit::Count, "WebSocket connections that ended, by reason.";
    LISTENER_NOTIFICATIONS_LEFT_TOTAL = "listener_notifications_left_total", Counter, Unit::Count, "Notifications that were left to the listing, by reason.";
    LISTENER_LAST_SLOT = "listener_last_slot", Gauge, Unit::Count, "The newest slot that was heard of.";
    LISTENER_CURSOR_SLOT = "listener_cursor_slot", Gauge, Unit::Count, "The last slot of which everything is settled.";
    LISTENER_CURSOR_SAVE_FAILURES_TOTAL = "listener_cursor_save_failures_total", Counter, Unit::Count, "Saves of the cursor that failed.";
    LISTENER_BACKPRESSURE = "listener_backpressure", Gauge, Unit::Count, "1 while reading waits because too many events are unsettled, else 0.";
    LISTENER_STALLED = "listener_stalled", Gauge, Unit::Count, "1 while the listing does not get ahead, else 0.";
    LISTENER_SETBACKS_TOTAL = "listener_setbacks_total", Counter, Unit::Count, "Attempts of the listing that failed and are made again, by whether somebody has to act.";
    LISTENER_TRANSACTIONS_TOTAL = "listener_transactions_total", Counter, Unit::Count, "Transactions read, by how they were found.";
    LISTENER_PUBLISHED_TOTAL = "listener_published_total", Counter, Unit::Count, "Messages that the queue has accepted, by origin.";
    LISTENER_SEND_FAILURES_TOTAL = "listener_send_failures_total", Counter, Unit::Count, "Entries of a batch that the queue refused.";
    LISTENER_UNSENDABLE_TOTAL = "listener_unsendable_total", Counter, Unit::Count, "Messages that the queue can never take.";
    LISTENER_PARKED_TRANSACTIONS = "listener_parked_transactions", Gauge, Unit::Count, "Transactions that the chain lists and does not give; the cursor waits before them.";
    LISTENER_UNRECOVERED_TOTAL = "listener_unrecovered_total", Counter, Unit::Count, "Instructions of the factory whose events were lost with the logs, by reason.";
    LISTENER_INCOMPLETE_LOGS_TOTAL = "listener_incomplete_logs_total", Counter, Unit::Count, "Transactions whose logs were cut or do not balance.";
    LISTENER_HANDLER_FAILURES_TOTAL = "listener_handler_failures_total", Counter, Unit::Count, "Events that a custom handler did not take, by handler and reason.";
    LISTENER_RECONCILIATIONS_TOTAL = "listener_reconciliations_total", Counter, Unit::Count, "Comparisons with account state, by outcome.";
    SESSION_QUEUE_POSITION = "session_queue_position", Gauge, Unit::Count, "Place in the on-chain queue of the session that was queued last.";
    SESSION_QUEUE_DEPTH = "session_queue_depth", Gauge, Unit::Count, "Sessions in the on-chain queue.";
    SESSION_QUEUE_SOONEST_DEADLINE_SECONDS = "session_queue_soonest_deadline_seconds", Gauge, Unit::Seconds, "The soonest deadline of a queued session, unix time; 0 if none is queued.";
    SESSION_QUEUE_PROCESSED = "session_queue_processed", Gauge, Unit::Count, "Queued sessions that the factory has processed since it was deployed.";
    SESSION_QUEUE_FAILED = "session_queue_failed", Gauge, Unit::Count, "Queued sessions that have failed since the factory was deployed.";
    SESSION_RESERVATIONS_OPEN = "session_reservations_open", Gauge, Unit::Count, "Reservations that have not expired and were not used.";
    SESSION_RESERVATIONS_EXPIRED = "session_reservations_expired", Gauge, Unit::Count, "Reservations that expired unused, of those that are remembered.";
}

/// Tells the installed recorder what each metric means.
pub fn describe() {
    for (name, kind, unit, help) in ALL {
        match kind {
            Kind::Counter => describe_counter!(*name, *unit, *help),
            Kind::Gauge => describe_gauge!(*name, *unit, *help),
            Kind::Histogram => describe_histogram!(*name, *unit, *help),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use metrics::{counter, gauge, histogram, with_local_recorder};

    use super::*;
    use crate::prometheus;

    /// Two names of the contract are not as Prometheus would have them.
    const FIXED: [&str; 2] = [SERVICE_UPTIME_SECONDS, EVENT_PROCESSING_DURATION];

    #[test]
    fn the_contract_is_kept() {
        let contract = [
            ("accounts_created_total", Kind::Counter),
            ("accounts_failed_total", Kind::Counter),
            ("event_processing_duration", Kind::Histogram),
            ("rpc_connection_status", Kind::Gauge),
            ("service_uptime_seconds", Kind::Counter),
            ("queue_size", Kind::Gauge),
            ("wallet_balance_lamports", Kind::Gauge),
        ];
        let named: Vec<_> = ALL[..7].iter().map(|(name, kind, ..)| (*name, *kind)).collect();
        assert_eq!(named, contract);
    }

    #[test]
    fn names_are_unique_snake_case_and_say_what_counts() {
        assert_eq!(
            ALL.iter().map(|(name, ..)| name).collect::<BTreeSet<_>>().len(),
            ALL.len()
        );
        for (name, kind, _, help) in ALL {
            assert!(
                name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'),
                "{name}"
            );
            assert!(
                FIXED.contains(name) || name.ends_with("_total") == (*kind == Kind::Counter),
                "{name}"
            );
            assert!(help.ends_with('.'), "{name}: {help}");
        }
    }

    #[test]
    fn every_metric_is_shown_with_its_meaning() {
        let recorder = prometheus().unwrap();
        let handle = recorder.handle();
        with_local_recorder(&recorder, || {
            describe();
            for (name, kind, ..) in ALL {
                match kind {
                    Kind::Counter => counter!(*name).increment(1),
                    Kind::Gauge => gauge!(*name).set(1.0),
                    Kind::Histogram => histogram!(*name).record(0.45),
                }
            }
        });
        let page = handle.render();
        for (name, kind, _, help) in ALL {
            let kind = format!("{kind:?}").to_lowercase();
            assert!(
                page.contains(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")),
                "{name} in:\n{page}"
            );
        }
        // 0.45 s is over the bucket of 0.4 s and in the one of 0.5 s, the shortest deadline.
        assert!(
            page.contains("event_processing_duration_bucket{le=\"0.4\"} 0"),
            "{page}"
        );
        assert!(
            page.contains("event_processing_duration_bucket{le=\"0.5\"} 1"),
            "{page}"
        );
    }
}
