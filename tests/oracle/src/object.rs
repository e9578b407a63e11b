//! What a stored GaapProxy says, read from plain JSON: the types of the operator would bring its mistakes along.

use serde_json::Value;

use crate::moment::Moment;

/// The operator's finalizer.
pub(crate) const FINALIZER: &str = "gaap-operator.io/destroy";
const PAUSED: &str = "gaap-operator.io/paused";

/// A GaapProxy as JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Resource<'a>(pub &'a Value);

impl<'a> Resource<'a> {
    fn at(self, pointer: &str) -> Option<&'a Value> {
        self.0.pointer(pointer).filter(|value| !value.is_null())
    }

    fn text(self, pointer: &str) -> Option<&'a str> {
        self.at(pointer).and_then(Value::as_str)
    }

    pub fn is_proxy(self) -> bool {
        self.text("/kind") == Some("GaapProxy") && self.uid().is_some()
    }

    pub fn uid(self) -> Option<&'a str> {
        self.text("/metadata/uid")
    }

    pub fn namespace(self) -> &'a str {
        self.text("/metadata/namespace").unwrap_or_default()
    }

    pub fn name(self) -> &'a str {
        self.text("/metadata/name").unwrap_or_default()
    }

    /// Versions of one server are comparable, and ascend; 0 when it is no number.
    pub fn version(self) -> u64 {
        self.text("/metadata/resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    pub fn generation(self) -> i64 {
        self.at("/metadata/generation").and_then(Value::as_i64).unwrap_or(0)
    }

    pub fn created(self) -> &'a str {
        self.text("/metadata/creationTimestamp").unwrap_or_default()
    }

    /// The second in which the deletion was asked for.
    pub fn deleted(self) -> Option<Moment> {
        self.text("/metadata/deletionTimestamp").and_then(Moment::parse)
    }

    pub fn is_deleting(self) -> bool {
        self.text("/metadata/deletionTimestamp").is_some()
    }

    pub fn finalizers(self) -> Vec<&'a str> {
        let list = self.at("/metadata/finalizers").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub fn has_finalizer(self) -> bool {
        self.finalizers().contains(&FINALIZER)
    }

    pub fn is_paused(self) -> bool {
        let annotations = self.at("/metadata/annotations").and_then(Value::as_object);
        annotations.and_then(|all| all.get(PAUSED)).and_then(Value::as_str) == Some("true")
    }

    pub fn proxy_id(self) -> &'a str {
        self.text("/spec/proxyId").unwrap_or_default()
    }

    /// `Destroy` where the field is absent.
    pub fn policy(self) -> &'a str {
        self.text("/spec/deletionPolicy").unwrap_or("Destroy")
    }

    /// The policy lets the proxy be destroyed. An unknown policy does not.
    pub fn may_destroy(self) -> bool {
        self.policy() == "Destroy"
    }

    pub fn force(self) -> bool {
        self.at("/spec/force").and_then(Value::as_bool).unwrap_or(false)
    }

    pub fn status(self) -> Option<&'a Value> {
        self.at("/status")
    }

    pub fn account_id(self) -> Option<&'a str> {
        self.text("/status/account/accountId")
    }

    pub fn account_endpoint(self) -> Option<&'a str> {
        self.text("/status/account/endpoint")
    }

    /// A proxy is bound: the operator has written which one, or where.
    pub fn is_bound(self) -> bool {
        self.at("/status/proxy").is_some() || self.at("/status/account").is_some()
    }

    pub fn seen_status(self) -> Option<&'a str> {
        self.text("/status/proxy/status")
    }

    pub fn seen_create_time(self) -> Option<i64> {
        self.at("/status/proxy/createTime").and_then(Value::as_i64)
    }

    pub fn attempt(self) -> u64 {
        self.at("/status/destroy/attempt").and_then(Value::as_u64).unwrap_or(0)
    }

    pub fn token(self) -> Option<&'a str> {
        self.text("/status/destroy/clientToken")
    }

    pub fn request_id(self) -> Option<&'a str> {
        self.text("/status/destroy/requestId")
    }

    pub fn last_code(self) -> Option<&'a str> {
        self.text("/status/destroy/lastCode")
    }

    pub fn observed_generation(self) -> Option<i64> {
        self.at("/status/observedGeneration").and_then(Value::as_i64)
    }

    pub fn conditions(self) -> impl Iterator<Item = Condition<'a>> {
        self.at("/status/conditions").and_then(Value::as_array).into_iter().flatten().map(Condition)
    }

    pub fn condition(self, kind: &str) -> Option<Condition<'a>> {
        self.conditions().find(|condition| condition.kind() == kind)
    }
}

/// One entry of `status.conditions`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition<'a>(&'a Value);

impl<'a> Condition<'a> {
    fn text(self, field: &str) -> &'a str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn kind(self) -> &'a str {
        self.text("type")
    }

    pub fn status(self) -> &'a str {
        self.text("status")
    }

    pub fn reason(self) -> &'a str {
        self.text("reason")
    }

    pub fn transition(self) -> &'a str {
        self.text("lastTransitionTime")
    }

    pub fn observed_generation(self) -> Option<i64> {
        self.0.get("observedGeneration").and_then(Value::as_i64)
    }
}
