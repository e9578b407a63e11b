//! Instants as both logs write them.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

/// Microseconds since 1970, UTC: the resolution of both logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub i64);

impl Moment {
    /// Reads RFC 3339; none when it is not.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<Timestamp>().ok().map(|time| Self(time.as_microsecond()))
    }

    /// The first microsecond of a second since 1970.
    pub fn from_second(second: i64) -> Self {
        Self(second.saturating_mul(1_000_000))
    }

    /// Later by a duration.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// Earlier by a duration.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    /// The time from `earlier` to here; zero when it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(formatter, "{time:.6}"),
            Err(_) => write!(formatter, "{} µs", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_logs_and_kubernetes_seconds_are_read_and_written() {
        let moment = Moment::parse("2026-11-24T03:04:05.123456Z").unwrap();
        assert_eq!(moment.to_string(), "2026-11-24T03:04:05.123456Z");
        let second = Moment::parse("2026-11-24T03:04:05Z").unwrap();
        assert_eq!(moment.since(second), Duration::from_micros(123_456));
        assert_eq!(second.since(moment), Duration::ZERO);
        assert_eq!(Moment::parse("yesterday"), None);
    }
}
