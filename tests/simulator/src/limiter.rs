//! The frequency limit: a sliding window of one second per account and action.

use std::collections::{HashMap, VecDeque};

use crate::clock::UnixTime;

const WINDOW_MICROSECONDS: i64 = 1_000_000;

/// Remembers when requests were let through. Requests that are refused do not lengthen the wait.
#[derive(Debug, Default)]
pub struct Limiter {
    // Bounded: the keys are known accounts times known actions, each queue by the limit.
    passed: HashMap<(String, &'static str), VecDeque<UnixTime>>,
}

impl Limiter {
    /// Whether one more request fits into the second that ends now; if so it is counted. `limit` 0 means no limit.
    pub fn admit(&mut self, account: &str, action: &'static str, now: UnixTime, limit: u32) -> bool {
        if limit == 0 {
            return true;
        }
        let passed = self.passed.entry((account.to_owned(), action)).or_default();
        while passed.front().is_some_and(|first| now.0 - first.0 >= WINDOW_MICROSECONDS) {
            passed.pop_front();
        }
        let admitted = passed.len() < limit as usize;
        if admitted {
            passed.push_back(now);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> UnixTime {
        UnixTime(milliseconds * 1_000)
    }

    #[test]
    fn the_twenty_first_request_of_a_second_is_refused_and_the_window_slides() {
        let mut limiter = Limiter::default();
        for index in 0..20 {
            assert!(limiter.admit("1", "DestroyProxies", at(index * 10), 20));
        }
        assert!(!limiter.admit("1", "DestroyProxies", at(999), 20));
        assert!(limiter.admit("1", "DestroyProxies", at(1_000), 20), "the first one has left the window");
        assert!(!limiter.admit("1", "DestroyProxies", at(1_001), 20), "the second one has not");
    }

    #[test]
    fn accounts_and_actions_are_counted_apart() {
        let mut limiter = Limiter::default();
        assert!(limiter.admit("1", "DestroyProxies", at(0), 1));
        assert!(limiter.admit("2", "DestroyProxies", at(0), 1));
        assert!(limiter.admit("1", "DescribeProxies", at(0), 1));
        assert!(!limiter.admit("1", "DestroyProxies", at(0), 1));
    }
}
