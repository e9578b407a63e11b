//! From `kubectl apply` to the end of the proxy, as a user sees it.

use gaap_simulator::ProxySpec;
use serde_json::json;

use crate::harness::{OTHER, PROXY, World, in_both_modes, in_time, manifest};

#[tokio::test]
async fn a_running_proxy_is_adopted_and_deleting_its_resource_destroys_it_exactly_once() {
    in_both_modes("lifecycle", async |world: World| {
        world.create("edge", PROXY).await;
        world.available("edge").await;
        let object = world.object("edge").unwrap();
        assert_eq!(object["metadata"]["finalizers"], json!(["gaap-operator.io/destroy"]));
        assert_eq!(object["status"]["account"]["accountId"], "100000000001");
        assert_eq!(object["status"]["account"]["endpoint"], world.cloud_url());
        assert_eq!(object["status"]["observedGeneration"], object["metadata"]["generation"]);
        assert_eq!(object["status"]["proxy"]["status"], "RUNNING");
        assert!(world.destroys(PROXY).is_empty(), "nothing is destroyed before anybody asks for it");

        world.delete("edge").await;
        world.gone("edge").await;
        assert!(world.cloud().proxy(PROXY).is_none(), "the proxy is gone from the cloud");
        let destroys = world.destroys(PROXY);
        assert_eq!(destroys.len(), 1, "{destroys:?}");
        let destroy = &destroys[0];
        assert_eq!((destroy.force, destroy.code.as_str()), (Some(0), "OK"));
        let token = destroy.client_token.as_deref().expect("a ClientToken");
        assert!(token.starts_with("gaap1-") && token.len() <= 64 && token.is_ascii(), "{token}");
        let record =
            world.was("edge", "a status with the request", |object| object["status"]["destroy"].is_object()).await;
        let record = &record["status"]["destroy"];
        assert_eq!(record["clientToken"], token);
        assert_eq!(record["requestId"], destroy.request_id.as_str());
        assert_eq!(
            (&record["attempt"], &record["force"], &record["lastCode"]),
            (&json!(0), &json!(false), &json!("OK"))
        );

        for (reason, kind) in [("Available", "Normal"), ("Destroying", "Normal"), ("Destroyed", "Normal")] {
            assert_eq!(world.event("edge", reason).await.kind, kind, "{reason}");
        }
        assert!(world.cloud().proxy(OTHER).is_some(), "a proxy nobody named is left alone");
        world.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_closed_proxy_is_ready_and_is_destroyed_as_well() {
    in_both_modes("closed", async |world: World| {
        world.cloud().change_proxy(PROXY, &ProxySpec::default().status("CLOSED")).unwrap();
        world.create("edge", PROXY).await;
        let message = world.condition("edge", "Ready", "Closed").await;
        assert!(message.contains("base fee"), "{message}");
        world.delete("edge").await;
        world.gone("edge").await;
        assert_eq!(world.accepted(PROXY), 1);
        world.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_proxy_in_a_passing_state_is_waited_for_and_then_destroyed() {
    in_both_modes("passing", async |world: World| {
        world.cloud().change_proxy(PROXY, &ProxySpec::default().status("OPENING")).unwrap();
        world.create("edge", PROXY).await;
        world.condition("edge", "Ready", "Transitioning").await;
        world.delete("edge").await;
        let message = world.condition("edge", "Deleting", "WaitingForCloud").await;
        assert!(message.contains("OPENING"), "{message}");
        // Not by itself after a time: the state lasts until it was seen.
        world.cloud().change_proxy(PROXY, &ProxySpec::default().status("RUNNING")).unwrap();
        world.gone("edge").await;
        assert_eq!((world.destroys(PROXY).len(), world.accepted(PROXY)), (1, 1));
        world.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_young_proxy_is_not_sent_before_the_minimum_age() {
    let world = World::new("young").await;
    let young = ProxySpec { age_seconds: Some(112), ..ProxySpec::default() };
    let created = world.cloud().change_proxy(PROXY, &young).unwrap().create_time;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    world.delete("edge").await;
    let message = world.condition("edge", "Deleting", "TooYoung").await;
    assert!(message.contains("the request is made at 20"), "it says when: {message}");
    world.gone("edge").await;
    let destroys = world.destroys(PROXY);
    assert_eq!(destroys.len(), 1, "one request, and no try before: {destroys:?}");
    let sent: k8s_openapi::jiff::Timestamp = destroys[0].time.parse().unwrap();
    assert!(sent.as_second() >= created + 120, "sent at {sent}, created at {created}");
    world.finish().await;
}

#[tokio::test]
async fn nothing_is_destroyed_while_another_controllers_finalizer_is_there() {
    let world = World::new("foreign finalizer").await;
    let mut resource = manifest("edge", PROXY, json!({}));
    resource["metadata"]["finalizers"] = json!(["example.com/billing"]);
    world.apply(&resource).await;
    world.available("edge").await;
    world.delete("edge").await;
    let message = world.condition("edge", "Deleting", "WaitingForFinalizers").await;
    assert!(message.contains("example.com/billing"), "it names what is waited for: {message}");
    assert!(world.destroys(PROXY).is_empty());
    let patch = r#"[{"op":"test","path":"/metadata/finalizers/0","value":"example.com/billing"},{"op":"remove","path":"/metadata/finalizers/0"}]"#;
    world.kubectl(&["patch", "gaap", "edge", "--type=json", "-p", patch]).await;
    world.gone("edge").await;
    assert_eq!(world.accepted(PROXY), 1);
    world.finish().await;
}

#[tokio::test]
async fn kubectl_shows_columns_short_names_category_and_explains() {
    let world = World::build("columns").cloud(|cloud| cloud.destroy_duration_ms = 60_000).start().await;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    let columns = |table: &str| -> Vec<String> {
        table.lines().next().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    let table = world.kubectl(&["get", "gaapproxies"]).await;
    assert_eq!(columns(&table), ["NAME", "PROXY", "CLOUD", "READY", "REASON", "STEP", "FROM", "TO", "AGE"]);
    for word in ["edge", PROXY, "RUNNING", "True", "Available"] {
        assert!(table.contains(word), "{word} is not in\n{table}");
    }
    for name in ["gaap", "gp", "gaapproxy", "tencentcloud"] {
        assert!(world.kubectl(&["get", name]).await.contains(PROXY), "kubectl get {name}");
    }

    world.delete("edge").await;
    world.condition("edge", "Deleting", "Destroying").await;
    let wide = world.kubectl(&["get", "gaap", "-o", "wide"]).await;
    for column in ["ATTEMPTS", "CODE", "POLICY", "ACCOUNT"] {
        assert!(columns(&wide).iter().any(|have| have == column), "{column} is not in\n{wide}");
    }
    for word in ["Destroying", "OK", "Destroy", "100000000001"] {
        assert!(wide.contains(word), "{word} is not in\n{wide}");
    }
    let found = world.kubectl(&["get", "gaap", "--field-selector", &format!("spec.proxyId={PROXY}")]).await;
    assert!(found.contains("edge"), "a resource is found by its proxy: {found}");

    let explained = world.kubectl(&["explain", "gaapproxies.spec.deletionPolicy"]).await;
    assert!(explained.contains("leaves the proxy alone"), "{explained}");
    for field in
        ["gaapproxies", "gaapproxies.spec.proxyId", "gaapproxies.spec.force", "gaapproxies.status.destroy.attempt"]
    {
        let explained = world.kubectl(&["explain", field]).await;
        assert!(explained.contains("DESCRIPTION:") && !explained.contains("<empty>"), "{field}: {explained}");
    }
    assert!(world.cloud().remove_proxy(PROXY));
    world.gone("edge").await;
    world.finish().await;
}

#[tokio::test]
async fn a_deleted_resource_says_at_every_moment_what_it_waits_for() {
    // Absence is told unless the second look is due already, as it may be on a loaded machine with a short spacing.
    let world = World::build("told").flag("--absence-spacing", "2s");
    let world = world.cloud(|cloud| cloud.destroy_duration_ms = 2_000).start().await;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    world.delete("edge").await;
    world.gone("edge").await;
    let reasons = world.reasons("edge", "Deleting");
    let expected = ["Destroying", "ConfirmingAbsence"];
    assert!(reasons.iter().all(|reason| expected.contains(&reason.as_str())), "{reasons:?}");
    in_time(reasons == expected, format_args!("{reasons:?}"));
    for object in
        world.history("edge").iter().filter(|object| object["status"]["conditions"].to_string().contains("Deleting"))
    {
        let ready =
            object["status"]["conditions"].as_array().unwrap().iter().find(|entry| entry["type"] == "Ready").unwrap();
        assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("Deleting")));
    }
    world.finish().await;
}
