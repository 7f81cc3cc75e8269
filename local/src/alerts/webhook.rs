//! How an alert gets out: a signed POST, tried again for a while.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use hmac::{Hmac, Mac};
use metrics::counter;
use serde_json::json;
use session_config::Webhook;
use session_telemetry::names;
use sha2::Sha256;
use solana_client::client_error::reqwest;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::conditions::Alert;

/// Carries the time and the signature.
const SIGNATURE_HEADER: &str = "X-Session-Builder-Signature";
/// The longest that the webhook may take for one alert.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// How often one alert is tried: with doubling pauses from a second on, about two minutes.
const TRIES_MAX: usize = 7;
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// Calls the webhook.
pub(super) struct Caller {
    webhook: Webhook,
    client: reqwest::Client,
}

/// An alert that was not taken. Never tells the address, which may be a secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("the webhook cannot be reached: {0}")]
    Unreachable(reqwest::Error),
    #[error("the webhook answered {0}")]
    Refused(reqwest::StatusCode),
    #[error("alerts.webhook_secret is no key")]
    BadSecret,
}

impl CallError {
    /// Whether the same alert may be taken later.
    fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused(status) => status.is_server_error() || matches!(status.as_u16(), 408 | 429),
            Self::BadSecret => false,
        }
    }
}

impl Caller {
    pub(super) fn new(webhook: Webhook) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(CALL_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { webhook, client })
    }

    /// Tells one alert after the other until stopped.
    pub(super) async fn run(self, mut alerts: mpsc::Receiver<Alert>, stop: CancellationToken) {
        while let Some(Some(alert)) = stop.run_until_cancelled(alerts.recv()).await {
            let Some(told) = stop.run_until_cancelled(self.tell(&alert)).await else {
                break;
            };
            let outcome = match told {
                Ok(()) => "told",
                Err(error) => {
                    tracing::error!(alert = alert.kind.name(), %error, "nobody was alerted");
                    "failed"
                }
            };
            counter!(names::ALERTS_TOTAL, "outcome" => outcome).increment(1);
        }
    }

    async fn tell(&self, alert: &Alert) -> Result<(), CallError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_secs(1))
            .with_max_delay(PAUSE_MAX)
            .with_max_times(TRIES_MAX - 1)
            .with_jitter()
            .with_jitter_seed(session_clock::random());
        (|| self.tell_once(alert))
            .retry(pauses)
            .when(CallError::is_passing)
            .await
    }

    async fn tell_once(&self, alert: &Alert) -> Result<(), CallError> {
        let seconds = session_clock::epoch_secs(session_clock::now());
        let body = json!({
            "alert": alert.kind.name(),
            "state": alert.state.name(),
            "text": alert.text,
            "command": alert.command,
            "timestamp": seconds,
            "version": 1,
        })
        .to_string();
        let signature = signature(self.webhook.secret.expose(), seconds, &body)?;
        let answer = self
            .client
            .post(self.webhook.url.expose())
            .header("content-type", "application/json")
            .header(SIGNATURE_HEADER, format!("t={seconds},v1={signature}"))
            .body(body)
            .send()
            .await
            .map_err(|error| CallError::Unreachable(error.without_url()))?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(CallError::Refused(answer.status()))
        }
    }
}

/// HMAC-SHA256, in hexadecimal, of the time, a dot and the body: an old alert cannot be told anew.
fn signature(secret: &str, seconds: u64, body: &str) -> Result<String, CallError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| CallError::BadSecret)?;
    mac.update(format!("{seconds}.{body}").as_bytes());
    Ok(format!("{:x}", mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_others_compute() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef
        let signature = signature("0123456789abcdef", 1_700_000_000, "{}").unwrap();
        assert_eq!(signature, EXPECTED);
    }

    const EXPECTED: &str = "e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e";
}
