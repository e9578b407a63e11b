//! Time as a dependency: every rule about time can then be tested without waiting.

use std::time::Duration;

/// A moment, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Now {
    /// Time since 1970, UTC. For what others wrote down (createTime, signatures); it may jump.
    pub unix: Duration,
    /// Time since the clock was made. For waits and pauses; it never jumps.
    pub monotonic: Duration,
}

/// Something that knows the time.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Now;
}

/// The clocks of the machine. The monotonic one is tokio's, so that paused time in tests moves it.
#[derive(Debug)]
pub struct SystemClock {
    start: tokio::time::Instant,
}

impl SystemClock {
    /// A clock that begins now.
    pub fn start() -> Self {
        SystemClock { start: tokio::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        #[allow(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
        let wall = std::time::SystemTime::now();
        Now { unix: wall.duration_since(std::time::UNIX_EPOCH).unwrap_or_default(), monotonic: self.start.elapsed() }
    }
}
