//! What one endpoint's word is worth (invariant: one node's silence proves nothing).

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use metrics::counter;
use session_chain::EndpointLabel;
use session_telemetry::names;
use time::{Duration, OffsetDateTime, macros::datetime};

/// No cluster is older than mainnet's genesis.
const OLDEST_GENESIS: OffsetDateTime = datetime!(2020-03-16 00:00 UTC);
/// No cluster makes slots faster; the fastest that is planned takes twice as long (October 2026).
const SLOT_MIN: Duration = Duration::milliseconds(100);
/// Slots that a node may be ahead of what was heard last beside the time that has passed.
const SLACK_SLOTS: u64 = 300;

/// What endpoints can disagree about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Tip,
    History,
    Transaction,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Tip => "tip",
            Self::History => "history",
            Self::Transaction => "transaction",
        }
    }
}

/// Counts and tells that an endpoint is contradicted by another.
pub(crate) fn disagrees(endpoint: &EndpointLabel, subject: Subject, how: &str) {
    counter!(names::LISTENER_DISAGREEMENTS_TOTAL, "endpoint" => endpoint.to_string(), "subject" => subject.name())
        .increment(1);
    tracing::warn!(%endpoint, subject = subject.name(), how, "an endpoint is contradicted by another");
}

/// A slot that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Absurd {
    told: u64,
    possible_max: u64,
}

impl fmt::Display for Absurd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "slot {}, where {} is the highest that can be",
            self.told, self.possible_max
        )
    }
}

/// Remembers the newest slot that was believed, to know those that cannot be.
#[derive(Debug, Default)]
pub(crate) struct TipWatch(Mutex<Option<(u64, OffsetDateTime)>>);

impl TipWatch {
    /// Believes a slot that can be.
    pub(crate) fn check(&self, tip: u64) -> Result<(), Absurd> {
        self.check_at(tip, session_clock::now_utc())
    }

    fn check_at(&self, tip: u64, now: OffsetDateTime) -> Result<(), Absurd> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let possible_max = possible_max(*last, now);
        if tip > possible_max {
            return Err(Absurd {
                told: tip,
                possible_max,
            });
        }
        if last.is_none_or(|(slot, _)| tip > slot) {
            *last = Some((tip, now));
        }
        Ok(())
    }

    /// Whether nothing was believed yet: then there is nothing to measure a slot by, and all endpoints are asked.
    pub(crate) fn is_new(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Of what all endpoints tell, the highest slot that another one bears out; where none does, the highest that can be by what
    /// was heard before, and the lowest if nothing was, because a listing that begins too low loses nothing. Those above it
    /// are contradicted.
    pub(crate) fn choose(&self, told: &[(EndpointLabel, u64)]) -> Option<u64> {
        let tips = || told.iter().map(|(_, tip)| *tip);
        let borne_out = |tip: &u64| tips().filter(|other| tip.abs_diff(*other) <= SLACK_SLOTS).count() > 1;
        let is_new = self.is_new();
        let credible = || tips().filter(|tip| self.can_be(*tip));
        let alone = || if is_new { credible().min() } else { credible().max() };
        let chosen = tips().filter(borne_out).max().or_else(alone)?;
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((chosen, session_clock::now_utc()));
        for (endpoint, tip) in told.iter().filter(|(_, tip)| *tip > chosen + SLACK_SLOTS) {
            disagrees(
                endpoint,
                Subject::Tip,
                &format!("it tells slot {tip}, the others {chosen}"),
            );
        }
        Some(chosen)
    }

    fn can_be(&self, tip: u64) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tip <= possible_max(last, session_clock::now_utc())
    }
}

/// The highest slot that can be by now, where this one was believed last.
fn possible_max(last: Option<(u64, OffsetDateTime)>, now: OffsetDateTime) -> u64 {
    match last {
        Some((slot, at)) => slot.saturating_add(slots_in(now - at)).saturating_add(SLACK_SLOTS),
        None => slots_in(now - OLDEST_GENESIS),
    }
}

fn slots_in(time: Duration) -> u64 {
    u64::try_from(time.whole_milliseconds() / SLOT_MIN.whole_milliseconds()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use session_chain::Endpoint;

    use super::*;

    fn labels(tips: &[u64]) -> Vec<(EndpointLabel, u64)> {
        let endpoint = |port: usize| Endpoint {
            http: format!("http://127.0.0.1:{}", 1_000 + port),
            ws: String::new(),
        };
        tips.iter()
            .enumerate()
            .map(|(port, tip)| (endpoint(port).label(), *tip))
            .collect()
    }

    #[test]
    fn a_slot_that_cannot_be_is_not_believed_of_one() {
        let watch = TipWatch::default();
        let now = datetime!(2026-11-01 00:00 UTC);
        assert!(watch.check_at(1_000_000_000_000, now).is_err(), "no cluster is so old");
        assert!(watch.check_at(400_000_000, now).is_ok());
        assert!(watch.check_at(400_000_300, now).is_ok());
        assert!(watch.check_at(400_000_601, now).is_err());
        assert!(
            watch.check_at(400_000_610, now + Duration::seconds(1)).is_ok(),
            "ten slots a second"
        );
        assert!(watch.check_at(300, now).is_ok(), "a node behind is another matter");
        assert!(watch.check_at(400_000_920, now + Duration::seconds(1)).is_err());
    }

    #[test]
    fn of_all_endpoints_those_that_agree_are_believed() {
        assert_eq!(
            TipWatch::default().choose(&labels(&[1_000_000_000_000, 500])),
            Some(500)
        );
        assert_eq!(TipWatch::default().choose(&labels(&[1_000_000_000_000])), None);
        let watch = TipWatch::default();
        watch.check(500).unwrap();
        assert_eq!(
            watch.choose(&labels(&[90_000_000, 90_000_010])),
            Some(90_000_010),
            "a chain that went on without us"
        );
    }

    #[test]
    fn what_is_heard_first_of_two_that_differ_is_the_lower_one() {
        let watch = TipWatch::default();
        assert!(watch.is_new());
        assert_eq!(watch.choose(&labels(&[600_000_000, 400_000_000])), Some(400_000_000));
        assert!(!watch.is_new());
        assert_eq!(
            watch.choose(&labels(&[600_000_000, 400_000_020])),
            Some(400_000_020),
            "and from then on what can be"
        );
        assert_eq!(
            watch.choose(&labels(&[399_000_000, 400_000_050])),
            Some(400_000_050),
            "one that is stuck"
        );
    }
}
