//! What people see of a reconcile: one log line, an event where the step changed, the series.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Resource as _;
use kube::api::{Api, Patch, PatchParams};
use kube::core::ObjectMeta;
use kube::runtime::events::{Event, EventType, Recorder};
use serde_json::{Value, json};

use crate::controller::act::ActError;
use crate::controller::context::Context;
use crate::controller::decide::{Decision, Step};
use crate::controller::kube_call::kube_call;
use crate::controller::object::WatchedProxy;
use crate::controller::observation::Resource;
use crate::controller::reasons::{Reason, condition};
use crate::controller::status::shorten;
use crate::crd::{FINALIZER, GaapProxy, GaapProxyStatus};

/// Kubernetes refuses longer notes.
const NOTE_LIMIT: usize = 1024;

/// What happened in one reconcile, filled in as it goes: the canonical log line is made from it.
#[derive(Debug, Default)]
pub struct Account {
    steps: Vec<&'static str>,
    headline: Option<Reason>,
    state: Option<String>,
    deleted: Option<i64>,
    let_go: bool,
    /// A status was stored.
    pub wrote_status: bool,
    /// A request to destroy was sent, with this outcome.
    pub sent: Option<String>,
    /// The resource was released.
    pub released: Option<&'static str>,
}

impl Account {
    /// Notes an object that cannot be read, of which no more is known than this. `held`: it has our finalizer.
    pub fn note_malformed(&mut self, metadata: &ObjectMeta, held: bool) {
        self.deleted = metadata.deletion_timestamp.as_ref().map(|time| time.0.as_second());
        self.let_go = self.deleted.is_some() && !held;
        self.headline = Some(Reason::Malformed);
    }

    /// Notes a decision.
    pub fn note(&mut self, decision: &Decision, resource: &Resource) {
        self.steps.push(match &decision.step {
            Step::AddFinalizer => "add-finalizer",
            Step::Look => "look",
            Step::Prepare { .. } => "prepare",
            Step::Store => "store",
            Step::Destroy(_) => "destroy",
            Step::Release(_) => "release",
            Step::Wait => "wait",
        });
        self.deleted = resource.deleted;
        self.let_go = resource.deleted.is_some() && !resource.has_finalizer();
        let plan = decision.status.as_ref();
        if let Some(plan) = plan {
            self.headline = Some(plan.headline().0);
        } else if self.headline.is_none() {
            // Not the reason of Ready for a resource in deletion: it is no step of one.
            let shown = if resource.deleted.is_some() { condition::DELETING } else { condition::READY };
            self.headline = resource.status.reason_of(shown).and_then(Reason::named);
        }
        let fields = plan.map_or(&resource.status, |plan| &plan.fields);
        self.state = fields.proxy.as_ref().and_then(|proxy| proxy.status.clone());
    }
}

/// Brings the gauges up to a decision. Before the decision is carried out: whoever reads a condition then finds it
/// in the gauges, and an alert on them is never later than the status.
pub fn show(context: &Context, uid: &str, account: &Account) {
    let finished = account.released.is_some() || account.let_go;
    context.metrics.observe(uid, account.state.as_deref(), account.headline, account.deleted, finished);
}

/// The stored reason that a person reads first: the step of a deletion, else the reason of Ready.
pub fn headline(status: &GaapProxyStatus) -> Option<String> {
    status.reason_of(condition::DELETING).or_else(|| status.reason_of(condition::READY)).map(ToOwned::to_owned)
}

/// One line per reconcile, and the gauges. Quiet reconciles (nothing sent, nothing stored) are logged at debug:
/// with 10 000 resources they would bury the others.
pub fn finish(context: &Context, object: &WatchedProxy, account: &Account, error: Option<&ActError>, took: Duration) {
    if let Some(uid) = &object.uid {
        show(context, uid, account);
    }
    let resource = object.key.as_ref();
    let proxy = object.claimed.as_deref().unwrap_or_default();
    let steps = account.steps.join(",");
    let reason = account.headline.map(Reason::as_str);
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let Account { sent, released, .. } = account;
    if let Some(error) = error {
        tracing::warn!(resource, proxy, steps, reason, sent, milliseconds, %error, "reconcile failed, will be tried again");
    } else if account.wrote_status || sent.is_some() || released.is_some() {
        tracing::info!(resource, proxy, steps, reason, sent, released, milliseconds, "reconciled");
    } else {
        tracing::debug!(resource, proxy, steps, reason, milliseconds, "reconciled");
    }
}

/// Publishes an event, best effort: a namespace that is being deleted refuses events, which is no error.
pub async fn event(context: &Context, resource: &Resource, reason: &str, note: &str, warning: bool) {
    let reference = reference(&resource.namespace, &resource.name, &resource.uid);
    event_about(context, &reference, reason, note, warning).await;
}

async fn event_about(context: &Context, reference: &ObjectReference, reason: &str, note: &str, warning: bool) {
    if !publish(&context.publisher.recorder(), reference, reason, note, warning).await {
        context.refusals.note();
    }
}

fn reference(namespace: &str, name: &str, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(GaapProxy::api_version(&()).into_owned()),
        kind: Some(GaapProxy::kind(&()).into_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        uid: Some(uid.to_owned()),
        ..Default::default()
    }
}

/// As [`event`], about any object. False when it was not permitted; what else kept it from being published is logged.
pub async fn publish(
    recorder: &Recorder,
    reference: &ObjectReference,
    reason: &str,
    note: &str,
    warning: bool,
) -> bool {
    let event = Event {
        type_: if warning { EventType::Warning } else { EventType::Normal },
        reason: reason.to_owned(),
        note: Some(shorten(note.to_owned(), NOTE_LIMIT)),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    match kube_call("publishing an event", recorder.publish(&event, reference)).await {
        Ok(()) => {}
        // The namespace is being deleted, or is gone by now.
        Err(error) if error.is_of_ending_namespace() || error.is_not_found() => {
            tracing::debug!(%error, reason, "event refused");
        }
        Err(error) => {
            tracing::warn!(%error, reason, "event lost");
            if error.is_forbidden() {
                return false;
            }
        }
    }
    true
}

/// An object that cannot be read: nothing is done for it, and it says so (condition, event, metric). Only the
/// conditions are stored, for nobody knows what else of its status can be believed.
///
/// # Errors
/// When the API server refuses the conditions.
pub async fn malformed(context: &Context, metadata: &ObjectMeta, reason: &str) -> Result<Option<Duration>, ActError> {
    let (Some(namespace), Some(name), Some(uid)) = (&metadata.namespace, &metadata.name, &metadata.uid) else {
        return Ok(None);
    };
    let message = shorten(
        format!(
            "This object cannot be read, so nothing is done for it and nothing is destroyed: {reason}. Correct it, \
             for example with kubectl edit; if it is being deleted and the proxy shall live, remove the finalizer {}.",
            FINALIZER
        ),
        NOTE_LIMIT,
    );
    context.metrics.malformed();
    let api: Api<kube::core::PartialObjectMeta<GaapProxy>> = Api::namespaced(context.kube.clone(), namespace);
    let stored = kube_call(
        "reading a malformed object",
        Api::<kube::core::DynamicObject>::namespaced_with(
            context.kube.clone(),
            namespace,
            &kube::core::ApiResource::erase::<GaapProxy>(&()),
        )
        .get(name),
    )
    .await?;
    let conditions = stored.data.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let told = conditions
        .iter()
        .any(|entry| entry["reason"] == Reason::Malformed.as_str() && entry["message"] == message.as_str());
    if told || stored.metadata.uid.as_ref() != Some(uid) {
        return Ok(None);
    }
    let now = Timestamp::try_from(std::time::UNIX_EPOCH + context.clock.now().unix).unwrap_or(Timestamp::UNIX_EPOCH);
    // In whole seconds, as every other time of a condition: else a later status would seem to move it.
    let now = json!(Time(now));
    let entry = |type_: &str, status: &str| {
        let same = conditions.iter().find(|entry| entry["type"] == type_ && entry["status"] == status);
        let since = same.and_then(|entry| entry.get("lastTransitionTime")).unwrap_or(&now);
        json!({ "type": type_, "status": status, "reason": Reason::Malformed.as_str(), "message": message,
                "lastTransitionTime": since, "observedGeneration": metadata.generation })
    };
    let conditions = [entry(condition::READY, "False"), entry(condition::STALLED, "True")];
    let patch = Patch::Merge(json!({ "metadata": { "uid": uid }, "status": { "conditions": conditions } }));
    kube_call("telling that an object is malformed", api.patch_status(name, &PatchParams::default(), &patch)).await?;
    let reference = reference(namespace, name, uid);
    event_about(context, &reference, Reason::Malformed.as_str(), &message, true).await;
    Ok(None)
}
