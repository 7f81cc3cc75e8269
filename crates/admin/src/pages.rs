//! The three pages, made of stored state alone.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{health::HealthRegistry, stats::Stats};

/// Renders the metrics in Prometheus's text format.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the pages are made of.
#[derive(Clone)]
pub struct Pages {
    /// For `/health`.
    pub health: HealthRegistry,
    /// For `/stats`.
    pub stats: Arc<Stats>,
    /// For `/metrics`; without it the page does not exist.
    pub metrics: Option<Metrics>,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD");

impl Pages {
    /// Answers one request.
    #[must_use]
    pub fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if method != Method::GET && method != Method::HEAD {
            let mut response = page(StatusCode::METHOD_NOT_ALLOWED, TEXT, String::from("GET or HEAD only\n"));
            response.headers_mut().insert(ALLOW, METHODS);
            return response;
        }
        let mut response = match path {
            "/health" => self.health_page(),
            "/stats" => json_page(StatusCode::OK, &self.stats.page()),
            "/metrics" => self.metrics_page(),
            _ => page(
                StatusCode::NOT_FOUND,
                TEXT,
                String::from("pages: /health /stats /metrics\n"),
            ),
        };
        if method == Method::HEAD {
            *response.body_mut() = Full::default();
        }
        response
    }

    fn health_page(&self) -> Response<Full<Bytes>> {
        let report = self.health.report();
        let now = OffsetDateTime::now_utc();
        let timestamp = timestamp(now);
        if report.failed.is_empty() {
            let mut body = json!({ "status": "healthy", "timestamp": timestamp });
            if !report.degraded.is_empty() {
                let degraded = report.degraded.iter();
                body["degraded"] = degraded
                    .map(|(check, reason)| json!({ "check": check, "reason": reason }))
                    .collect();
            }
            return json_page(StatusCode::OK, &body);
        }
        let failed: Vec<Value> = report
            .failed
            .iter()
            .map(|check| {
                let since = self::timestamp(now - check.since);
                json!({ "check": check.name, "reason": check.reason, "since": since })
            })
            .collect();
        let body = json!({ "status": "unhealthy", "timestamp": timestamp, "failed": failed });
        json_page(StatusCode::SERVICE_UNAVAILABLE, &body)
    }

    fn metrics_page(&self) -> Response<Full<Bytes>> {
        let Some(render) = &self.metrics else {
            let how = "metrics are off: set monitoring.enable_prometheus or give --enable-metrics\n";
            return page(StatusCode::NOT_FOUND, TEXT, String::from(how));
        };
        page(StatusCode::OK, PROMETHEUS, render())
    }
}

/// RFC 3339 to the second, as the contract has it.
fn timestamp(now: OffsetDateTime) -> String {
    let to_the_second = now.replace_nanosecond(0).unwrap_or(now);
    // Fails only for years that RFC 3339 cannot write.
    to_the_second.format(&Rfc3339).unwrap_or_default()
}

fn json_page(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    page(status, JSON, body.to_string())
}

fn page(status: StatusCode, content_type: HeaderValue, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
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
    fn other_methods_and_paths_are_told_what_there_is() {
        let pages = Pages {
            health: HealthRegistry::default(),
            stats: Arc::default(),
            metrics: None,
        };
        let refused = pages.answer(&Method::POST, "/health");
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.headers()[ALLOW], "GET, HEAD");
        assert_eq!(pages.answer(&Method::GET, "/").status(), StatusCode::NOT_FOUND);
        assert_eq!(pages.answer(&Method::GET, "/metrics").status(), StatusCode::NOT_FOUND);
        assert_eq!(pages.answer(&Method::GET, "/health").status(), StatusCode::OK);
    }
}
