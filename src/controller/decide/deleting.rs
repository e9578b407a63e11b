//! A resource in deletion: who may destroy, what the cloud says, what to wait for.

use std::time::Duration;

use super::{Decision, Release, Step, account_mismatch, base, destroy, next_try, replaced, saw, until};
use crate::controller::failure::Failure;
use crate::controller::memory::{LookRecord, Memory, Outcome, Seen};
use crate::controller::observation::{Claim, Cloud, Observation};
use crate::controller::reasons::{Reason, condition};
use crate::controller::status::Plan;
use crate::crd::{DeletionPolicy, GaapProxyStatus};
use crate::gaap::{Account, Phase, Proxy};
use crate::process::clock::Now;

const ASKING_LIMIT: Duration = Duration::from_secs(120);
/// So long after a request a new state of the proxy waits for something else that is to be written.
const COALESCED: Duration = Duration::from_secs(10);

pub(super) fn decide(observation: &Observation, now: Now) -> Decision {
    let Observation { resource, claims, .. } = observation;
    if resource.policy == DeletionPolicy::Retain {
        return Decision::step(Step::Release(Release::Retained));
    }
    if resource.paused {
        return paused(observation);
    }
    let foreign = resource.foreign_finalizers();
    if !foreign.is_empty() {
        let message = format!(
            "Nothing is destroyed before the other finalizers are gone: {}. Their controllers remove them.",
            foreign.join(", ")
        );
        return wait(observation, Reason::WaitingForFinalizers, message, false, None);
    }
    if !claims.complete {
        return Decision::quiet_wait(None);
    }
    if let Some(decision) = ownership(observation) {
        return decision;
    }
    let account = match &observation.cloud {
        Cloud::Asking => return Decision::quiet_wait(None),
        Cloud::Blocked(failure) => return blocked(observation, failure, None),
        Cloud::Ready(account) => account,
    };
    if let Some(message) = account_mismatch(resource, account) {
        return wait(observation, Reason::AccountMismatch, message, true, None);
    }
    match usable_look(observation, account) {
        Some(look) => by_look(observation, account, look, now),
        None => destroy::just_accepted(observation, now).unwrap_or_else(|| ask(observation, now)),
    }
}

/// Paused is somebody's wish, not a trouble: neither Reconciling nor Stalled.
fn paused(observation: &Observation) -> Decision {
    let message = format!(
        "The annotation {} holds this resource; nothing is destroyed. Remove the annotation to go on, or set \
         spec.deletionPolicy to Retain to release the resource and keep the proxy.",
        crate::crd::PAUSED_ANNOTATION
    );
    let mut plan = Plan::deleting(fields(observation), Reason::Paused, message, false);
    plan.reconciling = None;
    Decision::wait(plan, None)
}

/// The oldest claimant owns the proxy. A later one goes without a cloud call; the owner waits while a claimant
/// lives that nobody deletes, for that one still wants the proxy.
fn ownership(observation: &Observation) -> Option<Decision> {
    let Observation { resource, claims, .. } = observation;
    let age = |claim: &Claim| (claim.created, claim.uid.clone());
    let mine = (resource.created, resource.uid.clone());
    let oldest = claims.others.iter().min_by_key(|claim| age(claim))?;
    if age(oldest) < mine {
        return Some(Decision::step(Step::Release(Release::NotOwner { owner: oldest.clone() })));
    }
    let living = claims.others.iter().filter(|claim| !claim.deleting).min_by_key(|claim| age(claim))?;
    let message = format!(
        "{} names the same proxy {} and is not being deleted, so the proxy is not destroyed. Delete that resource \
         too, or set spec.deletionPolicy of this one to Retain to release it and keep the proxy.",
        living.key, resource.proxy_id
    );
    Some(wait(observation, Reason::Conflict, message, true, None))
}

fn blocked(observation: &Observation, failure: &Failure, again: Option<Duration>) -> Decision {
    let message = format!(
        "{}. {} Nothing was destroyed. {}",
        failure.message,
        failure.advice,
        next_try(failure.stalled(), failure.reason)
    );
    wait(observation, failure.reason, message, failure.stalled(), again)
}

/// A look counts when it was asked of this account, after the deletion was noticed, and after the last request: a
/// throttled request was never looked at by the cloud, so an earlier look still holds.
fn usable_look<'a>(observation: &'a Observation, account: &Account) -> Option<&'a LookRecord> {
    let memory = &observation.memory;
    let noticed = memory.deleting_since?;
    let sent = memory
        .send
        .as_ref()
        .filter(|send| !matches!(send.outcome, Outcome::Throttled(_)))
        .map_or(Duration::ZERO, |send| send.at);
    memory
        .look
        .as_ref()
        .filter(|look| look.account.as_ref() == Some(account) && look.asked >= noticed && look.asked >= sent)
}

/// Asks the cloud, unless a question is under way or failed a moment ago.
pub(super) fn ask(observation: &Observation, now: Now) -> Decision {
    let Observation { memory, resource, .. } = observation;
    if let Some(left) = asking(memory, now) {
        return Decision::quiet_wait(Some(left));
    }
    match memory.look_hold.and_then(|hold| hold.remaining(now.monotonic, resource.generation)) {
        Some(left) => Decision::quiet_wait(Some(left)),
        None => Decision::step(Step::Look),
    }
}

/// How long an answer may still be on its way. A call has a deadline far below the limit, so an older question is
/// one whose answer was lost, and is asked anew. So is one from before the deletion: its answer does not count, and it
/// may stand in line behind all others that nobody waits for.
pub(super) fn asking(memory: &Memory, now: Now) -> Option<Duration> {
    let since = memory.asking.filter(|since| memory.deleting_since.is_none_or(|noticed| *since >= noticed))?;
    (since + ASKING_LIMIT).checked_sub(now.monotonic).filter(|left| !left.is_zero())
}

fn by_look(observation: &Observation, account: &Account, look: &LookRecord, now: Now) -> Decision {
    match &look.seen {
        Seen::Failed(failure) => {
            let hold = observation.memory.look_hold;
            match hold.and_then(|hold| hold.remaining(now.monotonic, observation.resource.generation)) {
                Some(left) => blocked(observation, failure, Some(left)),
                None => ask(observation, now),
            }
        }
        Seen::Absent => absent(observation, account, look, now),
        Seen::Present(proxy) => present(observation, account, look, proxy, now),
    }
}

/// Absence is proved by two negative answers in a row, at least the spacing apart.
fn absent(observation: &Observation, account: &Account, look: &LookRecord, now: Now) -> Decision {
    let Observation { resource, memory, timing, .. } = observation;
    let first = memory.first_absent.as_ref().filter(|(_, by)| by == account);
    let second_due = first.map_or(look.answered, |(answered, _)| *answered) + timing.absence_spacing;
    if look.asked >= second_due {
        let seen_once = resource.status.account.is_some();
        return Decision::step(Step::Release(if seen_once { Release::Gone } else { Release::NeverSeen }));
    }
    if second_due <= now.monotonic {
        return ask(observation, now);
    }
    let message = format!(
        "Account {} at {} does not know proxy {} any more; a second look will prove it.",
        account.id, account.endpoint, resource.proxy_id
    );
    let mut status = fields(observation);
    // Its last state would be read as its present one.
    if let Some(proxy) = &mut status.proxy {
        proxy.status = None;
    }
    let plan = Plan::deleting(status, Reason::ConfirmingAbsence, message, false);
    Decision::wait(plan, Some(until(second_due, now)))
}

fn present(observation: &Observation, account: &Account, look: &LookRecord, proxy: &Proxy, now: Now) -> Decision {
    let Observation { resource, timing, .. } = observation;
    if let Some(message) = replaced(resource, proxy) {
        let due = look.answered + timing.resync;
        return poll(observation, due, now, || {
            wait(observation, Reason::Replaced, message, true, Some(until(due, now)))
        });
    }
    let due = look.answered + timing.destroy_poll;
    let state = proxy.status.as_str();
    let mut status = seen_fields(observation, account, proxy);
    if proxy.status.phase() == Phase::Destroying && coalesces(observation, now) {
        status.proxy.clone_from(&resource.status.proxy);
    }
    let waiting = |reason: Reason, message: String| {
        poll(observation, due, now, || {
            Decision::wait(Plan::deleting(status, reason, message, false), Some(until(due, now)))
        })
    };
    match proxy.status.phase() {
        Phase::Destroying => waiting(Reason::Destroying, destroying(observation)),
        Phase::Transitional => waiting(
            Reason::WaitingForCloud,
            format!("The cloud shows proxy {} as {state}; it is destroyed when that is over.", proxy.id),
        ),
        Phase::Destroyable => destroy::decide(observation, account, look, proxy, now),
    }
}

/// A request is on its way, as the status says already, and was made a moment ago: that the proxy now shows DESTROYING
/// is no news worth a write of its own, for most are gone by the next one.
fn coalesces(observation: &Observation, now: Now) -> bool {
    let sent = observation.memory.send.as_ref().map(|send| send.at);
    observation.resource.status.reason_of(condition::DELETING) == Some(Reason::Destroying.as_str())
        && sent.is_some_and(|sent| now.monotonic.saturating_sub(sent) < COALESCED)
}

/// The same words from the accepted request to the last look: another text would be another write.
pub(super) fn destroying(observation: &Observation) -> String {
    let every = observation.timing.destroy_poll;
    let accepted = observation.memory.send.as_ref().and_then(|send| match &send.outcome {
        Outcome::Accepted { request_id } => request_id.as_deref(),
        _ => None,
    });
    match accepted {
        Some(id) => format!(
            "The cloud accepted the request to destroy the proxy (RequestId {id}); the operator looks every {every:?}."
        ),
        None => format!("The cloud is destroying the proxy; the operator looks every {every:?}."),
    }
}

/// Looks again when it is time, else waits.
pub(super) fn poll(
    observation: &Observation,
    due: Duration,
    now: Now,
    otherwise: impl FnOnce() -> Decision,
) -> Decision {
    if due <= now.monotonic { ask(observation, now) } else { otherwise() }
}

fn wait(observation: &Observation, step: Reason, message: String, stalled: bool, again: Option<Duration>) -> Decision {
    Decision::wait(Plan::deleting(fields(observation), step, message, stalled), again)
}

/// The fields of a status in deletion: what is stored, and the last request.
pub(super) fn fields(observation: &Observation) -> GaapProxyStatus {
    let mut status = base(&observation.resource);
    status.destroy = destroy::recorded(observation);
    // Until a change that nobody saw has settled it is not acted on, and the status must not say so: that would end the
    // wait at once, for a process that begins anew as well.
    if destroy::edited_unseen(observation) {
        status.observed_generation = Some(observation.resource.status.observed_generation.unwrap_or(1));
    }
    status
}

/// As `fields`, with the proxy as it was just seen.
pub(super) fn seen_fields(observation: &Observation, account: &Account, proxy: &Proxy) -> GaapProxyStatus {
    let mut status = fields(observation);
    saw(&mut status, account, proxy);
    status
}
