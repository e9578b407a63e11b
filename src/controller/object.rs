//! The watched object, whether it can be read or not, in the form in which the cache keeps it.
//!
//! Kept as kube reads it, with all its fields and their strings, an object takes 2.5 kB, and it is read once in ten
//! minutes. So the cache keeps what this program reads of it as one packed JSON text, and takes it apart for each
//! reconcile.

use std::sync::Arc;

use kube::core::error_boundary::InvalidObject;
use kube::core::{DeserializeGuard, ObjectMeta};
use kube::runtime::reflector::ObjectRef;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::crd::{FINALIZER, GaapProxy, PAUSED_ANNOTATION};

/// A `GaapProxy` from the API server, behind kube's `DeserializeGuard`: one object that cannot be read must not stop
/// the list of all others. The guard keeps only the metadata of such an object; we keep the `proxyId` too, for a
/// resource that cannot be read still claims its proxy (S5).
#[derive(Clone, Debug)]
pub struct WatchedProxy {
    /// What kube sees of it: name and namespace; until [`WatchedProxy::forget_version`] also the resourceVersion.
    names: ObjectMeta,
    /// `namespace/name`.
    pub key: Arc<str>,
    /// Its uid.
    pub uid: Option<Arc<str>>,
    /// creationTimestamp, seconds since 1970.
    pub created: i64,
    /// It is being deleted.
    pub deleting: bool,
    /// It has our finalizer.
    pub held: bool,
    /// The proxy it claims, if it names one at all.
    pub claimed: Option<Arc<str>>,
    /// The object without what nobody reads here, and without its names, which are beside it. Shared, because kube
    /// clones objects on their way into its cache.
    packed: Arc<[u8]>,
}

/// What is read of an object's metadata. Managed fields, which are left out, are more than half of an object.
const METADATA: [&str; 6] =
    ["resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "finalizers", "annotations"];

impl WatchedProxy {
    /// What is left of an object whose deletion was missed: its name and uid, which is all that its removal needs.
    pub fn gone(key: Arc<str>, uid: Arc<str>) -> Self {
        let (namespace, name) = parted(&key);
        let names =
            ObjectMeta { namespace: Some(namespace.to_owned()), name: Some(name.to_owned()), ..ObjectMeta::default() };
        Self { names, key, uid: Some(uid), created: 0, deleting: false, held: false, claimed: None, packed: pack("{}") }
    }

    /// Leaves name and namespace alone in what kube sees of the object. The watcher needs the resourceVersion to go on
    /// from; after it, kube would copy version and uid into every reference that it keeps in its cache and its queue.
    pub fn forget_version(&mut self) {
        self.names.resource_version = None;
    }

    /// It waits for nobody when all are reconciled: somebody waits for its deletion, or it has no finalizer yet, and would
    /// be lost with a deletion.
    pub fn is_urgent(&self) -> bool {
        self.deleting || !self.held
    }

    /// The object, or its metadata and why it cannot be read.
    pub fn read(&self) -> Result<GaapProxy, Box<InvalidObject>> {
        let named = |mut metadata: ObjectMeta| {
            metadata.name.clone_from(&self.names.name);
            metadata.namespace.clone_from(&self.names.namespace);
            metadata.uid = self.uid.as_deref().map(str::to_owned);
            metadata
        };
        let invalid = |error, metadata| Err(Box::new(InvalidObject { error, metadata: named(metadata) }));
        let text = match lz4_flex::block::decompress_size_prepended_with_dict(&self.packed, USUAL.as_bytes()) {
            Ok(text) => text,
            Err(error) => return invalid(error.to_string(), ObjectMeta::default()),
        };
        match serde_json::from_slice(&text) {
            Ok(DeserializeGuard::<GaapProxy>(Ok(mut object))) => {
                object.metadata = named(object.metadata);
                Ok(object)
            }
            Ok(DeserializeGuard(Err(InvalidObject { error, metadata }))) => invalid(error, metadata),
            Err(error) => invalid(error.to_string(), ObjectMeta::default()),
        }
    }
}

impl<'de> Deserialize<'de> for WatchedProxy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        // As the guard does: an object whose very metadata cannot be read has no place in the list.
        let metadata = ObjectMeta::deserialize(value.get("metadata").unwrap_or(&Value::Null));
        let metadata = metadata.map_err(serde::de::Error::custom)?;
        let claimed = value.pointer("/spec/proxyId").and_then(Value::as_str).map(Arc::from);
        let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
        let key = format!("{}/{}", namespace.unwrap_or_default(), name.unwrap_or_default()).into();
        Ok(WatchedProxy {
            key,
            uid: metadata.uid.map(Arc::from),
            created: metadata.creation_timestamp.map_or(0, |time| time.0.as_second()),
            deleting: metadata.deletion_timestamp.is_some(),
            held: metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER),
            claimed,
            packed: pack(&kept(value).to_string()),
            names: ObjectMeta {
                name: metadata.name,
                namespace: metadata.namespace,
                resource_version: metadata.resource_version,
                ..ObjectMeta::default()
            },
        })
    }
}

/// What most objects look like. A text is packed as what it has in common with this, and the rest: a third of it. Any
/// text does; one that has nothing in common with an object packs badly, and that is all.
const USUAL: &str = concat!(
    r#"{"metadata":{"creationTimestamp":"2026-01-01T00:00:00Z","finalizers":["gaap-operator.io/destroy"],"#,
    r#""generation":1,"resourceVersion":"1"},"spec":{"deletionPolicy":"Destroy","force":false,"proxyId":"link-"},"#,
    r#""status":{"account":{"accountId":"1","endpoint":"https://gaap.tencentcloudapi.com"},"conditions":["#,
    r#"{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"The proxy is running.","observedGeneration":1,"#,
    r#""reason":"Available","status":"True","type":"Ready"}],"observedGeneration":1,"proxy":{"accessRegion":"","#,
    r#""bandwidthMbps":1,"concurrentConnections":1,"createTime":1,"domain":"","groupId":"","ip":"","name":"","#,
    r#""realServerRegion":"","status":"RUNNING"}}}"#,
);

fn pack(text: &str) -> Arc<[u8]> {
    lz4_flex::block::compress_prepend_size_with_dict(text.as_bytes(), USUAL.as_bytes()).into()
}

/// Takes out what nobody reads here, and what is kept beside the text.
fn kept(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.retain(|field, _| ["metadata", "spec", "status"].contains(&field.as_str()));
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| METADATA.contains(&field.as_str()));
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|name, _| name == PAUSED_ANNOTATION);
        }
    }
    value
}

/// What kube knows a resource by, from `namespace/name`.
pub fn reference(key: &str) -> ObjectRef<WatchedProxy> {
    let (namespace, name) = parted(key);
    ObjectRef::new(name).within(namespace)
}

/// Neither may hold a slash.
fn parted(key: &str) -> (&str, &str) {
    key.split_once('/').unwrap_or(("", key))
}

impl kube::Resource for WatchedProxy {
    type DynamicType = ();
    type Scope = <GaapProxy as kube::Resource>::Scope;

    fn kind(dynamic: &()) -> std::borrow::Cow<'_, str> {
        GaapProxy::kind(dynamic)
    }
    fn group(dynamic: &()) -> std::borrow::Cow<'_, str> {
        GaapProxy::group(dynamic)
    }
    fn version(dynamic: &()) -> std::borrow::Cow<'_, str> {
        GaapProxy::version(dynamic)
    }
    fn plural(dynamic: &()) -> std::borrow::Cow<'_, str> {
        GaapProxy::plural(dynamic)
    }
    /// Name, namespace, and at first the resourceVersion. What else is asked for is in the fields, or in [`WatchedProxy::read`].
    fn meta(&self) -> &ObjectMeta {
        &self.names
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.names
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_that_cannot_be_read_still_claims_its_proxy() {
        let object: WatchedProxy = serde_json::from_value(json!({
            "apiVersion": "gaap-operator.io/v1alpha1", "kind": "GaapProxy",
            "metadata": {"name": "odd", "namespace": "a", "uid": "u", "generation": 7},
            "spec": {"proxyId": "link-11112222", "force": "yes"},
        }))
        .unwrap();
        let invalid = object.read().unwrap_err();
        assert!(invalid.error.contains("boolean"), "{}", invalid.error);
        assert_eq!((invalid.metadata.name.as_deref(), invalid.metadata.generation), (Some("odd"), Some(7)));
        assert_eq!((object.claimed.as_deref(), object.uid.as_deref()), (Some("link-11112222"), Some("u")));
    }

    #[test]
    fn who_is_deleted_or_has_no_finalizer_of_ours_is_urgent() {
        let object = |finalizer: &str, deleted: Option<&str>| -> WatchedProxy {
            let metadata = json!({"name": "a", "finalizers": [finalizer], "deletionTimestamp": deleted});
            serde_json::from_value(json!({ "metadata": metadata })).unwrap()
        };
        let now = Some("2026-01-02T00:00:00Z");
        let cases = [(FINALIZER, None), (FINALIZER, now), ("other/one", None), ("other/one", now)];
        assert_eq!(cases.map(|(held, deleted)| object(held, deleted).is_urgent()), [false, true, true, true]);
    }

    #[test]
    fn an_object_without_readable_metadata_is_no_object() {
        let odd = json!({"metadata": {"name": ["a"]}, "spec": {"proxyId": "link-11112222"}});
        assert!(serde_json::from_value::<WatchedProxy>(odd).is_err());
    }

    #[test]
    fn what_nobody_reads_is_not_kept_and_all_else_is() {
        let stored = json!({
            "apiVersion": "gaap-operator.io/v1alpha1", "kind": "GaapProxy",
            "metadata": {"name": "a", "namespace": "b", "uid": "u", "resourceVersion": "5", "generation": 2,
                "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-02T00:00:00Z",
                "finalizers": ["other/one", "gaap-operator.io/destroy"], "labels": {"a": "b"},
                "managedFields": [{"manager": "kubectl"}], "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{}", "gaap-operator.io/paused": "true"}},
            "spec": {"proxyId": "link-11112222", "force": true, "deletionPolicy": "Retain"},
            "status": {"observedGeneration": 1, "conditions": [{"type": "Other", "status": "True", "reason": "R",
                "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        });
        let object: WatchedProxy = serde_json::from_value(stored.clone()).unwrap();
        let mut kept: GaapProxy = serde_json::from_value(stored).unwrap();
        kept.metadata.managed_fields = None;
        kept.metadata.labels = None;
        kept.metadata.annotations.as_mut().unwrap().retain(|name, _| name == PAUSED_ANNOTATION);
        assert_eq!(object.read().unwrap(), kept);
        assert_eq!((object.created, object.deleting, object.held), (1_767_225_600, true, true));
    }
}
