//! `GaapProxy`, the custom resource: the only types that both sides of the house share.
//!
//! The doc comments of the fields are the text of `kubectl explain`, so they are written for users.
//! `gaap-operator crd` prints the CustomResourceDefinition; `crds/gaapproxies.yaml` is that output, checked for drift.

#![allow(clippy::duplicated_attributes, reason = "every printcolumn of kube's derive names its own type and path")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// API group of the resource.
pub const GROUP: &str = "gaap-operator.io";
/// The version that is served and stored.
pub const VERSION: &str = "v1alpha1";
/// Our finalizer. It is stored before anything else is done for a resource and goes only after proved absence.
pub const FINALIZER: &str = "gaap-operator.io/destroy";
/// Annotation that holds one object: with the value `"true"` its proxy is never destroyed.
pub const PAUSED_ANNOTATION: &str = "gaap-operator.io/paused";

/// What to do about one Tencent Cloud GAAP proxy (通道).
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "gaap-operator.io",
    version = "v1alpha1",
    kind = "GaapProxy",
    plural = "gaapproxies",
    singular = "gaapproxy",
    shortname = "gaap",
    shortname = "gp",
    category = "tencentcloud",
    namespaced,
    status = "GaapProxyStatus",
    derive = "PartialEq",
    doc = "A GaapProxy stands for one Tencent Cloud GAAP proxy (通道), an acceleration link that is billed by the day until it is destroyed. Deleting the resource destroys the proxy: `kubectl delete` returns when the proxy is proved gone. Set `spec.deletionPolicy: Retain` to delete the resource and keep the proxy.",
    selectable = ".spec.proxyId",
    printcolumn(name = "Proxy", type_ = "string", json_path = ".spec.proxyId"),
    printcolumn(name = "Cloud", type_ = "string", json_path = ".status.proxy.status"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Step", type_ = "string", json_path = ".status.conditions[?(@.type==\"Deleting\")].reason"),
    printcolumn(name = "From", type_ = "string", json_path = ".status.proxy.accessRegion"),
    printcolumn(name = "To", type_ = "string", json_path = ".status.proxy.realServerRegion"),
    printcolumn(name = "Attempts", type_ = "integer", json_path = ".status.destroy.attempt", priority = 1),
    printcolumn(name = "Code", type_ = "string", json_path = ".status.destroy.lastCode", priority = 1),
    printcolumn(name = "Policy", type_ = "string", json_path = ".spec.deletionPolicy", priority = 1),
    printcolumn(name = "Account", type_ = "string", json_path = ".status.account.accountId", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct GaapProxySpec {
    /// Id of the proxy in Tencent Cloud, such as `link-11112222`: shown in the GAAP console and by DescribeProxies.
    /// It cannot be changed: to follow another proxy, make another resource.
    #[x_kube(
        validation = Rule::new("self.matches('^link-[0-9a-z]{4,32}$')").message("proxyId must look like link-11112222: 'link-' and then 4 to 32 characters of 0-9 and a-z"),
        validation = Rule::new("self == oldSelf").message("proxyId cannot be changed: delete this resource (with deletionPolicy Retain if the proxy shall live) and make another for the other proxy")
    )]
    #[schemars(length(min = 1, max = 64))]
    pub proxy_id: String,

    /// What deleting this resource does to the proxy. `Destroy` (the default) destroys it and lets the resource go
    /// when the proxy is proved gone. `Retain` lets the resource go at once and leaves the proxy alone; set it at
    /// any time, also on a resource that is stuck in deletion, to release it without destroying anything.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// `Force` of the API DestroyProxies. With `false` (the default) the cloud refuses to destroy a proxy that still
    /// has origin servers bound; with `true` it is destroyed together with these bindings. The operator never sets
    /// this by itself.
    #[serde(default)]
    pub force: bool,
}

/// What deleting the resource does to the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Destroy the proxy in the cloud.
    #[default]
    Destroy,
    /// Leave the proxy alone.
    Retain,
}

/// What the operator knows of the proxy and of its deletion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GaapProxyStatus {
    /// Generation of the resource that this status was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Account and endpoint under which the proxy was seen. Another account or endpoint is never asked to destroy
    /// it, and never believed when it says that the proxy is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountStatus>,

    /// The proxy as the cloud described it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyMirror>,

    /// The request to destroy the proxy, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroy: Option<DestroyStatus>,

    /// Ready, Reconciling, Stalled and Deleting. Their messages say what is happening and what you can do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

impl GaapProxyStatus {
    /// Reason of the condition of a type, if there is one.
    pub fn reason_of(&self, type_: &str) -> Option<&str> {
        self.conditions.iter().find(|entry| entry.type_ == type_).map(|entry| entry.reason.as_str())
    }
}

/// Where a proxy was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountStatus {
    /// AccountId that STS GetCallerIdentity names for the credentials in use.
    pub account_id: String,
    /// GAAP endpoint that was asked.
    pub endpoint: String,
}

/// The proxy as DescribeProxies shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyMirror {
    /// State in the cloud, such as RUNNING, CLOSED or DESTROYING; the cloud may add states. Absent while the cloud does
    /// not list the proxy. For ten seconds after a request to destroy, a new state is stored with the next other change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Name in the console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Region where clients enter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_region: Option<String>,
    /// Region of the origin servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_server_region: Option<String>,
    /// Address that clients connect to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Domain name that clients connect to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Bandwidth in Mbit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth_mbps: Option<i64>,
    /// Most concurrent connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent_connections: Option<i64>,
    /// Proxy group, if it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// When the proxy was created, in seconds since 1970. It tells a proxy from a later one with the same id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_time: Option<i64>,
}

/// The request to destroy the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DestroyStatus {
    /// ClientToken of the last DestroyProxies request. The same request always carries the same token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// Number of the request that the next call makes, from 0. It is raised only when the earlier request is known
    /// to have destroyed nothing, so that a repeat of a request that may have arrived is recognised by the cloud.
    #[serde(default)]
    // The API server warns of the format uint32, which it does not know.
    #[schemars(with = "i32", range(min = 0))]
    pub attempt: u32,
    /// Force of the last request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<bool>,
    /// RequestId of the last answer: name it to Tencent Cloud support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// When the last request was sent (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_time: Option<String>,
    /// What the last request led to: `OK`, the error code of Tencent Cloud, the name of the set that held the id,
    /// or `transport_...` when no readable answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_code: Option<String>,
}

/// The CustomResourceDefinition as YAML, with a heading that says where it comes from.
///
/// # Errors
/// When the definition cannot be written as YAML, which would be a defect of this program.
pub fn yaml() -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    use kube::CustomResourceExt;
    let mut definition = serde_json::to_value(GaapProxy::crd())?;
    flow_descriptions(&mut definition);
    let body = serde_saphyr::to_string(&definition)?;
    Ok(format!("# Made by `gaap-operator crd` from src/crd.rs: do not edit, run `make generate`.\n{body}"))
}

/// Doc comments are wrapped for the source; `kubectl explain` wraps for the reader, so single line ends go.
fn flow_descriptions(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            if let Some(serde_json::Value::String(text)) = members.get_mut("description") {
                let paragraphs: Vec<String> = text.split("\n\n").map(|part| part.replace('\n', " ")).collect();
                *text = paragraphs.join("\n\n");
            }
            members.values_mut().for_each(flow_descriptions);
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(flow_descriptions),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_reads_as_documentation_and_has_no_format_the_api_server_warns_of() {
        let yaml = yaml().unwrap();
        assert!(!yaml.contains("uint32"));
        let value: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        let spec = &value["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
        for field in ["proxyId", "deletionPolicy", "force"] {
            let text = spec[field]["description"].as_str().unwrap();
            assert!(text.len() > 80 && !text.contains('\n'), "{field}: {text}");
        }
        assert_eq!(spec["proxyId"]["x-kubernetes-validations"].as_array().unwrap().len(), 2);
    }
}
