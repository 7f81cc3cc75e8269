//! The pages, made of stored state alone, and the API beside them.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tower::ServiceBuilder;
use tower_http::{catch_panic::CatchPanicLayer, limit::RequestBodyLimitLayer, timeout::TimeoutLayer};

use crate::{
    api::{self, Api},
    health::{HealthRegistry, HealthReport},
    limits::{ANSWER_LIMIT, BODY_SIZE_MAX_BYTES},
    stats::Stats,
};

/// Renders the metrics in Prometheus's text format.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the pages are made of.
#[derive(Clone)]
pub struct Pages {
    /// For `/live` and `/health`.
    pub health: HealthRegistry,
    /// For `/stats`.
    pub stats: Arc<Stats>,
    /// For `/metrics`; without it the page does not exist.
    pub metrics: Option<Metrics>,
    /// For `/api/v1`; without it there is none.
    pub api: Option<Api>,
}

const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

impl Pages {
    /// All routes, each of which answers within its limit whatever happens behind it.
    pub(crate) fn routes(self) -> Router {
        let api = self.api.clone().map(api::routes);
        let pages = Router::new()
            .route("/live", get(live))
            .route("/health", get(health))
            .route("/stats", get(stats))
            .route("/metrics", get(metrics))
            .with_state(self);
        let limits = ServiceBuilder::new()
            .layer(CatchPanicLayer::new())
            .layer(TimeoutLayer::with_status_code(
                StatusCode::GATEWAY_TIMEOUT,
                ANSWER_LIMIT,
            ))
            .layer(RequestBodyLimitLayer::new(BODY_SIZE_MAX_BYTES));
        let routes = match api {
            Some(api) => pages.nest("/api/v1", api),
            None => pages,
        };
        routes
            .fallback(nothing_here)
            .layer(middleware::from_fn(never_cached))
            .layer(limits)
    }
}

/// What is true now is not true in a minute.
async fn never_cached(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(axum::http::header::CACHE_CONTROL, no_store);
    response
}

async fn nothing_here() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, "pages: /live /health /stats /metrics /api/v1\n")
}

async fn live(State(pages): State<Pages>) -> impl IntoResponse {
    let timestamp = timestamp(session_clock::now_utc());
    match pages.health.hung() {
        None => (
            StatusCode::OK,
            Json(json!({ "status": "alive", "timestamp": timestamp })),
        ),
        Some(reason) => {
            let body = json!({ "status": "stuck", "timestamp": timestamp, "reason": reason });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body))
        }
    }
}

async fn health(State(pages): State<Pages>) -> impl IntoResponse {
    let report = pages.health.report();
    let status = if report.failed.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health_page(&report, session_clock::now_utc())))
}

async fn stats(State(pages): State<Pages>) -> Json<Value> {
    Json(pages.stats.page())
}

async fn metrics(State(pages): State<Pages>) -> Response {
    if let Some(render) = &pages.metrics {
        ([(CONTENT_TYPE, PROMETHEUS)], render()).into_response()
    } else {
        let how = "metrics are off: set monitoring.enable_prometheus or give --enable-metrics\n";
        (StatusCode::NOT_FOUND, how).into_response()
    }
}

/// The checks' results as the contract has them.
#[must_use]
pub fn health_page(report: &HealthReport, now: OffsetDateTime) -> Value {
    let healthy = report.failed.is_empty();
    let mut page = json!({
        "status": if healthy { "healthy" } else { "unhealthy" },
        "timestamp": timestamp(now),
    });
    if !healthy {
        let failed = report.failed.iter();
        page["failed"] = failed
            .map(|check| {
                let since = timestamp(now - check.since);
                json!({ "check": check.name, "reason": check.reason, "since": since })
            })
            .collect();
    }
    if !report.degraded.is_empty() {
        let degraded = report.degraded.iter();
        page["degraded"] = degraded
            .map(|(check, reason)| json!({ "check": check, "reason": reason }))
            .collect();
    }
    page
}

/// RFC 3339 to the second, as the contract has it.
pub(crate) fn timestamp(now: OffsetDateTime) -> String {
    let to_the_second = now.replace_nanosecond(0).unwrap_or(now);
    // Fails only for years that RFC 3339 cannot write.
    to_the_second.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_to_the_second() {
        let at = OffsetDateTime::from_unix_timestamp_nanos(1_704_067_200_987_654_321).unwrap();
        assert_eq!(timestamp(at), "2024-01-01T00:00:00Z");
    }

    #[test]
    fn a_healthy_service_says_two_things() {
        let at = OffsetDateTime::from_unix_timestamp(1_704_067_200).unwrap();
        let page = health_page(&HealthReport::default(), at);
        assert_eq!(
            page,
            json!({ "status": "healthy", "timestamp": "2024-01-01T00:00:00Z" })
        );
    }
}
