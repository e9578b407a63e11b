//! Time as a value: the two-minute rule and the destroy duration can be tested without waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// The first microsecond of the given Unix second.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Whole Unix seconds, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This instant moved forward.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// RFC 3339 in UTC with exactly six digits of a second, the form of the request log.
    pub fn rfc3339(self) -> String {
        format!("{:.6}", self.timestamp())
    }

    /// `YYYY-MM-DD` in UTC, as the credential scope of TC3 has it.
    pub fn utc_date(self) -> String {
        self.timestamp().to_zoned(TimeZone::UTC).date().to_string()
    }

    /// The form of the HTTP `Date` header.
    pub fn http_date(self) -> String {
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&self.timestamp()).unwrap_or_default()
    }

    fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Where the simulator takes the time from.
pub trait Clock: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> UnixTime;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        UnixTime(Timestamp::now().as_microsecond())
    }
}

/// A clock that stands still until it is moved. Clones share the time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows `start`.
    pub fn at(start: UnixTime) -> Self {
        Self(Arc::new(AtomicI64::new(start.0)))
    }

    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        self.0.store(self.now().plus(duration).0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_printed_in_the_forms_the_log_the_scope_and_the_date_header_need() {
        let instant = UnixTime(1_700_000_000_000_007);
        assert_eq!(instant.rfc3339(), "2023-11-14T22:13:20.000007Z");
        assert_eq!(instant.utc_date(), "2023-11-14");
        assert_eq!(instant.http_date(), "Tue, 14 Nov 2023 22:13:20 GMT");
    }

    #[test]
    fn whole_seconds_still_carry_six_digits() {
        assert_eq!(UnixTime::from_seconds(1_700_000_000).rfc3339(), "2023-11-14T22:13:20.000000Z");
    }
}
