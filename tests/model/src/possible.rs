//! What can happen next in a state.

use crate::action::{Action, Delivery, Move};
use crate::clock::{LAG, SETTLE, tick_of};
use crate::cloud::{LATER, Phase, Sight, Whose};
use crate::scenario::{PROXIES, SLOTS, TOKEN_MODES, User};
use crate::state::{Copy, OPERATORS, Operator, State, Work};

const DELIVERIES: [Delivery; 10] = [
    Delivery::RequestLost,
    Delivery::AnswerLost,
    Delivery::AnswerLate,
    Delivery::RequestLate,
    Delivery::Twice,
    Delivery::Throttled,
    Delivery::ErrorNotTaken,
    Delivery::ErrorTaken,
    Delivery::FailedSet,
    Delivery::Unauthorized,
];
const SIGHTS: [Sight; 7] = [
    Sight::Timeout,
    Sight::Truncated,
    Sight::NotFoundOfSeveral,
    Sight::Stale,
    Sight::Flap,
    Sight::Odd,
    Sight::Timeless,
];

/// Everything that can happen in a state.
pub fn actions(state: &State, out: &mut Vec<Action>) {
    let faults = state.faults_left > 0;
    if state.mode.is_none() && state.meets_known_token() {
        out.extend(TOKEN_MODES.map(Action::Mode));
        return;
    }
    if let Some(action) = only_step(state) {
        out.push(action);
        return;
    }
    for line in 0..state.scenario.users.len() {
        if state.next_user(line).is_some_and(|user| state.may(user)) {
            out.push(Action::User(line));
        }
    }
    for operator in 0..OPERATORS {
        operator_actions(state, operator, faults, out);
    }
    for place in 0..state.wire.len() {
        let copy = &state.wire[place];
        if copy.answer.is_some() {
            out.push(Action::Arrive(place));
            continue;
        }
        out.push(Action::Deliver(place, Delivery::Normal));
        if faults && copy.waiting.is_some() {
            out.extend(DELIVERIES.map(|delivery| Action::Deliver(place, delivery)));
        }
    }
    for proxy in 0..PROXIES {
        cloud_actions(state, proxy, faults, out);
    }
    if may_tick(state) {
        out.push(Action::Tick);
    }
}

/// A reconcile that goes on at once when nothing that could come in between makes a difference to it: no fault may
/// happen any more, no user has anything left to do, and the operator knows everything that is stored. Time stands still
/// meanwhile, and what the cloud does in between it does as well after.
fn only_step(state: &State) -> Option<Action> {
    let users = (0..state.scenario.users.len()).any(|line| state.next_user(line).is_some());
    if state.faults_left > 0 || users || state.operators.iter().filter(|operator| operator.acting).count() != 1 {
        return None;
    }
    let (number, operator) = state.operators.iter().enumerate().find(|(_, operator)| operator.acting)?;
    let alone = operator.listed && operator.frozen.is_none() && operator.whose == Whose::Ours;
    let slot = (0..SLOTS).find(|slot| matches!(operator.work[*slot], Work::Hand(_)))?;
    alone.then_some(Action::Reconcile(number, slot))
}

fn operator_actions(state: &State, number: usize, faults: bool, out: &mut Vec<Action>) {
    let operator = &state.operators[number];
    let other = &state.operators[1 - number];
    if !operator.acting {
        if !other.acting {
            out.push(Action::Lead(number));
        } else if faults && operator.listed && !other.late {
            out.push(Action::BothLead(number));
            if other.work.iter().any(|work| matches!(work, Work::Turn { .. })) {
                out.push(Action::LeadOver(number));
            }
            if operator.frozen.is_none() {
                out.push(Action::Freeze(number));
            }
        }
        return;
    }
    if operator.late {
        let turns = (0..SLOTS).filter(|slot| matches!(operator.work[*slot], Work::Turn { .. }));
        out.extend(turns.map(|slot| Action::Reconcile(number, slot)));
        out.push(Action::Stop(number));
        return;
    }
    for slot in 0..SLOTS {
        if matches!(operator.work[slot], Work::Sending { .. }) {
        } else if operator.cache[slot].is_some() || operator.work[slot] != Work::Idle {
            out.push(Action::Reconcile(number, slot));
            if faults {
                out.push(Action::WriteAnswerLost(number, slot));
            }
        }
        if operator.memory[slot].as_ref().is_some_and(|memory| memory.asking.is_some()) {
            out.push(Action::Look(number, slot, Sight::True));
            if faults {
                let proxy = state.proxies[state.proxy_of(slot)];
                let there = proxy.phase != Phase::Gone && operator.whose == Whose::Ours;
                let possible = |sight: &Sight| match sight {
                    Sight::Flap => there && state.flapped.is_none(),
                    Sight::Odd | Sight::Timeless | Sight::Truncated => there,
                    Sight::Stale => operator.whose == Whose::Ours && !state.wire_or_effect_free(slot),
                    _ => true,
                };
                let sights = SIGHTS.iter().filter(|sight| possible(sight));
                out.extend(sights.map(|sight| Action::Look(number, slot, *sight)));
            }
        }
        if !operator.listed && operator.cache[slot].is_none() && state.store[slot].is_some() {
            out.push(Action::List(number, slot));
        }
    }
    if !operator.listed && (0..SLOTS).all(|slot| state.store[slot].is_none() || operator.cache[slot].is_some()) {
        out.push(Action::Listed(number));
    }
    if operator.frozen.is_some() {
        out.push(Action::Thaw(number));
    } else if faults && operator.listed {
        out.push(Action::Freeze(number));
    }
    if operator.whose == Whose::Others {
        out.push(Action::OwnAccount(number));
    } else if faults {
        out.push(Action::OtherAccount(number));
    }
    if other.acting {
        if !other.late {
            out.push(Action::Stop(number));
        }
    } else if faults {
        out.push(Action::Crash(number));
    }
}

fn cloud_actions(state: &State, number: usize, faults: bool, out: &mut Vec<Action>) {
    let proxy = &state.proxies[number];
    let used = state.scenario.slots.iter().any(|slot| slot.proxy == number);
    if !used {
        return;
    }
    if !matches!(proxy.phase, Phase::Running | Phase::Gone) {
        out.push(Action::Cloud(number, Move::On));
    }
    if faults {
        match proxy.phase {
            Phase::Destroying => out.push(Action::Cloud(number, Move::TakenBack)),
            Phase::Queued(_) => out.push(Action::Cloud(number, Move::NoEffect)),
            // Not while a request for the proxy before may still arrive: no API could tell the two apart.
            Phase::Gone if proxy.created != LATER && state.wire.is_empty() => {
                out.push(Action::Cloud(number, Move::Reused));
            }
            _ => {}
        }
    }
}

/// Time passes only when nothing is due before: calls end within their deadline, an effect shows within the settle time,
/// a watch that is behind is noticed, a lease is taken.
fn may_tick(state: &State) -> bool {
    let tick = state.clock.tick;
    let calls = state.wire.iter().all(|copy| copy.waiting.is_none() || copy.sent == tick);
    let effects =
        state.proxies.iter().all(|proxy| !matches!(proxy.phase, Phase::Queued(sent) if tick + 1 >= sent + SETTLE));
    // Two that act at once do so within a tick; with nobody acting, time only makes the next leader surer.
    let leads = state.operators.iter().filter(|operator| operator.acting).count() == 1;
    let caught_up = |operator: &Operator| {
        let looks = operator.memory.iter().flatten().filter_map(|memory| memory.asking);
        let turns =
            operator.work.iter().all(|work| matches!(work, Work::Idle | Work::Turn { .. } | Work::Sending { .. }));
        operator.listed
            && turns
            && operator.frozen.is_none_or(|since| tick + 1 < since + LAG)
            && looks.into_iter().all(|asked| tick_of(asked) == tick)
    };
    calls && effects && leads && state.operators.iter().all(|operator| !operator.acting || caught_up(operator))
}

impl State {
    /// The next action of a line of users.
    pub fn next_user(&self, line: usize) -> Option<User> {
        self.scenario.users.get(line)?.get(usize::from(self.done[line])).copied()
    }

    fn may(&self, user: User) -> bool {
        match user {
            User::Create(slot) => self.named(self.scenario.slots[slot].name).is_none(),
            User::Delete(slot) => self.store[slot].is_some(),
            _ => true,
        }
    }

    /// The cloud is about to be asked with a token that it knows.
    fn meets_known_token(&self) -> bool {
        let known = |copy: &Copy| self.known.iter().any(|known| known.token == copy.token && known.answer.is_some());
        self.wire.iter().any(|copy| copy.answer.is_none() && known(copy))
    }

    /// Nothing was ever asked of the proxy of this slot, so no read can be behind anything.
    fn wire_or_effect_free(&self, slot: usize) -> bool {
        let proxy = self.proxy_of(slot);
        matches!(self.proxies[proxy].phase, Phase::Running | Phase::Odd)
    }
}
