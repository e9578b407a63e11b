//! A resource that is not being deleted: mirror the cloud, write nothing to it.

use std::time::Duration;

use super::deleting::ask;
use super::{Decision, account_mismatch, base, mirror, next_try, replaced, saw, until};
use crate::controller::memory::{LookRecord, Seen};
use crate::controller::observation::{Claim, Cloud, Observation};
use crate::controller::reasons::Reason;
use crate::controller::status::Plan;
use crate::gaap::{Account, Phase, Proxy, ProxyStatus};
use crate::process::clock::Now;

/// A proxy in a passing state is looked at again this soon, so that Ready follows without waiting for the resync.
const TRANSITION_POLL: Duration = Duration::from_secs(30);

pub(super) fn decide(observation: &Observation, now: Now) -> Decision {
    let Observation { resource, memory, timing, .. } = observation;
    let account = match &observation.cloud {
        // The answer of STS wakes every resource.
        Cloud::Asking => return Decision::quiet_wait(None),
        Cloud::Blocked(failure) => {
            let message = format!("{}. {}", failure.message, failure.advice);
            let plan = Plan::live(base(resource), false, ready_reason(failure.reason), message)
                .with_stalled(failure.stalled());
            return Decision::wait(plan, None);
        }
        Cloud::Ready(account) => account,
    };
    if let Some(message) = account_mismatch(resource, account) {
        let plan = Plan::live(base(resource), false, Reason::AccountMismatch, message).with_stalled(true);
        return Decision::wait(plan, None);
    }
    let Some(look) = memory.look.as_ref().filter(|look| look.account.as_ref() == Some(account)) else {
        return ask(observation, now);
    };
    let pause = match &look.seen {
        Seen::Present(proxy) if proxy.status.phase() != Phase::Destroyable => timing.resync.min(TRANSITION_POLL),
        _ => timing.resync,
    };
    let due = match &look.seen {
        // Without a hold: the credentials were exchanged since, so what they were refused says nothing any more.
        Seen::Failed(_) => {
            let held = memory.look_hold.and_then(|hold| hold.remaining(now.monotonic, resource.generation));
            held.map_or(now.monotonic, |left| now.monotonic + left)
        }
        _ => look.answered + pause,
    };
    if due <= now.monotonic {
        return ask(observation, now);
    }
    Decision::wait(plan_of(observation, account, look), Some(until(due, now)))
}

fn plan_of(observation: &Observation, account: &Account, look: &LookRecord) -> Plan {
    let resource = &observation.resource;
    let mut status = base(resource);
    match &look.seen {
        Seen::Failed(failure) => {
            let message =
                format!("{}. {} {}", failure.message, failure.advice, next_try(failure.stalled(), failure.reason));
            Plan::live(status, false, ready_reason(failure.reason), message).with_stalled(failure.stalled())
        }
        Seen::Absent => {
            if let Some(proxy) = &mut status.proxy {
                proxy.status = None;
            }
            let message = format!(
                "Account {} at {} has no proxy {}. If the id is right, it was destroyed; deleting this resource then \
                 only removes the resource.",
                account.id, account.endpoint, resource.proxy_id
            );
            Plan::live(status, false, Reason::NotFound, message)
        }
        Seen::Present(proxy) => match replaced(resource, proxy) {
            Some(message) => Plan::live(status, false, Reason::NotFound, message).with_stalled(true),
            None => {
                saw(&mut status, account, proxy);
                present(observation, status, proxy)
            }
        },
    }
}

/// Ready tells who must act; which step of the protocol failed matters only in a deletion.
fn ready_reason(reason: Reason) -> Reason {
    match reason {
        Reason::CredentialsInvalid | Reason::PermissionDenied => reason,
        _ => Reason::CloudUnreachable,
    }
}

fn present(observation: &Observation, status: crate::crd::GaapProxyStatus, proxy: &Proxy) -> Plan {
    let resource = &observation.resource;
    if let Some(owner) = earlier(observation) {
        let message = format!(
            "{} was made first for proxy {} and owns it. Deleting this resource will not destroy the proxy. Delete \
             one of the two.",
            owner.key, resource.proxy_id
        );
        return Plan::live(status, false, Reason::Conflict, message).with_stalled(true);
    }
    let state = mirror(proxy).status.unwrap_or_default();
    match (&proxy.status, proxy.status.phase()) {
        (ProxyStatus::Running, _) => Plan::live(status, true, Reason::Available, "The proxy is running.".to_owned()),
        (ProxyStatus::Closed, _) => {
            let message = "The proxy is switched off; its base fee goes on until it is destroyed.".to_owned();
            Plan::live(status, true, Reason::Closed, message)
        }
        (_, Phase::Destroyable) => {
            let message = format!("The cloud shows the proxy as {state}: it is not in service.");
            Plan::live(status, false, Reason::Closed, message)
        }
        _ => {
            let message = format!("The cloud shows the proxy as {state}; the operator looks again soon.");
            Plan::live(status, false, Reason::Transitioning, message)
        }
    }
}

/// The claim that was made before this resource, if there is one: that resource owns the proxy.
fn earlier(observation: &Observation) -> Option<&Claim> {
    let mine = (observation.resource.created, observation.resource.uid.as_str());
    observation
        .claims
        .others
        .iter()
        .filter(|other| (other.created, other.uid.as_str()) < mine)
        .min_by(|a, b| (a.created, a.uid.as_str()).cmp(&(b.created, b.uid.as_str())))
}
