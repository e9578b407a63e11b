//! The process: health, readiness, metrics, signals, flags, credentials.

use std::collections::BTreeSet;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use gaap_operator::controller::reasons::Reason;
use gaap_simulator::{Credential, DEFAULT_UIN, Fault, Kind, ProxySpec};
use serde_json::json;
use tokio::process::Command;

use crate::a_ends::ends_promptly;
use crate::harness::{Cluster, OTHER, PROXY, World, guard, in_time};

#[tokio::test]
async fn without_the_custom_resource_definition_it_waits_says_so_and_goes_on_once_it_is_there() {
    let cluster = Cluster::own().await;
    let definition = "gaapproxies.gaap-operator.io";
    let saved = cluster.kubectl(&["get", "crd", definition, "-o", "json"]).await;
    cluster.kubectl(&["delete", "crd", definition]).await;
    let world = World::build("no definition").on(&cluster).operator_stopped().start().await;
    world.operator().spawn().await;
    world.operator().waits_for(&["custom resource definition", "crds/gaapproxies.yaml", "first list"]).await;
    assert_eq!(world.operator().healthz().await.unwrap().0, 200);
    ends_promptly(&world, "without the definition").await;
    world.operator().spawn().await;
    world.operator().waits_for(&["custom resource definition"]).await;
    let mut definition: serde_json::Value = serde_json::from_str(&saved).unwrap();
    definition["metadata"] = json!({"name": definition["metadata"]["name"]});
    definition["status"] = json!(null);
    cluster.kubectl_with(&["create"], &definition.to_string()).await;
    cluster.established().await;
    world.operator().ready().await;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    world.delete("edge").await;
    world.gone("edge").await;
    world.finish().await;
}

#[tokio::test]
async fn missing_credentials_are_named_retain_works_without_them_and_it_goes_on_once_they_are_there() {
    let world = World::build("no credentials").without_credentials().operator_stopped().start().await;
    world.operator().spawn().await;
    world.operator().waits_for(&["credentials", "secretId", "does not exist"]).await;
    for (name, proxy) in [("waits", PROXY), ("kept", OTHER)] {
        world.create(name, proxy).await;
        let message = world.condition(name, "Ready", "CredentialsInvalid").await;
        assert!(message.contains("secretId"), "{message}");
        world.condition(name, "Stalled", "CredentialsInvalid").await;
        assert_eq!(world.event(name, "CredentialsInvalid").await.kind, "Warning");
        assert_eq!(world.object(name).unwrap()["metadata"]["finalizers"], json!(["gaap-operator.io/destroy"]));
    }
    world.change_spec("kept", json!({"deletionPolicy": "Retain"})).await;
    world.delete("kept").await;
    world.gone("kept").await;
    world.delete("waits").await;
    world.condition("waits", "Deleting", "CredentialsInvalid").await;
    assert!(world.requests().is_empty(), "nothing can be signed: {:?}", world.requests());

    world.write_good_credentials();
    world.operator().ready().await;
    world.gone("waits").await;
    assert_eq!((world.accepted(PROXY), world.destroys(OTHER).len()), (1, 0));
    world.finish().await;
}

#[tokio::test]
async fn refused_credentials_are_named_and_heal_by_themselves_when_the_cloud_or_the_files_change() {
    let world = World::build("refused credentials").operator_stopped().start().await;
    world.write_credentials("AKIDNOBODYKNOWS00000000000000000001", "nobodyknowsnobodyknows0000000001");
    world.operator().spawn().await;
    world.operator().waits_for(&["credentials", "AuthFailure.SecretIdNotFound"]).await;
    world.create("edge", PROXY).await;
    let message = world.condition("edge", "Ready", "CredentialsInvalid").await;
    assert!(message.contains("AuthFailure.SecretIdNotFound"), "{message}");
    world.write_good_credentials();
    world.available("edge").await;
    world.operator().ready().await;

    // A rotation: the new key is taken up without a restart, the old one can go.
    let (id, key) = ("AKIDSIMULATOR00000000000000000000003", "simulatorsimulatorsimulator00003");
    world.cloud().put_credential(Credential::new(id, key, DEFAULT_UIN));
    let asked = world.requests().len();
    world.write_credentials(id, key);
    crate::harness::until("the question for the account of the new key", crate::harness::LIMIT, async || {
        let answered = world.requests().into_iter().skip(asked).any(|entry| entry.action == "GetCallerIdentity");
        if answered { Ok(()) } else { Err("not asked".to_owned()) }
    })
    .await;
    world.cloud().remove_credential(gaap_simulator::DEFAULT_SECRET_ID);
    world.delete("edge").await;
    world.gone("edge").await;
    assert_eq!((world.destroys(PROXY).len(), world.accepted(PROXY)), (1, 1));
    assert_eq!(world.operator().starts().len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn credentials_of_another_account_prove_nothing_and_destroy_nothing() {
    let world = World::new("another account").await;
    let (id, key) = ("AKIDSIMULATOR00000000000000000000004", "simulatorsimulatorsimulator00004");
    world.cloud().put_credential(Credential::new(id, key, "200000000002"));
    world.create("edge", PROXY).await;
    world.available("edge").await;
    world.write_credentials(id, key);
    let message = world.condition("edge", "Ready", "AccountMismatch").await;
    assert!(message.contains("100000000001") && message.contains("200000000002"), "{message}");
    world.delete("edge").await;
    world.condition("edge", "Deleting", "AccountMismatch").await;
    world.condition("edge", "Stalled", "AccountMismatch").await;
    assert!(world.destroys(PROXY).is_empty());
    world.write_good_credentials();
    world.gone("edge").await;
    assert_eq!(world.accepted(PROXY), 1);
    world.finish().await;
}

#[tokio::test]
async fn readiness_does_not_fall_when_the_cloud_does() {
    let world = World::build("cloud away").flag("--resync", "1s").start().await;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    world.cloud().refuse_connections(Duration::from_secs(5));
    let message = world.condition("edge", "Ready", "CloudUnreachable").await;
    assert!(message.contains("could not be sent") || message.contains("no whole answer"), "{message}");
    assert_eq!(world.operator().readyz().await, Ok((200, "ok\n".to_owned())));
    world.available("edge").await;
    assert!(world.operator().metrics().await.text.contains("code=\"transport_"));
    world.delete("edge").await;
    world.gone("edge").await;
    world.finish().await;
}

#[tokio::test]
async fn metrics_are_exactly_the_series_of_the_design_with_labels_from_closed_sets() {
    let world = World::new("metrics").await;
    world.fault(
        Fault::new(Kind::UnknownStatus).for_id(OTHER).times(0).with(|with| with.status = Some("QUIESCING-7".into())),
    );
    world.fault(Fault::new(Kind::Error).on("DestroyProxies").for_id(PROXY).with(|with| {
        with.code = Some("MadeUp.ByTheCloud".into());
    }));
    world.cloud().change_proxy("link-sim00003", &ProxySpec { bound: Some(true), ..Default::default() }).unwrap();
    world.create("one", PROXY).await;
    world.create("odd", OTHER).await;
    world.create("bound", "link-sim00003").await;
    world.available("one").await;
    world.condition("odd", "Ready", "Transitioning").await;
    world.available("bound").await;
    let before = world.operator().metrics().await;
    assert_eq!(before.value("gaap_proxies", &[("state", "RUNNING")]), 2.0, "{}", before.text);
    assert_eq!(before.value("gaap_proxies", &[("state", "other")]), 1.0, "{}", before.text);
    assert_eq!(before.value("gaap_oldest_pending_deletion_seconds", &[]), 0.0);
    world.delete("one").await;
    world.delete("bound").await;
    world.gone("one").await;
    world.condition("bound", "Stalled", "RealServerBound").await;
    // The watch may tell of the end before the answer to the patch does.
    world.operator().metrics_with("gaap_deletion_duration_seconds_count", &[], 1.0).await;
    let metrics = world.operator().metrics_with("gaap_deletions_in_progress", &[], 1.0).await;

    let families: BTreeSet<(&str, &str)> =
        metrics.families.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
    let expected = BTreeSet::from([
        ("controller_runtime_reconcile", "counter"),
        ("controller_runtime_reconcile_errors", "counter"),
        ("controller_runtime_reconcile_time_seconds", "histogram"),
        ("controller_runtime_active_workers", "gauge"),
        ("controller_runtime_max_concurrent_reconciles", "gauge"),
        ("gaap_api_requests", "counter"),
        ("gaap_api_request_duration_seconds", "histogram"),
        ("gaap_proxies", "gauge"),
        ("gaap_deletions_in_progress", "gauge"),
        ("gaap_deletion_duration_seconds", "histogram"),
        ("gaap_oldest_pending_deletion_seconds", "gauge"),
    ]);
    assert_eq!(families, expected);

    let states = "RUNNING CLOSED ISOLATED CREATE_FAILED CREATING OPENING CLOSING ADJUSTING CLONING MOVING RECOVERING \
                  ISOLATING DESTROYING other unseen";
    let codes: BTreeSet<&str> = gaap_operator::gaap::known_codes().map(|row| row.code).chain(["OK", "other"]).collect();
    let steps: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    for sample in &metrics.samples {
        for (label, value) in &sample.labels {
            let closed = match label.as_str() {
                "le" => value.parse::<f64>().is_ok() || value == "+Inf",
                "controller" => value == "gaapproxy",
                "result" => ["success", "error", "requeue_after"].contains(&value.as_str()),
                "action" => ["DestroyProxies", "DescribeProxies", "GetCallerIdentity"].contains(&value.as_str()),
                "code" => codes.contains(value.as_str()) || value.starts_with("transport_"),
                "state" => states.split_whitespace().any(|state| state == value),
                "step" => steps.contains(value.as_str()),
                _ => false,
            };
            assert!(closed, "{label}={value} of {}", sample.name);
        }
    }
    assert_eq!(metrics.value("gaap_deletion_duration_seconds_count", &[]), 1.0, "one ended: {}", metrics.text);
    assert_eq!(metrics.value("gaap_deletions_in_progress", &[("step", "RealServerBound")]), 1.0, "{}", metrics.text);
    assert_eq!(metrics.calls("DestroyProxies", "other"), 1.0, "{}", metrics.text);
    assert_eq!(metrics.calls("DestroyProxies", "OK"), 1.0, "{}", metrics.text);
    assert_eq!(metrics.value("controller_runtime_max_concurrent_reconciles", &[]), 16.0);
    assert!(metrics.value("controller_runtime_reconcile_total", &[]) > 5.0);
    crate::harness::until("every call received is counted once", crate::harness::LIMIT, async || {
        let metrics = world.operator().metrics().await;
        let received = world.requests().iter().filter(|entry| entry.action == "DescribeProxies").count();
        let counted = metrics.value("gaap_api_requests_total", &[("action", "DescribeProxies")]);
        if counted.to_string() == received.to_string() { Ok(()) } else { Err(format!("{counted} of {received}")) }
    })
    .await;
    world.change_spec("bound", json!({"deletionPolicy": "Retain"})).await;
    world.gone("bound").await;
    world.operator().metrics_with("gaap_deletions_in_progress", &[], 0.0).await;
    world.finish().await;
}

#[tokio::test]
async fn json_logs_are_one_object_a_line_with_one_line_for_each_reconcile_that_did_something() {
    let world = World::build("json").flag("--log-format", "json").start().await;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    world.delete("edge").await;
    world.gone("edge").await;
    world.operator().terminate().await;
    let log = world.operator().log();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    let told: Vec<&serde_json::Value> = lines.iter().filter(|line| line["message"] == "reconciled").collect();
    let key = format!("{}/edge", world.namespace());
    assert!(told.iter().all(|line| line["resource"] == key.as_str() && line["proxy"] == PROXY), "{told:?}");
    assert_eq!(told.iter().filter(|line| line["sent"] == "accepted").count(), 1);
    assert_eq!(told.iter().filter(|line| line["released"] == "Destroyed").count(), 1);
    world.finish().await;
}

/// Runs the program to its end with nothing in its environment but these.
async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (Output, Duration) {
    let began = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gaap-operator"));
    command.args(arguments).env_clear().envs(environment.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await;
    (output.expect("it ends").unwrap(), began.elapsed())
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn a_wrong_value_ends_it_at_once_with_a_sentence_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, words) in [
        (vec!["--destroy-poll=5"], vec!["--destroy-poll", "500ms"]),
        (vec!["--requests-per-second=25"], vec!["--requests-per-second"]),
        (vec!["--gaap-endpoint=http://gaap.example.com"], vec!["--gaap-endpoint", "https"]),
        (vec!["--gaap-endpoint=https://127.0.0.1:1"], vec!["--gaap-endpoint", "--allow-insecure-endpoint"]),
        (vec!["--sts-endpoint=https://sts.example.com/path"], vec!["--sts-endpoint"]),
        (vec!["--ca-bundle=/nonexistent/ca.crt"], vec!["--ca-bundle", "/nonexistent/ca.crt"]),
        (vec!["--metrics-bind-address", &taken], vec!["--metrics-bind-address", &taken]),
        (vec!["--no-such-flag"], vec!["--no-such-flag"]),
        (vec!["--log-format=xml"], vec!["--log-format", "json"]),
    ] {
        let free = "--health-probe-bind-address=127.0.0.1:0";
        let mut all = arguments.clone();
        all.push(free);
        if !arguments[0].starts_with("--metrics") {
            all.push("--metrics-bind-address=127.0.0.1:0");
        }
        let (output, took) = run(&all, &[]).await;
        let said = said(&output);
        assert!(!output.status.success(), "{arguments:?}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {words:?} are not in: {said}");
        assert!(!said.contains("panic"), "{arguments:?}: {said}");
        in_time(took < Duration::from_secs(10), format_args!("{arguments:?}: {took:?}"));
    }
    let (output, _) = run(&["--health-probe-bind-address=127.0.0.1:0"], &[("GAAP_SETTLE_TIME", "soon")]).await;
    assert!(!output.status.success() && said(&output).contains("soon"), "{}", said(&output));
}

#[tokio::test]
async fn a_cluster_that_cannot_be_reached_is_waited_for_and_sigterm_still_ends_it() {
    let world = World::build("no cluster").operator_stopped().start().await;
    let nowhere = guard().await.folder().join("nowhere.kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "x", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    });
    std::fs::write(&nowhere, text.to_string()).unwrap();
    world.operator().use_kubeconfig(nowhere);
    world.operator().spawn().await;
    world.operator().waits_for(&["custom resource definition"]).await;
    ends_promptly(&world, "without a cluster").await;
    world.finish().await;
}

#[tokio::test]
async fn help_names_every_setting_and_the_definition_is_printed_as_it_is_committed() {
    let (help, _) = run(&["--help"], &[]).await;
    let help = said(&help);
    for word in [
        "--watch-namespace",
        "--gaap-endpoint",
        "--sts-endpoint",
        "--allow-insecure-endpoint",
        "--ca-bundle",
        "--language",
        "--credentials-dir",
        "--requests-per-second",
        "--destroy-poll",
        "--resync",
        "--minimum-age",
        "--absence-spacing",
        "--settle-time",
        "--request-timeout",
        "--concurrency",
        "--metrics-bind-address",
        "--health-probe-bind-address",
        "--log-format",
        "GAAP_DESTROY_POLL",
        "TENCENTCLOUD_SECRET_ID",
        "TENCENTCLOUD_SECURITY_TOKEN",
        "KUBECONFIG",
        "RUST_LOG",
    ] {
        assert!(help.contains(word), "{word} is not in\n{help}");
    }
    let (printed, _) = run(&["crd"], &[]).await;
    let committed = include_str!("../../crds/gaapproxies.yaml");
    assert_eq!(String::from_utf8_lossy(&printed.stdout), committed);
}
