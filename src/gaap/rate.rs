//! The arithmetic of the pace: how fast now, and how many attempts may be under way. Pure: time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

/// What one throttled answer leaves of the rate.
const CUT: f64 = 0.7;
/// Throttled answers closer than this are of one burst and cut once.
const CUT_SPACING: Duration = Duration::from_millis(500);
/// Lowest rate, per second.
const FLOOR: f64 = 1.0;
/// From the floor to the full rate. 90 % of 18 per second are back after 7.2 s of these (L6 allows 10 s).
const RECOVERY: Duration = Duration::from_secs(8);

/// The rate of one action, cut by throttling and coming back by itself in a straight line.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    full: f64,
    /// Rate at the last throttled answer.
    base: f64,
    throttled: Option<Duration>,
    cut: Option<Duration>,
}

impl Rate {
    /// `full`: per second.
    pub(super) fn new(full: f64) -> Self {
        Self { full, base: full, throttled: None, cut: None }
    }

    /// Per second.
    pub(super) fn at(&self, now: Duration) -> f64 {
        let Some(throttled) = self.throttled else { return self.full };
        let part = now.saturating_sub(throttled).as_secs_f64() / RECOVERY.as_secs_f64();
        self.base + (self.full - self.base) * part.min(1.0)
    }

    /// Least time between two sends.
    pub(super) fn interval(&self, now: Duration) -> Duration {
        Duration::from_secs_f64(1.0 / self.at(now))
    }

    /// An attempt was throttled.
    pub(super) fn throttled(&mut self, now: Duration) {
        let rate = self.at(now);
        let cuts = self.cut.is_none_or(|cut| now.saturating_sub(cut) >= CUT_SPACING);
        self.base = if cuts { (rate * CUT).max(FLOOR.min(self.full)) } else { rate };
        self.throttled = Some(now);
        if cuts {
            self.cut = Some(now);
        }
    }
}

/// The cloud counts in windows of one second.
pub(super) const WINDOW: Duration = Duration::from_secs(1);
/// Attempts in one window.
pub(super) const QUOTA: usize = 20;

/// How many attempts the cloud may count at the same time.
///
/// An attempt arrives at some unknown moment between its start and its answer, so it takes one of 20 places from its
/// start until one second after its end. Were 21 counted in one second, then at the start of the last of them the
/// other 20 would have had a place: their answers came after their arrival, less than a second before. So whatever
/// the network does to single attempts (a slow handshake, a lost packet), no second holds more than 20.
///
/// The price: with answers that take `L` seconds, at most `20 / (1 + L)` attempts a second, which binds below 18 per
/// second from 0.11 s on. Turned down: spacing alone, which a delay of a tenth of a second breaks.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    open: usize,
    ended: VecDeque<Duration>,
}

impl Places {
    /// Takes a place. When none is free: the moment one will be, or none while all wait for their answers.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Option<Duration>> {
        while self.ended.front().is_some_and(|ended| *ended + WINDOW <= now) {
            self.ended.pop_front();
        }
        if self.open + self.ended.len() < QUOTA {
            self.open += 1;
            return Ok(());
        }
        Err(self.ended.front().map(|ended| *ended + WINDOW))
    }

    /// Gives a place back that was not used.
    pub(super) fn give_back(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// The attempt is over; its place stays taken for the rest of the window.
    pub(super) fn end(&mut self, now: Duration) {
        self.give_back();
        self.ended.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_throttled_answer_cuts_the_rate_once_a_burst() {
        let mut rate = Rate::new(18.0);
        rate.throttled(ms(10_000));
        assert!((rate.at(ms(10_000)) - 12.6).abs() < 1e-9);
        rate.throttled(ms(10_100));
        assert!(rate.at(ms(10_100)) >= 12.6, "of the same burst");
        rate.throttled(ms(10_500));
        assert!((rate.at(ms(10_500)) - 12.6 * 0.7).abs() < 0.3, "of the next: {}", rate.at(ms(10_500)));
    }

    #[test]
    fn after_the_longest_throttling_nine_tenths_are_back_within_ten_seconds() {
        let mut rate = Rate::new(18.0);
        for step in 0..200 {
            rate.throttled(ms(step * 500));
        }
        let last = ms(199 * 500);
        assert!(rate.at(last) < 3.0, "far down: {}", rate.at(last));
        assert!(rate.at(last + ms(7_300)) >= 0.9 * 18.0);
        assert!((rate.at(last + ms(8_000)) - 18.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_rate_below_the_floor_is_not_raised_by_throttling() {
        let mut rate = Rate::new(0.5);
        rate.throttled(ms(0));
        assert!(rate.at(ms(0)) <= 0.5);
    }

    proptest! {
        #[test]
        fn the_rate_stays_between_the_floor_and_the_full_rate(
            full in 0.1..19.0f64,
            steps in prop::collection::vec((0..3_000u64, any::<bool>()), 0..60),
        ) {
            let (mut rate, mut now) = (Rate::new(full), ms(0));
            for (pause, throttled) in steps {
                now += ms(pause);
                if throttled { rate.throttled(now) }
                prop_assert!(rate.at(now) >= FLOOR.min(full) - 1e-9 && rate.at(now) <= full + 1e-9);
            }
        }

        /// The cloud's view: each attempt arrives somewhere between its start and its end.
        #[test]
        fn no_second_at_the_receiving_side_holds_more_than_the_quota(
            attempts in prop::collection::vec((0..60u64, 0..4_000u64, 0.0..=1.0f64), 1..200),
        ) {
            let (mut places, mut now) = (Places::default(), ms(0));
            let mut running: Vec<Duration> = Vec::new();
            let mut arrivals: Vec<Duration> = Vec::new();
            for (pause, took, when) in attempts {
                now += ms(pause);
                loop {
                    running.sort();
                    while running.first().is_some_and(|end| *end <= now) {
                        places.end(running.remove(0));
                    }
                    match places.take(now) {
                        Ok(()) => break,
                        Err(free) => now = free.into_iter().chain(running.first().copied()).min().unwrap().max(now),
                    }
                }
                running.push(now + ms(took));
                arrivals.push(now + ms(took).mul_f64(when));
            }
            arrivals.sort();
            for (index, arrival) in arrivals.iter().enumerate() {
                let counted = arrivals[index..].iter().take_while(|later| **later < *arrival + WINDOW).count();
                prop_assert!(counted <= QUOTA, "{counted} from {arrival:?} on");
            }
        }
    }
}
