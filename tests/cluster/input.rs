//! Wrong input: refused by the API server with a sentence, and nothing changes.

use serde_json::{Value, json};

use crate::harness::{OTHER, PROXY, World, manifest};

#[tokio::test]
async fn wrong_input_is_refused_with_a_clear_sentence() {
    let world = World::build("input").operator_stopped().start().await;
    let form = "proxyId must look like link-11112222";
    for (proxy, words) in [
        ("11112222", form),
        ("link-", form),
        ("link-abc", form),
        ("LINK-11112222", form),
        ("link-1111222x/../y", form),
        ("link-11112222\n", form),
        (" link-11112222", form),
        (&format!("link-{}", "a".repeat(33)), form),
        ("", "spec.proxyId"),
    ] {
        let said = world.apply_refused(&manifest("wrong", proxy, json!({}))).await;
        assert!(said.contains(words) && said.contains("spec.proxyId"), "{proxy:?}: {said}");
    }
    for (spec, words) in [
        (json!({"deletionPolicy": "Delete"}), "supported values: \"Destroy\", \"Retain\""),
        (json!({"deletionPolicy": "retain"}), "supported values"),
        (json!({"force": "yes"}), "must be of type boolean"),
        (json!({"force": 1}), "must be of type boolean"),
    ] {
        let said = world.apply_refused(&manifest("wrong", PROXY, spec.clone())).await;
        assert!(said.contains(words), "{spec}: {said}");
    }
    let mut nameless = manifest("wrong", PROXY, json!({}));
    nameless["spec"] = json!({});
    assert!(world.apply_refused(&nameless).await.contains("spec.proxyId: Required value"));
    let mut unknown = manifest("wrong", PROXY, json!({"deletePolicy": "Retain"}));
    unknown["metadata"]["name"] = json!("wrong");
    let said = world.apply_refused(&unknown).await;
    assert!(said.contains("unknown field \"spec.deletePolicy\""), "a slip of the pen is not swallowed: {said}");
    assert_eq!(world.kubectl(&["get", "gaap", "-o", "name"]).await.trim(), "", "nothing was stored");
    world.finish().await;
}

#[tokio::test]
async fn the_proxy_of_a_resource_cannot_be_changed_but_policy_and_force_can() {
    let world = World::new("immutable").await;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    let before = world.get("edge").await.unwrap();
    let said = world.apply_refused(&manifest("edge", OTHER, json!({}))).await;
    assert!(said.contains("proxyId cannot be changed: delete this resource"), "{said}");
    let after = world.get("edge").await.unwrap();
    assert_eq!(before["spec"], after["spec"]);
    world.change_spec("edge", json!({"deletionPolicy": "Retain", "force": true})).await;
    world.change_spec("edge", json!({"deletionPolicy": "Destroy", "force": false})).await;
    world.delete("edge").await;
    world.gone("edge").await;
    assert_eq!(world.destroys(PROXY).iter().map(|entry| entry.force).collect::<Vec<_>>(), [Some(0)]);
    assert!(world.destroys(OTHER).is_empty());
    world.finish().await;
}

#[tokio::test]
async fn defaults_are_stored_so_that_a_reader_sees_what_will_happen() {
    let world = World::build("defaults").operator_stopped().start().await;
    world.apply(&manifest("edge", PROXY, json!({}))).await;
    let spec: Value = world.get("edge").await.unwrap()["spec"].clone();
    assert_eq!(spec, json!({"proxyId": PROXY, "deletionPolicy": "Destroy", "force": false}));
    world.finish().await;
}
