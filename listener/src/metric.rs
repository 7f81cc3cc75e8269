//! The names of the metrics that a listener alone has; shared ones are in `session_telemetry::names`.

/// Gauge: 1 while notifications come in.
pub(crate) const CONNECTED: &str = "listener_connected";
/// Counter: connections that ended, by reason.
pub(crate) const DISCONNECTS_TOTAL: &str = "listener_disconnects_total";
/// Counter: notifications that were left to the listing, by reason.
pub(crate) const NOTIFICATIONS_LEFT_TOTAL: &str = "listener_notifications_left_total";
/// Gauge: the newest slot that was heard of.
pub(crate) const LAST_SLOT: &str = "listener_last_slot";
/// Gauge: the last slot of which everything is settled.
pub(crate) const CURSOR_SLOT: &str = "listener_cursor_slot";
/// Counter: saves of the cursor that failed.
pub(crate) const CURSOR_SAVE_FAILURES_TOTAL: &str = "listener_cursor_save_failures_total";
/// Gauge: 1 while reading waits because too many events are unsettled.
pub(crate) const BACKPRESSURE: &str = "listener_backpressure";
/// Gauge: 1 while the listing does not get ahead.
pub(crate) const STALLED: &str = "listener_stalled";
/// Counter: attempts of the listing that failed and are made again, by whether somebody has to act.
pub(crate) const SETBACKS_TOTAL: &str = "listener_setbacks_total";
/// Counter: transactions read, by how they were found.
pub(crate) const TRANSACTIONS_TOTAL: &str = "listener_transactions_total";
/// Counter: messages that the queue has accepted, by origin.
pub(crate) const PUBLISHED_TOTAL: &str = "listener_published_total";
/// Counter: entries of a batch that the queue refused.
pub(crate) const SEND_FAILURES_TOTAL: &str = "listener_send_failures_total";
/// Counter: messages that the queue can never take.
pub(crate) const UNSENDABLE_TOTAL: &str = "listener_unsendable_total";
/// Counter: instructions of the factory whose events were lost with the logs, by reason.
pub(crate) const UNRECOVERED_TOTAL: &str = "listener_unrecovered_total";
/// Counter: transactions whose logs were cut or don't balance.
pub(crate) const INCOMPLETE_LOGS_TOTAL: &str = "listener_incomplete_logs_total";
/// Counter: events that a custom handler did not take, by handler and reason.
pub(crate) const HANDLER_FAILURES_TOTAL: &str = "listener_handler_failures_total";
