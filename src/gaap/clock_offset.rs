//! What the node's clock is wrong by, as the cloud told: a signature more than 5 minutes off is refused.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A smaller difference does not explain a refusal, which begins at 300 s: answers are seconds old.
const LEAST_CHANGE: i64 = 60;
/// A clock that is wrong by more than a day is not corrected: then TLS and Kubernetes do not work either, and a
/// single answer should not make us sign requests for another year.
const MOST: i64 = 86_400;
/// Time between two corrections: an endpoint whose answers disagree must not make us try for ever.
const SPACING: Duration = Duration::from_secs(60);

/// Seconds to add to the node's time. Zero until the cloud refused a signature for its age.
#[derive(Debug, Default)]
pub(super) struct ClockOffset {
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    seconds: i64,
    learnt: Option<Duration>,
}

impl ClockOffset {
    /// Unix seconds to sign with.
    pub(super) fn apply(&self, unix: Duration) -> i64 {
        let now = i64::try_from(unix.as_secs()).unwrap_or(i64::MAX);
        now.saturating_add(self.state.lock().unwrap_or_else(PoisonError::into_inner).seconds)
    }

    /// A signature was refused for its age in an answer of this date. True if another try is worth it: the offset is
    /// new. False if the date does not explain the refusal, or an offset was taken over a moment ago already.
    pub(super) fn learn(&self, date: i64, unix: Duration, monotonic: Duration) -> bool {
        let now = i64::try_from(unix.as_secs()).unwrap_or(i64::MAX);
        let offset = date.saturating_sub(now);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = state.learnt.is_some_and(|learnt| monotonic.saturating_sub(learnt) < SPACING);
        let explains = offset.abs_diff(state.seconds) >= LEAST_CHANGE.unsigned_abs() && offset.saturating_abs() <= MOST;
        if recent || !explains {
            return false;
        }
        tracing::warn!(
            offset_seconds = offset,
            "the clock of the node is wrong; requests are signed with the cloud's time"
        );
        *state = State { seconds: offset, learnt: Some(monotonic) };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_clouds_date_is_taken_over_once_and_then_the_clock_is_somebodys_task() {
        let offset = ClockOffset::default();
        assert!(offset.learn(10_000, s(9_000), s(1)));
        assert_eq!(offset.apply(s(9_010)), 10_010);
        assert!(!offset.learn(10_020, s(9_020), s(21)), "the same offset does not help");
        assert!(!offset.learn(50_000, s(9_020), s(21)), "nor another one so soon");
        assert_eq!(offset.apply(s(9_020)), 10_020);
    }

    #[test]
    fn a_clock_that_was_set_right_is_believed_again() {
        let offset = ClockOffset::default();
        assert!(offset.learn(10_000, s(13_600), s(1)));
        assert_eq!(offset.apply(s(13_700)), 10_100);
        assert!(offset.learn(10_200, s(10_200), s(201)));
        assert_eq!(offset.apply(s(10_300)), 10_300);
    }

    #[test]
    fn a_date_that_explains_nothing_or_is_absurd_changes_nothing() {
        let offset = ClockOffset::default();
        for date in [1_000_000, 1_000_059, 999_941, 1_000_000 + 86_401, 0, i64::MIN, i64::MAX] {
            assert!(!offset.learn(date, s(1_000_000), s(1)), "{date}");
        }
        assert_eq!(offset.apply(s(5)), 5);
    }
}
