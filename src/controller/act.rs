//! Performing one decided step: the only code that writes anywhere.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};

use crate::controller::backoff;
use crate::controller::context::Context;
use crate::controller::decide::Release;
use crate::controller::failure::Failure;
use crate::controller::finalizer;
use crate::controller::kube_call::{KubeError, kube_call, kube_call_within};
use crate::controller::memory::{Hold, LookRecord, Outcome, Seen, SendRecord};
use crate::controller::object::reference;
use crate::controller::observation::{Claim, Resource};
use crate::controller::status::{self, Plan};
use crate::crd::GaapProxy;
use crate::gaap::{
    CallError, Class, DestroyAnswer, DestroyRequest, MemberOutcome, Priority, ProxyId, Session, SessionState, Turn,
};

const FIELD_MANAGER: &str = "gaap-operator";

/// A read that was asked for longer ago than this is not fresh. An API server takes milliseconds for it, and the wait for
/// the turn comes before it. It is not waited for longer either: nobody else sends meanwhile.
pub const READ_LIMIT: Duration = Duration::from_secs(5);

fn api(context: &Context, resource: &Resource) -> Api<GaapProxy> {
    Api::namespaced(context.kube.clone(), &resource.namespace)
}

fn parameters() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

fn json_patch(operations: serde_json::Value) -> Result<Patch<()>, ActError> {
    Ok(Patch::Json(serde_json::from_value(operations)?))
}

/// Why a step could not be performed.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The API server.
    #[error(transparent)]
    Kube(#[from] KubeError),
    /// A patch of ours is no JSON patch: a defect.
    #[error("a patch could not be written: {0}")]
    Patch(#[from] serde_json::Error),
    /// The API server sent an object that cannot be read.
    #[error("the stored object cannot be read: {0}")]
    Malformed(String),
}

/// Reads the resource from the API server; none when it is gone, or another of the same name is there.
pub async fn read_fresh(context: &Context, resource: &Resource) -> Result<Option<Resource>, ActError> {
    let call = api(context, resource);
    let object = match kube_call_within(READ_LIMIT, "reading the resource", call.get(&resource.name)).await {
        Ok(object) => object,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let fresh = Resource::read(&object).map_err(ActError::Malformed)?;
    Ok((fresh.uid == resource.uid).then_some(fresh))
}

/// The claimant is there still, by the API server's word.
pub async fn exists(context: &Context, claim: &Claim) -> Result<bool, ActError> {
    let Some((namespace, name)) = claim.key.split_once('/') else { return Ok(false) };
    let call: Api<kube::core::PartialObjectMeta<GaapProxy>> = Api::namespaced(context.kube.clone(), namespace);
    match kube_call("reading the owner of the proxy", call.get(name)).await {
        Ok(object) => Ok(object.metadata.uid.as_ref() == Some(&claim.uid)),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Stores our finalizer. Returns the resource as it is now.
pub async fn add_finalizer(context: &Context, resource: &Resource) -> Result<Resource, ActError> {
    let patch = json_patch(finalizer::add(resource))?;
    let call = api(context, resource);
    let object = kube_call("storing the finalizer", call.patch(&resource.name, &parameters(), &patch)).await?;
    Resource::read(&object).map_err(ActError::Malformed)
}

/// Removes our finalizer. False when there was nothing to remove any more: the object is gone, or another.
pub async fn remove_finalizer(context: &Context, resource: &Resource, retained: bool) -> Result<bool, ActError> {
    let Some(deleted) = resource.deleted.and_then(|second| Timestamp::from_second(second).ok()) else {
        return Ok(false);
    };
    let Some(operations) = finalizer::remove(resource, &deleted.to_string(), retained) else { return Ok(false) };
    let patch = json_patch(operations)?;
    let call = api(context, resource);
    match kube_call("removing the finalizer", call.patch(&resource.name, &parameters(), &patch)).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Stores a status if it says something new; returns the resource as it is then.
pub async fn write_status(context: &Context, resource: &Resource, plan: &Plan) -> Result<Option<Resource>, ActError> {
    let now = Timestamp::try_from(std::time::UNIX_EPOCH + context.clock.now().unix).unwrap_or(Timestamp::UNIX_EPOCH);
    let Some(status) = plan.against(&resource.status, resource.generation, now) else { return Ok(None) };
    let patch = json_patch(status::patch(resource, &status))?;
    let call = api(context, resource);
    let object = kube_call("writing the status", call.patch_status(&resource.name, &parameters(), &patch)).await?;
    Resource::read(&object).map(Some).map_err(ActError::Malformed)
}

/// Which credentials are in use now.
fn session(context: &Context) -> Option<u64> {
    match context.cloud.identity.current() {
        SessionState::Ready(session) => Some(session.generation()),
        _ => None,
    }
}

/// The hold after a failure. A refusal of credentials that were exchanged meanwhile holds nobody: the exchange has
/// lifted the holds already, and would not do so again.
fn hold_after(
    context: &Context,
    failure: &Failure,
    failures: u32,
    generation: i64,
    asked_as: Option<u64>,
) -> Option<Hold> {
    if failure.stalled() && asked_as != session(context) {
        return None;
    }
    let now = context.clock.now().monotonic;
    Some(backoff::hold(failure, failures, context.timing.destroy_poll, now, generation, fastrand::f64()))
}

/// Asks for the proxy. The answer goes to the memory of the resource and wakes it: a reconcile that waited for it
/// would hold a worker, and fewer questions would share one call.
pub fn look(context: &Arc<Context>, resource: &Resource) {
    let asked = context.clock.now().monotonic;
    context.memories.update(resource, |memory| memory.asking = Some(asked));
    let context = context.clone();
    let asked_as = session(&context);
    // Somebody waits for a deletion; nobody waits for the mirror of a living proxy.
    let priority = Priority { group: resource.namespace.clone(), urgent: resource.deleted.is_some() };
    // Not the whole resource: thousands may wait here at once.
    let (uid, generation, proxy_id) = (resource.uid.clone(), resource.generation, resource.proxy_id.clone());
    // Only the others take places, for only the others wait for one.
    let place = resource.deleted.is_none().then(|| context.open_looks.clone().try_acquire_owned());
    let reference = reference(&resource.key());
    tokio::spawn(async move {
        let (look, account) = context.cloud.sweep.look(proxy_id, priority).await;
        let seen = Seen::from(look);
        let answered = context.clock.now().monotonic;
        context.memories.update_asking(&uid, |memory| {
            memory.record_look(LookRecord { asked, answered, account, seen });
            if let Some(LookRecord { seen: Seen::Failed(failure), .. }) = &memory.look {
                memory.look_hold = hold_after(&context, failure, memory.look_failures, generation, asked_as);
            }
        });
        context.wakes.wake(reference);
        drop(place);
    });
}

/// Sends the request and remembers what became of it.
pub async fn destroy(
    context: &Context,
    resource: &Resource,
    session: &Session,
    turn: Turn,
    request: &DestroyRequest,
) -> Outcome {
    let sent_unix = context.clock.now().unix;
    let outcome = outcome_of(context.cloud.client.destroy_proxies(session, turn, request).await, &resource.proxy_id);
    // Whatever waits after a request waits from its answer on: the cloud may have had it only a moment before that.
    let record = SendRecord {
        attempt: request.members().first().map_or(0, |member| member.attempt),
        force: request.force(),
        client_token: request.client_token(),
        at: context.clock.now().monotonic,
        at_unix: sent_unix,
        outcome: outcome.clone(),
    };
    context.memories.update(resource, |memory| {
        memory.record_send(record);
        memory.send_hold = outcome.failure().and_then(|failure| {
            hold_after(context, failure, memory.send_failures, resource.generation, Some(session.generation()))
        });
    });
    outcome
}

/// What an answer to DestroyProxies says of one of the ids that were sent.
pub fn outcome_of(answer: Result<DestroyAnswer, CallError>, id: &ProxyId) -> Outcome {
    let in_set = |set, request_id| Outcome::NotTaken(Failure::in_set(set, Class::Backoff, request_id));
    match answer {
        Ok(answer) => match answer.outcome(id) {
            MemberOutcome::Accepted => Outcome::Accepted { request_id: Some(answer.request_id) },
            MemberOutcome::InvalidStatus => in_set("InvalidStatusInstanceSet", answer.request_id),
            MemberOutcome::Failed => in_set("OperationFailedInstanceSet", answer.request_id),
        },
        Err(error) => {
            let failure = Failure::from(&error);
            if error.is_throttling() {
                Outcome::Throttled(failure)
            } else if error.code() == Some("FailedOperation.DuplicatedRequest") {
                Outcome::Duplicate(failure)
            } else if error.is_definite_refusal() {
                Outcome::NotTaken(failure)
            } else {
                Outcome::Unknown(failure)
            }
        }
    }
}

/// The words of an event that tells why a resource was released: reason, note, and whether it is a warning.
pub fn release_note(release: &Release, resource: &Resource) -> (&'static str, String, bool) {
    let proxy = &resource.proxy_id;
    match release {
        Release::Retained => {
            ("Retained", format!("Proxy {proxy} was left alone, because spec.deletionPolicy is Retain."), false)
        }
        Release::NotOwner { owner } => (
            "NotOwner",
            format!("Proxy {proxy} was left alone: it belongs to {}, which was made first.", owner.key),
            false,
        ),
        Release::Gone => {
            ("Destroyed", format!("Proxy {proxy} is gone: two complete answers in a row were without it."), false)
        }
        Release::NeverSeen => (
            "NeverSeen",
            format!(
                "Proxy {proxy} was never seen under the operator's account and is not there now. If it exists under \
                 another account, it was not destroyed: check spec.proxyId and the credentials."
            ),
            true,
        ),
    }
}
