//! What could not be read or sent, and waits for somebody.

use async_trait::async_trait;
use session_admin::{Check, CheckFailure, Health};
use tokio::sync::watch;

use crate::status::{ListenerStatus, QuarantineSummary};

/// Nothing is in quarantine. What is there is no failure: the rest goes on, and somebody should look.
#[derive(Debug)]
pub struct QuarantineDepth(pub watch::Receiver<ListenerStatus>);

#[async_trait]
impl Check for QuarantineDepth {
    fn name(&self) -> &'static str {
        "quarantine"
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        Ok(quarantined(&self.0.borrow()))
    }

    async fn changed(&self) {
        let before = self.0.borrow().quarantine.clone();
        let changed = |status: &ListenerStatus| status.quarantine != before;
        if self.0.clone().wait_for(changed).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn quarantined(status: &ListenerStatus) -> Health {
    if let Some(error) = &status.quarantine_error {
        return Health::Degraded(format!("the quarantine cannot be looked at: {error}"));
    }
    let QuarantineSummary {
        items,
        by_reason,
        oldest_since,
        oldest,
    } = &status.quarantine;
    let (Some(since), Some(oldest)) = (oldest_since, oldest) else {
        return Health::Good;
    };
    let reasons: Vec<String> = by_reason
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    let age = (session_clock::now_utc() - *since).whole_seconds().max(0);
    let reasons = reasons.join(", ");
    Health::Degraded(format!(
        "{items} in quarantine ({reasons}), the oldest for {age} s: {oldest}; see session-builder quarantine list"
    ))
}
