//! How long a slot takes, measured: slots of readings against this machine's clock. Pure: time is passed in.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::replies::PerformanceSample;

/// What is assumed until something was measured: the longest that any cluster has had, so that waits err on the side
/// that costs time and not requests.
const ASSUMED: Duration = Duration::from_millis(400);

/// Nothing outside of this is believed to be a slot's time.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(2);

/// Over fewer slots than this, where within its slot a reading fell decides more than how long the slots were.
const SLOTS_MIN: u64 = 24;

/// Observations closer together than this tell nothing new.
const SPACING: Duration = Duration::from_millis(500);

/// Slots may have got shorter since: older observations are forgotten once newer ones suffice.
const WINDOW: Duration = Duration::from_secs(12);

/// A node tells a sample's period in whole seconds: over a shorter one the rounding decides.
const SAMPLE_MIN: Duration = Duration::from_secs(10);

/// The clock of one cluster.
#[derive(Debug, Default)]
pub(super) struct SlotClock {
    /// Slots that were reached, and when they were seen; the oldest first.
    seen: VecDeque<(u64, Instant)>,
    measured: Option<Duration>,
}

impl SlotClock {
    /// A slot's time.
    pub(super) fn slot_time(&self) -> Duration {
        self.measured.unwrap_or(ASSUMED)
    }

    /// What a node has measured stands until this clock has.
    pub(super) fn take_samples(&mut self, samples: &[PerformanceSample]) {
        let usable = samples.iter().filter(|sample| sample.period >= SAMPLE_MIN);
        let (slots, period) = usable.fold((0_u64, Duration::ZERO), |(slots, period), sample| {
            (slots.saturating_add(sample.slots), period.saturating_add(sample.period))
        });
        self.measured = slot_time(slots, period).or(self.measured);
    }

    /// A reading was made at `slot`. One of a node that lags behind an earlier reading is left out.
    pub(super) fn observe(&mut self, slot: u64, now: Instant) {
        if let Some((newest, at)) = self.seen.back()
            && (slot <= *newest || now.saturating_duration_since(*at) < SPACING)
        {
            return;
        }
        self.seen.push_back((slot, now));
        while self.seen.len() > 2 && self.spans_enough_without_the_oldest(now) {
            self.seen.pop_front();
        }
        if let (Some((first, since)), Some((last, until))) = (self.seen.front(), self.seen.back()) {
            let slots = last - first;
            if slots >= SLOTS_MIN {
                let time = until.saturating_duration_since(*since);
                self.measured = slot_time(slots, time).or(self.measured);
            }
        }
    }

    fn spans_enough_without_the_oldest(&self, now: Instant) -> bool {
        let (Some((_, oldest)), Some((second, _)), Some((last, _))) =
            (self.seen.front(), self.seen.get(1), self.seen.back())
        else {
            return false;
        };
        now.saturating_duration_since(*oldest) > WINDOW && last - second >= SLOTS_MIN
    }
}

fn slot_time(slots: u64, time: Duration) -> Option<Duration> {
    let slots = u32::try_from(slots).ok().filter(|slots| *slots > 0)?;
    Some((time / slots).clamp(SHORTEST, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, slots: u64, slot_ms: u64) -> Instant {
        start + Duration::from_millis(slots * slot_ms)
    }

    #[test]
    fn slots_that_get_shorter_are_seen_to() {
        let start = Instant::now();
        let mut clock = SlotClock::default();
        assert_eq!(clock.slot_time(), ASSUMED);
        for slot in (0..=300).step_by(5) {
            clock.observe(slot, after(start, slot, 350));
        }
        assert_eq!(clock.slot_time(), Duration::from_millis(350));
        let switch = after(start, 300, 350);
        for slot in (5..=300).step_by(5) {
            clock.observe(300 + slot, after(switch, slot, 200));
        }
        assert_eq!(clock.slot_time(), Duration::from_millis(200));
    }

    #[test]
    fn a_reading_now_and_then_suffices() {
        let start = Instant::now();
        let mut clock = SlotClock::default();
        for slot in (0..=1_000).step_by(200) {
            clock.observe(slot, after(start, slot, 300));
        }
        assert_eq!(clock.slot_time(), Duration::from_millis(300));
    }

    #[test]
    fn a_lagging_node_does_not_turn_the_clock_back() {
        let start = Instant::now();
        let mut clock = SlotClock::default();
        for slot in (0..=100).step_by(10) {
            clock.observe(slot, after(start, slot, 400));
            clock.observe(
                slot.saturating_sub(30),
                after(start, slot, 400) + Duration::from_millis(700),
            );
        }
        assert_eq!(clock.slot_time(), Duration::from_millis(400));
    }

    #[test]
    fn a_nodes_samples_count_where_they_are_long_enough_to_say_something() {
        let sample = |slots, seconds| PerformanceSample {
            slots,
            period: Duration::from_secs(seconds),
        };
        let mut clock = SlotClock::default();
        clock.take_samples(&[sample(1, 1)]);
        assert_eq!(clock.slot_time(), ASSUMED);
        clock.take_samples(&[sample(190, 60), sample(210, 60), sample(1, 1)]);
        assert_eq!(clock.slot_time(), Duration::from_millis(300));
    }
}
