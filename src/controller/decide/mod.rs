//! The decision: one pure function from what is known to the one next step.
//!
//! No client, no clock, no await: `(Observation, now) -> Decision`. Everything that could destroy a proxy passes
//! through here, and a model checker or a table can walk through every case. The order of the checks below is the
//! protocol (docs/design.md, "The way of one deletion"); do not reorder them for looks.

mod deleting;
mod destroy;
mod live;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::controller::observation::{Claim, Observation, Resource};
use crate::controller::reasons::Reason;
use crate::controller::status::Plan;
use crate::crd::{AccountStatus, GaapProxyStatus, ProxyMirror};
use crate::gaap::{Account, DestroyRequest, Proxy};
use crate::process::clock::Now;

/// The one next step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Store our finalizer. Before this nothing else is done for a resource.
    AddFinalizer,
    /// Ask the cloud for the proxy.
    Look,
    /// Take the turn to send, then read the resource from the API server and decide again.
    Prepare {
        /// The last look will be too old to send on: look again when the turn is near, not before, for hundreds that
        /// wait in line would all grow old again.
        look_first: bool,
    },
    /// Store the status, then decide again: the proxy that was found, or a raised attempt, before it is used.
    Store,
    /// Send this request.
    Destroy(DestroyRequest),
    /// Remove our finalizer: the resource may go.
    Release(Release),
    /// Nothing now: the status says what is being waited for.
    Wait,
}

/// Why a resource may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// The policy is Retain: the proxy stays.
    Retained,
    /// Another resource owns the proxy.
    NotOwner {
        /// The claim of the owner.
        owner: Claim,
    },
    /// The proxy is proved gone.
    Gone,
    /// The proxy was never seen, and is proved not to be there.
    NeverSeen,
}

/// What to do next, what the status should say, and when to decide again.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The step.
    pub step: Step,
    /// The status that is to be stored, where the step is a wait or a raise; times are filled in when it is written.
    pub status: Option<Plan>,
    /// When to decide again at the latest; none: when something changes.
    pub again: Option<Duration>,
}

impl Decision {
    fn step(step: Step) -> Self {
        Decision { step, status: None, again: None }
    }

    fn wait(status: Plan, again: Option<Duration>) -> Self {
        Decision { step: Step::Wait, status: Some(status), again }
    }

    fn quiet_wait(again: Option<Duration>) -> Self {
        Decision { step: Step::Wait, status: None, again }
    }
}

/// Decides the next step of one resource.
pub fn decide(observation: &Observation, now: Now) -> Decision {
    let resource = &observation.resource;
    match (resource.deleted.is_some(), resource.has_finalizer()) {
        (true, true) => deleting::decide(observation, now),
        // Nothing of ours holds it: released already, or the finalizer was taken off by hand.
        (true, false) => Decision::quiet_wait(None),
        (false, false) => Decision::step(Step::AddFinalizer),
        (false, true) => live::decide(observation, now),
    }
}

/// The account under which the proxy was seen is another than the one in use.
fn account_mismatch(resource: &Resource, account: &Account) -> Option<String> {
    let seen = resource.status.account.as_ref()?;
    if seen.account_id == account.id && seen.endpoint == account.endpoint {
        return None;
    }
    Some(format!(
        "Proxy {} was seen under account {} at {}, but the operator now uses account {} at {}. Nothing is asked or \
         destroyed under another account. Give the operator the credentials and endpoint of the first, or set \
         spec.deletionPolicy to Retain to release the resource without destroying the proxy.",
        resource.proxy_id, seen.account_id, seen.endpoint, account.id, account.endpoint
    ))
}

/// Another proxy has the id now: its createTime is not the one that was stored.
fn replaced(resource: &Resource, proxy: &Proxy) -> Option<String> {
    let bound = resource.status.proxy.as_ref()?.create_time?;
    let found = proxy.create_time?;
    (bound != found).then(|| {
        format!(
            "Another proxy has the id {} now: it was created at {found} (seconds since 1970), the one this resource \
             was bound to at {bound}. It is never destroyed by this resource. Set spec.deletionPolicy to Retain to \
             release the resource, and make another for the new proxy if it shall be managed.",
            resource.proxy_id
        )
    })
}

/// The proxy as status shows it.
fn mirror(proxy: &Proxy) -> ProxyMirror {
    ProxyMirror {
        status: Some(proxy.status.as_str().to_owned()),
        name: proxy.name.clone(),
        access_region: proxy.access_region.clone(),
        real_server_region: proxy.real_server_region.clone(),
        ip: proxy.ip.clone(),
        domain: proxy.domain.clone(),
        bandwidth_mbps: proxy.bandwidth_mbps,
        concurrent_connections: proxy.concurrent_connections,
        group_id: proxy.group_id.clone(),
        create_time: proxy.create_time,
    }
}

/// The status to start from: what is stored, brought up to this generation.
fn base(resource: &Resource) -> GaapProxyStatus {
    GaapProxyStatus { observed_generation: Some(resource.generation), ..resource.status.clone() }
}

/// Takes the sight of a proxy into the status. Never for another proxy under an old id: that would bind the
/// resource to a proxy that it was not made for.
fn saw(status: &mut GaapProxyStatus, account: &Account, proxy: &Proxy) {
    status.account = Some(AccountStatus { account_id: account.id.clone(), endpoint: account.endpoint.clone() });
    let known = status.proxy.as_ref().and_then(|before| before.create_time);
    let mut seen = mirror(proxy);
    seen.create_time = seen.create_time.or(known);
    status.proxy = Some(seen);
}

/// The pause until a moment on the monotonic clock, at least a moment long.
fn until(moment: Duration, now: Now) -> Duration {
    moment.saturating_sub(now.monotonic).max(Duration::from_millis(1))
}

/// How the time of the next try is written: fixed words, so that a message does not change with every try.
fn next_try(failure_class_waits_for_person: bool, reason: Reason) -> &'static str {
    match (failure_class_waits_for_person, reason) {
        (true, Reason::Refused) => "Next try within 30 minutes, or at once when this object or the credentials change.",
        (true, _) => "Next try within 10 minutes, or at once when this object or the credentials change.",
        (false, Reason::Throttled) => "Next try within 5 seconds.",
        (false, _) => "Next tries after growing pauses, at most 5 minutes apart.",
    }
}
