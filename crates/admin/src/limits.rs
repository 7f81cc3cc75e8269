//! What a client may take: connections, time and bytes.

use std::time::Duration;

/// More than an operator, a load balancer and a scraper need together. One more, and the oldest connection makes room.
pub(crate) const CONNECTIONS_MAX: usize = 256;
/// A client that has not sent its headers by then never will.
pub(crate) const HEADER_READ_LIMIT: Duration = Duration::from_secs(5);
/// The longest that a connection is kept open, however busy.
pub(crate) const CONNECTION_LIMIT: Duration = Duration::from_mins(10);
/// How long a connection that is answering may go on once it has to end.
pub(crate) const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// How long to wait where a connection cannot be accepted: without file descriptors the next one fails as well.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The longest that an answer may take. Pages take no time at all; what changes something talks to a queue.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_mins(1);
/// A filter with some hundred message ids is the largest that anybody sends.
pub(crate) const BODY_SIZE_MAX_BYTES: usize = 64 * 1024;
