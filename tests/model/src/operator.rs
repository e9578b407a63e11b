//! One operator at work: `src/controller/reconcile.rs` with the network taken out. Every decision, every reading of an
//! answer, every patch and everything that is remembered comes from the shipped functions in [`Protocol`]; what is
//! written anew here is only the order in which `reconcile` performs a step.

use std::sync::Arc;
use std::time::Duration;

use gaap_operator::controller::backoff;
use gaap_operator::controller::decide::{Decision, Release, Step};
use gaap_operator::controller::memory::{LookRecord, Memory, Seen, SendRecord};
use gaap_operator::controller::observation::{Claim, Claims, Cloud, Observation, Resource};
use gaap_operator::controller::status::Plan;
use gaap_operator::process::clock::Now;
use jiff::Timestamp;

use crate::clock::TIMING;
use crate::cloud::{Answer, Sight, described};
use crate::protocol::Protocol;
use crate::scenario::SLOTS;
use crate::state::{Copy, Open, State, Told, Work, proxy_id};
use crate::store::{Outdated, Part, Version, patched};

/// As in `reconcile`.
const STEP_LIMIT: usize = 12;
/// Pauses after failures grow no further in the model.
const PAUSES: u32 = 2;
/// A shorter pause before a request is over at once: several requests go within the settle time, as in truth.
const SHORT: Duration = Duration::from_millis(2600);

/// What a reconcile, or a part of one, did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// An object was written.
    pub wrote: bool,
    /// When to decide again at the latest; none: at the resync.
    pub again: Option<Duration>,
    /// It goes on: the next part is due at once.
    pub goes_on: bool,
    /// It ended with an error.
    pub failed: bool,
}

enum Next {
    Decide,
    Pause,
    Return(Option<Duration>),
    Fail,
}

/// Runs a reconcile up to its next effect on the world (a crash may come after each), or to its end.
pub fn reconcile(state: &mut State, protocol: &Protocol, operator: usize, slot: usize) -> Option<Report> {
    if let Work::Idle = state.operators[operator].work[slot] {
        let cached = state.operators[operator].cache[slot].clone()?;
        state.operators[operator].work[slot] = Work::Hand(cached);
    }
    let mut report = Report::default();
    for _ in 0..STEP_LIMIT {
        let decision = {
            let (observation, now) = observe(state, operator, slot)?;
            (protocol.decide)(&observation, now)
        };
        // It finds its leadership over: nothing but the send that it was stopped before.
        if state.operators[operator].late && !matches!(decision.step, Step::Destroy(_)) {
            break;
        }
        match perform(state, protocol, operator, slot, decision, &mut report) {
            Next::Decide => {}
            Next::Pause => {
                report.goes_on = true;
                return Some(report);
            }
            Next::Return(again) => {
                state.operators[operator].work[slot] = Work::Idle;
                report.again = again;
                return Some(report);
            }
            Next::Fail => {
                state.operators[operator].work[slot] = Work::Idle;
                report.failed = true;
                return Some(report);
            }
        }
    }
    state.operators[operator].work[slot] = Work::Idle;
    report.failed = true;
    Some(report)
}

/// The version in hand.
fn hand(state: &State, operator: usize, slot: usize) -> Option<Version> {
    match &state.operators[operator].work[slot] {
        Work::Idle | Work::Sending { .. } => None,
        Work::Hand(hand) | Work::Turn { hand, .. } => Some(hand.clone()),
    }
}

fn memory(state: &State, operator: usize, slot: usize, now: Duration) -> Memory {
    state.operators[operator].memory[slot]
        .as_ref()
        .map_or_else(|| Memory::begin(now, false), |memory| (**memory).clone())
}

fn update(state: &mut State, operator: usize, slot: usize, change: impl FnOnce(&mut Memory)) {
    if let Some(memory) = &mut state.operators[operator].memory[slot] {
        change(Arc::make_mut(memory));
    }
}

fn observe(state: &mut State, operator: usize, slot: usize) -> Option<(Observation, Now)> {
    let version = hand(state, operator, slot)?;
    let monotonic = state.clock.stamp();
    if version.resource.deleted.is_some() {
        update(state, operator, slot, |memory| memory.notice(&version.resource, monotonic));
    }
    let fresh = matches!(state.operators[operator].work[slot], Work::Turn { .. });
    let observation = Observation {
        resource: (*version.resource).clone(),
        fresh,
        claims: claims(state, operator, slot),
        cloud: Cloud::Ready(state.operators[operator].whose.account()),
        memory: memory(state, operator, slot, monotonic),
        timing: TIMING,
    };
    Some((observation, state.clock.now(monotonic)))
}

fn claims(state: &State, operator: usize, slot: usize) -> Claims {
    let own = &state.operators[operator];
    let others = (0..SLOTS)
        .filter(|other| *other != slot && !own.dropped[*other])
        .filter_map(|other| own.cache[other].as_ref().map(|version| (other, version)))
        .filter(|(other, _)| state.proxy_of(*other) == state.proxy_of(slot))
        .map(|(_, version)| Claim {
            key: version.resource.key(),
            uid: version.resource.uid.clone(),
            created: version.resource.created,
            deleting: version.resource.deleted.is_some(),
        })
        .collect();
    Claims { complete: own.listed, others }
}

fn perform(
    state: &mut State,
    protocol: &Protocol,
    operator: usize,
    slot: usize,
    decision: Decision,
    report: &mut Report,
) -> Next {
    let Some(version) = hand(state, operator, slot) else { return Next::Fail };
    let turn = match (&decision.step, &state.operators[operator].work[slot]) {
        (Step::Destroy(_), Work::Turn { stored, read_at, .. }) => Some((stored.clone(), *read_at)),
        _ => None,
    };
    state.operators[operator].work[slot] = Work::Hand(version.clone());
    match decision.step {
        Step::AddFinalizer => {
            let patch = (protocol.add_finalizer)(&version.resource);
            write(state, operator, slot, patch, Part::Main, report).unwrap_or(Next::Pause)
        }
        Step::Look => look(state, operator, slot),
        Step::Prepare { look_first: true } => look(state, operator, slot),
        Step::Prepare { look_first: false } => prepare(state, protocol, operator, slot, &version),
        Step::Destroy(request) => {
            let Some((stored, read_at)) = turn else { return Next::Decide };
            let at = state.clock.stamp();
            if !(protocol.read_holds)(read_at, at) {
                return Next::Decide;
            }
            let token: Arc<str> = (protocol.token)(&request, u64::try_from(at.as_millis()).unwrap_or_default()).into();
            let stored = stored.map(|stored| stored.resource);
            state.judge_send(operator, slot, stored.as_deref(), &request, &token);
            state.wire.push(Copy {
                waiting: Some(operator),
                orphan: state.operators[operator].late,
                slot,
                force: request.force(),
                attempt: request.members().first().map_or(0, |member| member.attempt),
                token: token.clone(),
                whose: state.operators[operator].whose,
                sent: state.clock.tick,
                answer: None,
            });
            state.operators[operator].work[slot] = Work::Sending { hand: version, request, token, at };
            Next::Pause
        }
        Step::Store => match &decision.status {
            Some(plan) => store(state, protocol, operator, slot, plan, report).unwrap_or(Next::Decide),
            None => Next::Decide,
        },
        Step::Release(release) => release_it(state, protocol, operator, slot, &release, report),
        Step::Wait => {
            let stored = match &decision.status {
                Some(plan) => store(state, protocol, operator, slot, plan, report),
                None => None,
            };
            match stored {
                None => Next::Return(decision.again),
                // Written: only the pause is left of this reconcile, no further effect.
                Some(Next::Pause) => Next::Return(decision.again),
                Some(next) => next,
            }
        }
    }
}

fn look(state: &mut State, operator: usize, slot: usize) -> Next {
    let asked = state.clock.stamp();
    state.judge_look(slot);
    update(state, operator, slot, |memory| memory.asking = Some(asked));
    Next::Return(None)
}

fn prepare(state: &mut State, protocol: &Protocol, operator: usize, slot: usize, version: &Version) -> Next {
    // Gone since this reconcile began.
    if state.operators[operator].memory[slot].is_none() {
        return Next::Return(None);
    }
    let read_at = state.clock.stamp();
    let stored = state.named(&version.resource.name).and_then(|there| state.store[there].clone());
    let read = (protocol.fresh_read)(stored.as_ref().map(|stored| &*stored.resource), &version.resource);
    let Some(read) = read else { return Next::Return(None) };
    let number = read.resource_version.parse().unwrap_or(version.number);
    let hand = Version::new(read, number);
    state.operators[operator].work[slot] = Work::Turn { hand, stored, read_at };
    Next::Pause
}

/// Stores a status if it says something new. None: nothing to store.
fn store(
    state: &mut State,
    protocol: &Protocol,
    operator: usize,
    slot: usize,
    plan: &Plan,
    report: &mut Report,
) -> Option<Next> {
    let version = hand(state, operator, slot)?;
    let resource = &version.resource;
    let status = plan.against(&resource.status, resource.generation, Timestamp::UNIX_EPOCH)?;
    let patch = (protocol.store_status)(resource, &status);
    Some(write(state, operator, slot, patch, Part::Status, report).unwrap_or(Next::Pause))
}

/// Writes to whatever object has the name now. None: written. Else what `catch_up` leads to.
fn write(
    state: &mut State,
    operator: usize,
    slot: usize,
    patch: serde_json::Value,
    part: Part,
    report: &mut Report,
) -> Option<Next> {
    let version = hand(state, operator, slot)?;
    let Some(target) = state.named(&version.resource.name) else { return Some(Next::Return(None)) };
    let stored = state.store[target].clone()?;
    let before = &stored.resource;
    match patched(&stored, &patch, part) {
        Ok(after) => {
            state.judge_write((operator, slot), target, before, &after);
            state.put(target, Some(after));
            report.wrote = true;
            if let Some(stored) = state.store[target].clone() {
                state.operators[operator].work[slot] = Work::Hand(stored);
            }
            None
        }
        Err(Outdated) => Some(match &state.store[target] {
            Some(stored) if target == slot && stored.number != version.number => {
                let stored = stored.clone();
                state.operators[operator].work[slot] = Work::Hand(stored);
                Next::Decide
            }
            Some(_) if target == slot => Next::Fail,
            _ => Next::Return(None),
        }),
    }
}

fn release_it(
    state: &mut State,
    protocol: &Protocol,
    operator: usize,
    slot: usize,
    release: &Release,
    report: &mut Report,
) -> Next {
    if let Release::NotOwner { owner } = release {
        let there = (0..SLOTS)
            .find(|other| state.store[*other].as_ref().is_some_and(|version| version.resource.uid == owner.uid));
        if !(protocol.owner_exists)(there.is_some()) {
            if let Some(other) = (0..SLOTS)
                .find(|other| state.scenario.slots.get(*other).is_some_and(|definition| definition.uid == owner.uid))
            {
                state.operators[operator].dropped[other] = true;
            }
            return Next::Decide;
        }
    }
    let Some(version) = hand(state, operator, slot) else { return Next::Fail };
    let resource: &Resource = &version.resource;
    let deleted = resource.deleted.and_then(|second| Timestamp::from_second(second).ok());
    let Some(deleted) = deleted else { return Next::Return(None) };
    let patch = (protocol.remove_finalizer)(resource, &deleted.to_string(), *release == Release::Retained);
    let Some(patch) = patch else { return Next::Return(None) };
    write(state, operator, slot, patch, Part::Main, report).unwrap_or(Next::Return(None))
}

/// The answer to a look arrives.
pub fn answer_look(state: &mut State, protocol: &Protocol, operator: usize, slot: usize, sight: Sight) {
    let Some(asked) = state.operators[operator].memory[slot].as_ref().and_then(|memory| memory.asking) else { return };
    let proxy = state.proxies[state.proxy_of(slot)];
    let id = proxy_id(state.proxy_of(slot));
    let whose = state.operators[operator].whose;
    let (result, ids) = described(&proxy, &id, sight, whose);
    state.operators[operator].told[slot] = told(&result);
    let shown = matches!(&result, Ok(answer) if !answer.rows.is_empty());
    if sight == Sight::Flap {
        state.flapped = Some((operator, slot));
    } else if shown && state.flapped == Some((operator, slot)) {
        state.flapped = None;
    }
    let seen = Seen::from((protocol.look)(&result, &ids, &id));
    let answered = state.clock.stamp();
    let generation = state.operators[operator].cache[slot].as_ref().map_or(1, |version| version.resource.generation);
    let record = LookRecord { asked, answered, account: Some(whose.account()), seen };
    update(state, operator, slot, |memory| {
        (protocol.record_look)(memory, record);
        if let Some(LookRecord { seen: Seen::Failed(failure), .. }) = &memory.look {
            let failures = memory.look_failures.min(PAUSES);
            let hold = backoff::hold(failure, failures, TIMING.destroy_poll, answered, generation, 1.0);
            memory.look_hold = Some(hold);
        }
    });
}

/// What an answer truly says, read without the shipped code.
fn told(result: &crate::protocol::Described) -> Told {
    let Ok(answer) = result else { return Told::Nothing };
    match answer.rows.first() {
        Some(row) if matches!(row.status.as_str(), "RUNNING" | "CLOSED") => Told::Destroyable(row.create_time),
        _ => Told::Other,
    }
}

/// The answer to a request arrives, or its deadline.
pub fn answer_send(state: &mut State, protocol: &Protocol, operator: usize, slot: usize, answer: Answer) {
    let Work::Sending { hand, request, token, at } = state.operators[operator].work[slot].clone() else { return };
    let id = proxy_id(state.proxy_of(slot));
    let outcome = (protocol.outcome)(answer.wire(&id), &id);
    // Nothing was taken by this one; of the same request sent before that says nothing.
    if (answer.is_definite_refusal() || answer == crate::cloud::THROTTLED) && !state.operators[operator].late {
        let open = state.open[slot].take();
        state.open[slot] = open.and_then(|open| Some(Open { sent: open.before?, before: None, ..open }));
    }
    let now = state.clock.stamp();
    let generation = hand.resource.generation;
    let record = SendRecord {
        attempt: request.members().first().map_or(0, |member| member.attempt),
        force: request.force(),
        client_token: token.to_string(),
        at,
        at_unix: Duration::ZERO,
        outcome: outcome.clone(),
    };
    update(state, operator, slot, |memory| {
        (protocol.record_send)(memory, record);
        let failures = memory.send_failures.min(PAUSES);
        memory.send_hold = outcome
            .failure()
            .map(|failure| backoff::hold(failure, failures, TIMING.destroy_poll, now, generation, 0.0))
            .filter(|hold| hold.until.saturating_sub(now) > SHORT);
    });
    state.operators[operator].work[slot] = Work::Hand(hand);
}
