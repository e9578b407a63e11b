//! The real helm: install, upgrade, uninstall. On a control plane of its own, for the definition belongs to one release.

use serde_json::{Value, json};

use crate::harness::{CHART, Cluster, LIMIT, PROXY, RELEASE, SYSTEM, World, manifest, until};

#[tokio::test]
async fn uninstall_leaves_resources_and_definition_in_place_and_destroys_nothing() {
    let cluster = Cluster::bare().await;
    let place = ["--namespace", SYSTEM];
    let install =
        [&["install", RELEASE, CHART, "--create-namespace", "--set", "replicaCount=0"], place.as_slice()].concat();
    let notes = cluster.helm(&install).await;
    assert!(notes.contains("STATUS: deployed"), "{notes}");
    cluster.established().await;
    cluster.rights_are_known().await;
    let world = World::build("helm").on(&cluster).start().await;
    world.create("edge", PROXY).await;
    world.available("edge").await;

    // To the two replicas of the default, and everything that is optional; no controller runs here that would make pods.
    let upgrade = ["--set", "credentials.existingSecret=gaap", "--set", "logFormat=json"];
    let optional = ["--reset-values", "--set", "networkPolicy.enabled=true"];
    let said = cluster.helm(&[&["upgrade", RELEASE, CHART], place.as_slice(), &upgrade, &optional].concat()).await;
    assert!(said.contains("REVISION: 2"), "{said}");
    let deployment = cluster.kubectl(&["get", "deployment", RELEASE, "-n", SYSTEM, "-o", "json"]).await;
    let deployment: Value = serde_json::from_str(&deployment).unwrap();
    let arguments = deployment.pointer("/spec/template/spec/containers/0/args").unwrap().to_string();
    for flag in ["--log-format=json", "--credentials-dir=", "--leader-elect"] {
        assert!(arguments.contains(flag), "{flag}: {arguments}");
    }
    assert_eq!(deployment["spec"]["replicas"], 2);
    for kind in ["poddisruptionbudget", "networkpolicy"] {
        assert!(cluster.kubectl(&["get", kind, RELEASE, "-n", SYSTEM]).await.contains(RELEASE));
    }
    pods_meet_the_restricted_level(&cluster, &deployment).await;
    world.create("second", "link-sim00002").await;
    world.available("second").await;

    // With the Deployment goes the pod.
    world.operator().terminate().await;
    let said = cluster.helm(&[&["uninstall", RELEASE, "--wait"], place.as_slice()].concat()).await;
    assert!(said.contains("uninstalled"), "{said}");
    let kinds = "deployment,serviceaccount,service,role,rolebinding,poddisruptionbudget,networkpolicy";
    let gone = cluster.kubectl(&["get", kinds, "-n", SYSTEM, "-o", "name"]).await;
    assert!(!gone.contains(RELEASE), "{gone}");
    let roles = cluster.kubectl(&["get", "clusterrole,clusterrolebinding", "-o", "name"]).await;
    assert!(!roles.lines().any(|line| line.ends_with(&format!("/{RELEASE}"))), "{roles}");
    for name in ["edge", "second"] {
        let object = world.get(name).await.expect("the resource stays");
        assert!(object["metadata"]["deletionTimestamp"].is_null(), "{object}");
        assert_eq!(object["metadata"]["finalizers"], json!(["gaap-operator.io/destroy"]));
    }
    assert!(world.requests().iter().all(|entry| entry.action != "DestroyProxies"));

    // Installed again, it takes up where it was: also with the definition that stayed.
    cluster.helm(&install).await;
    cluster.rights_are_known().await;
    let kubeconfig = cluster.plane().service_account_kubeconfig(SYSTEM, RELEASE).await.unwrap();
    world.operator().use_kubeconfig(kubeconfig);
    world.delete("edge").await;
    world.operator().start().await;
    world.gone("edge").await;
    assert_eq!(world.accepted(PROXY), 1);
    world.available("second").await;
    world.finish().await;
}

/// The API server's own admission judges both pods, that of the operator and that of `helm test`. No kubelet is needed for
/// that, nor anything that would make the pods.
async fn pods_meet_the_restricted_level(cluster: &Cluster, deployment: &Value) {
    let enforced = "pod-security.kubernetes.io/enforce=restricted";
    cluster.kubectl(&["label", "namespace", SYSTEM, enforced]).await;
    let template = deployment.pointer("/spec/template").unwrap();
    let operator = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "like-the-operator"}, "spec": template["spec"],
    });
    let test = ["template", RELEASE, CHART, "--namespace", SYSTEM, "--show-only", "templates/tests/check.yaml"];
    let test = cluster.helm(&test).await;
    for pod in [operator.to_string(), test] {
        let said = cluster.kubectl_with(&["create", "-n", SYSTEM, "--dry-run=server"], &pod).await;
        assert!(said.contains("created (server dry run)") && !said.contains("Warning"), "{said}");
    }
    let mut loose = operator.clone();
    loose["spec"]["containers"][0]["securityContext"] = Value::Null;
    let refused = ["create", "-n", SYSTEM, "--dry-run=server", "-f", "-"];
    let said = cluster.kubectl_fails(&refused, Some(&loose.to_string())).await;
    assert!(said.contains("violates PodSecurity"), "the level is enforced here at all: {said}");
}

#[tokio::test]
async fn a_release_for_some_namespaces_grants_nothing_elsewhere() {
    let cluster = Cluster::bare().await;
    for namespace in ["games", "shop"] {
        cluster.kubectl(&["create", "namespace", namespace]).await;
    }
    let flags = ["--create-namespace", "--set", "replicaCount=0", "--set", "watchNamespaces={games}"];
    cluster.helm(&[&["install", RELEASE, CHART, "--namespace", SYSTEM], flags.as_slice()].concat()).await;
    cluster.established().await;
    let user = format!("--as=system:serviceaccount:{SYSTEM}:{RELEASE}");
    let can = async |verb: &str, what: &str, namespace: &str| {
        let mut command = cluster.plane().kubectl();
        command.args(["auth", "can-i", verb, what, &user, "-n", namespace]);
        crate::harness::run(command, None).await.1.trim().starts_with("yes")
    };
    until("the API server to have read the rules", LIMIT, async || {
        if can("get", "gaapproxies", "games").await { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    for verb in ["get", "list", "watch", "patch"] {
        assert!(can(verb, "gaapproxies", "games").await, "{verb} in games");
        assert!(!can(verb, "gaapproxies", "shop").await, "{verb} in shop");
    }
    for (verb, what) in [
        ("get", "secrets"),
        ("list", "secrets"),
        ("create", "pods"),
        ("delete", "gaapproxies"),
        ("update", "gaapproxies"),
    ] {
        assert!(!can(verb, what, "games").await, "{verb} {what}");
    }
    cluster.kubectl_with(&["apply", "-n", "games"], &manifest("edge", PROXY, json!({})).to_string()).await;
}
