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
    /// Seconds that are added now.
    pub(super) fn seconds(&self) -> i64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).seconds
    }

    /// A request that was signed with this offset was refused for its age, in an answer of this date. True if another
    /// try is worth it: another offset is in use by now. False if the date does not explain the refusal, or an offset
    /// was taken over a moment ago already.
    pub(super) fn learn(&self, signed_with: i64, date: i64, unix: Duration, monotonic: Duration) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if signed_with != state.seconds {
            // Another answer corrected it while this request was under way.
            return true;
        }
        let offset = date.saturating_sub(i64::try_from(unix.as_secs()).unwrap_or(i64::MAX));
        if offset.abs_diff(state.seconds) < LEAST_CHANGE.unsigned_abs() || offset.saturating_abs() > MOST {
            return false;
        }
        if offset.abs() < LEAST_CHANGE {
            // The node is right after all: what was taken over came from one server that is wrong. Giving it up needs
            // no spacing, for taking over the next one does.
            tracing::info!("the clock of the node agrees with the cloud again; requests are signed with it");
            state.seconds = 0;
            return true;
        }
        if state.learnt.is_some_and(|learnt| monotonic.saturating_sub(learnt) < SPACING) {
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

/// Unix seconds to sign with.
pub(super) fn timestamp(unix: Duration, offset: i64) -> i64 {
    i64::try_from(unix.as_secs()).unwrap_or(i64::MAX).saturating_add(offset)
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
        assert!(offset.learn(0, 10_000, s(9_000), s(1)));
        assert_eq!(timestamp(s(9_010), offset.seconds()), 10_010);
        assert!(!offset.learn(1_000, 10_020, s(9_020), s(21)), "the same offset does not help");
        assert!(!offset.learn(1_000, 50_000, s(9_020), s(21)), "nor another one so soon");
        assert_eq!(offset.seconds(), 1_000);
    }

    #[test]
    fn a_clock_that_was_set_right_is_believed_again() {
        let offset = ClockOffset::default();
        assert!(offset.learn(0, 10_000, s(13_600), s(1)));
        assert_eq!(offset.seconds(), -3_600);
        assert!(offset.learn(-3_600, 10_200, s(10_200), s(201)));
        assert_eq!(offset.seconds(), 0);
    }

    #[test]
    fn one_server_with_a_wrong_clock_does_not_get_all_others_to_refuse() {
        let offset = ClockOffset::default();
        assert!(offset.learn(0, 10_900, s(10_000), s(1)), "the wrong one");
        assert!(offset.learn(900, 10_001, s(10_001), s(2)), "a right one, a moment later");
        assert_eq!(offset.seconds(), 0);
        assert!(!offset.learn(0, 10_902, s(10_002), s(3)), "the wrong one again is not followed so soon");
        assert_eq!(offset.seconds(), 0);
        assert!(offset.learn(0, 10_990, s(10_090), s(91)), "but later, for it may be the node that is wrong");
    }

    #[test]
    fn requests_that_were_under_way_during_a_correction_are_worth_another_try() {
        let offset = ClockOffset::default();
        assert!(offset.learn(0, 10_000, s(9_000), s(1)));
        assert!(offset.learn(0, 10_000, s(9_000), s(1)), "it was signed with the old time");
        assert_eq!(offset.seconds(), 1_000);
    }

    #[test]
    fn a_date_that_explains_nothing_or_is_absurd_changes_nothing() {
        let offset = ClockOffset::default();
        for date in [1_000_000, 1_000_059, 999_941, 1_000_000 + 86_401, 0, i64::MIN, i64::MAX] {
            assert!(!offset.learn(0, date, s(1_000_000), s(1)), "{date}");
        }
        assert_eq!(offset.seconds(), 0);
    }
}
