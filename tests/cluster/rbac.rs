//! Permissions: what the operator used over all tests of this run, against what the chart grants. This module comes
//! last by its name in main.rs, and waits for the others.

use std::collections::BTreeSet;
use std::time::Duration;

use gaap_simulator::ProxySpec;
use serde_json::Value;
use tokio::time::timeout;

use crate::harness::{Cluster, PROXY, RELEASE, SYSTEM, World, asks_for_rights, operator_user, worlds_at_work};

/// Longer than any other test runs.
const OTHERS: Duration = Duration::from_secs(600);

/// A rule in words: verb, resource with its subresource, group.
type Permission = (String, String, String);

async fn granted(cluster: &Cluster) -> BTreeSet<Permission> {
    let election = format!("{RELEASE}-leader-election");
    let roles = [
        cluster.kubectl(&["get", "clusterrole", RELEASE, "-o", "json"]).await,
        cluster.kubectl(&["get", "role", &election, "--namespace", SYSTEM, "-o", "json"]).await,
    ];
    let rules = roles.iter().flat_map(|role| {
        let role: Value = serde_json::from_str(role).unwrap();
        role["rules"].as_array().unwrap().clone()
    });
    let texts = |rule: &Value, name: &str| -> Vec<String> {
        let values = rule[name].as_array().unwrap_or_else(|| panic!("a rule without {name}: {rule}"));
        values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    };
    let mut granted = BTreeSet::new();
    for rule in rules {
        for group in texts(&rule, "apiGroups") {
            for resource in texts(&rule, "resources") {
                for verb in texts(&rule, "verbs") {
                    granted.insert((verb, resource.clone(), group.clone()));
                }
            }
        }
    }
    granted
}

/// One life that needs every permission, so that this test says the same when it runs alone.
async fn one_whole_life() {
    let world = World::build("permissions").flag("--resync", "1s").replicas().start().await;
    world.create("edge", PROXY).await;
    // The same event twice within minutes is one event with a count: a patch.
    for (state, reason) in [("RUNNING", "Available"), ("CLOSED", "Closed"), ("RUNNING", "Available")] {
        world.cloud().change_proxy(PROXY, &ProxySpec::default().status(state)).unwrap();
        world.condition("edge", "Ready", reason).await;
    }
    world.delete("edge").await;
    world.gone("edge").await;
    world.finish().await;
}

#[tokio::test]
async fn the_permissions_used_over_all_tests_are_those_granted_and_none_was_denied() {
    one_whole_life().await;
    // Not `until`: tried again alone, this test would judge nothing of what the others did.
    let waits = async {
        while worlds_at_work() > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    assert!(timeout(OTHERS, waits).await.is_ok(), "{} worlds are still at work", worlds_at_work());
    let cluster = Cluster::shared().await;
    let mut entries = cluster.plane().settled_audit(cluster.start()).await.unwrap();
    // The tests of the judge do on purpose, with the operator's token, what the operator never does; and one of the
    // election takes a permission away.
    let on_purpose = |namespace: &str| ["judged-", "denied-"].iter().any(|name| namespace.starts_with(name));
    entries.retain(|entry| !on_purpose(entry["objectRef"]["namespace"].as_str().unwrap_or_default()));
    let denied = oracle::denied(&entries, &operator_user());
    assert!(denied.is_empty(), "{denied:#?}");

    let uses = oracle::rbac_usage(&entries, &operator_user());
    tell("permissions used over this run:");
    let mut used = BTreeSet::new();
    for permission in &uses {
        tell(&format!("  {permission}"));
        if permission.resource.starts_with('/') {
            // Discovery, which every authenticated user may.
            assert!(permission.resource.starts_with("/api"), "{permission}");
            assert_eq!(permission.verb, "get", "{permission}");
            continue;
        }
        // Whoever was refused something asks what is missing, which every authenticated user may too.
        if asks_for_rights(&permission.resource) {
            continue;
        }
        let parts = [permission.resource.as_str(), permission.subresource.as_str()];
        let resource = parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("/");
        used.insert((permission.verb.clone(), resource, permission.group.clone()));
    }
    assert_eq!(used, granted(&cluster).await, "used (left) and granted (right)");
    let requests = entries.iter().filter(|entry| entry["user"]["username"] == operator_user().as_str()).count();
    tell(&format!("{requests} requests of the operator, none denied"));
}

/// Past the test runner, which keeps what a passing test prints to itself: this list is to be seen in every run.
fn tell(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}
