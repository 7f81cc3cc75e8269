//! The API of the running service, as the command line uses it.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, body::Bytes, header};
use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use session_admin::{
    ADDRESS_FILE, Letter, LetterFilter, Moved, QuarantineFilter, Quarantined, ServiceStatus, Token, TokenError,
};

/// A page answers at once; what talks to a queue takes as long as the queue.
const PATIENCE: Duration = Duration::from_secs(75);
/// Thousand letters with their messages are some megabytes.
const ANSWER_SIZE_MAX_BYTES: usize = 64 * 1024 * 1024;

/// The service could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "no service with service.state_dir = {folder} answers ({reason}); start it with `session-builder run`, or name its \
         --config", folder = .folder.display()
    )]
    NoService {
        /// The state folder.
        folder: PathBuf,
        /// Why it is thought so.
        reason: String,
    },
    /// Only the service's user may change something.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The service answered with an error.
    #[error("the service answers {status}: {reason}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// What it says.
        reason: String,
    },
    /// The answer is none.
    #[error("the service's answer cannot be read: {0}")]
    Unreadable(String),
}

impl ClientError {
    /// Nobody answers for this state folder.
    #[must_use]
    pub fn no_service(folder: &Path, reason: impl Into<String>) -> Self {
        // What is relative to another folder is another folder.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Self::NoService {
            folder,
            reason: reason.into(),
        }
    }

    /// Whether nobody is there to be asked.
    #[must_use]
    pub fn is_no_service(&self) -> bool {
        matches!(self, Self::NoService { .. })
    }
}

/// The way to a running service.
pub struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    folder: PathBuf,
}

/// Writes down where a service listens, for whoever has its state folder.
///
/// # Errors
/// What the system says.
pub fn announce(folder: &Path, address: SocketAddr) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(ADDRESS_FILE), address.to_string())
}

/// The service does not listen any more.
pub fn withdraw(folder: &Path) {
    // One that is left over leads to nobody, which is found out by asking.
    let _ = std::fs::remove_file(folder.join(ADDRESS_FILE));
}

impl Client {
    /// The service that runs with this state folder.
    ///
    /// # Errors
    /// [`ClientError::NoService`] where none says that it does.
    pub fn of(folder: &Path) -> Result<Self, ClientError> {
        let none = |reason: String| ClientError::no_service(folder, reason);
        let text = std::fs::read_to_string(folder.join(ADDRESS_FILE)).map_err(|error| {
            none(match error.kind() {
                io::ErrorKind::NotFound => String::from("none runs"),
                _ => error.to_string(),
            })
        })?;
        let address = text
            .trim()
            .parse()
            .map_err(|_| none(format!("{text:?} is no address")))?;
        Ok(Self {
            http: HttpClient::builder(TokioExecutor::new()).build_http(),
            address,
            folder: folder.to_owned(),
        })
    }

    /// How the service is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self) -> Result<ServiceStatus, ClientError> {
        self.get("/status").await
    }

    /// The dead letters that are meant.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dead_letters(&self, filter: &LetterFilter) -> Result<Vec<Letter>, ClientError> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if !filter.ids.is_empty() {
            query.append_pair("id", &filter.ids.join(","));
        }
        for (name, value) in [("reason", &filter.reason), ("session", &filter.session)] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        if let Some(age) = filter.older_than_secs {
            query.append_pair("older_than_secs", &age.to_string());
        }
        query.append_pair("limit", &filter.limit().to_string());
        self.get(&format!("/dead-letters?{}", query.finish())).await
    }

    /// Sends dead letters back to the queue.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn redrive(&self, filter: &LetterFilter, dry_run: bool) -> Result<Moved, ClientError> {
        self.post(
            "/dead-letters/redrive",
            &json!({ "filter": filter, "dry_run": dry_run }),
        )
        .await
    }

    /// Removes dead letters for good.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn purge(&self, filter: &LetterFilter, dry_run: bool) -> Result<Moved, ClientError> {
        self.post("/dead-letters/purge", &json!({ "filter": filter, "dry_run": dry_run }))
            .await
    }

    /// What is meant of the quarantine.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn quarantine(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, ClientError> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if !filter.ids.is_empty() {
            query.append_pair("id", &filter.ids.join(","));
        }
        if let Some(reason) = &filter.reason {
            query.append_pair("reason", reason);
        }
        query.append_pair("limit", &filter.limit.unwrap_or(usize::MAX).to_string());
        self.get(&format!("/quarantine?{}", query.finish())).await
    }

    /// Has what is meant tried again now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn quarantine_retry(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, ClientError> {
        self.post("/quarantine/retry", &json!({ "filter": filter })).await
    }

    /// Takes what is meant out of quarantine for good.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn quarantine_release(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, ClientError> {
        self.post("/quarantine/release", &json!({ "filter": filter })).await
    }

    /// The story of a session.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn inspect(&self, what: &str) -> Result<Value, ClientError> {
        let what: String = url::form_urlencoded::byte_serialize(what.as_bytes()).collect();
        self.get(&format!("/sessions/{}", what.replace('+', "%20"))).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let request = self.request(Method::GET, path);
        self.ask(request.body(Full::default())).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, ClientError> {
        let token = Token::read(&self.folder)?;
        let request = self
            .request(Method::POST, path)
            .header(header::AUTHORIZATION, token.bearer())
            .header(header::CONTENT_TYPE, "application/json");
        self.ask(request.body(Full::new(Bytes::from(body.to_string())))).await
    }

    fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("http://{}/api/v1{path}", self.address))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        request: Result<Request<Full<Bytes>>, hyper::http::Error>,
    ) -> Result<T, ClientError> {
        let unreadable = |error: &dyn std::fmt::Display| ClientError::Unreadable(error.to_string());
        let request = request.map_err(|error| unreadable(&error))?;
        let silent = |reason: String| ClientError::no_service(&self.folder, format!("{}: {reason}", self.address));
        let answer = tokio::time::timeout(PATIENCE, self.http.request(request))
            .await
            .map_err(|_| silent(format!("no answer within {PATIENCE:?}")))?
            .map_err(|error| silent(error.to_string()))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_SIZE_MAX_BYTES).collect();
        let body = body.await.map_err(|error| unreadable(&error))?.to_bytes();
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| unreadable(&error));
        }
        let said: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let reason = said["error"]
            .as_str()
            .map_or_else(|| String::from_utf8_lossy(&body).into_owned(), str::to_owned);
        Err(ClientError::Refused { status, reason })
    }
}
