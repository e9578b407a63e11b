//! Time as a dependency.

use std::time::Duration;

use tokio::time::Instant;

/// One instant, on two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Now {
    /// Since 1970-01-01T00:00:00Z.
    pub unix: Duration,
    /// Since the clock was made.
    pub monotonic: Duration,
}

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Now;
}

/// The clock of the machine.
#[derive(Clone, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that may read the time")]
    fn now(&self) -> Now {
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Now { unix, monotonic: self.started.elapsed() }
    }
}
