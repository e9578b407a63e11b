//! When two states are the same: the hash of a state is the hash of what the protocol can tell apart.
//!
//! Times count by their distance and order ([`Moments`]), resourceVersions by which of them are equal, the two operators
//! by who leads. What is left out can reach no decision: it is time that lies further back than every setting, numbers
//! that are only compared, and the past of the path.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use gaap_operator::controller::failure::Failure;
use gaap_operator::controller::memory::{Hold, LookRecord, Memory, Outcome, Seen, SendRecord};

use crate::clock::{Clock, LAG, Moments, SETTLE};
use crate::cloud::Phase;
use crate::scenario::SLOTS;
use crate::state::{OPERATORS, Operator, State, Work};
use crate::store::Version;

impl Hash for State {
    fn hash<H: Hasher>(&self, to: &mut H) {
        (self.scenario.name, self.mode, self.faults_left, self.split).hash(to);
        let flapped = self.flapped.filter(|_| self.faults_left > 0);
        flapped.map(|(operator, slot)| (self.operators[operator].acting, slot)).hash(to);
        (self.scenario.young.then_some(self.clock.age), self.done).hash(to);
        self.broken.hash(to);
        for proxy in &self.proxies {
            let phase = match proxy.phase {
                Phase::Queued(sent) => Phase::Queued(self.ago(sent)),
                other => other,
            };
            let last = proxy.last.filter(|_| matches!(phase, Phase::Queued(_)));
            (phase, proxy.created, proxy.bound, last).hash(to);
        }
        for known in &self.known {
            (&known.token, known.answer).hash(to);
        }
        for open in &self.open {
            let recent = open
                .as_ref()
                .map(|open| (&open.token, self.ago(open.sent), open.before.map(|sent| self.ago(sent).min(SETTLE))));
            recent.filter(|(_, ago, _)| *ago < SETTLE).hash(to);
        }
        let order: [usize; OPERATORS] =
            if self.operators[1].acting && !self.operators[0].acting { [1, 0] } else { [0, 1] };
        let versions = Versions::of(self);
        for (slot, version) in self.store.iter().enumerate() {
            versions.write(slot, version.as_ref(), to);
        }
        for operator in order {
            self.operators[operator].write(&versions, &self.clock, to);
        }
        let place = |operator: usize| order.iter().position(|other| *other == operator);
        let mut wire: Vec<_> = self
            .wire
            .iter()
            .map(|copy| {
                (&copy.token, copy.waiting.and_then(place), copy.orphan, copy.whose, self.ago(copy.sent), copy.answer)
            })
            .map(fingerprint)
            .collect();
        wire.sort_unstable();
        wire.hash(to);
    }
}

/// A hash that is the same in every run.
pub fn fingerprint(value: impl Hash) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl State {
    fn ago(&self, tick: u32) -> u32 {
        (self.clock.tick - tick.min(self.clock.tick)).min(3)
    }
}

/// Which versions of a slot there are.
struct Versions([Vec<u32>; SLOTS]);

impl Versions {
    fn of(state: &State) -> Self {
        let mut all = [const { Vec::new() }; SLOTS];
        let mut note = |slot: usize, version: Option<&Version>| {
            if let Some(version) = version
                && !all[slot].contains(&version.number)
            {
                all[slot].push(version.number);
            }
        };
        for slot in 0..SLOTS {
            note(slot, state.store[slot].as_ref());
            for operator in &state.operators {
                note(slot, operator.cache[slot].as_ref());
                match &operator.work[slot] {
                    Work::Idle => {}
                    Work::Hand(hand) | Work::Sending { hand, .. } => note(slot, Some(hand)),
                    Work::Turn { hand, stored, .. } => {
                        note(slot, Some(hand));
                        note(slot, stored.as_ref());
                    }
                }
            }
        }
        all.iter_mut().for_each(|numbers| numbers.sort_unstable());
        Versions(all)
    }

    fn write<H: Hasher>(&self, slot: usize, version: Option<&Version>, to: &mut H) {
        let place = |version: &Version| self.0[slot].iter().position(|number| *number == version.number);
        version.map(|version| (version.body, place(version))).hash(to);
    }
}

impl Operator {
    fn write<H: Hasher>(&self, versions: &Versions, clock: &Clock, to: &mut H) {
        let ago = |tick: u32| (clock.tick - tick.min(clock.tick)).min(3);
        (self.acting, self.late, self.listed, self.whose, self.frozen.map(ago)).hash(to);
        if !self.acting && self.listed && self.frozen.is_none() {
            // It knows what is stored, and nothing else.
            return;
        }
        (ago(self.leads_since) < LAG, self.dropped, self.told).hash(to);
        for slot in 0..SLOTS {
            versions.write(slot, self.cache[slot].as_ref(), to);
            let mut moments = Vec::with_capacity(8);
            if let Some(memory) = &self.memory[slot] {
                collect(memory, &mut moments);
            }
            match &self.work[slot] {
                Work::Turn { read_at: moment, .. } | Work::Sending { at: moment, .. } => moments.push(*moment),
                Work::Idle | Work::Hand(_) => {}
            }
            let moments = Moments::new(moments, clock);
            match &self.work[slot] {
                Work::Idle => 0_u8.hash(to),
                Work::Hand(hand) => {
                    1_u8.hash(to);
                    versions.write(slot, Some(hand), to);
                }
                Work::Turn { hand, stored, read_at } => {
                    (2_u8, moments.code(*read_at)).hash(to);
                    versions.write(slot, Some(hand), to);
                    versions.write(slot, stored.as_ref(), to);
                }
                Work::Sending { hand, token, at, .. } => {
                    (3_u8, token, moments.code(*at)).hash(to);
                    versions.write(slot, Some(hand), to);
                }
            }
            self.memory[slot].is_some().hash(to);
            if let Some(memory) = &self.memory[slot] {
                write_memory(memory, &moments, to);
            }
        }
    }
}

/// The moments of a memory that are compared with others. The beginning counts only for a process that has sent
/// nothing that may have been taken and may follow another, the last effect only when there is a request or such a beginning; the moment of the deletion
/// only by which looks came after it.
fn collect(memory: &Memory, moments: &mut Vec<Duration>) {
    if memory.doubt.is_none() && memory.met_deleting {
        moments.push(memory.since);
    }
    moments.extend(memory.look.iter().flat_map(|look| [look.asked, look.answered]));
    moments.extend(memory.asking);
    moments.extend(memory.first_absent.iter().map(|(answered, _)| *answered));
    moments.extend(memory.effect.filter(|_| settles(memory)));
    moments.extend(memory.send.iter().chain(&memory.doubt).map(|send| send.at));
    moments.extend(told(memory).map(|(_, since)| since));
}

fn settles(memory: &Memory) -> bool {
    memory.send.is_some() || memory.met_deleting || memory.told.is_some()
}

/// What the status told of requests of others, until the first request of its own.
fn told(memory: &Memory) -> Option<(&str, Duration)> {
    let (token, since) = memory.told.as_ref().filter(|_| memory.send.is_none())?;
    Some((token, *since))
}

fn write_memory<H: Hasher>(memory: &Memory, moments: &Moments, to: &mut H) {
    let code = |moment: Duration| moments.code(moment);
    if memory.doubt.is_none() && memory.met_deleting {
        code(memory.since).hash(to);
    }
    let after = |asked: Option<Duration>| memory.deleting_since.zip(asked).map(|(since, asked)| asked >= since);
    let looked = memory.look.as_ref().map(|look| look.asked);
    (memory.deleting_since.is_some(), after(looked), after(memory.asking)).hash(to);
    let sent = |asked: Option<Duration>| memory.send.as_ref().zip(asked).map(|(send, asked)| asked >= send.at);
    (sent(looked), sent(memory.asking)).hash(to);
    memory.asking.map(code).hash(to);
    memory.look.is_some().hash(to);
    if let Some(LookRecord { asked, answered, account, seen }) = &memory.look {
        (code(*asked), code(*answered), account.as_ref().map(|account| &account.id)).hash(to);
        match seen {
            Seen::Present(proxy) => (0_u8, proxy.status.as_str(), proxy.create_time).hash(to),
            Seen::Absent => 1_u8.hash(to),
            Seen::Failed(failure) => (2_u8, failure.stalled()).hash(to),
        }
    }
    memory.first_absent.as_ref().map(|(answered, account)| (code(*answered), &account.id)).hash(to);
    memory.effect.filter(|_| settles(memory)).map(code).hash(to);
    for send in [&memory.send, &memory.doubt] {
        send.is_some().hash(to);
        if let Some(send) = send {
            write_send(send, moments, to);
        }
    }
    (memory.met_deleting, memory.send_failures > 0).hash(to);
    told(memory).map(|(token, since)| (token, code(since))).hash(to);
    let live = memory.deleting_since.is_none();
    for hold in [memory.look_hold, memory.send_hold] {
        let held = hold.map(|Hold { until, lifted_by_change_from }| (moments.left(until), lifted_by_change_from));
        held.filter(|(left, _)| live || *left > 0).hash(to);
    }
}

fn write_send<H: Hasher>(send: &SendRecord, moments: &Moments, to: &mut H) {
    let kind = match &send.outcome {
        Outcome::Accepted { .. } => 0_u8,
        Outcome::Duplicate(_) => 1,
        Outcome::NotTaken(_) => 2,
        Outcome::Throttled(_) => 3,
        Outcome::Unknown(_) => 4,
    };
    let stalled = send.outcome.failure().is_some_and(Failure::stalled);
    (send.attempt, send.force, &send.client_token, moments.code(send.at), kind, stalled).hash(to);
}
