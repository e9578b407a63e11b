//! What `decide` decides on: facts, as plain values.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::ResourceExt;

use crate::controller::failure::Failure;
use crate::controller::memory::Memory;
use crate::crd::{DeletionPolicy, FINALIZER, GaapProxy, GaapProxyStatus, PAUSED_ANNOTATION};
use crate::gaap::{Account, ProxyId};

/// The resource, read from the cache or from the API server.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid: a resource of the same name made later is another resource.
    pub uid: String,
    /// resourceVersion of this read.
    pub resource_version: String,
    /// Generation: rises when the spec changes and when deletion begins.
    pub generation: i64,
    /// creationTimestamp, seconds since 1970.
    pub created: i64,
    /// deletionTimestamp, seconds since 1970, once there is one.
    pub deleted: Option<i64>,
    /// All finalizers in order.
    pub finalizers: Vec<String>,
    /// The annotation `gaap-operator.io/paused` is "true".
    pub paused: bool,
    /// The proxy.
    pub proxy_id: ProxyId,
    /// What deletion does.
    pub policy: DeletionPolicy,
    /// Force of DestroyProxies.
    pub force: bool,
    /// The status as stored.
    pub status: GaapProxyStatus,
}

impl Resource {
    /// Reads an object of the API server.
    ///
    /// # Errors
    /// A sentence, when the object lacks what every stored object has or its `proxyId` has not the form of one. The
    /// API server refuses such objects; they can still exist after somebody loosened the CRD.
    pub fn read(object: &GaapProxy) -> Result<Self, String> {
        let metadata = &object.metadata;
        Ok(Resource {
            namespace: object.namespace().ok_or("metadata.namespace is missing")?,
            name: object.name_any(),
            uid: object.uid().ok_or("metadata.uid is missing")?,
            resource_version: object.resource_version().ok_or("metadata.resourceVersion is missing")?,
            generation: metadata.generation.unwrap_or_default(),
            created: metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
            deleted: metadata.deletion_timestamp.as_ref().map(|time| time.0.as_second()),
            finalizers: object.finalizers().to_vec(),
            paused: is_paused(object.annotations()),
            proxy_id: object.spec.proxy_id.parse().map_err(|error| format!("spec.proxyId: {error}"))?,
            policy: object.spec.deletion_policy,
            force: object.spec.force,
            status: object.status.clone().unwrap_or_default(),
        })
    }

    /// Our finalizer is stored.
    pub fn has_finalizer(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == FINALIZER)
    }

    /// Finalizers of other controllers.
    pub fn foreign_finalizers(&self) -> Vec<&str> {
        self.finalizers.iter().map(String::as_str).filter(|finalizer| *finalizer != FINALIZER).collect()
    }

    /// `namespace/name`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

fn is_paused(annotations: &BTreeMap<String, String>) -> bool {
    annotations.get(PAUSED_ANNOTATION).is_some_and(|value| value == "true")
}

/// Another resource that names the same proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `namespace/name`.
    pub key: String,
    /// Uid.
    pub uid: String,
    /// creationTimestamp, seconds since 1970.
    pub created: i64,
    /// It is being deleted.
    pub deleting: bool,
}

/// The claims on one proxy beside the resource's own, as of the last event delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The first list is complete: until then a claim may be unknown.
    pub complete: bool,
    /// The other claims.
    pub others: Vec<Claim>,
}

/// Whether the cloud can be asked, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// The account is not known yet: credentials are being checked.
    Asking,
    /// Calls are signed for this account.
    Ready(Account),
    /// No account: credentials missing or refused, or STS cannot be reached.
    Blocked(Failure),
}

/// The settings that `decide` needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Pause between looks at a proxy that is being destroyed.
    pub destroy_poll: Duration,
    /// Pause between looks at a resource that is not being deleted.
    pub resync: Duration,
    /// Age under which the cloud destroys no proxy.
    pub minimum_age: Duration,
    /// Pause between the two negative answers that prove absence.
    pub absence_spacing: Duration,
    /// How long reads may lag behind writes.
    pub settle_time: Duration,
}

/// Everything that is known when the next step is decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The resource.
    pub resource: Resource,
    /// The resource was read from the API server just now, with the turn to send in hand (S1).
    pub fresh: bool,
    /// The other claims on the proxy.
    pub claims: Claims,
    /// The account.
    pub cloud: Cloud,
    /// What this process remembers of the resource.
    pub memory: Memory,
    /// Settings.
    pub timing: Timing,
}
