//! Objects that this version cannot read, beside good ones. The schema is loosened for it, so this has a control plane
//! of its own.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Cluster, LIMIT, OTHER, PROXY, World, manifest, until};

const THIRD: &str = "link-sim00003";
const FOURTH: &str = "link-sim00004";

/// A CRD as another version might have left it: anything goes.
async fn loosened() -> Arc<Cluster> {
    let cluster = Cluster::own().await;
    let anything = json!([{
        "op": "replace",
        "path": "/spec/versions/0/schema/openAPIV3Schema",
        "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }, {"op": "remove", "path": "/spec/versions/0/selectableFields"}]);
    let patch = ["patch", "crd", "gaapproxies.gaap-operator.io", "--type=json", "-p", &anything.to_string()];
    cluster.kubectl(&patch).await;
    // A new schema is in force some moments after it is stored.
    until("the loosened schema", LIMIT, async || {
        let probe = manifest("probe", PROXY, json!({"force": "perhaps"})).to_string();
        let mut command = cluster.plane().kubectl();
        command.args(["apply", "--dry-run=server", "--validate=false", "-f", "-"]);
        match crate::harness::run(command, Some(&probe)).await {
            (true, _) => Ok(()),
            (false, said) => Err(said),
        }
    })
    .await;
    cluster
}

#[tokio::test]
async fn a_malformed_object_is_told_and_held_and_the_good_ones_beside_it_live_their_lives() {
    let cluster = loosened().await;
    let world = World::build("malformed").on(&cluster).operator_stopped().start().await;
    let bad: [(&str, Value); 6] = [
        ("number", json!({"proxyId": 7})),
        ("empty", json!({})),
        ("path", json!({"proxyId": "../../link-11112222?x=1"})),
        ("policy", json!({"proxyId": OTHER, "deletionPolicy": "Nope"})),
        ("force", json!({"proxyId": FOURTH, "force": "perhaps"})),
        ("list", json!({"proxyId": ["link-11112222"]})),
    ];
    for (name, spec) in &bad {
        let mut object = manifest(name, "", json!({}));
        object["spec"] = spec.clone();
        world.apply_unchecked(&object).await;
    }
    // There before the operator: one bad object must not stop the first list.
    world.operator().start().await;
    world.create("good", PROXY).await;
    world.create("owner", THIRD).await;
    world.available("good").await;
    world.available("owner").await;
    for (name, _) in &bad {
        let message = world.condition(name, "Stalled", "Malformed").await;
        assert!(message.contains("cannot be read") && message.contains("kubectl edit"), "{name}: {message}");
        assert_eq!(world.event(name, "Malformed").await.kind, "Warning", "{name}");
    }
    let metrics = world.operator().metrics().await;
    assert!(metrics.value("controller_runtime_reconcile_errors_total", &[]) >= 6.0, "{}", metrics.text);

    world.delete("good").await;
    world.gone("good").await;
    assert_eq!(world.accepted(PROXY), 1);

    // One that was good, is made malformed and deleted: held with its finalizer, told, and good again after a correction.
    world.kubectl(&["patch", "gaap", "owner", "--type=merge", "-p", r#"{"spec":{"deletionPolicy":"Nope"}}"#]).await;
    world.condition("owner", "Stalled", "Malformed").await;
    world.delete("owner").await;
    until("the deletion is noticed and the object held", LIMIT, async || match world.get("owner").await {
        Some(object) if object["metadata"]["deletionTimestamp"].is_string() => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert!(world.destroys(THIRD).is_empty());
    world.operator().metrics_with("gaap_deletions_in_progress", &[("step", "Malformed")], 1.0).await;
    world.kubectl(&["patch", "gaap", "owner", "--type=merge", "-p", r#"{"spec":{"deletionPolicy":"Destroy"}}"#]).await;
    world.gone("owner").await;
    assert_eq!(world.accepted(THIRD), 1);

    // One that cannot be read still claims its proxy (S5): nobody knows what its maker wants.
    world.create("younger", OTHER).await;
    world.condition("younger", "Ready", "Conflict").await;
    // A malformed object without our finalizer goes like any other.
    world.delete("policy").await;
    world.gone("policy").await;
    world.available("younger").await;
    world.delete("younger").await;
    world.gone("younger").await;
    assert_eq!(world.accepted(OTHER), 1);
    assert!(world.destroys(FOURTH).is_empty());
    world.finish().await;
}
