//! Which proxies to ask for next, while questions come faster than calls are made. Pure: no call, no clock.
//!
//! Urgent questions come first, and those of different groups take turns; of one group the first to come is the first
//! served. Questions for the same id share one row. An id that was just answered with "not found" goes alone: it is
//! asked a second time soon, and among others it would make their call fail again.
//!
//! Nobody is passed over for ever: halves of failed calls, ids together and ids alone take turns, and every fourth
//! call takes what is not urgent first.

use std::collections::HashMap;
use std::time::Duration;

use crate::gaap::api::DESCRIBE_LIMIT;
use crate::gaap::proxy::ProxyId;
use crate::process::fair_line::FairLine;

/// How long an id that was not found goes alone. Longer than the pause between two looks that prove an absence.
const ALONE_FOR: Duration = Duration::from_secs(60);
/// More ids than this are not remembered; forgetting one costs a few calls.
const MOST_ALONE: usize = 4_096;
/// One of so many calls takes what is not urgent first.
const PATIENT_SHARE: u32 = 4;

/// The place of a question among others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Priority {
    /// Questions of one group take turns with those of another.
    pub group: String,
    /// It goes before those that are not.
    pub urgent: bool,
}

/// Ids with those who ask for them.
pub(super) type Batch<A> = Vec<(ProxyId, Vec<A>)>;

/// Questions that no call has taken up yet. `A`: who asks.
pub(super) struct Gather<A> {
    askers: HashMap<ProxyId, Vec<A>>,
    /// Parts of a call that failed as a whole.
    parts: Vec<Batch<A>>,
    together: Lines,
    alone: Lines,
    /// Ids that were not found, and when.
    not_found: HashMap<ProxyId, Duration>,
    /// Whose turn it is.
    turn: Source,
    calls: u32,
}

/// Where the ids of a call come from, in the order of the turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Parts,
    Together,
    Alone,
}

impl Source {
    fn next(self) -> Self {
        match self {
            Source::Parts => Source::Together,
            Source::Together => Source::Alone,
            Source::Alone => Source::Parts,
        }
    }
}

#[derive(Default)]
struct Lines {
    urgent: FairLine<String, ProxyId>,
    patient: FairLine<String, ProxyId>,
}

impl Lines {
    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.patient.is_empty()
    }

    fn join(&mut self, id: &ProxyId, priority: &Priority) {
        let line = if priority.urgent { &mut self.urgent } else { &mut self.patient };
        line.join(&priority.group, id.clone());
    }

    /// An urgent question joins one that waits already.
    fn hurry(&mut self, id: &ProxyId, group: &String) {
        if self.patient.leave(id) {
            self.urgent.join(group, id.clone());
        }
    }

    fn pop(&mut self, patient_first: bool) -> Option<ProxyId> {
        let (first, second) = match patient_first {
            true => (&mut self.patient, &mut self.urgent),
            false => (&mut self.urgent, &mut self.patient),
        };
        first.pop().or_else(|| second.pop())
    }
}

impl<A> Default for Gather<A> {
    fn default() -> Self {
        Self {
            askers: HashMap::new(),
            parts: Vec::new(),
            together: Lines::default(),
            alone: Lines::default(),
            not_found: HashMap::new(),
            turn: Source::Parts,
            calls: 0,
        }
    }
}

impl<A> Gather<A> {
    pub(super) fn is_empty(&self) -> bool {
        self.askers.is_empty() && self.parts.is_empty()
    }

    /// Somebody asks for an id.
    pub(super) fn ask(&mut self, id: ProxyId, priority: &Priority, asker: A, now: Duration) {
        if let Some(askers) = self.askers.get_mut(&id) {
            askers.push(asker);
            if priority.urgent {
                self.together.hurry(&id, &priority.group);
                self.alone.hurry(&id, &priority.group);
            }
            return;
        }
        let alone = self.not_found.get(&id).is_some_and(|since| now.saturating_sub(*since) < ALONE_FOR);
        let lines = if alone { &mut self.alone } else { &mut self.together };
        lines.join(&id, priority);
        self.askers.insert(id, vec![asker]);
    }

    /// The next ids to ask for, in one call; none when nobody waits any more for what came next. `waits`: whether an
    /// asker still wants to know; an id that nobody waits for is dropped.
    pub(super) fn next(&mut self, waits: impl Fn(&A) -> bool) -> Option<Batch<A>> {
        let mut batch = self.take();
        for (_, askers) in &mut batch {
            askers.retain(&waits);
        }
        batch.retain(|(_, askers)| !askers.is_empty());
        (!batch.is_empty()).then_some(batch)
    }

    fn take(&mut self) -> Batch<A> {
        for _ in 0..3 {
            let source = self.turn;
            self.turn = source.next();
            match source {
                Source::Parts => {
                    if let Some(part) = self.parts.pop() {
                        return part;
                    }
                }
                Source::Together if !self.together.is_empty() => return self.fresh(source, DESCRIBE_LIMIT),
                Source::Alone if !self.alone.is_empty() => return self.fresh(source, 1),
                Source::Together | Source::Alone => {}
            }
        }
        Batch::new()
    }

    fn fresh(&mut self, source: Source, limit: usize) -> Batch<A> {
        self.calls = self.calls.wrapping_add(1);
        let patient_first = self.calls.is_multiple_of(PATIENT_SHARE);
        let lines = if source == Source::Alone { &mut self.alone } else { &mut self.together };
        let ids = std::iter::from_fn(|| lines.pop(patient_first)).take(limit);
        ids.filter_map(|id| self.askers.remove_entry(&id)).collect()
    }

    /// A call for several ids failed because one of them does not exist, and does not say which: asks for halves.
    /// Down to one by one where it must be, but a single absent id among 100 costs 14 calls instead of 100.
    pub(super) fn halve(&mut self, mut batch: Batch<A>) {
        let second = batch.split_off(batch.len() / 2);
        self.parts.push(second);
        self.parts.push(batch);
    }

    /// The id was asked for alone and does not exist.
    pub(super) fn not_found(&mut self, id: ProxyId, now: Duration) {
        if self.not_found.len() >= MOST_ALONE {
            self.not_found.retain(|_, since| now.saturating_sub(*since) < ALONE_FOR);
        }
        if self.not_found.len() < MOST_ALONE {
            self.not_found.insert(id, now);
        }
    }
}

#[cfg(test)]
mod tests;
