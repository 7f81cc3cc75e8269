//! The routes of `/api/v1`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State, rejection::JsonRejection},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    letters::{Letter, LetterFilter, Moved},
    operations::{OperationError, Operations, ServiceStatus, WalletBrief},
    quarantine,
    token::Token,
};

/// The file in the state folder that says where the service listens.
pub const ADDRESS_FILE: &str = "admin-address";
/// A listing says at most so many letters where no limit is named.
pub(super) const LISTED_MAX: usize = 1_000;

/// The API of a service.
#[derive(Clone)]
pub struct Api {
    /// What it does.
    pub operations: Arc<dyn Operations>,
    /// Who may change something.
    pub token: Token,
}

/// Letters that are meant, and whether only to tell of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(default)]
    filter: LetterFilter,
    #[serde(default)]
    dry_run: bool,
}

/// The same as a query; lists are separated by commas.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LetterQuery {
    id: Option<String>,
    reason: Option<String>,
    session: Option<String>,
    older_than_secs: Option<u64>,
    limit: Option<usize>,
}

pub(crate) fn routes(api: Api) -> Router {
    let changing = Router::new()
        .route("/dead-letters/redrive", post(redrive))
        .route("/dead-letters/purge", post(purge))
        .merge(quarantine::changing())
        .route_layer(middleware::from_fn_with_state(api.clone(), only_with_token));
    Router::new()
        .route("/", get(index))
        .route("/status", get(status))
        .route("/wallets", get(wallets))
        .route("/dead-letters", get(dead_letters))
        .route("/dead-letters/{id}", get(dead_letter))
        .route("/sessions/{what}", get(inspect))
        .merge(quarantine::looking())
        .merge(changing)
        .with_state(api)
}

async fn only_with_token(State(api): State<Api>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(AUTHORIZATION);
    if shown.is_some_and(|shown| api.token.is_shown(shown.as_bytes())) {
        return next.run(request).await;
    }
    let how = "this changes something: show the token that is in state_dir, as Authorization: Bearer …";
    (StatusCode::UNAUTHORIZED, Json(json!({ "error": how }))).into_response()
}

async fn index() -> Json<Value> {
    Json(json!({
        "read": ["status", "wallets", "dead-letters", "dead-letters/{id}", "quarantine", "quarantine/{id}",
            "sessions/{id, address or signature}"],
        "change": ["dead-letters/redrive", "dead-letters/purge", "quarantine/retry", "quarantine/release"],
    }))
}

async fn status(State(api): State<Api>) -> Json<ServiceStatus> {
    Json(api.operations.status().await)
}

async fn wallets(State(api): State<Api>) -> Json<Vec<WalletBrief>> {
    Json(api.operations.status().await.wallets)
}

async fn dead_letters(
    State(api): State<Api>,
    Query(query): Query<LetterQuery>,
) -> Result<Json<Vec<Letter>>, OperationError> {
    let ids = query
        .id
        .into_iter()
        .flat_map(|ids| ids.split(',').map(str::to_owned).collect::<Vec<_>>());
    let filter = LetterFilter {
        ids: ids.collect(),
        reason: query.reason,
        session: query.session,
        older_than_secs: query.older_than_secs,
        limit: query.limit.or(Some(LISTED_MAX)),
    };
    api.operations.dead_letters(&filter).await.map(Json)
}

async fn dead_letter(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Letter>, OperationError> {
    let filter = LetterFilter {
        ids: vec![id.clone()],
        limit: Some(1),
        ..LetterFilter::default()
    };
    let found = api.operations.dead_letters(&filter).await?.pop();
    found
        .map(Json)
        .ok_or_else(|| OperationError::NotFound(format!("no dead letter has the id {id:?}")))
}

async fn inspect(State(api): State<Api>, Path(what): Path<String>) -> Result<Json<Value>, OperationError> {
    api.operations.inspect(&what).await.map(Json)
}

async fn redrive(
    State(api): State<Api>,
    order: Result<Json<Order>, JsonRejection>,
) -> Result<Json<Moved>, OperationError> {
    let Order { filter, dry_run } = read(order)?;
    // It goes on where the client has gone away: what was half moved is worse than what was moved.
    finished(async move { api.operations.redrive(&filter, dry_run).await }).await
}

async fn purge(
    State(api): State<Api>,
    order: Result<Json<Order>, JsonRejection>,
) -> Result<Json<Moved>, OperationError> {
    let Order { filter, dry_run } = read(order)?;
    finished(async move { api.operations.purge(&filter, dry_run).await }).await
}

pub(super) fn read<T>(order: Result<Json<T>, JsonRejection>) -> Result<T, OperationError> {
    match order {
        Ok(Json(order)) => Ok(order),
        Err(rejection) => Err(OperationError::BadRequest(rejection.body_text())),
    }
}

/// Carries something out to its end, even if nobody waits for it any more.
async fn finished(
    operation: impl Future<Output = Result<Moved, OperationError>> + Send + 'static,
) -> Result<Json<Moved>, OperationError> {
    /// An operation on a queue that does not answer ends by its own limits long before.
    const LIMIT: Duration = Duration::from_mins(10);
    match tokio::spawn(tokio::time::timeout(LIMIT, operation)).await {
        Ok(Ok(moved)) => moved.map(Json),
        Ok(Err(_elapsed)) => Err(OperationError::Unavailable(format!("not done within {LIMIT:?}"))),
        Err(broken) => Err(OperationError::Unavailable(format!("it broke off: {broken}"))),
    }
}

impl IntoResponse for OperationError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unavailable(_) | Self::NoNode(_) => StatusCode::BAD_GATEWAY,
        };
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}
