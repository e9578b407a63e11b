//! How long to hold back after a failure: of the cloud, class -> pause (design §2, table of classes); of a watch.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use kube::runtime::watcher::ExponentialBackoff;

use crate::controller::failure::Failure;
use crate::controller::memory::Hold;
use crate::controller::reasons::Reason;
use crate::gaap::Class;

const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(300);
/// Longest pause after the rate limit answered.
const THROTTLED: Duration = Duration::from_secs(8);
const USER: Duration = Duration::from_secs(600);
const CONFIG: Duration = Duration::from_secs(1800);
/// Longest pause of a watch before jitter, which at most doubles it.
const WATCH: Duration = Duration::from_secs(5);

/// The hold after a failure. `failures`: failures in a row, this one counted; `poll`: `--destroy-poll`; `random`: from
/// 0 to 1, given from outside so that the arithmetic stays pure.
pub fn hold(failure: &Failure, failures: u32, poll: Duration, now: Duration, generation: i64, random: f64) -> Hold {
    let pause = match failure.class {
        // Whatever sub-code: 90 % of the pace must be back 10 s after throttling ends (L6).
        Class::Backoff if failure.reason == Reason::Throttled => jittered(exponential(failures).min(THROTTLED), random),
        Class::Soon => Duration::from_secs(1) + Duration::from_secs(4).mul_f64(random),
        // The first look again after a poll; a cloud that says the same for ever is asked less and less.
        Class::Observe if failures <= 1 => poll,
        Class::Observe => poll.max(jittered(exponential(failures - 1), random)),
        // "Gone" for a proxy that the next look still shows: the cloud contradicts itself, and may go on doing so.
        Class::Backoff | Class::Gone => jittered(exponential(failures), random),
        Class::User => jittered(USER, random),
        Class::Config => jittered(CONFIG, random),
    };
    Hold { until: now + pause, lifted_by_change_from: failure.stalled().then_some(generation) }
}

/// 2 s, doubling, at most 5 minutes.
fn exponential(failures: u32) -> Duration {
    // `nth` would walk through every pause; beyond the cap they are all alike.
    let place = failures.saturating_sub(1).min(16) as usize;
    ExponentialBuilder::default()
        .with_min_delay(FIRST)
        .with_factor(2.0)
        .with_max_delay(LONGEST)
        .with_max_times(32)
        .build()
        .nth(place)
        .unwrap_or(LONGEST)
}

/// Pauses of a watch that failed: 0.8 s, doubling, at most 5 s, each up to twice as long by jitter; it never gives up,
/// and begins anew after an event. kube's own default goes up to a minute: after an API server was away for a few
/// seconds a deletion stood still for two minutes, one for the connection and one for the resourceVersion that had
/// expired meanwhile. A process has one watch or a few, so asking every 5 s costs a struggling API server little.
pub fn of_watch() -> ExponentialBackoff {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(800))
        .with_factor(2.0)
        .with_max_delay(WATCH)
        .with_jitter()
        .without_max_times();
    ExponentialBackoff::from(pauses)
}

/// Pauses before each question what is not granted: 5 s, doubling, at most half a minute, each up to twice as long by jitter.
/// An API server that has just started refuses everything until it has read its own rules; by the first question that
/// has passed.
pub fn of_permissions() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(5))
        .with_factor(2.0)
        .with_max_delay(Duration::from_secs(30))
        .with_jitter()
        .without_max_times()
        .build()
}

/// Between three quarters of the pause and the whole of it: never later than what the user was told.
pub fn jittered(pause: Duration, random: f64) -> Duration {
    pause.mul_f64(0.75 + 0.25 * random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::failure;

    #[test]
    fn permissions_are_asked_for_after_five_seconds_and_less_and_less_often() {
        let pauses: Vec<u64> = of_permissions().take(6).map(|pause| pause.as_secs()).collect();
        let within = |(pause, low): (&u64, u64)| (low..=2 * low).contains(pause);
        assert_eq!(pauses.iter().zip([5, 10, 20, 30, 30, 30]).filter(|one| within(*one)).count(), 6, "{pauses:?}");
    }

    fn pause(class: Class, failures: u32, random: f64) -> Duration {
        hold(&failure(class), failures, Duration::from_secs(5), Duration::ZERO, 1, random).until
    }

    #[test]
    fn back_off_doubles_from_two_seconds_to_five_minutes() {
        let pauses: Vec<u64> = (1..=12).map(|failures| pause(Class::Backoff, failures, 1.0).as_secs()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]);
        assert_eq!(pause(Class::Backoff, u32::MAX, 1.0), LONGEST);
    }

    #[test]
    fn a_contradiction_is_looked_at_after_a_poll_and_then_less_and_less_often() {
        let poll = Duration::from_secs(1);
        let after = |failures| hold(&failure(Class::Observe), failures, poll, Duration::ZERO, 1, 1.0).until.as_secs();
        assert_eq!([1, 2, 3, 4].map(after), [1, 2, 4, 8]);
        assert_eq!(pause(Class::Observe, 2, 1.0), Duration::from_secs(5), "never more often than a poll");
    }

    #[test]
    fn throttling_of_any_kind_is_over_in_eight_seconds() {
        let throttled = Failure { reason: Reason::Throttled, ..failure(Class::Backoff) };
        let after = |failures| hold(&throttled, failures, Duration::ZERO, Duration::ZERO, 1, 1.0).until.as_secs();
        assert_eq!([1, 2, 3, 4, 12].map(after), [2, 4, 8, 8, 8]);
    }

    #[test]
    fn throttling_waits_one_to_five_seconds() {
        assert_eq!(pause(Class::Soon, 9, 0.0), Duration::from_secs(1));
        assert_eq!(pause(Class::Soon, 9, 1.0), Duration::from_secs(5));
    }

    #[test]
    fn only_holds_that_wait_for_a_person_end_with_a_change() {
        for (class, lifted) in [
            (Class::User, true),
            (Class::Config, true),
            (Class::Backoff, false),
            (Class::Soon, false),
            (Class::Observe, false),
            (Class::Gone, false),
        ] {
            let hold = hold(&failure(class), 1, Duration::from_secs(5), Duration::ZERO, 7, 0.5);
            assert_eq!(hold.remaining(Duration::ZERO, 8).is_none(), lifted, "{class:?}");
            assert!(hold.remaining(Duration::ZERO, 7).is_some(), "{class:?}");
        }
    }

    #[test]
    fn a_watch_is_tried_again_within_ten_seconds_and_never_given_up() {
        let pauses: Vec<Duration> = of_watch().take(1_000).collect();
        assert_eq!(pauses.len(), 1_000);
        assert!(pauses.iter().all(|pause| *pause <= 2 * WATCH), "{:?}", pauses.iter().max());
        assert!(pauses.iter().skip(5).all(|pause| *pause >= WATCH), "{:?}", pauses.iter().skip(5).min());
    }

    #[test]
    fn jitter_never_waits_longer_than_announced() {
        for random in [0.0, 0.3, 1.0, 2.0] {
            assert!(jittered(USER, random) <= USER && jittered(USER, random) >= USER.mul_f64(0.75));
        }
    }
}
