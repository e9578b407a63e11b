//! What the operator may do, as the API server knows it at this moment.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Client;
use kube::api::{Api, PostParams};

use super::judge::operator_user;
use super::patience::{LIMIT, until};

/// A review of one's own rights, which every authenticated user may ask for and which changes nothing.
pub fn asks_for_rights(resource: &str) -> bool {
    resource.starts_with("selfsubject")
}

/// Waits until the operator may do this in a namespace, or may no more: the API server reads its rules from a cache that
/// follows a change within moments.
pub async fn until_allowed(
    client: &Client,
    verb: &str,
    (group, resource): (&str, &str),
    namespace: &str,
    allowed: bool,
) {
    let attributes = ResourceAttributes {
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        verb: Some(verb.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ResourceAttributes::default()
    };
    let spec = SubjectAccessReviewSpec {
        user: Some(operator_user()),
        resource_attributes: Some(attributes),
        ..SubjectAccessReviewSpec::default()
    };
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    until(&format!("{verb} {resource} allowed: {allowed}"), LIMIT, async || {
        let reviewed = reviews.create(&PostParams::default(), &review).await.map_err(|error| error.to_string())?;
        match reviewed.status {
            Some(status) if status.allowed == allowed => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}
