//! Alerts without a stack: tells a webhook of what somebody has to know at once.
//!
//! Owns what is worth an alert, how often it is told, and how it gets out. Looks at what others publish anyway, by reading;
//! whatever happens to an alert changes nothing else (`docs/invariants.md`, 9): nobody waits for the webhook, what it does not
//! take is tried again for a while, then dropped, and counted.

mod conditions;
mod letters;
mod webhook;

use std::{sync::Arc, time::Duration};

use metrics::counter;
use session_admin::HealthRegistry;
use session_config::Alerts;
use session_engine::Engine;
use session_listener::ListenerStatus;
use session_telemetry::names;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use letters::Letters;

use self::{
    conditions::{Conditions, Seen},
    webhook::Caller,
};

/// How often it is looked whether there is anything to tell.
const EVERY: Duration = Duration::from_secs(1);
/// Alerts that may wait to be told. More than that at once say no more than these.
const WAITING_MAX: usize = 32;

/// What is looked at.
pub(crate) struct Sources {
    pub(crate) letters: Arc<Letters>,
    pub(crate) health: HealthRegistry,
    pub(crate) engine: Arc<Engine>,
    pub(crate) listener: watch::Receiver<ListenerStatus>,
}

/// Begins to tell, where the settings name somebody. Ends with `stop`.
pub(crate) fn start(settings: &Alerts, sources: Sources, tasks: &TaskTracker, stop: &CancellationToken) {
    let Some(webhook) = settings.webhook.clone() else {
        return;
    };
    let caller = match Caller::new(webhook) {
        Ok(caller) => caller,
        Err(error) => {
            tracing::error!(%error, "nobody is alerted: alerts.webhook_url cannot be called");
            return;
        }
    };
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tasks.spawn(look(Conditions::new(settings), sources, sender, stop.clone()));
    tasks.spawn(caller.run(receiver, stop.clone()));
}

async fn look(
    mut conditions: Conditions,
    sources: Sources,
    sender: mpsc::Sender<conditions::Alert>,
    stop: CancellationToken,
) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        for alert in conditions.look(&sources.seen(), Instant::now()) {
            tracing::warn!(
                alert = alert.kind.name(),
                state = alert.state.name(),
                "alert: {}",
                alert.text
            );
            if sender.try_send(alert).is_err() {
                counter!(names::ALERTS_TOTAL, "outcome" => "dropped").increment(1);
            }
        }
    }
}

impl Sources {
    fn seen(&self) -> Seen {
        let low = self.engine.wallets().into_iter().filter(|wallet| wallet.is_low);
        let low = low.map(|wallet| format!("wallet {} has {} lamports", wallet.address, wallet.lamports));
        let failed = self.health.report().failed.into_iter();
        let failed: Vec<String> = failed
            .map(|check| format!("{}: {}", check.name, check.reason))
            .collect();
        let (letters, last_letter) = self.letters.told();
        Seen {
            letters,
            last_letter,
            low_wallets: low.collect::<Vec<_>>().join(", "),
            unhealthy: failed.join("; "),
            watermark: self.listener.borrow().watermark_slot,
        }
    }
}
