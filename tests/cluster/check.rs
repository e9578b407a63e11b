//! `gaap-operator check`, as `helm test` runs it: with the ServiceAccount of the chart, on a real API server.
//!
//! On control planes of its own: it asks what the operator never asks, under the operator's name, and rbac.rs compares what
//! is used under that name on the shared one with what is granted.

use std::collections::BTreeSet;

use gaap_simulator::{Fault, Kind};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{
    Cluster, LIMIT, SYSTEM, World, asks_for_rights, guard, operator_program, operator_user, run, until,
};
use crate::permissions::{grant, rules, without};

/// Runs the check and returns whether it succeeded, and its lines.
async fn check(world: &World) -> (bool, Vec<String>) {
    let mut command: Command = guard().await.command("check", &operator_program().await);
    command.env_clear().env("KUBECONFIG", world.operator().kubeconfig()).arg("check");
    command.args([format!("--gaap-endpoint={}", world.cloud_url()), "--allow-insecure-endpoint".to_owned()]);
    command.arg(format!("--credentials-dir={}", world.credentials().display()));
    let (succeeded, said) = run(command, None).await;
    (succeeded, said.lines().map(str::to_owned).collect())
}

fn failed(lines: &[String]) -> Vec<&str> {
    lines.iter().filter_map(|line| line.strip_prefix("FAILED  ")).collect()
}

/// Rights in the words of the check.
fn in_words(rules: &Value) -> BTreeSet<(String, String)> {
    let mut words = BTreeSet::new();
    let texts = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    for rule in rules.as_array().unwrap() {
        for resource in texts(&rule["resources"]) {
            let group = texts(&rule["apiGroups"]).join(",");
            words.insert((format!("{resource} ({group}) in all namespaces"), texts(&rule["verbs"]).join(", ")));
        }
    }
    words
}

async fn stopped_world(name: &str, cluster: &std::sync::Arc<Cluster>) -> World {
    World::build(name).on(cluster).operator_stopped().start().await
}

#[tokio::test]
async fn with_everything_there_the_check_succeeds_and_changes_nothing() {
    let cluster = Cluster::own().await;
    let world = stopped_world("check", &cluster).await;
    let (succeeded, lines) = check(&world).await;
    assert!(succeeded && failed(&lines).is_empty(), "{lines:#?}");
    for words in
        [operator_user().as_str(), "of account 100000000001", "DescribeProxies: answered", "DestroyProxies is not"]
    {
        assert!(lines.iter().any(|line| line.contains(words)), "{words}: {lines:#?}");
    }
    let actions: BTreeSet<String> = world.requests().into_iter().map(|entry| entry.action).collect();
    assert_eq!(actions, ["DescribeProxies".to_owned(), "GetCallerIdentity".to_owned()].into());

    let entries = cluster.plane().settled_audit(cluster.start()).await.unwrap();
    for entry in entries.iter().filter(|entry| entry["user"]["username"] == operator_user().as_str()) {
        let resource = entry["objectRef"]["resource"].as_str().unwrap_or_default();
        let only_asks = entry["verb"] == "get" || asks_for_rights(resource);
        assert!(only_asks, "the check is to change nothing: {entry}");
    }
    what_the_cloud_refuses_is_named_with_what_to_do(&world).await;
    world.finish().await;
}

async fn what_the_cloud_refuses_is_named_with_what_to_do(world: &World) {
    let problems = async || {
        let (succeeded, lines) = check(world).await;
        assert!(!succeeded, "{lines:#?}");
        failed(&lines).join("\n")
    };

    let forbidden = world.fault(Fault::new(Kind::Error).on("DescribeProxies").times(0).with(|with| {
        with.code = Some("UnauthorizedOperation".to_owned());
    }));
    let said = problems().await;
    assert!(said.starts_with("DescribeProxies: ") && said.contains("UnauthorizedOperation"), "{said}");
    assert!(said.contains("gaap:DescribeProxies"), "{said}");
    world.cloud().remove_fault(forbidden);

    world.write_credentials("AKIDunknown", "nobody's");
    let said = problems().await;
    assert!(said.contains("the credentials: ") && said.contains("AuthFailure"), "{said}");
    assert!(said.contains("DescribeProxies: not tried"), "{said}");

    std::fs::remove_file(world.credentials().join("secretId")).unwrap();
    let said = problems().await;
    assert!(said.contains("secretId does not exist") && said.contains("credentials.existingSecret"), "{said}");
}

#[tokio::test]
async fn without_rights_the_check_names_every_verb_that_is_missing() {
    let cluster = Cluster::own().await;
    let world = stopped_world("check rights", &cluster).await;
    let rules = rules(&cluster).await;

    // All that the chart grants is asked for, and nothing else.
    grant(&cluster, &json!([])).await;
    let lacking = until("a check that misses everything", LIMIT, async || {
        let (succeeded, lines) = check(&world).await;
        let missing = failed(&lines).into_iter().filter_map(|line| line.split_once(": may not "));
        let found: BTreeSet<_> =
            missing.map(|(what, rest)| (what.to_owned(), rest.split(';').next().unwrap().to_owned())).collect();
        if !succeeded && found == in_words(&rules) { Ok(lines) } else { Err(format!("{lines:#?}")) }
    })
    .await;
    assert!(lacking.iter().any(|line| line.contains("grant it to the account above")), "{lacking:#?}");
    assert!(lacking.last().unwrap().ends_with("checks failed"), "{lacking:#?}");

    grant(&cluster, &without(&rules, "gaapproxies", "watch")).await;
    until("a check that misses one verb", LIMIT, async || {
        let (succeeded, lines) = check(&world).await;
        match failed(&lines).as_slice() {
            [one] if !succeeded && one.contains("gaapproxies (gaap-operator.io)") && one.contains("may not watch;") => {
                Ok(())
            }
            _ => Err(format!("{lines:#?}")),
        }
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn without_an_api_server_the_check_says_so_and_still_looks_at_the_cloud() {
    let cluster = Cluster::shared().await;
    let world = stopped_world("check without a cluster", &cluster).await;
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "none",
        "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "none", "user": {}}],
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    });
    let path = world.credentials().with_file_name("no-cluster");
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    world.operator().use_kubeconfig(path);
    let (succeeded, lines) = check(&world).await;
    assert!(!succeeded, "{lines:#?}");
    assert!(matches!(failed(&lines).as_slice(), [one] if one.starts_with("the API server: ")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("ok      DescribeProxies")), "{lines:#?}");
    world.finish().await;
}

/// The Role for the Lease is granted where the chart is installed, and to nobody but the operator.
#[tokio::test]
async fn the_lease_is_granted_by_name_and_nothing_else_of_its_kind() {
    let cluster = Cluster::shared().await;
    let user = format!("--as={}", operator_user());
    let may = async |arguments: &[&str]| {
        let mut command = cluster.plane().kubectl();
        command.args(["auth", "can-i"]).args(arguments).arg(&user);
        run(command, None).await.1.trim().starts_with("yes")
    };
    let place = ["-n", SYSTEM];
    until("the API server to have read the rules", LIMIT, async || {
        if may(&[&["get", "leases/gaap-operator"], place.as_slice()].concat()).await {
            Ok(())
        } else {
            Err("no".to_owned())
        }
    })
    .await;
    for verb in ["get", "list", "watch", "update"] {
        assert!(may(&[&[verb, "leases/gaap-operator"], place.as_slice()].concat()).await, "{verb}");
        assert!(!may(&[&[verb, "leases/kube-controller-manager"], place.as_slice()].concat()).await, "{verb} another");
        assert!(!may(&[verb, "leases/gaap-operator", "-n", "default"]).await, "{verb} elsewhere");
    }
    assert!(may(&[&["create", "leases"], place.as_slice()].concat()).await);
    for verb in ["patch", "delete"] {
        assert!(!may(&[&[verb, "leases/gaap-operator"], place.as_slice()].concat()).await, "{verb}");
    }
}
