//! Where an RPC server is, and a name for it that is safe to print.

use std::fmt;

use solana_client::client_error::reqwest::Url;

use crate::ChainError;

/// An RPC server: its JSON-RPC address and its WebSocket address.
///
/// Providers put API keys into paths and queries, so neither address is ever printed: `Debug` shows the
/// [`EndpointLabel`].
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `http://` or `https://` address of the JSON-RPC service.
    pub http: String,
    /// `ws://` or `wss://` address of the subscription service.
    pub ws: String,
}

impl Endpoint {
    /// The part of the address that may be logged: scheme, host and port.
    #[must_use]
    pub fn label(&self) -> EndpointLabel {
        EndpointLabel::of(&self.http)
    }

    /// Refuses addresses that no request could be sent to.
    pub(crate) fn check(&self, index: usize) -> Result<(), ChainError> {
        check_address(index, "http", &self.http, &["http", "https"])?;
        check_address(index, "ws", &self.ws, &["ws", "wss"])
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Endpoint({})", self.label())
    }
}

/// Scheme, host and port of an endpoint: what logs and errors call it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointLabel(String);

impl EndpointLabel {
    fn of(address: &str) -> Self {
        let parsed = Url::parse(address).ok().and_then(|url| {
            let host = url.host_str()?.to_owned();
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            Some(format!("{}://{host}{port}", url.scheme()))
        });
        Self(parsed.unwrap_or_else(|| "unparsable address".to_owned()))
    }
}

impl fmt::Display for EndpointLabel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn check_address(
    index: usize,
    field: &'static str,
    address: &str,
    schemes: &'static [&'static str],
) -> Result<(), ChainError> {
    let refuse = |reason| ChainError::InvalidEndpoint { index, field, reason };
    let url = Url::parse(address).map_err(|error| refuse(error.to_string()))?;
    if !schemes.contains(&url.scheme()) {
        return Err(refuse(format!(
            "the scheme must be one of {schemes:?}, not {:?}",
            url.scheme()
        )));
    }
    if url.host_str().is_none() {
        return Err(refuse("it names no host".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(http: &str, ws: &str) -> Endpoint {
        Endpoint {
            http: http.to_owned(),
            ws: ws.to_owned(),
        }
    }

    #[test]
    fn keys_in_an_address_are_never_printed() {
        let endpoint = endpoint(
            "https://user:s3cret@rpc.example.com:8443/v2/s3cret?api-key=s3cret",
            "wss://rpc.example.com/?api-key=s3cret",
        );
        assert_eq!(endpoint.label().to_string(), "https://rpc.example.com:8443");
        assert_eq!(format!("{endpoint:?}"), "Endpoint(https://rpc.example.com:8443)");
    }

    #[test]
    fn an_address_that_cannot_be_called_is_refused_with_its_place() {
        let wrong_scheme = endpoint("ftp://host", "ws://host").check(3).unwrap_err();
        assert!(matches!(
            wrong_scheme,
            ChainError::InvalidEndpoint {
                index: 3,
                field: "http",
                ..
            }
        ));
        let unparsable = endpoint("http://host", "not an address").check(0).unwrap_err();
        assert!(matches!(
            unparsable,
            ChainError::InvalidEndpoint {
                index: 0,
                field: "ws",
                ..
            }
        ));
        assert!(
            endpoint("http://127.0.0.1:8899", "ws://127.0.0.1:8900")
                .check(0)
                .is_ok()
        );
    }
}
