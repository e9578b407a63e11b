//! Our finalizer, stored and removed by JSON patches that test what they were decided on.
//!
//! Not kube's `finalizer` helper: it removes the finalizer on any `Ok` of its cleanup, so waiting for the cloud could
//! only be told as an error.

use serde_json::{Value, json};

use crate::controller::observation::Resource;
use crate::crd::FINALIZER;

/// A patch that adds the finalizer to this very object; other finalizers stay as they are.
pub fn add(resource: &Resource) -> Value {
    if resource.finalizers.is_empty() {
        // `add` would replace a list that came to be meanwhile: the resourceVersion rules that out.
        json!([
            test("/metadata/uid", &resource.uid),
            test("/metadata/resourceVersion", &resource.resource_version),
            { "op": "add", "path": "/metadata/finalizers", "value": [FINALIZER] },
        ])
    } else {
        json!([
            test("/metadata/uid", &resource.uid),
            { "op": "test", "path": "/metadata/finalizers", "value": resource.finalizers },
            { "op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER },
        ])
    }
}

/// A patch that removes the finalizer from this very object while it is being deleted; none when it is not there.
/// `retained`: only while the policy still is Retain, for nothing but the policy allows this removal. Every other removal
/// rests on the status (whose proxy it is, whether it was ever seen), so it holds only for the version that was decided on:
/// a cache that is behind could lead to a proof under another account.
pub fn remove(resource: &Resource, deletion_timestamp: &str, retained: bool) -> Option<Value> {
    let place = resource.finalizers.iter().position(|finalizer| finalizer == FINALIZER)?;
    let path = format!("/metadata/finalizers/{place}");
    let mut operations = vec![
        test("/metadata/uid", &resource.uid),
        test("/metadata/deletionTimestamp", deletion_timestamp),
        test(&path, FINALIZER),
    ];
    operations.push(match retained {
        true => test("/spec/deletionPolicy", "Retain"),
        false => test("/metadata/resourceVersion", &resource.resource_version),
    });
    operations.push(json!({ "op": "remove", "path": path }));
    Some(operations.into())
}

/// A `test` operation: the API server refuses the whole patch with 422 when the value is another.
pub fn test(path: &str, value: &str) -> Value {
    json!({ "op": "test", "path": path, "value": value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::resource;

    #[test]
    fn the_first_finalizer_is_added_only_to_the_version_that_was_read() {
        let patch = add(&resource());
        assert_eq!(patch[0], json!({"op": "test", "path": "/metadata/uid", "value": "uid-a"}));
        assert_eq!(patch[1]["path"], "/metadata/resourceVersion");
        assert_eq!(patch[2]["value"], json!([FINALIZER]));
    }

    #[test]
    fn a_finalizer_of_somebody_else_stays_where_it_is() {
        let mut resource = resource();
        resource.finalizers = vec!["other/one".into()];
        let patch = add(&resource);
        assert_eq!(patch[1]["value"], json!(["other/one"]));
        assert_eq!(patch[2], json!({"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER}));
    }

    #[test]
    fn removal_tests_uid_deletion_place_and_the_version_decided_on() {
        let mut resource = resource();
        resource.finalizers = vec!["other/one".into(), FINALIZER.into()];
        let patch = remove(&resource, "2026-01-01T00:00:00Z", false).unwrap();
        let paths: Vec<_> = patch.as_array().unwrap().iter().map(|op| op["path"].as_str().unwrap()).collect();
        assert_eq!(
            paths,
            [
                "/metadata/uid",
                "/metadata/deletionTimestamp",
                "/metadata/finalizers/1",
                "/metadata/resourceVersion",
                "/metadata/finalizers/1"
            ]
        );
        assert_eq!(patch[4]["op"], "remove");
        let retained = remove(&resource, "2026-01-01T00:00:00Z", true).unwrap();
        assert_eq!(retained[3], json!({"op": "test", "path": "/spec/deletionPolicy", "value": "Retain"}));
    }

    #[test]
    fn nothing_is_removed_where_nothing_of_ours_is() {
        assert_eq!(remove(&resource(), "2026-01-01T00:00:00Z", false), None);
    }
}
