//! What an error proves about the request that it answers.

use solana_client::client_error::{ClientError, ClientErrorKind};
use solana_client::rpc_request::RpcError;

use crate::endpoints::sender::{Refusal, refusal};

/// Request timeout, and nginx's "client closed request": a proxy gave up on a node that may have been served.
const ANSWERED_FOR_A_SILENT_NODE: [u16; 2] = [408, 499];

/// Whether the request had no effect: the node read it and said no, or it was never reached.
#[must_use]
pub fn proves_not_sent(error: &ClientError) -> bool {
    match error.kind() {
        ClientErrorKind::RpcError(RpcError::RpcResponseError { .. }) => true,
        ClientErrorKind::Reqwest(error) => error.is_connect() || error.is_builder(),
        ClientErrorKind::Io(error) => match refusal(error) {
            Some(Refusal::Preflight { .. }) => true,
            // An HTTP status that refuses the request, 429 among them, comes from in front of the node.
            Some(Refusal::Http { status, .. }) => *status < 500 && !ANSWERED_FOR_A_SILENT_NODE.contains(status),
            None => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn status(status: u16) -> ClientError {
        let refusal = Refusal::Http {
            status,
            retry_after: None,
        };
        io::Error::other(refusal).into()
    }

    #[test]
    fn a_refusal_in_front_of_the_node_proves_that_nothing_was_sent_and_a_proxys_impatience_does_not() {
        for refused in [400, 401, 403, 429] {
            assert!(proves_not_sent(&status(refused)), "{refused}");
        }
        for unknown in [408, 499, 500, 502, 504] {
            assert!(!proves_not_sent(&status(unknown)), "{unknown}");
        }
    }
}
