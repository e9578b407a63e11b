//! What the operator may do in the cluster: the list of its needs, and the question whether it has them.
//!
//! Asked by SelfSubjectAccessReview, which every authenticated user may: trying the verbs themselves would write. The list
//! is held against the rules of the chart by tests/cluster/check.rs, and those against what is used by tests/cluster/rbac.rs.

use std::fmt;

use futures::future::join_all;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use kube::api::{Api, PostParams};

use crate::controller::kube_call::{KubeError, kube_call};
use crate::controller::lease::LEASE;
use crate::crd::GROUP;

/// Verbs on one resource that the operator needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    group: &'static str,
    resource: &'static str,
    subresource: Option<&'static str>,
    /// The one object that it is needed for; none for all.
    name: Option<&'static str>,
    /// None for all namespaces.
    namespace: Option<String>,
    verbs: &'static [&'static str],
}

/// What the operator needs: on its resources in each watched namespace (with none named, in all), events on its own pod in
/// `pod_namespace`, and the Lease if replicas elect a leader in `lease_namespace`.
pub fn needed(watched: &[String], pod_namespace: Option<&str>, lease_namespace: Option<&str>) -> Vec<Right> {
    let scopes: Vec<Option<String>> =
        if watched.is_empty() { vec![None] } else { watched.iter().cloned().map(Some).collect() };
    let mut rights = Vec::new();
    for namespace in scopes {
        let right = |group, resource, subresource, verbs| {
            let (name, namespace) = (None, namespace.clone());
            Right { group, resource, subresource, name, namespace, verbs }
        };
        rights.push(right(GROUP, "gaapproxies", None, &["get", "list", "watch", "patch"]));
        rights.push(right(GROUP, "gaapproxies", Some("status"), &["patch"]));
        rights.push(right("events.k8s.io", "events", None, &["create", "patch"]));
    }
    let covered = |namespace: &&str| watched.is_empty() || watched.iter().any(|watched| watched == namespace);
    if let Some(namespace) = pod_namespace.filter(|namespace| !covered(namespace)) {
        let (group, resource, subresource) = ("events.k8s.io", "events", None);
        let namespace = Some(namespace.to_owned());
        rights.push(Right { group, resource, subresource, name: None, namespace, verbs: &["create"] });
    }
    if let Some(namespace) = lease_namespace {
        let lease = |name, verbs| {
            let (group, resource, subresource) = ("coordination.k8s.io", "leases", None);
            Right { group, resource, subresource, name, namespace: Some(namespace.to_owned()), verbs }
        };
        rights.push(lease(None, &["create"]));
        rights.push(lease(Some(LEASE), &["get", "list", "watch", "update"]));
    }
    rights
}

impl Right {
    /// All its verbs, for a message.
    pub fn verbs(&self) -> String {
        self.verbs.join(", ")
    }

    fn review(&self, verb: &str) -> SelfSubjectAccessReview {
        let attributes = ResourceAttributes {
            group: Some(self.group.to_owned()),
            resource: Some(self.resource.to_owned()),
            subresource: self.subresource.map(str::to_owned),
            name: self.name.map(str::to_owned),
            namespace: self.namespace.clone(),
            verb: Some(verb.to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
        SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() }
    }

    /// Which of its verbs are not granted.
    ///
    /// # Errors
    /// When the API server does not say.
    pub async fn lacking(&self, client: &kube::Client) -> Result<Vec<&'static str>, KubeError> {
        let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
        let ask = async |verb: &&'static str| {
            let review = self.review(verb);
            let answer = kube_call("asking for a permission", reviews.create(&PostParams::default(), &review)).await?;
            Ok((*verb, allowed(answer.status.as_ref())))
        };
        let answers: Result<Vec<_>, KubeError> = join_all(self.verbs.iter().map(ask)).await.into_iter().collect();
        Ok(answers?.into_iter().filter(|(_, allowed)| !allowed).map(|(verb, _)| verb).collect())
    }
}

fn allowed(status: Option<&SubjectAccessReviewStatus>) -> bool {
    status.is_some_and(|status| status.allowed)
}

/// As `gaapproxies/status (gaap-operator.io) in namespace games`.
impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.resource)?;
        if let Some(subresource) = self.subresource {
            write!(f, "/{subresource}")?;
        }
        write!(f, " ({})", self.group)?;
        if let Some(name) = self.name {
            write!(f, " named {name}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => f.write_str(" in all namespaces"),
        }
    }
}

/// The name under which the API server knows this process.
///
/// # Errors
/// When it cannot be reached, or does not know it.
pub async fn own_name(client: &kube::Client) -> Result<String, KubeError> {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = SelfSubjectReview::default();
    let answer =
        kube_call("asking the API server who this is", reviews.create(&PostParams::default(), &review)).await?;
    let user = answer.status.and_then(|status| status.user_info).and_then(|user| user.username);
    Ok(user.unwrap_or_else(|| "somebody without a name".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rights: &[Right]) -> Vec<String> {
        rights.iter().map(|right| format!("{right}: {}", right.verbs())).collect()
    }

    #[test]
    fn without_named_namespaces_everything_is_needed_everywhere() {
        assert_eq!(
            shown(&needed(&[], Some("operators"), None)),
            [
                "gaapproxies (gaap-operator.io) in all namespaces: get, list, watch, patch",
                "gaapproxies/status (gaap-operator.io) in all namespaces: patch",
                "events (events.k8s.io) in all namespaces: create, patch",
            ]
        );
    }

    #[test]
    fn named_namespaces_are_asked_for_one_by_one_and_the_lease_where_it_is() {
        let rights = shown(&needed(&["games".to_owned(), "shop".to_owned()], None, Some("operators")));
        assert_eq!(rights.len(), 8);
        assert_eq!(rights[3], "gaapproxies (gaap-operator.io) in namespace shop: get, list, watch, patch");
        assert_eq!(
            rights[6..],
            [
                "leases (coordination.k8s.io) in namespace operators: create",
                "leases (coordination.k8s.io) named gaap-operator in namespace operators: get, list, watch, update",
            ]
        );
    }

    #[test]
    fn events_on_the_own_pod_are_asked_for_where_no_watched_namespace_covers_them() {
        let watched = ["games".to_owned()];
        assert_eq!(needed(&watched, Some("games"), None).len(), 3);
        let rights = shown(&needed(&watched, Some("operators"), None));
        assert_eq!(rights[3..], ["events (events.k8s.io) in namespace operators: create"]);
    }

    #[test]
    fn an_answer_that_says_nothing_is_no_permission() {
        assert!(!allowed(None));
        assert!(!allowed(Some(&SubjectAccessReviewStatus::default())));
        assert!(allowed(Some(&SubjectAccessReviewStatus { allowed: true, ..Default::default() })));
    }
}
