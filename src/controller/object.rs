//! The watched object, whether it can be read or not.

use kube::core::error_boundary::InvalidObject;
use kube::core::{DeserializeGuard, ObjectMeta};
use serde::{Deserialize, Deserializer};

use crate::crd::GaapProxy;

/// A `GaapProxy` from the API server, behind kube's `DeserializeGuard`: one object that cannot be read must not stop
/// the list of all others. The guard keeps only the metadata of such an object; we keep the `proxyId` too, for a
/// resource that cannot be read still claims its proxy (S5).
#[derive(Clone, Debug)]
pub struct WatchedProxy {
    /// The object, or why it cannot be read.
    pub guarded: Result<GaapProxy, InvalidObject>,
    /// The proxy it claims, if it names one at all.
    pub claimed: Option<String>,
}

impl<'de> Deserialize<'de> for WatchedProxy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = serde_json::Value::deserialize(deserializer)?;
        // Nobody reads these here, and they are more than half of an object's memory.
        if let Some(metadata) = value.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
            metadata.remove("managedFields");
            if let Some(annotations) = metadata.get_mut("annotations").and_then(serde_json::Value::as_object_mut) {
                annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
            }
        }
        let claimed = value.pointer("/spec/proxyId").and_then(|id| id.as_str()).map(str::to_owned);
        let DeserializeGuard(guarded) = DeserializeGuard::deserialize(value).map_err(serde::de::Error::custom)?;
        Ok(WatchedProxy { guarded, claimed })
    }
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
    fn meta(&self) -> &ObjectMeta {
        match &self.guarded {
            Ok(object) => object.meta(),
            Err(invalid) => &invalid.metadata,
        }
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.guarded {
            Ok(object) => object.meta_mut(),
            Err(invalid) => &mut invalid.metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::Resource as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_that_cannot_be_read_still_claims_its_proxy() {
        let object: WatchedProxy = serde_json::from_value(json!({
            "apiVersion": "gaap-operator.io/v1alpha1", "kind": "GaapProxy",
            "metadata": {"name": "odd", "namespace": "a", "uid": "u"},
            "spec": {"proxyId": "link-11112222", "force": "yes"},
        }))
        .unwrap();
        assert!(object.guarded.is_err());
        assert_eq!(object.claimed.as_deref(), Some("link-11112222"));
        assert_eq!(object.meta().name.as_deref(), Some("odd"));
    }

    #[test]
    fn what_nobody_reads_is_not_kept() {
        let object: WatchedProxy = serde_json::from_value(json!({
            "apiVersion": "gaap-operator.io/v1alpha1", "kind": "GaapProxy",
            "metadata": {"name": "a", "managedFields": [{"manager": "kubectl"}], "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{}", "gaap-operator.io/paused": "true"}},
            "spec": {"proxyId": "link-11112222"},
        }))
        .unwrap();
        assert!(object.meta().managed_fields.is_none());
        let annotations = object.meta().annotations.as_ref().unwrap();
        assert_eq!(annotations.keys().collect::<Vec<_>>(), ["gaap-operator.io/paused"]);
    }
}
