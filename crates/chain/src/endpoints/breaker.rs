//! The circuit breaker of one endpoint: when it may be called. Time is passed in, so that it is a pure machine.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row after which an endpoint is left alone.
const FAILURES_TO_OPEN: u32 = 5;
/// First rest of an opened circuit; doubled every time a probe fails.
const FIRST_REST: Duration = Duration::from_millis(500);
/// Longest rest: the preferred endpoint is asked again at least this often.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// While one probe is out, nobody else calls; a probe that never reports back loses its place after this.
const PROBE_PATIENCE: Duration = Duration::from_millis(500);

/// Closed until too many failures in a row; then open, letting one probe through after each rest.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// Failures in a row since the last success.
    failures: u32,
    /// Set while the circuit is open: when the next probe may go.
    next_probe: Option<Instant>,
    /// In an open circuit: one request is out to find out whether it may be closed.
    is_probing: bool,
    /// What the server itself asked for by `Retry-After`. An answer to an earlier request takes nothing back of it.
    resting_until: Option<Instant>,
}

impl Breaker {
    /// Lets a request through, or says how long to wait. In an open circuit the request let through is the probe.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        if let Some(until) = self.resting_until.filter(|until| *until > now) {
            return Err(until - now);
        }
        match self.next_probe {
            None => Ok(()),
            Some(at) if at > now => Err(at - now),
            Some(_) => {
                self.next_probe = Some(now + PROBE_PATIENCE);
                self.is_probing = true;
                Ok(())
            }
        }
    }

    /// How long nobody is let through from `now` on, without asking to be.
    pub(crate) fn rests_for(&self, now: Instant) -> Duration {
        let until = self.resting_until.max(self.next_probe);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// An answer came: the circuit is closed.
    pub(crate) fn succeeded(&mut self) {
        *self = Self {
            resting_until: self.resting_until,
            ..Self::default()
        };
    }

    /// No answer came. In an open circuit only the probe says anything: requests that were out before it opened fail
    /// for the same reason, however many they are.
    pub(crate) fn failed(&mut self, now: Instant) {
        if self.next_probe.is_some() && !std::mem::take(&mut self.is_probing) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_TO_OPEN {
            let doublings = (self.failures - FAILURES_TO_OPEN).min(16);
            let rest = FIRST_REST.saturating_mul(1 << doublings).min(LONGEST_REST);
            self.next_probe = Some(now + rest);
        }
    }

    /// The server asked to be left alone for `rest`.
    pub(crate) fn rest(&mut self, now: Instant, rest: Duration) {
        self.resting_until = Some(now + rest);
    }

    /// Whether the last request was answered and the next one may go at once.
    pub(crate) fn is_healthy(&self, now: Instant) -> bool {
        self.failures == 0 && self.resting_until.is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES_TO_OPEN {
            assert!(breaker.admit(now).is_ok());
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn opens_after_failures_in_a_row_only() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            for _ in 1..FAILURES_TO_OPEN {
                breaker.failed(now);
            }
            breaker.succeeded();
        }
        assert!(breaker.is_healthy(now));
        assert_eq!(opened(now).admit(now), Err(FIRST_REST));
    }

    #[test]
    fn lets_one_probe_through_and_closes_when_it_succeeds() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + FIRST_REST;
        assert!(breaker.admit(later).is_ok());
        assert_eq!(breaker.admit(later), Err(PROBE_PATIENCE), "the probe is still out");
        breaker.succeeded();
        assert!(breaker.admit(later).is_ok());
    }

    #[test]
    fn requests_that_fail_together_open_the_circuit_once() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..12 {
            assert!(breaker.admit(now).is_ok());
        }
        for _ in 0..12 {
            breaker.failed(now);
        }
        assert_eq!(breaker.admit(now), Err(FIRST_REST));
    }

    #[test]
    fn an_answer_to_an_earlier_request_does_not_end_the_rest_that_a_server_asked_for() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        breaker.rest(now, Duration::from_secs(7));
        breaker.succeeded();
        assert_eq!(breaker.admit(now), Err(Duration::from_secs(7)));
    }

    #[test]
    fn a_failed_probe_doubles_the_rest_up_to_a_limit() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let mut later = now + FIRST_REST;
        assert!(breaker.admit(later).is_ok());
        breaker.failed(later);
        assert_eq!(breaker.admit(later), Err(FIRST_REST * 2));
        for _ in 0..40 {
            later += LONGEST_REST;
            assert!(breaker.admit(later).is_ok());
            breaker.failed(later);
        }
        assert_eq!(breaker.admit(later), Err(LONGEST_REST));
    }

    #[test]
    fn rests_as_long_as_the_server_asks_and_not_longer() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        breaker.rest(now, Duration::from_secs(7));
        assert_eq!(breaker.admit(now + Duration::from_secs(3)), Err(Duration::from_secs(4)));
        assert_eq!(breaker.rests_for(now), Duration::from_secs(7));
        assert!(!breaker.is_healthy(now));
        assert!(breaker.admit(now + Duration::from_secs(7)).is_ok());
        assert!(
            breaker.admit(now + Duration::from_secs(7)).is_ok(),
            "no probing after a rest that was asked for"
        );
    }
}
