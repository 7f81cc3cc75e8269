//! What is worth an alert, since when, and whether it was told already. Pure.

use std::{collections::BTreeMap, time::Duration};

use session_config::Alerts;
use tokio::time::Instant;

/// Dead letters of one minute are one alert.
const LETTERS_TOGETHER: Duration = Duration::from_mins(1);

/// What somebody has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    DeadLetter,
    WalletLow,
    WatermarkStands,
    Unhealthy,
}

/// Whether it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Firing,
    Resolved,
}

/// An alert as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alert {
    pub(super) kind: Kind,
    pub(super) state: State,
    pub(super) text: String,
    /// The command to begin with.
    pub(super) command: &'static str,
}

/// The service at one moment. Empty text: there is nothing of the kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) letters: u64,
    pub(super) last_letter: String,
    pub(super) low_wallets: String,
    pub(super) unhealthy: String,
    pub(super) watermark: Option<u64>,
}

/// What has been seen and told.
pub(super) struct Conditions {
    unhealthy_after: Duration,
    watermark_after: Duration,
    repeat_after: Duration,
    letters: u64,
    letters_told_at: Option<Instant>,
    watermark: Option<(u64, Instant)>,
    lasting: BTreeMap<Kind, Lasting>,
}

struct Lasting {
    since: Instant,
    told_at: Option<Instant>,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DeadLetter => "dead_letter",
            Self::WalletLow => "wallet_low",
            Self::WatermarkStands => "watermark_stands",
            Self::Unhealthy => "unhealthy",
        }
    }

    fn command(self) -> &'static str {
        match self {
            Self::DeadLetter => "session-builder dead-letters list",
            Self::WalletLow => "session-builder wallet",
            Self::WatermarkStands | Self::Unhealthy => "session-builder status",
        }
    }
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

impl Conditions {
    pub(super) fn new(settings: &Alerts) -> Self {
        Self {
            unhealthy_after: settings.unhealthy_after,
            watermark_after: settings.watermark_after,
            repeat_after: settings.repeat_after,
            letters: 0,
            letters_told_at: None,
            watermark: None,
            lasting: BTreeMap::new(),
        }
    }

    /// What is to be told now.
    pub(super) fn look(&mut self, seen: &Seen, now: Instant) -> Vec<Alert> {
        let mut alerts = Vec::new();
        alerts.extend(self.letters(seen, now));
        alerts.extend(self.lasting(Kind::WalletLow, &seen.low_wallets, Duration::ZERO, now));
        let stands = self.stands(seen.watermark, now);
        alerts.extend(self.lasting(Kind::WatermarkStands, &stands, Duration::ZERO, now));
        alerts.extend(self.lasting(Kind::Unhealthy, &seen.unhealthy, self.unhealthy_after, now));
        alerts
    }

    fn letters(&mut self, seen: &Seen, now: Instant) -> Option<Alert> {
        let more = seen.letters.saturating_sub(self.letters);
        let waits = self
            .letters_told_at
            .is_some_and(|told_at| now.duration_since(told_at) < LETTERS_TOGETHER);
        if more == 0 || waits {
            return None;
        }
        (self.letters, self.letters_told_at) = (seen.letters, Some(now));
        let text = format!("{more} more dead letters, the last one for {}", seen.last_letter);
        Some(Kind::DeadLetter.alert(State::Firing, text))
    }

    /// Why the watermark counts as standing, or nothing.
    fn stands(&mut self, watermark: Option<u64>, now: Instant) -> String {
        let Some(slot) = watermark else { return String::new() };
        let moved_at = match self.watermark {
            Some((before, moved_at)) if before == slot => moved_at,
            _ => now,
        };
        self.watermark = Some((slot, moved_at));
        let stood = now.duration_since(moved_at);
        if stood < self.watermark_after {
            return String::new();
        }
        let minutes = stood.as_secs() / 60;
        format!("the watermark stands at slot {slot} for {minutes} min: a restart reads again from there")
    }

    /// Tells of what lasts: once it has lasted long enough, again from time to time, and when it is over.
    fn lasting(&mut self, kind: Kind, text: &str, after: Duration, now: Instant) -> Option<Alert> {
        if text.is_empty() {
            let ended = self.lasting.remove(&kind)?;
            let over = || kind.alert(State::Resolved, String::from("it is over"));
            return ended.told_at.map(|_| over());
        }
        let lasting = self.lasting.entry(kind).or_insert(Lasting {
            since: now,
            told_at: None,
        });
        let is_due = match lasting.told_at {
            None => now.duration_since(lasting.since) >= after,
            Some(told_at) => now.duration_since(told_at) >= self.repeat_after,
        };
        is_due.then(|| {
            lasting.told_at = Some(now);
            kind.alert(State::Firing, text.to_owned())
        })
    }
}

impl Kind {
    fn alert(self, state: State, text: String) -> Alert {
        Alert {
            kind: self,
            state,
            text,
            command: self.command(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions() -> Conditions {
        Conditions::new(&Alerts {
            webhook: None,
            unhealthy_after: Duration::from_mins(5),
            watermark_after: Duration::from_mins(10),
            repeat_after: Duration::from_hours(1),
        })
    }

    /// What is told after so many minutes of this.
    fn told(conditions: &mut Conditions, seen: &Seen, start: Instant, minute: u64) -> Vec<(Kind, State)> {
        let alerts = conditions.look(seen, start + Duration::from_mins(minute));
        alerts.into_iter().map(|alert| (alert.kind, alert.state)).collect()
    }

    #[test]
    fn what_lasts_is_told_once_it_has_lasted_then_hourly_and_when_it_is_over() {
        let (mut conditions, start) = (conditions(), Instant::now());
        let ill = Seen {
            unhealthy: String::from("rpc_slot: refused"),
            ..Seen::default()
        };
        let firing = [(Kind::Unhealthy, State::Firing)];
        assert_eq!(told(&mut conditions, &ill, start, 0), []);
        assert_eq!(told(&mut conditions, &ill, start, 4), []);
        assert_eq!(told(&mut conditions, &ill, start, 5), firing);
        assert_eq!(told(&mut conditions, &ill, start, 64), []);
        assert_eq!(told(&mut conditions, &ill, start, 65), firing);
        let well = Seen::default();
        assert_eq!(
            told(&mut conditions, &well, start, 66),
            [(Kind::Unhealthy, State::Resolved)]
        );
        assert_eq!(told(&mut conditions, &well, start, 67), []);
        assert_eq!(told(&mut conditions, &ill, start, 68), []);
        assert_eq!(told(&mut conditions, &well, start, 70), [], "nobody was told of it");
    }

    #[test]
    fn dead_letters_of_a_minute_are_told_together() {
        let (mut conditions, start) = (conditions(), Instant::now());
        let letters = |letters| Seen {
            letters,
            ..Seen::default()
        };
        assert_eq!(told(&mut conditions, &letters(0), start, 0), []);
        assert_eq!(conditions.look(&letters(1), start).len(), 1);
        assert_eq!(conditions.look(&letters(7), start + Duration::from_secs(59)), []);
        let alerts = conditions.look(&letters(9), start + Duration::from_mins(1));
        assert!(alerts[0].text.starts_with("8 more dead letters"), "{alerts:?}");
    }

    #[test]
    fn a_watermark_that_moves_is_nothing() {
        let (mut conditions, start) = (conditions(), Instant::now());
        let at = |slot| Seen {
            watermark: Some(slot),
            ..Seen::default()
        };
        assert_eq!(
            told(&mut conditions, &Seen::default(), start, 0),
            [],
            "there is none yet"
        );
        assert_eq!(told(&mut conditions, &at(7), start, 1), []);
        assert_eq!(told(&mut conditions, &at(8), start, 10), []);
        assert_eq!(told(&mut conditions, &at(8), start, 19), []);
        assert_eq!(
            told(&mut conditions, &at(8), start, 20),
            [(Kind::WatermarkStands, State::Firing)]
        );
        assert_eq!(
            told(&mut conditions, &at(9), start, 21),
            [(Kind::WatermarkStands, State::Resolved)]
        );
    }
}
