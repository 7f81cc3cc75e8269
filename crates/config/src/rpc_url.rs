//! An RPC endpoint's URL, which may carry an API key and therefore never shows itself whole.

use std::{fmt, str::FromStr};

use url::Url;

/// Shorter parts of a path, such as a version, are no keys.
const KEY_LENGTH_MIN: usize = 8;

/// An RPC endpoint's URL. `Debug` and `Display` show its host alone: keys are kept in paths, queries and user parts.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RpcUrl {
    whole: String,
    shown: String,
    websocket: String,
}

/// A URL that is none of an RPC endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RpcUrlError {
    /// Not a URL at all.
    #[error("it is no URL: {0}")]
    NoUrl(#[from] url::ParseError),
    /// Another scheme.
    #[error("its scheme must be {}", .0.join(" or "))]
    Scheme(Vec<String>),
    /// Nothing after the scheme.
    #[error("it names no host")]
    NoHost,
}

impl RpcUrl {
    /// Reads a URL that has one of some schemes.
    ///
    /// # Errors
    /// [`RpcUrlError`], which never repeats the URL.
    pub fn with_scheme(text: &str, schemes: &[&str]) -> Result<Self, RpcUrlError> {
        let url = Url::parse(text)?;
        if !schemes.contains(&url.scheme()) {
            return Err(RpcUrlError::Scheme(
                schemes.iter().map(|&scheme| scheme.to_owned()).collect(),
            ));
        }
        let host = url.host_str().ok_or(RpcUrlError::NoHost)?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let shown = format!("{}://{host}{port}", url.scheme());
        let mut beside = url.clone();
        if let Some(next) = url.port().and_then(|port| port.checked_add(1)) {
            // Fails only for URLs without a host.
            let _ = beside.set_port(Some(next));
        }
        let secure = matches!(url.scheme(), "https" | "wss");
        let websocket = beside
            .as_str()
            .replacen(url.scheme(), if secure { "wss" } else { "ws" }, 1);
        Ok(Self {
            whole: url.into(),
            shown,
            websocket,
        })
    }

    /// The URL whole, its secrets included: for the client that calls it, and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.whole
    }

    /// The parts that may be a key: user, password, and whatever in path and query is long enough to be one.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let Ok(url) = Url::parse(&self.whole) else {
            return Vec::new();
        };
        let path = url.path_segments().into_iter().flatten().map(str::to_owned);
        let query = url.query().into_iter().flat_map(|query| query.split('&'));
        let query = query.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value).to_owned());
        let long = path.chain(query).filter(|part| part.len() >= KEY_LENGTH_MIN);
        // A name as short as "me" would blot out half of every log.
        let user = Some(url.username().to_owned()).filter(|user| user.len() >= KEY_LENGTH_MIN);
        let password = url
            .password()
            .map(str::to_owned)
            .filter(|password| !password.is_empty());
        user.into_iter().chain(password).chain(long).collect()
    }

    /// The WebSocket that Solana nodes serve beside this endpoint: the next port where a port is named.
    #[must_use]
    pub fn websocket(&self) -> &str {
        &self.websocket
    }
}

impl FromStr for RpcUrl {
    type Err = RpcUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::with_scheme(text, &["http", "https", "ws", "wss"])
    }
}

impl fmt::Display for RpcUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for RpcUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RpcUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_websocket_is_on_the_next_port() {
        let websocket = |url: &str| url.parse::<RpcUrl>().unwrap().websocket().to_owned();
        assert_eq!(websocket("http://127.0.0.1:8899"), "ws://127.0.0.1:8900/");
        assert_eq!(websocket("https://rpc.example/v1/KEY"), "wss://rpc.example/v1/KEY");
    }

    #[test]
    fn the_parts_that_may_be_a_key_are_known() {
        let url: RpcUrl = "https://a-long-user:pass@rpc.example/v2/KEYKEYKEY1?api-key=KEYKEYKEY2&x=1"
            .parse()
            .unwrap();
        assert_eq!(url.secrets(), ["a-long-user", "pass", "KEYKEYKEY1", "KEYKEYKEY2"]);
        let plain: RpcUrl = "http://127.0.0.1:8899".parse().unwrap();
        assert!(plain.secrets().is_empty());
    }

    #[test]
    fn a_key_is_never_shown() {
        let url: RpcUrl = "https://user:SECRET1@rpc.example:444/SECRET2?api-key=SECRET3"
            .parse()
            .unwrap();
        for shown in [format!("{url}"), format!("{url:?}")] {
            assert!(
                shown.contains("rpc.example:444") && !shown.contains("SECRET"),
                "{shown}"
            );
        }
    }
}
