//! Permissions that are taken from an operator at work.
//!
//! On a control plane of its own: what the chart grants is changed there, and rbac.rs compares what is granted on the
//! shared one with what is used.

use gaap_simulator::ProxySpec;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Cluster, LIMIT, OTHER, PROXY, RELEASE, WatchKind, World, until, until_allowed};

/// What the chart grants on resources, in all namespaces.
pub async fn rules(cluster: &Cluster) -> Value {
    let role = cluster.kubectl(&["get", "clusterrole", RELEASE, "-o", "json"]).await;
    serde_json::from_str::<Value>(&role).unwrap()["rules"].clone()
}

/// Grants this instead.
pub async fn grant(cluster: &Cluster, rules: &Value) {
    let patch = json!({ "rules": rules }).to_string();
    cluster.kubectl(&["patch", "clusterrole", RELEASE, "--type=merge", "-p", &patch]).await;
}

/// The rules without a verb on a resource.
pub fn without(rules: &Value, resource: &str, verb: &str) -> Value {
    let mut rules = rules.clone();
    let of_it = |rule: &&mut Value| rule["resources"].as_array().unwrap().contains(&json!(resource));
    let rule = rules.as_array_mut().unwrap().iter_mut().find(of_it).unwrap();
    rule["verbs"].as_array_mut().unwrap().retain(|granted| granted != verb);
    rules
}

#[tokio::test]
async fn what_is_taken_from_an_operator_at_work_is_named_until_it_is_granted_again() {
    let cluster = Cluster::own().await;
    let world = World::build("rights lost").on(&cluster).gate().flag("--resync", "1s").start().await;
    let (granted, from) = (rules(&cluster).await, Timestamp::now());

    world.create("edge", PROXY).await;
    world.available("edge").await;
    // First, while nothing else was refused: an event that is keeps nothing from its work, and so is easily missed.
    grant(&cluster, &without(&granted, "events", "create")).await;
    until_allowed(&world.client(), "create", ("events.k8s.io", "events"), world.namespace(), false).await;
    world.cloud().change_proxy(PROXY, &ProxySpec::default().status("CLOSED")).unwrap();
    world.condition("edge", "Ready", "Closed").await;
    world.operator().waits_for(&["may not create on events (events.k8s.io)"]).await;
    grant(&cluster, &granted).await;
    world.operator().ready().await;

    // The open watch goes on, so a write meets the refusal first.
    grant(&cluster, &without(&granted, "gaapproxies", "patch")).await;
    until_allowed(&world.client(), "patch", ("gaap-operator.io", "gaapproxies"), world.namespace(), false).await;
    world.create("other", OTHER).await;
    world.operator().waits_for(&["permissions: ", "may not patch on gaapproxies (gaap-operator.io)"]).await;
    grant(&cluster, &granted).await;
    world.available("other").await;
    world.operator().ready().await;

    grant(&cluster, &without(&granted, "gaapproxies", "watch")).await;
    until("the word on the watch", LIMIT, async || {
        // More than once, for the API server may not have read the new rules when the first one begins anew.
        world.gate().open_watches(WatchKind::Ended);
        let said = world.operator().readyz().await?.1;
        if said.contains("may not watch on gaapproxies") { Ok(()) } else { Err(said) }
    })
    .await;
    world.delete("edge").await;
    grant(&cluster, &granted).await;
    world.operator().ready().await;
    world.gone("edge").await;
    assert_eq!(world.accepted(PROXY), 1);
    world.excuse_denials_since(from);
    world.finish().await;
}
