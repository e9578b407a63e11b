//! L1: what happens when no more faults come. One schedule, always the same: what is due is done, users finish, the cloud
//! works, time passes. Every deletion must end within a bounded number of steps.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gaap_operator::crd::DeletionPolicy;

use crate::action::{Action, Delivery, Move};
use crate::canon::fingerprint;
use crate::clock::{TICK, TIMING, tick_of};
use crate::cloud::{LATER, Phase, Sight, Whose};
use crate::protocol::Protocol;
use crate::scenario::{PROXIES, SLOTS};
use crate::state::{OPERATORS, State, Work};

/// Steps after which a deletion is taken for stuck.
const STEPS: usize = 400;

/// What is known of the way to the end.
#[derive(Debug, Default)]
pub struct Fair {
    good: Mutex<HashSet<u64>>,
    longest: AtomicUsize,
}

/// No user has anything left to do and nothing is left that is being deleted.
fn is_over(state: &State) -> bool {
    let users = (0..state.scenario.users.len()).all(|line| state.next_user(line).is_none());
    users && state.store.iter().flatten().all(|version| version.resource.deleted.is_none())
}

/// What has to happen before anything else: faults that are over, answers on their way.
fn due(state: &State) -> Option<Action> {
    let operators = || (0..OPERATORS).map(|number| (number, &state.operators[number]));
    if operators().all(|(_, operator)| !operator.acting) {
        return Some(Action::Lead(0));
    }
    if let Some((number, _)) = operators().find(|(number, operator)| {
        operator.acting && state.operators[1 - number].acting && (operator.late || *number == 1)
    }) {
        return Some(Action::Stop(number));
    }
    for (number, operator) in operators().filter(|(_, operator)| operator.acting) {
        if operator.frozen.is_some() {
            return Some(Action::Thaw(number));
        }
        if operator.whose == Whose::Others {
            return Some(Action::OwnAccount(number));
        }
        if !operator.listed {
            let next = (0..SLOTS).find(|slot| operator.cache[*slot].is_none() && state.store[*slot].is_some());
            return Some(next.map_or(Action::Listed(number), |slot| Action::List(number, slot)));
        }
        let asking = |slot: &usize| operator.memory[*slot].as_ref().is_some_and(|memory| memory.asking.is_some());
        if let Some(slot) = (0..SLOTS).find(asking) {
            return Some(Action::Look(number, slot, Sight::True));
        }
    }
    let copy = state.wire.first()?;
    Some(if copy.answer.is_some() { Action::Arrive(0) } else { Action::Deliver(0, Delivery::Normal) })
}

/// Users, the cloud, time.
fn beside(protocol: &Protocol, state: &State) -> State {
    for line in 0..state.scenario.users.len() {
        let after = state.next_user(line).and_then(|_| state.after(protocol, Action::User(line)));
        if let Some(after) = after.filter(|_| state.may_next(line)) {
            return after;
        }
    }
    for proxy in 0..PROXIES {
        if matches!(state.proxies[proxy].phase, Phase::Odd | Phase::Queued(_) | Phase::Destroying)
            && let Some(after) = state.after(protocol, Action::Cloud(proxy, Move::On))
        {
            return after;
        }
    }
    let mut after = state.clone();
    if !after.heed_advice() {
        after.act(protocol, Action::Tick);
    }
    after
}

impl State {
    fn may_next(&self, line: usize) -> bool {
        let mut actions = Vec::new();
        crate::possible::actions(self, &mut actions);
        actions.contains(&Action::User(line))
    }

    /// Another proxy has the id: the resource tells its user to set Retain, and waits for that.
    fn heed_advice(&mut self) -> bool {
        for slot in 0..SLOTS {
            let Some(stored) = self.store[slot].clone() else { continue };
            let bound = stored.resource.status.proxy.as_ref().and_then(|proxy| proxy.create_time);
            let replaced =
                self.proxies[self.proxy_of(slot)].created == LATER && bound.is_some_and(|bound| bound != LATER);
            if replaced && stored.resource.deleted.is_some() && stored.resource.policy == DeletionPolicy::Destroy {
                let mut resource = (*stored.resource).clone();
                resource.policy = DeletionPolicy::Retain;
                resource.generation += 1;
                self.put(slot, Some(resource));
                return true;
            }
        }
        false
    }
}

/// When a resource is due, by operator and slot; none: it waits for a change.
type Wakes = [[Option<u32>; SLOTS]; OPERATORS];

impl Fair {
    /// From here every deletion ends. A resource is reconciled only when something happened to it or when its last decision
    /// asked for it, so no decision may forget to say when to come back. The way is a function of the state and of who is
    /// due, and is walked only until it meets a pair that was walked before.
    pub fn ends(&self, protocol: &Protocol, from: &State) -> bool {
        let mut state = from.clone();
        state.faults_left = 0;
        let mut wakes: Wakes = [[Some(state.clock.tick); SLOTS]; OPERATORS];
        let mut way = Vec::new();
        for _ in 0..STEPS {
            let here = fingerprint((fingerprint(&state), state.dues(&wakes)));
            if is_over(&state) || self.good.lock().is_ok_and(|good| good.contains(&here)) {
                self.longest.fetch_max(way.len(), Ordering::Relaxed);
                if let Ok(mut good) = self.good.lock() {
                    good.extend(way);
                }
                return true;
            }
            way.push(here);
            if step(protocol, &mut state, &mut wakes).is_none() {
                return false;
            }
        }
        false
    }

    /// The longest stretch of new states that a way went through.
    pub fn longest(&self) -> usize {
        self.longest.load(Ordering::Relaxed)
    }
}

fn step(protocol: &Protocol, state: &mut State, wakes: &mut Wakes) -> Option<()> {
    let tick = state.clock.tick;
    if let Some(action) = due(state) {
        state.act(protocol, action)?;
        match action {
            Action::Look(operator, slot, _) => wakes[operator][slot] = Some(tick),
            // An answer to a request goes on with the reconcile that sent it; the others begin everything anew.
            _ => *wakes = [[Some(tick); SLOTS]; OPERATORS],
        }
        return Some(());
    }
    if let Some((operator, slot)) = state.awake(wakes) {
        let report = state.act(protocol, Action::Reconcile(operator, slot))?;
        let pause = report.again.unwrap_or(TIMING.resync);
        let ticks = tick_of(pause + TICK - Duration::from_millis(1)).max(1);
        wakes[operator][slot] = Some(if report.goes_on { tick } else { tick + ticks });
        if report.wrote {
            wakes[operator] = wakes[operator].map(|_| Some(tick));
        }
        return Some(());
    }
    let before = state.next_version;
    *state = beside(protocol, state);
    if state.next_version != before {
        *wakes = [[Some(state.clock.tick); SLOTS]; OPERATORS];
    }
    Some(())
}

impl State {
    fn ready(&self, operator: usize, slot: usize) -> bool {
        let own = &self.operators[operator];
        own.acting && (own.cache[slot].is_some() || own.work[slot] != Work::Idle)
    }

    /// A resource that is due.
    fn awake(&self, wakes: &Wakes) -> Option<(usize, usize)> {
        let tick = self.clock.tick;
        let all = (0..OPERATORS).flat_map(|operator| (0..SLOTS).map(move |slot| (operator, slot)));
        all.filter(|(operator, slot)| self.ready(*operator, *slot))
            .find(|(operator, slot)| wakes[*operator][*slot].is_some_and(|due| due <= tick))
    }

    /// In how many ticks each is due, of those that can be.
    fn dues(&self, wakes: &Wakes) -> Vec<Option<u32>> {
        let tick = self.clock.tick;
        let all = (0..OPERATORS).flat_map(|operator| (0..SLOTS).map(move |slot| (operator, slot)));
        all.map(|(operator, slot)| {
            wakes[operator][slot].filter(|_| self.ready(operator, slot)).map(|due| due.saturating_sub(tick))
        })
        .collect()
    }
}
