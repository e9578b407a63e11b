//! The pace: at most 20 attempts of one action in any second (S14), retries counted, for every caller together.
//!
//! Three rules, each of which suffices for another trouble:
//! * a strict least interval between two sends, no burst: the normal case;
//! * 20 places, each held from the start of an attempt until a second after its end: a network that bunches;
//! * nothing in the first second of a process or of a leadership: whoever acted before may have sent just now.
//!
//! On throttling the rate is cut and comes back by itself (see `rate`): others may share the account's limit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Line, Notify, OwnedMutexGuard};
use tokio::time::sleep;

use crate::gaap::error::Action;
use crate::gaap::rate::{Places, Rate, WINDOW};
use crate::process::clock::Clock;

/// How long before its moment a turn is handed over: enough for a last check, short enough for the check to be fresh
/// when the rate is low.
const LEAD: Duration = Duration::from_millis(200);

/// The pace of every action, for one account.
pub struct Pace {
    lanes: [Arc<Lane>; 3],
}

/// One action.
struct Lane {
    action: Action,
    clock: Arc<dyn Clock>,
    /// tokio's mutex serves in the order of asking.
    line: Arc<Line<()>>,
    state: Mutex<State>,
    /// An attempt ended or a place was given back.
    freed: Notify,
}

struct State {
    rate: Rate,
    places: Places,
    last_send: Option<Duration>,
    not_before: Duration,
}

impl Pace {
    /// Highest rate, per second. Sends that are 1/19 s apart are 19 in any second, 20 if both of its ends count: that
    /// leaves one of the 20 for a delay on the way of up to 52 ms (of 111 ms at 18 per second) before the rule of
    /// places has to help. At 20 per second nothing is left, and measured runs had 21 in a second now and then.
    pub const MAX_RATE: f64 = 19.0;
    /// Lowest rate, per second: below it one deletion would take minutes to be sent.
    pub const MIN_RATE: f64 = 0.1;

    /// A pace of so many attempts per second and action, brought into
    /// [`Self::MIN_RATE`]..=[`Self::MAX_RATE`]. Made at the start of the process: its first second is silent.
    pub fn new(clock: Arc<dyn Clock>, requests_per_second: f64) -> Self {
        let rate = requests_per_second.clamp(Self::MIN_RATE, Self::MAX_RATE);
        // Counted from the start of the clock, which is that of the process: the time in between is not waited twice.
        let not_before = WINDOW;
        let lane = |action| {
            Arc::new(Lane {
                action,
                clock: clock.clone(),
                line: Arc::default(),
                state: Mutex::new(State {
                    rate: Rate::new(rate),
                    places: Places::default(),
                    last_send: None,
                    not_before,
                }),
                freed: Notify::new(),
            })
        };
        Self { lanes: [Action::DestroyProxies, Action::DescribeProxies, Action::GetCallerIdentity].map(lane) }
    }

    /// Sends nothing for a second: this process has just become the one that acts, and another may just have sent.
    pub fn start_empty(&self) {
        for lane in &self.lanes {
            let now = lane.now();
            lane.state().not_before = now + WINDOW;
        }
    }

    /// Waits for the exclusive right to make the next attempt of an action, first come, first served. It is handed
    /// over a little before the attempt may be sent, so that its holder can do a last check meanwhile.
    pub async fn turn(&self, action: Action) -> Turn {
        let [destroy, describe, identity] = &self.lanes;
        let lane = match action {
            Action::DestroyProxies => destroy,
            Action::DescribeProxies => describe,
            Action::GetCallerIdentity => identity,
        };
        let line = lane.line.clone().lock_owned().await;
        let place = Lane::place(lane).await;
        let turn = Turn { place, _line: line };
        lane.until(LEAD).await;
        turn
    }

    /// An attempt was throttled.
    pub(super) fn throttled(&self, action: Action) {
        if let Some(lane) = self.lanes.iter().find(|lane| lane.action == action) {
            let now = lane.now();
            let mut state = lane.state();
            state.rate.throttled(now);
            let rate = state.rate.at(now);
            drop(state);
            tracing::info!(%action, rate, "throttled by the cloud: the rate is lowered and comes back by itself");
        }
    }
}

impl Lane {
    fn now(&self) -> Duration {
        self.clock.now().monotonic
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for one of the places. Only the head of the line waits here.
    async fn place(lane: &Arc<Self>) -> Place {
        loop {
            let freed = lane.freed.notified();
            let now = lane.now();
            let taken = lane.state().places.take(now);
            match taken {
                Ok(()) => return Place { lane: lane.clone(), used: false },
                Err(Some(free)) => {
                    tokio::select! {
                        () = sleep(free.saturating_sub(now)) => {}
                        () = freed => {}
                    }
                }
                Err(None) => freed.await,
            }
        }
    }

    /// Sleeps until a send is due within `lead`. The rate may be cut during the sleep, so it is asked again.
    async fn until(&self, lead: Duration) {
        loop {
            let now = self.now();
            let left = self.state().due(now).saturating_sub(now + lead);
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }
}

impl State {
    fn due(&self, now: Duration) -> Duration {
        let spaced = self.last_send.map_or(Duration::ZERO, |sent| sent + self.rate.interval(now));
        spaced.max(self.not_before)
    }
}

/// One of the places.
struct Place {
    lane: Arc<Lane>,
    used: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = self.lane.now();
        let mut state = self.lane.state();
        if self.used {
            state.places.end(now);
        } else {
            state.places.give_back();
        }
        drop(state);
        self.lane.freed.notify_one();
    }
}

/// The exclusive right to make the next attempt of one action. Dropped unused, it costs nothing; while it is held,
/// nobody else sends, so nothing without a deadline may be awaited meanwhile.
#[must_use = "a turn that is dropped goes to the next in line"]
pub struct Turn {
    // Dropped first: whoever is next must find the place given back.
    place: Place,
    _line: OwnedMutexGuard<()>,
}

impl Turn {
    /// The action the turn is for.
    pub fn action(&self) -> Action {
        self.place.lane.action
    }

    /// Sleeps until the attempt may be sent, and keeps the turn: for a last look at something between the wait and
    /// the send.
    pub async fn due(&self) {
        self.place.lane.until(Duration::ZERO).await;
    }

    /// Sleeps until the attempt may be sent, and marks the send. The attempt is made at once by the caller, and ends
    /// when the value is dropped; the next in line goes on meanwhile.
    pub async fn start(mut self) -> Attempt {
        self.due().await;
        let lane = &self.place.lane;
        let now = lane.now();
        lane.state().last_send = Some(now);
        self.place.used = true;
        Attempt { _place: self.place }
    }
}

/// An attempt under way.
#[must_use = "the attempt ends when this is dropped"]
pub struct Attempt {
    _place: Place,
}

#[cfg(test)]
mod tests;
