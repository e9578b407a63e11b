//! The servers do what tests and demo need of them.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use control_plane::{ControlPlane, Options, Position, Stop};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::{pids, program, runs};

/// Runs kubectl and returns what it printed on both outputs, with whether it succeeded.
async fn kubectl(plane: &ControlPlane, arguments: &[&str]) -> (bool, String) {
    finish(plane.kubectl().args(arguments).output().await.unwrap())
}

fn finish(output: std::process::Output) -> (bool, String) {
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.success(), text)
}

async fn kubectl_as(plane: &ControlPlane, kubeconfig: &Path, arguments: &[&str]) -> (bool, String) {
    finish(plane.kubectl().env("KUBECONFIG", kubeconfig).args(arguments).output().await.unwrap())
}

async fn apply(plane: &ControlPlane, object: Value) {
    let mut command = plane.kubectl();
    command.args(["apply", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(object.to_string().as_bytes()).await.unwrap();
    let (done, text) = finish(child.wait_with_output().await.unwrap());
    assert!(done, "{text}");
}

async fn succeed(plane: &ControlPlane, arguments: &[&str]) -> String {
    let (done, text) = kubectl(plane, arguments).await;
    assert!(done, "kubectl {arguments:?}: {text}");
    text
}

#[tokio::test]
async fn a_started_plane_serves_kubectl_and_helm_and_a_stopped_one_leaves_nothing() {
    let begun = Instant::now();
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    println!("ready in {:.1} s", begun.elapsed().as_secs_f64());
    assert!(plane.server_url().starts_with("https://127.0.0.1:"));
    assert!(succeed(&plane, &["get", "namespaces"]).await.contains("default"));
    let version: Value = serde_json::from_str(&succeed(&plane, &["version", "-o", "json"]).await).unwrap();
    assert_eq!(version.pointer("/serverVersion/gitVersion").unwrap(), "v1.37.2");
    let (done, text) = finish(plane.helm().args(["list", "--all-namespaces"]).output().await.unwrap());
    assert!(done, "{text}");

    let folder = plane.folder().to_owned();
    let servers = pids(&folder);
    assert_eq!(servers.len(), 2, "etcd and kube-apiserver: {servers:?}");
    assert!(servers.iter().all(|(_, pid)| runs(*pid)));
    plane.stop().await.unwrap();
    assert!(!folder.exists());
    assert!(!servers.iter().any(|(_, pid)| runs(*pid)));
}

#[tokio::test]
async fn an_api_server_that_was_killed_or_stopped_comes_back_with_its_data_on_its_port() {
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    let url = plane.server_url().to_owned();
    succeed(&plane, &["create", "configmap", "kept", "--from-literal=answer=42"]).await;
    for how in [Stop::Kill, Stop::Gracefully] {
        let begun = Instant::now();
        plane.stop_api_server(how).await.unwrap();
        println!("{how:?}: stopped in {:.1} s", begun.elapsed().as_secs_f64());
        let (done, text) = kubectl(&plane, &["get", "configmap", "kept", "--request-timeout=5s"]).await;
        assert!(!done && text.contains("refused"), "{text}");
        plane.start_api_server().await.unwrap();
        println!("{how:?}: back after {:.1} s", begun.elapsed().as_secs_f64());
        assert_eq!(plane.server_url(), url);
        assert_eq!(succeed(&plane, &["get", "configmap", "kept", "-o", "jsonpath={.data.answer}"]).await, "42");
    }
    plane.start_api_server().await.unwrap();
    let entries = plane.settled_audit(Position::default()).await.unwrap();
    let reads = entries.iter().filter(|entry| entry.pointer("/objectRef/name") == Some(&json!("kept"))).count();
    assert!(reads >= 3, "the audit log goes on over restarts: {reads}");
    plane.stop().await.unwrap();
}

#[tokio::test]
async fn a_service_account_may_do_what_rbac_grants_and_nothing_else() {
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    succeed(&plane, &["create", "namespace", "games"]).await;
    let error = plane.service_account_kubeconfig("games", "operator").await.unwrap_err().to_string();
    assert!(error.contains("404") && error.contains("operator"), "{error}");

    succeed(&plane, &["create", "serviceaccount", "operator", "-n", "games"]).await;
    let kubeconfig = plane.service_account_kubeconfig("games", "operator").await.unwrap();
    let (done, text) =
        kubectl_as(&plane, &kubeconfig, &["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]).await;
    assert_eq!((done, text.as_str()), (true, "system:serviceaccount:games:operator"));
    let (done, text) = kubectl_as(&plane, &kubeconfig, &["get", "configmaps"]).await;
    assert!(
        !done && text.contains("Forbidden") && text.contains("\"games\""),
        "its own namespace is the default: {text}"
    );

    succeed(&plane, &["create", "role", "reader", "-n", "games", "--verb=list", "--resource=configmaps"]).await;
    let binding =
        ["create", "rolebinding", "reader", "-n", "games", "--role=reader", "--serviceaccount=games:operator"];
    succeed(&plane, &binding).await;
    // RBAC is read from a cache that follows within moments.
    let begun = Instant::now();
    while !kubectl_as(&plane, &kubeconfig, &["get", "configmaps"]).await.0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the grant takes effect");
    }
    assert!(!kubectl_as(&plane, &kubeconfig, &["get", "secrets"]).await.0);
    plane.stop().await.unwrap();
}

fn proxy_definition() -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gaapproxies.gaap-operator.io"},
        "spec": {
            "group": "gaap-operator.io",
            "scope": "Namespaced",
            "names": {"kind": "GaapProxy", "plural": "gaapproxies", "singular": "gaapproxy"},
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": open, "status": open}}},
            }],
        },
    })
}

#[tokio::test]
async fn the_audit_log_holds_what_a_get_has_read_and_what_a_patch_has_changed() {
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    apply(&plane, proxy_definition()).await;
    succeed(&plane, &["wait", "--for=condition=Established", "crd/gaapproxies.gaap-operator.io", "--timeout=30s"])
        .await;
    let proxy = json!({
        "apiVersion": "gaap-operator.io/v1alpha1",
        "kind": "GaapProxy",
        "metadata": {"name": "edge", "namespace": "default"},
        "spec": {"proxyId": "link-11112222"},
    });
    apply(&plane, proxy).await;
    let before = plane.audit().position().unwrap();
    // Without -o json kubectl asks for a table, and a table is then what the log holds.
    succeed(&plane, &["get", "gaapproxies", "edge", "-o", "json"]).await;
    let patch = r#"{"status":{"account":{"accountId":"100000000001"}}}"#;
    succeed(&plane, &["patch", "gaapproxies", "edge", "--subresource=status", "--type=merge", "-p", patch]).await;
    succeed(&plane, &["get", "gaapproxies"]).await;

    let entries = plane.settled_audit(before).await.unwrap();
    assert!(entries.iter().all(|entry| entry.get("stage") != Some(&json!("RequestReceived"))));
    let find = |verb: &str, subresource: Option<&str>| {
        let wanted = |entry: &&Value| {
            entry.get("verb") == Some(&json!(verb))
                && entry.pointer("/objectRef/resource") == Some(&json!("gaapproxies"))
                && entry.pointer("/objectRef/subresource").and_then(Value::as_str) == subresource
        };
        entries.iter().rev().find(wanted).unwrap_or_else(|| panic!("an entry {verb} {subresource:?}"))
    };
    assert_eq!(find("get", None).pointer("/responseObject/spec/proxyId").unwrap(), "link-11112222");
    let patched = find("patch", Some("status"));
    assert_eq!(patched.pointer("/requestObject/status/account/accountId").unwrap(), "100000000001");
    assert_eq!(patched.pointer("/responseObject/spec/proxyId").unwrap(), "link-11112222");
    assert_eq!(find("list", None).get("responseObject"), None, "lists are not worth their size");
    plane.stop().await.unwrap();
}

#[tokio::test]
async fn with_controllers_a_namespace_goes_and_a_deployment_without_replicas_becomes_available() {
    let plane = ControlPlane::start(Options { controllers: true, ..Options::default() }).await.unwrap();
    succeed(&plane, &["create", "namespace", "games"]).await;
    succeed(&plane, &["create", "configmap", "content", "-n", "games"]).await;
    succeed(&plane, &["create", "deployment", "idle", "--image=none", "--replicas=0"]).await;
    succeed(&plane, &["rollout", "status", "deployment/idle", "--timeout=30s"]).await;
    succeed(&plane, &["delete", "namespace", "games", "--timeout=30s"]).await;
    assert!(!kubectl(&plane, &["get", "namespace", "games"]).await.0);
    plane.stop().await.unwrap();
}

#[tokio::test]
async fn logs_that_are_to_be_kept_outlive_the_plane() {
    let logs = tempfile::tempdir().unwrap();
    let options = Options { keep_logs: Some(logs.path().join("logs")), ..Options::default() };
    ControlPlane::start(options).await.unwrap().stop().await.unwrap();
    for name in ["audit.log", "etcd.log", "kube-apiserver.log"] {
        assert!(logs.path().join("logs").join(name).metadata().unwrap().len() > 0, "{name}");
    }
}

#[tokio::test]
#[ignore = "is run by the test below, with GAAP_CONTROL_PLANE set"]
async fn inside_a_shared_plane() {
    let plane = ControlPlane::attach_or_start(Options::default()).await.unwrap();
    assert_eq!(plane.folder().as_os_str(), std::env::var_os(control_plane::SHARED).unwrap());
    succeed(&plane, &["create", "serviceaccount", "operator"]).await;
    plane.service_account_kubeconfig("default", "operator").await.unwrap();
    assert!(!plane.settled_audit(Position::default()).await.unwrap().is_empty());
    let error = plane.restart_api_server(Stop::Kill).await.unwrap_err().to_string();
    assert!(error.contains("belongs to another process"), "{error}");
    let wanted = Options { controllers: true, ..Options::default() };
    assert!(ControlPlane::attach_or_start(wanted).await.unwrap_err().to_string().contains("--controllers"));

    let again = ControlPlane::attach_or_start(Options::default()).await.unwrap();
    plane.stop().await.unwrap();
    drop(again);
    let after = ControlPlane::attach_or_start(Options::default()).await.unwrap();
    succeed(&after, &["get", "serviceaccount", "operator"]).await;
}

#[tokio::test]
async fn a_shared_plane_serves_another_process_and_outlives_what_that_one_drops() {
    let mut command = program();
    command.args(["run", "--"]).arg(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "serving::inside_a_shared_plane", "--nocapture"]);
    let (done, text) = finish(command.output().await.unwrap());
    assert!(done && text.contains("1 passed"), "{text}");
}

#[tokio::test]
#[ignore = "is run by the test below, with GAAP_TEST_CLUSTER set"]
async fn inside_the_cluster_of_somebody_else() {
    let cluster = ControlPlane::attach_or_start(Options::default()).await.unwrap();
    assert!(cluster.is_foreign());
    succeed(&cluster, &["get", "serviceaccount", "operator"]).await;
}

#[tokio::test]
async fn the_cluster_of_somebody_else_is_used_with_its_own_kubeconfig_and_left_as_it_is() {
    let theirs = ControlPlane::start(Options::default()).await.unwrap();
    let cluster = ControlPlane::attach_foreign(theirs.admin_kubeconfig()).await.unwrap();
    assert!(cluster.is_foreign() && !theirs.is_foreign());
    assert_eq!(cluster.server_url(), theirs.server_url());
    assert_ne!(cluster.admin_kubeconfig(), theirs.admin_kubeconfig());
    succeed(&cluster, &["create", "serviceaccount", "operator"]).await;
    let (done, text) = finish(cluster.helm().args(["list", "--all-namespaces"]).output().await.unwrap());
    assert!(done, "{text}");
    let kubeconfig = cluster.service_account_kubeconfig("default", "operator").await.unwrap();
    let (done, text) =
        kubectl_as(&cluster, &kubeconfig, &["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]).await;
    assert_eq!((done, text.as_str()), (true, "system:serviceaccount:default:operator"));

    assert!(cluster.node().is_none());
    let error = cluster.audit().entries(Position::default()).unwrap_err().to_string();
    assert!(error.contains("the audit log is not there: this is the cluster of KUBECONFIG"), "{error}");
    assert!(cluster.settled_audit(Position::default()).await.is_err());
    assert!(cluster.restart_api_server(Stop::Kill).await.is_err());

    let folder = cluster.folder().to_owned();
    cluster.stop().await.unwrap();
    assert!(!folder.exists());
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "serving::inside_the_cluster_of_somebody_else", "--nocapture"]);
    command.env("GAAP_TEST_CLUSTER", "kubeconfig").env("KUBECONFIG", theirs.admin_kubeconfig());
    let (done, text) = finish(command.output().await.unwrap());
    assert!(done && text.contains("1 passed"), "{text}");
    succeed(&theirs, &["get", "serviceaccount", "operator"]).await;
    theirs.stop().await.unwrap();
    let error = ControlPlane::attach_foreign("/nonexistent").await.unwrap_err().to_string();
    assert!(error.contains("GAAP_TEST_CLUSTER asks for the cluster of KUBECONFIG"), "{error}");
}
