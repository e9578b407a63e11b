//! Which proxies to ask for next, while questions come faster than calls are made. Pure: no call, no clock.
//!
//! Urgent questions come first, and groups take turns; within a group the first to come is the first served. A call that
//! has room left takes others along, up to a hundred ids. Questions for the same id share one row.
//!
//! Where a cloud answers a whole call with "not found" or a refusal because of one id, such an id goes alone: it is asked
//! a second time soon, and among others it would make their call fail again. For the same reason a group with such an
//! id keeps to itself for a while: many absent ids of one group must not cost the others more than a turn.
//!
//! Nobody is passed over for ever: every fourth call begins with what is not urgent.
//!
//! What cannot share a call gains nothing by waiting for others, and is told apart from what can: see
//! [`Gather::next_alone`].

use std::collections::HashMap;
use std::time::Duration;

use crate::gaap::api::DESCRIBE_LIMIT;
use crate::gaap::proxy::ProxyId;
use crate::process::fair_line::FairLine;

/// How long an id that was not found, or was refused, goes alone, and its group keeps to itself. Longer than the pause
/// between two looks that prove an absence.
const ALONE_FOR: Duration = Duration::from_secs(60);
/// More ids than this are not remembered; forgetting one costs a few calls.
const MOST_ALONE: usize = 4_096;
/// Calls that were refused, maybe because of one id, are made again in parts this often in [`ALONE_FOR`]; one such id among
/// a hundred takes 7. Without a bound, a key that may read no proxy at all would be refused for each alone.
const REFUSED_SPLITS: u32 = 32;
/// One of so many calls begins with what is not urgent.
const PATIENT_SHARE: u32 = 4;

/// The place of a question among others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Priority {
    /// Questions of one group take turns with those of another.
    pub group: String,
    /// It goes before those that are not.
    pub urgent: bool,
}

/// One id of a call, with those who ask for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row<A> {
    pub id: ProxyId,
    pub priority: Priority,
    pub askers: Vec<A>,
}

/// What one call asks for.
pub(super) type Batch<A> = Vec<Row<A>>;

/// The next call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call<A> {
    pub batch: Batch<A>,
    /// Other questions could have shared it.
    pub shared: bool,
}

/// What takes a turn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Unit {
    Id(ProxyId),
    /// A part of a call that failed as a whole, by its number.
    Part(u64),
}

/// Questions that no call has taken up yet. `A`: who asks.
pub(super) struct Gather<A> {
    rows: HashMap<ProxyId, Row<A>>,
    parts: HashMap<u64, Batch<A>>,
    urgent: Line,
    patient: Line,
    /// Ids that were not found or refused: when, and of which group.
    apart: HashMap<ProxyId, (Duration, String)>,
    calls: u32,
    splits: u64,
    /// Refused calls that were split since a moment.
    refused: (Duration, u32),
}

impl<A> Default for Gather<A> {
    fn default() -> Self {
        Self {
            rows: HashMap::new(),
            parts: HashMap::new(),
            urgent: FairLine::default(),
            patient: FairLine::default(),
            apart: HashMap::new(),
            calls: 0,
            splits: 0,
            refused: (Duration::ZERO, 0),
        }
    }
}

impl<A> Gather<A> {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.parts.is_empty()
    }

    /// Somebody asks for an id.
    pub(super) fn ask(&mut self, id: ProxyId, priority: Priority, asker: A) {
        let unit = Unit::Id(id.clone());
        let Some(row) = self.rows.get_mut(&id) else {
            self.line(priority.urgent).join(&priority.group, unit);
            self.rows.insert(id.clone(), Row { id, priority, askers: vec![asker] });
            return;
        };
        row.askers.push(asker);
        if priority.urgent && !row.priority.urgent {
            self.patient.leave(&unit);
            self.urgent.join(&priority.group, unit);
            row.priority = priority;
        }
    }

    /// A call can be filled with those that wait.
    pub(super) fn fills_a_call(&self) -> bool {
        self.rows.len() >= DESCRIBE_LIMIT
    }

    /// The next ids to ask for, in one call. `waits`: whether an asker still wants to know; an id that nobody waits for
    /// is dropped.
    pub(super) fn next(&mut self, now: Duration, waits: impl Fn(&A) -> bool) -> Option<Call<A>> {
        loop {
            let Self { urgent, patient, calls, .. } = self;
            let first = pop(urgent, patient, calls, |_| true)?;
            if let Some(call) = self.call(first, now, &waits) {
                return Some(call);
            }
        }
    }

    /// As `next`, but only what no other question can share a call with; the others keep their places.
    pub(super) fn next_alone(&mut self, now: Duration, waits: impl Fn(&A) -> bool) -> Option<Call<A>> {
        loop {
            let Self { urgent, patient, apart, calls, parts, .. } = self;
            // Nearly always there is no such thing, and nobody has to be looked through.
            if parts.is_empty() && apart.is_empty() {
                return None;
            }
            let first = pop(urgent, patient, calls, |unit| match unit {
                Unit::Part(_) => true,
                Unit::Id(id) => goes_alone(apart, id, now),
            })?;
            if let Some(call) = self.call(first, now, &waits) {
                return Some(call);
            }
        }
    }

    fn call(&mut self, first: Unit, now: Duration, waits: impl Fn(&A) -> bool) -> Option<Call<A>> {
        let (mut batch, shared) = match first {
            Unit::Part(number) => (self.parts.remove(&number).unwrap_or_default(), false),
            Unit::Id(id) => (self.fresh(&id, now), !goes_alone(&self.apart, &id, now)),
        };
        for row in &mut batch {
            row.askers.retain(&waits);
        }
        batch.retain(|row| !row.askers.is_empty());
        (!batch.is_empty()).then_some(Call { batch, shared })
    }

    /// This id and those that may go with it.
    fn fresh(&mut self, id: &ProxyId, now: Duration) -> Batch<A> {
        let mut batch: Batch<A> = self.rows.remove(id).into_iter().collect();
        let Some(first) = batch.first() else { return batch };
        if !goes_alone(&self.apart, id, now) {
            let room = DESCRIBE_LIMIT.saturating_sub(batch.len());
            for unit in self.companions(&first.priority.group, room, now) {
                let Unit::Id(id) = &unit else { continue };
                self.urgent.leave(&unit);
                self.patient.leave(&unit);
                batch.extend(self.rows.remove(id));
            }
        }
        // By group, so that a call that fails can be split between groups.
        batch.sort_by(|a, b| a.priority.group.cmp(&b.priority.group));
        batch
    }

    /// Those that may go with one of this group: the next of each other group, then more of this one, then more of the
    /// others; urgent ones first. Of other groups none, if either keeps to itself.
    fn companions(&self, group: &String, room: usize, now: Duration) -> Vec<Unit> {
        let troubled = self.troubled(now);
        let alone = troubled.contains(&group);
        let together = |unit: &&Unit| matches!(unit, Unit::Id(id) if !goes_alone(&self.apart, id, now));
        let of_line = |line| {
            let line: &Line = line;
            let others: Vec<&String> =
                line.groups().filter(|other| *other != group && !alone && !troubled.contains(other)).collect();
            let of = move |group| line.of(group).filter(together);
            let heads = others.clone().into_iter().flat_map(move |other| of(other).take(1));
            let rests = others.into_iter().flat_map(move |other| of(other).skip(1));
            heads.chain(of(group)).chain(rests)
        };
        [&self.urgent, &self.patient].into_iter().flat_map(of_line).take(room).cloned().collect()
    }

    /// The groups that keep to themselves.
    fn troubled(&self, now: Duration) -> Vec<&String> {
        let recent = self.apart.values().filter(|(since, _)| now.saturating_sub(*since) < ALONE_FOR);
        let mut groups: Vec<&String> = recent.map(|(_, group)| group).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    fn line(&mut self, urgent: bool) -> &mut Line {
        if urgent { &mut self.urgent } else { &mut self.patient }
    }

    /// A call for several ids failed because one of them does not exist, and does not say which: asks for two parts.
    /// Down to one by one where it must be, but a single absent id among 100 costs 14 calls instead of 100.
    pub(super) fn split(&mut self, mut batch: Batch<A>) {
        let middle = batch.len() / 2;
        let groups = batch.windows(2).zip(1..).filter_map(|(pair, place)| match pair {
            [before, after] if before.priority.group != after.priority.group => Some(place),
            _ => None,
        });
        let place = groups.min_by_key(|place: &usize| place.abs_diff(middle)).unwrap_or(middle);
        let second = batch.split_off(place);
        for part in [batch, second] {
            let Some(group) = part.first().map(|row| row.priority.group.clone()) else { continue };
            let urgent = part.iter().any(|row| row.priority.urgent);
            self.splits += 1;
            let number = self.splits;
            self.parts.insert(number, part);
            self.line(urgent).join(&group, Unit::Part(number));
        }
    }

    /// As `split`, for a call that was refused: maybe because of one id, maybe for each of them. Gives the call back when
    /// that was tried often enough of late.
    pub(super) fn split_refused(&mut self, batch: Batch<A>, now: Duration) -> Result<(), Batch<A>> {
        let (since, splits) = &mut self.refused;
        if now.saturating_sub(*since) >= ALONE_FOR {
            (*since, *splits) = (now, 0);
        }
        if *splits >= REFUSED_SPLITS {
            return Err(batch);
        }
        *splits += 1;
        self.split(batch);
        Ok(())
    }

    /// The id was asked for alone, and does not exist or is refused.
    pub(super) fn set_apart(&mut self, row: &Row<A>, now: Duration) {
        if self.apart.len() >= MOST_ALONE {
            self.apart.retain(|_, (since, _)| now.saturating_sub(*since) < ALONE_FOR);
        }
        if self.apart.len() < MOST_ALONE {
            self.apart.insert(row.id.clone(), (now, row.priority.group.clone()));
        }
    }
}

type Line = FairLine<String, Unit>;

/// The next of this kind: an urgent one, but for every fourth call.
fn pop(urgent: &mut Line, patient: &mut Line, calls: &mut u32, kind: impl Fn(&Unit) -> bool) -> Option<Unit> {
    let patient_first = calls.wrapping_add(1).is_multiple_of(PATIENT_SHARE);
    let [first, second] = if patient_first { [patient, urgent] } else { [urgent, patient] };
    let unit = first.pop_if(&kind).or_else(|| second.pop_if(&kind))?;
    *calls = calls.wrapping_add(1);
    Some(unit)
}

fn goes_alone(apart: &HashMap<ProxyId, (Duration, String)>, id: &ProxyId, now: Duration) -> bool {
    apart.get(id).is_some_and(|(since, _)| now.saturating_sub(*since) < ALONE_FOR)
}

#[cfg(test)]
mod tests;
