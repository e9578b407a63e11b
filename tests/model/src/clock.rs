//! Time in the model: steps of one tick, and an order of the moments within a tick.
//!
//! The shipped code only ever compares differences of times with its settings. A tick is a little longer than the pauses
//! that the settings ask for, so every comparison falls to one side whatever the order within a tick; what is older than
//! every setting is alike. So the times of a state can be told by a few small numbers, and the states are finite.

use std::time::Duration;

use gaap_operator::controller::observation::Timing;
use gaap_operator::process::clock::Now;

/// One step of the clock. Longer than `READ_LIMIT` and half of `LOOK_LIMIT`, the two times that are no settings.
pub const TICK: Duration = Duration::from_millis(5200);
/// Ticks after which a request without a visible effect has none: the settle time.
pub const SETTLE: u32 = 2;
/// Ticks that a watch may be behind.
pub const LAG: u32 = 2;
/// Differences of more ticks are all alike: no setting is longer.
const FAR: u32 = 3;
/// The tick at which a run begins; what happened "long ago" lies before it.
pub const BEGIN: u32 = 10;
/// Seconds since 1970 at the beginning.
pub const BEGIN_UNIX: i64 = 1_800_000_000;

/// The settings of the model, in proportion as the defaults: one tick for a poll and for the spacing of two looks, two
/// for the settle time, three for the resync.
pub const TIMING: Timing = Timing {
    destroy_poll: Duration::from_millis(4900),
    resync: Duration::from_millis(14_900),
    minimum_age: Duration::from_secs(10),
    absence_spacing: Duration::from_millis(4900),
    settle_time: Duration::from_millis(9800),
};

/// The present of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Ticks.
    pub tick: u32,
    /// Moments within the tick.
    pub moment: u32,
    /// Ticks since the beginning, as long as a proxy can be young.
    pub age: u8,
}

impl Clock {
    /// At the beginning.
    pub const fn new() -> Self {
        Clock { tick: BEGIN, moment: 0, age: 0 }
    }

    /// A new moment: later than every one before.
    pub fn stamp(&mut self) -> Duration {
        self.moment += 1;
        TICK * self.tick + Duration::from_millis(u64::from(self.moment))
    }

    /// A tick later.
    pub fn advance(&mut self) {
        self.tick += 1;
        self.moment = 0;
        self.age = (self.age + 1).min(3);
    }

    /// The present as `decide` takes it.
    pub fn now(&self, monotonic: Duration) -> Now {
        let unix = u64::try_from(BEGIN_UNIX).unwrap_or_default();
        Now { unix: Duration::from_secs(unix) + TICK * u32::from(self.age), monotonic }
    }
}

/// The tick in which a moment lies.
pub fn tick_of(moment: Duration) -> u32 {
    u32::try_from(moment.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX)
}

/// The moments of one memory as small numbers: how many ticks ago, long gaps cut. The order within a tick matters to no
/// difference with a setting; where it matters by itself, it is hashed beside.
pub struct Moments {
    sorted: Vec<u32>,
    codes: Vec<u8>,
    now: u32,
}

impl Moments {
    /// Of these moments, all past.
    pub fn new(moments: Vec<Duration>, clock: &Clock) -> Self {
        let mut sorted: Vec<u32> = moments.into_iter().map(tick_of).collect();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        sorted.dedup();
        let (mut tick, mut ago) = (clock.tick, 0_u32);
        let mut codes = Vec::with_capacity(sorted.len());
        for next in &sorted {
            ago += (tick - (*next).min(tick)).min(FAR);
            tick = *next;
            codes.push(u8::try_from(ago).unwrap_or(u8::MAX));
        }
        Moments { sorted, codes, now: clock.tick }
    }

    /// The code of one of them.
    pub fn code(&self, moment: Duration) -> u8 {
        let tick = tick_of(moment);
        let place = self.sorted.iter().position(|known| *known == tick);
        place.and_then(|place| self.codes.get(place).copied()).unwrap_or(u8::MAX)
    }

    /// How many ticks are left until a moment that may be ahead.
    pub fn left(&self, until: Duration) -> u8 {
        let tick = u32::try_from(until.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u32::MAX);
        u8::try_from(tick.saturating_sub(self.now).min(FAR)).unwrap_or(u8::MAX)
    }
}
