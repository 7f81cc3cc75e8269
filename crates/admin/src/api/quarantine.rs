//! What is in quarantine, as the API shows and chooses it, and its routes.

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

use super::{
    operations::OperationError,
    routes::{Api, LISTED_MAX, read},
};

/// Something that could not be read or sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its name: a transaction's signature, or that with an event's number, or a session's address.
    pub id: String,
    /// Why it is there: a code of `docs/errors`.
    pub reason: String,
    /// One sentence for a person.
    pub detail: String,
    /// `transaction` or `message`.
    pub kind: String,
    /// The transaction's slot.
    pub slot: Option<u64>,
    /// The program that was listened to.
    pub program_id: String,
    /// The cluster.
    pub genesis_hash: String,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// Since when it is there, RFC 3339.
    pub since: Option<String>,
    /// For how many seconds.
    pub age_secs: u64,
    /// When it is tried again, RFC 3339.
    pub next_try: Option<String>,
    /// Who answered what, the last time that it was tried.
    pub evidence: Vec<Testimony>,
    /// The message as it was to be sent.
    pub body: Option<String>,
}

/// What somebody answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Testimony {
    /// An endpoint without secrets, the queue, or where something stands.
    pub witness: String,
    /// When, RFC 3339.
    pub at: Option<String>,
    /// What.
    pub answer: String,
}

/// Which of it is meant: what everything applies to that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuarantineFilter {
    /// Any of these; empty: all.
    pub ids: Vec<String>,
    /// With this reason.
    pub reason: Option<String>,
    /// At most so many, the longest there first.
    pub limit: Option<usize>,
}

impl QuarantineFilter {
    /// Of all items, the longest there first, those that are meant.
    #[must_use]
    pub fn of(&self, items: Vec<Quarantined>) -> Vec<Quarantined> {
        let Self { ids, reason, limit } = self;
        let meant = |item: &Quarantined| {
            (ids.is_empty() || ids.contains(&item.id)) && reason.as_ref().is_none_or(|reason| *reason == item.reason)
        };
        let meant = items.into_iter().filter(meant);
        meant.take(limit.unwrap_or(usize::MAX)).collect()
    }
}

/// The same as a query; lists are separated by commas.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterQuery {
    id: Option<String>,
    reason: Option<String>,
    limit: Option<usize>,
}

/// What is meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    filter: QuarantineFilter,
}

type Answer = Result<Json<Vec<Quarantined>>, OperationError>;

/// Routes that only look.
pub(super) fn looking() -> Router<Api> {
    Router::new()
        .route("/quarantine", get(list))
        .route("/quarantine/{id}", get(show))
}

/// Routes that change something.
pub(super) fn changing() -> Router<Api> {
    Router::new()
        .route("/quarantine/retry", post(retry))
        .route("/quarantine/release", post(release))
}

async fn list(State(api): State<Api>, Query(query): Query<FilterQuery>) -> Answer {
    let ids = query.id.iter().flat_map(|ids| ids.split(','));
    let filter = QuarantineFilter {
        ids: ids.map(str::to_owned).collect(),
        reason: query.reason,
        limit: query.limit.or(Some(LISTED_MAX)),
    };
    api.operations.quarantine(&filter).await.map(Json)
}

async fn show(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Quarantined>, OperationError> {
    let filter = QuarantineFilter {
        ids: vec![id.clone()],
        ..QuarantineFilter::default()
    };
    let found = api.operations.quarantine(&filter).await?.pop();
    found
        .map(Json)
        .ok_or_else(|| OperationError::NotFound(format!("nothing in quarantine has the id {id:?}")))
}

async fn retry(State(api): State<Api>, order: Result<Json<Order>, axum::extract::rejection::JsonRejection>) -> Answer {
    let Order { filter } = read(order)?;
    api.operations.quarantine_retry(&filter).await.map(Json)
}

async fn release(
    State(api): State<Api>,
    order: Result<Json<Order>, axum::extract::rejection::JsonRejection>,
) -> Answer {
    let Order { filter } = read(order)?;
    api.operations.quarantine_release(&filter).await.map(Json)
}
