//! The API server: objects, versions, and the operator's own patches applied to them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use gaap_operator::controller::observation::Resource;
use gaap_operator::controller::reasons::condition;
use gaap_operator::crd::{GaapProxy, PAUSED_ANNOTATION};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::canon::fingerprint;

/// `lastCode` of an accepted request.
const CODE_ACCEPTED: &str = "OK";

/// One version of an object.
#[derive(Clone, Debug)]
pub struct Version {
    /// The object.
    pub resource: Arc<Resource>,
    /// Its resourceVersion as a number.
    pub number: u32,
    /// Everything but the version, as a number: hashing the texts again for every state would cost most of the time.
    pub body: u64,
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number && self.body == other.body
    }
}

impl Version {
    /// An object as it is stored under a version.
    pub fn new(mut resource: Resource, number: u32) -> Self {
        resource.resource_version = number.to_string();
        let body = body(&resource);
        Version { resource: Arc::new(resource), number, body }
    }
}

/// What of an object can reach a decision. Left out: words that people read, and the mirror of the proxy but for its
/// createTime. They decide only whether a status is written once more.
fn body(resource: &Resource) -> u64 {
    let mut hasher = DefaultHasher::new();
    let status = &resource.status;
    (&resource.uid, resource.generation, resource.deleted.is_some(), &resource.finalizers).hash(&mut hasher);
    (resource.paused, resource.policy, resource.force, status.observed_generation).hash(&mut hasher);
    status.account.as_ref().map(|account| &account.account_id).hash(&mut hasher);
    status.proxy.as_ref().map(|proxy| proxy.create_time).hash(&mut hasher);
    if let Some(destroy) = &status.destroy {
        let code = match destroy.last_code.as_deref() {
            None => 0_u8,
            Some(CODE_ACCEPTED) => 1,
            Some("FailedOperation.DuplicatedRequest") => 2,
            Some(_) => 3,
        };
        (&destroy.client_token, destroy.attempt, destroy.force, code).hash(&mut hasher);
    }
    status.conditions.iter().any(|entry| entry.type_ == condition::DELETING).hash(&mut hasher);
    hasher.finish()
}

/// A test of a patch failed: the object is not what the write was decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outdated;

/// Which part of an object a patch may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything but the status.
    Main,
    /// The subresource.
    Status,
}

/// Applies a patch to an object as the API server does. The version stays: the caller gives the new one.
///
/// # Errors
/// When a test of the patch fails.
pub fn patched(stored: &Version, patch: &Value, part: Part) -> Result<Resource, Outdated> {
    let resource = &*stored.resource;
    let key = fingerprint((stored.number, stored.body, &resource.name, resource.created, patch));
    let new = APPLIED.with_borrow_mut(|applied| {
        if applied.len() > APPLIED_LIMIT {
            applied.clear();
        }
        applied.entry(key).or_insert_with(|| apply(resource, patch).map_err(|_| Outdated)).clone()
    })?;
    Ok(match part {
        Part::Main => Resource { status: resource.status.clone(), ..new },
        Part::Status => Resource { status: new.status, ..resource.clone() },
    })
}

thread_local! {
    /// The same few patches meet the same few objects in millions of states, and reading JSON would cost more than all the
    /// rest. What is left out of the key (the words of a status) is replaced whole by a patch of the status, and is not taken
    /// from here after a patch of the rest.
    static APPLIED: RefCell<HashMap<u64, Result<Resource, Outdated>>> = RefCell::default();
}
/// Some tens of megabytes.
const APPLIED_LIMIT: usize = 20_000;

fn apply(stored: &Resource, patch: &Value) -> Result<Resource, Box<dyn std::error::Error>> {
    let mut object = object_of(stored);
    json_patch::patch(&mut object, &json_patch::Patch::deserialize(patch)?)?;
    Ok(Resource::read(&GaapProxy::deserialize(object)?)?)
}

/// A time as the API server writes it.
fn written(seconds: i64) -> Value {
    Timestamp::from_second(seconds).map_or(Value::Null, |time| time.to_string().into())
}

fn object_of(resource: &Resource) -> Value {
    let mut metadata = json!({
        "namespace": resource.namespace, "name": resource.name, "uid": resource.uid,
        "resourceVersion": resource.resource_version, "generation": resource.generation,
        "creationTimestamp": written(resource.created),
    });
    if let Some(deleted) = resource.deleted {
        metadata["deletionTimestamp"] = written(deleted);
    }
    if !resource.finalizers.is_empty() {
        metadata["finalizers"] = json!(resource.finalizers);
    }
    if resource.paused {
        metadata["annotations"] = json!({ PAUSED_ANNOTATION: "true" });
    }
    json!({
        "apiVersion": "gaap-operator.io/v1alpha1", "kind": "GaapProxy", "metadata": metadata,
        "spec": { "proxyId": resource.proxy_id, "deletionPolicy": resource.policy, "force": resource.force },
        "status": resource.status,
    })
}
