//! The proxy is there and can be destroyed: send, send again, or wait for what was sent.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::deleting::{ask, asking, destroying, fields, poll, seen_fields};
use super::{Decision, Step, next_try, until};
use crate::controller::failure::Failure;
use crate::controller::memory::{LookRecord, Outcome, SendRecord};
use crate::controller::observation::{Observation, Resource};
use crate::controller::reasons::{Reason, condition};
use crate::controller::status::Plan;
use crate::crd::DestroyStatus;
use crate::gaap::{Account, Class, DestroyRequest, Member, Proxy};
use crate::process::clock::Now;

/// `lastCode` of an accepted request.
pub const CODE_ACCEPTED: &str = "OK";
/// `lastCode` of a request whose token was known to the cloud.
const CODE_DUPLICATED: &str = "FailedOperation.DuplicatedRequest";
/// A look older than this is not enough to send on.
const LOOK_LIMIT: Duration = Duration::from_secs(10);
/// A look older than this would be too old when the turn comes, so it is renewed in line. Renewed at the turn itself, each
/// of hundreds would make all behind it wait for an answer of the cloud.
const LOOK_RENEWAL: Duration = Duration::from_secs(5);

/// The request that this resource makes now: a pure function of what is stored, so that the same request carries
/// the same token after a crash and from another replica.
pub fn request(resource: &Resource) -> DestroyRequest {
    request_of(resource, resource.force, stored_attempt(resource))
}

fn request_of(resource: &Resource, force: bool, attempt: u32) -> DestroyRequest {
    let member = Member { proxy_id: resource.proxy_id.clone(), uid: resource.uid.clone(), attempt };
    DestroyRequest::new(force, vec![member])
}

fn stored_attempt(resource: &Resource) -> u32 {
    resource.status.destroy.as_ref().map_or(0, |destroy| destroy.attempt)
}

pub(super) fn decide(
    observation: &Observation,
    account: &Account,
    look: &LookRecord,
    proxy: &Proxy,
    now: Now,
) -> Decision {
    let Observation { resource, memory, .. } = observation;
    if let Some(decision) = bind(observation, account, proxy).or_else(|| age(observation, account, look, proxy, now)) {
        return decision;
    }
    let held = memory.send_hold.and_then(|hold| hold.remaining(now.monotonic, resource.generation));
    let last = last_send(observation);
    if let (Some(left), Some(failure)) = (held, last.as_ref().and_then(|send| send.outcome.failure())) {
        let (reason, message) = explain(failure, proxy);
        let fields = seen_fields(observation, account, proxy);
        return Decision::wait(Plan::deleting(fields, reason, message, failure.stalled()), Some(left));
    }
    // A definite "no" raises the attempt before anything else is sent.
    if recorded(observation).is_some_and(|record| record.attempt > stored_attempt(resource)) {
        let message = "The last request destroyed nothing; the next one is a new request.".to_owned();
        return store(observation, account, proxy, message, None);
    }
    if let Some(decision) = settle(observation, account, look, proxy, last.as_ref(), now) {
        return decision;
    }
    let look_age = now.monotonic.saturating_sub(look.answered);
    match (observation.fresh, look_age > LOOK_LIMIT) {
        (true, false) => Decision::step(Step::Destroy(request(resource))),
        (true, true) => ask(observation, now),
        (false, true) if asking(memory, now).is_some() => ask(observation, now),
        (false, _) => Decision {
            step: Step::Prepare { look_first: look_age > LOOK_RENEWAL && asking(memory, now).is_none() },
            // Stored only when the turn is far off.
            status: Some(Plan::deleting(
                seen_fields(observation, account, proxy),
                Reason::Requesting,
                "The request to destroy the proxy waits for its turn under the rate limit.".to_owned(),
                false,
            )),
            again: None,
        },
    }
}

/// A proxy that was never mirrored is bound first: account and createTime must be stored before anything is asked to
/// destroy it, or another account could prove it gone, and a later proxy under its id be taken for it.
fn bind(observation: &Observation, account: &Account, proxy: &Proxy) -> Option<Decision> {
    let status = &observation.resource.status;
    let known = status.proxy.as_ref().and_then(|before| before.create_time);
    if status.account.is_some() && (known.is_some() || proxy.create_time.is_none()) {
        return None;
    }
    let message = format!("Proxy {} was found in account {}; it is destroyed next.", proxy.id, account.id);
    Some(store(observation, account, proxy, message, None))
}

/// A request that may have been taken must settle before another kind of request goes out: reads lag behind writes, so
/// a look at a running proxy says nothing yet. The very same request may be sent again at once.
fn settle(
    observation: &Observation,
    account: &Account,
    look: &LookRecord,
    proxy: &Proxy,
    last: Option<&SendRecord>,
    now: Now,
) -> Option<Decision> {
    let Observation { resource, memory, timing, .. } = observation;
    let attempt = stored_attempt(resource);
    // Of an earlier attempt as well: one that another process has raised says nothing about the request of this one.
    let in_doubt = |send: &&SendRecord| send.attempt <= attempt && !matches!(send.outcome, Outcome::NotTaken(_));
    let doubt = memory.doubt.as_ref().or(last).filter(in_doubt);
    let since = match doubt {
        Some(send) => send.at,
        None if edited_unseen(observation) => memory.since,
        None => return None,
    };
    let same_request = doubt.is_some_and(|send| send.force == resource.force && send.attempt == attempt);
    let repeat = last.is_some_and(|send| matches!(send.outcome, Outcome::Unknown(_) | Outcome::Throttled(_)));
    if same_request && repeat {
        return None;
    }
    let settled = since.max(memory.effect.unwrap_or_default()) + timing.settle_time;
    if look.asked < settled {
        let due = (look.answered + timing.destroy_poll).min(settled.max(look.answered));
        return Some(poll(observation, due, now, || {
            let message = settling(doubt, proxy, timing.settle_time);
            let plan = Plan::deleting(seen_fields(observation, account, proxy), Reason::Destroying, message, false);
            Decision::wait(plan, Some(until(due, now)))
        }));
    }
    // Settled: with an attempt that is raised already the next request is another one.
    if doubt.is_none_or(|send| send.attempt < attempt) || repeat {
        return None;
    }
    let message = format!(
        "The last request showed no effect for {:?}: the proxy is still {}. The next one is a new request.",
        timing.settle_time,
        proxy.status.as_str()
    );
    Some(store(observation, account, proxy, message, Some(attempt.saturating_add(1))))
}

/// The spec was changed while no process was there to see it, and nothing tells what an earlier process had sent by
/// then: with another Force, a request of this process could be the second one in effect. Deletion itself raises the
/// generation by one.
pub(super) fn edited_unseen(observation: &Observation) -> bool {
    let Observation { resource, memory, .. } = observation;
    let status = &resource.status;
    let told = status.reason_of(condition::DELETING).is_some();
    let expected = status.observed_generation.unwrap_or(1) + i64::from(!told);
    // A record of an earlier attempt tells nothing of the present one.
    memory.met_deleting && resource.generation > expected && last_send(observation).is_none()
}

/// A createTime further ahead than this is no time at all.
const CLOCKS_APART: Duration = Duration::from_secs(86_400);

fn age(observation: &Observation, account: &Account, look: &LookRecord, proxy: &Proxy, now: Now) -> Option<Decision> {
    let Observation { resource, timing, .. } = observation;
    let known = resource.status.proxy.as_ref().and_then(|before| before.create_time);
    let wait = |reason, message, left: Duration| {
        let plan = Plan::deleting(seen_fields(observation, account, proxy), reason, message, false);
        // Not for ever on one look, whatever it said.
        let due = (now.monotonic + left).min(look.answered + timing.resync);
        Some(poll(observation, due, now, || Decision::wait(plan, Some(until(due, now)))))
    };
    let Some(created) = proxy.create_time else {
        // Without it nobody can tell whether this still is the proxy that was bound.
        known?;
        let message = "The cloud did not tell when the proxy was created, so it cannot be told from a later proxy \
                       with the same id. The operator looks again."
            .to_owned();
        return wait(
            Reason::WaitingForCloud,
            message,
            timing.destroy_poll.saturating_sub(now.monotonic.saturating_sub(look.answered)),
        );
    };
    let created = Duration::from_secs(u64::try_from(created).unwrap_or_default());
    if created > now.unix + CLOCKS_APART {
        let message = format!(
            "The cloud says that the proxy was created in the future ({} seconds since 1970): check the clock of the \
             node. The operator looks again.",
            created.as_secs()
        );
        return wait(Reason::WaitingForCloud, message, timing.resync);
    }
    let old_enough = created + timing.minimum_age;
    let left = old_enough.checked_sub(now.unix).filter(|left| !left.is_zero())?;
    let message = format!(
        "The cloud destroys no proxy younger than {:?}: the request is made at {}.",
        timing.minimum_age,
        rfc3339(old_enough)
    );
    wait(Reason::TooYoung, message, left)
}

/// Right after the cloud accepted a request a look would show nothing new: the next one comes a poll later.
pub(super) fn just_accepted(observation: &Observation, now: Now) -> Option<Decision> {
    let Observation { memory, timing, .. } = observation;
    let send = memory.send.as_ref()?;
    let due = send.at + timing.destroy_poll;
    if !matches!(send.outcome, Outcome::Accepted { .. }) || due <= now.monotonic {
        return None;
    }
    let plan = Plan::deleting(fields(observation), Reason::Destroying, destroying(observation), false);
    Some(Decision::wait(plan, Some(until(due, now))))
}

/// The last request: from memory, or what the status tells of one that another process sent: before a restart, or beside
/// this one. Its waits begin when this process was told of it.
fn last_send(observation: &Observation) -> Option<SendRecord> {
    let Observation { resource, memory, .. } = observation;
    if let Some(send) = &memory.send {
        return Some(send.clone());
    }
    let stored = resource.status.destroy.as_ref()?;
    let token = stored.client_token.clone()?;
    let force = stored.force.unwrap_or_default();
    // A raised attempt is stored together with the token of the request before it: that one is settled.
    if token != request_of(resource, force, stored.attempt).client_token() {
        return None;
    }
    let code = stored.last_code.clone().unwrap_or_default();
    let failure = |class| Failure {
        class,
        reason: Reason::WaitingForCloud,
        message: format!("The last request, made before the operator was restarted, led to {code}"),
        advice: String::new(),
        request_id: stored.request_id.clone(),
        code: code.clone(),
    };
    let outcome = match code.as_str() {
        CODE_ACCEPTED => Outcome::Accepted { request_id: stored.request_id.clone() },
        CODE_DUPLICATED => Outcome::Duplicate(failure(Class::Observe)),
        // Throttled or not: what was sent before it is not known.
        _ => Outcome::Unknown(failure(Class::Observe)),
    };
    let told = memory.told.as_ref().filter(|(told, _)| *told == token).map(|(_, since)| *since);
    Some(SendRecord {
        attempt: stored.attempt,
        force,
        client_token: token,
        at: told.unwrap_or(memory.since),
        at_unix: Duration::ZERO,
        outcome,
    })
}

/// `status.destroy` as it should be: the last request that this process sent, and the attempt of the next.
pub(super) fn recorded(observation: &Observation) -> Option<DestroyStatus> {
    let stored = observation.resource.status.destroy.clone();
    let Some(send) = &observation.memory.send else { return stored };
    if stored.as_ref().is_some_and(|stored| stored.attempt > send.attempt) {
        return stored;
    }
    let (request_id, code) = match &send.outcome {
        Outcome::Accepted { request_id } => (request_id.clone(), CODE_ACCEPTED.to_owned()),
        Outcome::Duplicate(failure)
        | Outcome::NotTaken(failure)
        | Outcome::Throttled(failure)
        | Outcome::Unknown(failure) => (failure.request_id.clone(), failure.code.clone()),
    };
    let doubtful = observation.memory.doubt.as_ref().is_some_and(|doubt| doubt.attempt == send.attempt);
    let raised = u32::from(matches!(send.outcome, Outcome::NotTaken(_)) && !doubtful);
    Some(DestroyStatus {
        client_token: Some(send.client_token.clone()),
        attempt: send.attempt.saturating_add(raised),
        force: Some(send.force),
        request_id,
        request_time: Some(rfc3339(send.at_unix)),
        last_code: Some(code),
    })
}

fn store(
    observation: &Observation,
    account: &Account,
    proxy: &Proxy,
    message: String,
    attempt: Option<u32>,
) -> Decision {
    let mut status = seen_fields(observation, account, proxy);
    if let Some(attempt) = attempt {
        status.destroy = Some(DestroyStatus { attempt, ..status.destroy.unwrap_or_default() });
    }
    Decision {
        step: Step::Store,
        status: Some(Plan::deleting(status, Reason::Requesting, message, false)),
        again: None,
    }
}

fn explain(failure: &Failure, proxy: &Proxy) -> (Reason, String) {
    // The look after the answer says that the proxy is there, whatever the answer said.
    let reason = if failure.class == Class::Gone { Reason::WaitingForCloud } else { failure.reason };
    let message = format!(
        "{}. {} The proxy is still {}. {}",
        failure.message,
        failure.advice,
        proxy.status.as_str(),
        next_try(failure.stalled(), failure.reason)
    );
    (reason, message)
}

fn settling(doubt: Option<&SendRecord>, proxy: &Proxy, settle: Duration) -> String {
    let what = match doubt.map(|send| &send.outcome) {
        Some(Outcome::Accepted { request_id: Some(id) }) => format!("The cloud accepted the request (RequestId {id})"),
        Some(Outcome::Accepted { request_id: None }) => "The cloud accepted the request".to_owned(),
        Some(Outcome::Duplicate(failure)) => format!("The cloud already has this request: {}", failure.message),
        Some(other) => other.failure().map(|failure| failure.message.clone()).unwrap_or_default(),
        None => "The resource was changed while no operator was there to see it".to_owned(),
    };
    format!(
        "{what}. The proxy still shows {}; if nothing changes for {settle:?}, a new request is made.",
        proxy.status.as_str()
    )
}

/// A time since 1970 as RFC 3339 in UTC, in whole seconds.
fn rfc3339(since_1970: Duration) -> String {
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or_default();
    Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}
