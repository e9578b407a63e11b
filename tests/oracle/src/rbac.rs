//! Which permissions were used, and which were missing.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// A permission in use: one cell of an RBAC rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RbacUse {
    /// Verb.
    pub verb: String,
    /// API group, empty for the core group.
    pub group: String,
    /// Resource in the plural; a path (`/healthz`) for what is no resource.
    pub resource: String,
    /// Subresource, empty when there is none.
    pub subresource: String,
    /// Within one namespace. False for cluster-scoped things and for lists and watches over all namespaces.
    pub namespaced: bool,
}

impl fmt::Display for RbacUse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.verb, self.resource)?;
        if !self.subresource.is_empty() {
            write!(formatter, "/{}", self.subresource)?;
        }
        if !self.group.is_empty() {
            write!(formatter, ".{}", self.group)?;
        }
        formatter.write_str(if self.namespaced { " in a namespace" } else { " in the cluster" })
    }
}

fn text<'a>(entry: &'a Value, pointer: &str) -> &'a str {
    entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn is_denied(entry: &Value) -> bool {
    let annotations = entry.get("annotations");
    annotations.and_then(|all| all.get("authorization.k8s.io/decision")).and_then(Value::as_str) == Some("forbid")
}

fn of_user<'a>(entries: &'a [Value], username: &str) -> impl Iterator<Item = &'a Value> {
    entries.iter().filter(move |entry| text(entry, "/user/username") == username)
}

/// The permissions that a user used and was given, over all entries.
pub fn rbac_usage(entries: &[Value], username: &str) -> BTreeSet<RbacUse> {
    of_user(entries, username).filter(|entry| !is_denied(entry)).map(used).collect()
}

fn used(entry: &Value) -> RbacUse {
    let verb = text(entry, "/verb").to_owned();
    if text(entry, "/objectRef/resource").is_empty() {
        let path = text(entry, "/requestURI").split('?').next().unwrap_or_default().to_owned();
        return RbacUse { verb, group: String::new(), resource: path, subresource: String::new(), namespaced: false };
    }
    RbacUse {
        verb,
        group: text(entry, "/objectRef/apiGroup").to_owned(),
        resource: text(entry, "/objectRef/resource").to_owned(),
        subresource: text(entry, "/objectRef/subresource").to_owned(),
        namespaced: !text(entry, "/objectRef/namespace").is_empty(),
    }
}

/// The entries of a user that RBAC refused. A 403 for another reason, such as a namespace that is being deleted, is
/// none of them.
pub fn denied<'a>(entries: &'a [Value], username: &str) -> Vec<&'a Value> {
    of_user(entries, username).filter(|entry| is_denied(entry)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(user: &str, verb: &str, reference: Value, decision: &str) -> Value {
        json!({"verb": verb, "user": {"username": user}, "objectRef": reference, "requestURI": "/version?timeout=3s",
               "responseStatus": {"code": if decision == "forbid" { 403 } else { 200 }},
               "annotations": {"authorization.k8s.io/decision": decision}})
    }

    #[test]
    fn used_and_refused_permissions_are_told_apart_by_user() {
        let status = json!({"resource": "gaapproxies", "subresource": "status", "apiGroup": "gaap-operator.io", "namespace": "a"});
        let secrets = json!({"resource": "secrets"});
        let entries = [
            entry("op", "patch", status.clone(), "allow"),
            entry("op", "patch", status, "allow"),
            entry("op", "list", secrets.clone(), "forbid"),
            entry("other", "list", secrets, "allow"),
            entry("op", "get", Value::Null, "allow"),
        ];
        let shown: Vec<String> = rbac_usage(&entries, "op").iter().map(RbacUse::to_string).collect();
        assert_eq!(shown, ["get /version in the cluster", "patch gaapproxies/status.gaap-operator.io in a namespace"]);
        assert_eq!(denied(&entries, "op").len(), 1);
        assert!(denied(&entries, "other").is_empty());
    }

    #[test]
    fn a_terminating_namespace_refuses_with_403_but_not_for_want_of_a_permission() {
        let mut refused = entry("op", "create", json!({"resource": "events", "namespace": "a"}), "allow");
        refused["responseStatus"]["code"] = json!(403);
        assert!(denied(std::slice::from_ref(&refused), "op").is_empty());
    }
}
