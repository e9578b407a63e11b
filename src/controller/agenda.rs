//! When each resource is to be reconciled though nothing happens to it.
//!
//! kube's queue takes 0.6 kB for a resource that is to come back, and stays as large as it ever was. So it has what
//! comes back within seconds; all else, which is nearly every resource at nearly any time, stands here with a tenth of
//! that. Where all are due at once (a start, a new leader, other credentials) they are handed over in portions: what a
//! reconcile needs while it runs is needed for a few at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use crate::controller::object::{WatchedProxy, reference};
use crate::controller::tables::give_back;
use crate::process::clock::Clock;

/// Shorter pauses are kube's: it keeps them to the millisecond.
const SHORT: Duration = Duration::from_secs(10);
/// How exact the longer ones are.
const TICK: Duration = Duration::from_secs(1);
/// Between two portions.
pub const PORTION: Duration = Duration::from_millis(100);

/// What is due when. Bounded by the resources there are.
#[derive(Clone, Debug, Default)]
pub struct Agenda {
    inner: Arc<(Mutex<Inner>, Notify)>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By `namespace/name`.
    by_key: HashMap<Arc<str>, Entry>,
    /// Due, and not yet handed over. None of them is urgent.
    ready: VecDeque<Arc<str>>,
}

#[derive(Debug)]
struct Entry {
    /// On the monotonic clock.
    at: Duration,
    /// Due whatever the time is. Apart from `at`, which a reconcile that is under way sets when it ends: it may have begun
    /// before what this wake is about, and would undo it.
    woken: bool,
    /// See [`WatchedProxy::is_urgent`].
    urgent: bool,
}

impl Entry {
    /// Takes it from the agenda if its time has come.
    fn take(&mut self, now: Duration) -> bool {
        let due = self.woken || self.at <= now;
        if due {
            (self.at, self.woken) = (NEVER, false);
        }
        due
    }
}

/// No time is set: something else will wake the resource.
const NEVER: Duration = Duration::MAX;

impl Agenda {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a resource that was listed, made or changed. The urgent ones wait for nobody when all are woken.
    pub fn meet(&self, key: &Arc<str>, urgent: bool) {
        let mut inner = self.lock();
        match inner.by_key.get_mut(key) {
            Some(entry) => entry.urgent = urgent,
            None => {
                inner.by_key.insert(key.clone(), Entry { at: NEVER, woken: false, urgent });
            }
        }
    }

    /// A resource is gone.
    pub fn forget(&self, key: &str) {
        let mut inner = self.lock();
        inner.by_key.remove(key);
        give_back(&mut inner.by_key);
    }

    /// Has a resource reconciled after a pause, instead of at the time that was set before. Returns the pause if it is a
    /// short one, which is not kept here.
    pub fn set(&self, key: &str, now: Duration, pause: Duration) -> Option<Duration> {
        let long = pause >= SHORT;
        if let Some(entry) = self.lock().by_key.get_mut(key) {
            entry.at = if long { now.saturating_add(pause) } else { NEVER };
        }
        (!long).then_some(pause)
    }

    /// Has every resource reconciled, the urgent ones at once. Who stands in line from before keeps the place: with the line
    /// begun anew each time, the same would come first each time.
    pub fn wake_all(&self) {
        self.lock().by_key.values_mut().for_each(|entry| entry.woken = true);
        self.inner.1.notify_one();
    }

    /// The next of those whose time has come: the urgent ones, and so many others. Each is told once: the reconcile sets the
    /// next time.
    fn portion(&self, now: Duration, others: usize) -> Vec<ObjectRef<WatchedProxy>> {
        let mut inner = self.lock();
        let Inner { by_key, ready } = &mut *inner;
        // Whatever else waits: while the cloud is slow to answer, the others may wait for long.
        let due = by_key
            .iter_mut()
            .filter(|(_, entry)| entry.urgent)
            .filter_map(|(key, entry)| entry.take(now).then_some(key));
        let mut portion: Vec<_> = due.map(|key| reference(key)).collect();
        if ready.is_empty() {
            let due = by_key.iter_mut().filter_map(|(key, entry)| entry.take(now).then_some(key));
            *ready = due.cloned().collect();
        }
        portion.extend(ready.drain(..others.min(ready.len())).map(|key| reference(&key)));
        portion
    }

    fn is_waited_for(&self) -> bool {
        !self.lock().ready.is_empty()
    }

    /// The resources whose time has come, no more in a tenth of a second than there is room for. For one reader.
    pub fn stream<R>(
        &self,
        clock: Arc<dyn Clock>,
        room: R,
    ) -> impl Stream<Item = ObjectRef<WatchedProxy>> + Send + use<R>
    where
        R: Fn() -> usize + Send,
    {
        let reader = (self.clone(), clock, room, pace());
        let portions = futures::stream::unfold(reader, |(agenda, clock, room, mut pace)| async move {
            loop {
                pace.tick().await;
                let due = agenda.portion(clock.now().monotonic, room());
                if !due.is_empty() {
                    return Some((futures::stream::iter(due), (agenda, clock, room, pace)));
                }
                if !agenda.is_waited_for() {
                    tokio::select! {
                        () = sleep(TICK) => {}
                        () = agenda.inner.1.notified() => {}
                    }
                }
            }
        });
        portions.flatten()
    }
}

fn pace() -> Interval {
    let mut pace = interval(PORTION);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn agenda_of(names: &[&str]) -> Agenda {
        let agenda = Agenda::default();
        for name in names {
            agenda.meet(&format!("a/{name}").into(), name.starts_with("urgent"));
        }
        agenda
    }

    fn names(agenda: &Agenda, now: Duration, size: usize) -> Vec<String> {
        agenda.portion(now, size).into_iter().map(|reference| reference.name).collect()
    }

    #[test]
    fn a_long_pause_ends_once_at_its_time_and_a_short_one_is_not_kept() {
        let agenda = agenda_of(&["one"]);
        assert_eq!(agenda.set("a/one", at(1), at(600)), None);
        assert!(names(&agenda, at(600), 9).is_empty());
        assert_eq!(names(&agenda, at(601), 9), ["one"]);
        assert!(names(&agenda, at(9_000), 9).is_empty(), "the reconcile that follows sets the next time");
        agenda.set("a/one", at(601), at(600));
        assert_eq!(agenda.set("a/one", at(700), at(9)), Some(at(9)));
        assert!(names(&agenda, at(9_000), 9).is_empty(), "the last word counts");
    }

    #[test]
    fn all_are_woken_in_portions_and_the_urgent_wait_for_nobody() {
        let agenda = agenda_of(&["one", "two", "urgent-one", "three", "urgent-two"]);
        agenda.wake_all();
        let mut first = names(&agenda, at(1), 0);
        first.sort();
        assert_eq!(first, ["urgent-one", "urgent-two"], "also while there is no room");
        assert_eq!(names(&agenda, at(1), 2).len(), 2);
        agenda.wake_all();
        let all: Vec<usize> = (0..4).map(|_| names(&agenda, at(1), 2).len()).collect();
        assert_eq!(all, [3, 2, 1, 0], "who stood in line, then all over again");
    }

    #[test]
    fn a_wake_during_a_reconcile_is_not_undone_by_its_end() {
        let agenda = agenda_of(&["one"]);
        agenda.wake_all();
        agenda.set("a/one", at(1), at(600));
        assert_eq!(names(&agenda, at(2), 9), ["one"]);
    }

    #[test]
    fn the_urgent_do_not_wait_until_there_is_room_for_the_others() {
        let agenda = agenda_of(&["one", "two", "urgent-one"]);
        agenda.wake_all();
        assert_eq!(names(&agenda, at(1), 0), ["urgent-one"]);
        agenda.set("a/urgent-one", at(1), at(20));
        assert_eq!(names(&agenda, at(21), 0), ["urgent-one"]);
    }

    #[test]
    fn nothing_is_kept_of_what_is_gone() {
        let agenda = agenda_of(&["one"]);
        agenda.wake_all();
        agenda.forget("a/one");
        agenda.set("a/one", at(1), at(600));
        assert!(names(&agenda, at(9_000), 9).is_empty() && agenda.lock().by_key.is_empty());
    }
}
