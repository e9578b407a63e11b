//! Names, ids and finalizers that are used again, shared, or taken away.

use gaap_simulator::{Fault, Kind, ProxySpec};
use serde_json::json;

use crate::harness::{LIMIT, OTHER, PROXY, Side, World, Write, in_both_modes, manifest, until};

const THIRD: &str = "link-sim00003";

#[tokio::test]
async fn a_resource_made_again_under_the_same_name_is_another_one() {
    in_both_modes("recreate", async |world: World| {
        world.create("edge", PROXY).await;
        world.available("edge").await;
        let first = world.object("edge").unwrap()["metadata"]["uid"].clone();
        world.delete("edge").await;
        world.gone("edge").await;
        world.create("edge", OTHER).await;
        world.available("edge").await;
        assert_ne!(world.object("edge").unwrap()["metadata"]["uid"], first);
        assert!(world.destroys(OTHER).is_empty(), "the new resource is not touched by the old one's deletion");
        world.delete("edge").await;
        world.gone("edge").await;
        assert_eq!((world.destroys(PROXY).len(), world.destroys(OTHER).len()), (1, 1));
        assert_ne!(world.destroys(PROXY)[0].client_token, world.destroys(OTHER)[0].client_token);
        world.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_resource_made_again_for_the_same_proxy_makes_a_request_of_its_own() {
    let world = World::new("recreate same proxy").await;
    world.fault(Fault::new(Kind::Error).on("DestroyProxies").with(|with| {
        with.code = Some("UnsupportedOperation".into());
        with.uses_token = true;
    }));
    world.create("edge", PROXY).await;
    world.available("edge").await;
    world.delete("edge").await;
    world.condition("edge", "Deleting", "Refused").await;
    world.change_spec("edge", json!({"deletionPolicy": "Retain"})).await;
    world.gone("edge").await;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    world.delete("edge").await;
    world.gone("edge").await;
    let destroys = world.destroys(PROXY);
    assert_eq!(destroys.len(), 2, "{destroys:?}");
    assert_ne!(destroys[0].client_token, destroys[1].client_token, "another uid, another token");
    assert_eq!(destroys[1].code, "OK");
    world.finish().await;
}

#[tokio::test]
async fn an_answer_that_comes_after_the_resource_was_made_again_does_not_touch_the_new_one() {
    let world = World::build("late answer").gate().start().await;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    let hold = world.gate().hold(Write::RemoveFinalizer, Side::After);
    world.delete("edge").await;
    hold.reached().await;
    world.gone("edge").await;
    world.create("edge", OTHER).await;
    hold.lose().await;
    world.available("edge").await;
    let object = world.object("edge").unwrap();
    assert_eq!(object["metadata"]["finalizers"], json!(["gaap-operator.io/destroy"]));
    assert!(object["metadata"]["deletionTimestamp"].is_null());
    assert!(world.destroys(OTHER).is_empty());
    world.finish().await;
}

#[tokio::test]
async fn an_id_that_another_proxy_has_now_is_never_destroyed() {
    in_both_modes("replaced", async |world: World| {
        world.create("edge", PROXY).await;
        world.available("edge").await;
        world.cloud().remove_proxy(PROXY);
        world.cloud().add_proxy(&ProxySpec { age_seconds: Some(600), ..ProxySpec::named(PROXY) }).unwrap();
        world.delete("edge").await;
        let message = world.condition("edge", "Deleting", "Replaced").await;
        assert!(message.contains("never destroyed"), "{message}");
        world.condition("edge", "Stalled", "Replaced").await;
        assert_eq!(world.event("edge", "Replaced").await.kind, "Warning");
        assert!(world.destroys(PROXY).is_empty());
        world.change_spec("edge", json!({"deletionPolicy": "Retain"})).await;
        world.gone("edge").await;
        assert!(world.cloud().proxy(PROXY).is_some());
        world.finish().await;
    })
    .await;
}

#[tokio::test]
async fn two_resources_with_one_proxy_are_one_request_and_the_later_one_goes_without() {
    in_both_modes("two claims", async |world: World| {
        world.create("elder", PROXY).await;
        world.available("elder").await;
        // Whole seconds are all that a creationTimestamp has; a later one makes clear which is the owner.
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        world.create("younger", PROXY).await;
        let message = world.condition("younger", "Ready", "Conflict").await;
        assert!(message.contains("/elder"), "it names the other: {message}");
        world.condition("younger", "Stalled", "Conflict").await;

        world.delete("elder").await;
        let message = world.condition("elder", "Deleting", "Conflict").await;
        assert!(message.contains("/younger") && message.contains("Retain"), "{message}");
        assert_eq!(world.event("elder", "Conflict").await.kind, "Warning");
        assert!(world.destroys(PROXY).is_empty(), "somebody still wants the proxy");

        world.delete("younger").await;
        world.gone("younger").await;
        assert!(world.event("younger", "NotOwner").await.note.contains("/elder"));
        world.gone("elder").await;
        let destroys = world.destroys(PROXY);
        assert_eq!((destroys.len(), world.accepted(PROXY)), (1, 1), "{destroys:?}");
        world.finish().await;
    })
    .await;
}

#[tokio::test]
async fn the_later_of_two_resources_goes_without_a_cloud_write_while_the_owner_lives() {
    let world = World::new("later claim").await;
    world.create("elder", PROXY).await;
    world.available("elder").await;
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    world.create("younger", PROXY).await;
    world.condition("younger", "Ready", "Conflict").await;
    world.delete("younger").await;
    world.gone("younger").await;
    assert!(world.destroys(PROXY).is_empty());
    world.available("elder").await;
    world.delete("elder").await;
    world.gone("elder").await;
    assert_eq!(world.accepted(PROXY), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_finalizer_stripped_by_hand_ends_the_matter_and_disturbs_no_other() {
    let world = World::build("stripped").cloud(|cloud| cloud.destroy_duration_ms = 60_000).start().await;
    for (name, proxy) in [("stripped", PROXY), ("live", OTHER), ("other", THIRD)] {
        world.create(name, proxy).await;
        world.available(name).await;
    }
    world.delete("stripped").await;
    world.condition("stripped", "Deleting", "Destroying").await;
    world.kubectl(&["patch", "gaap", "stripped", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]).await;
    world.gone("stripped").await;

    // From a live one it comes back: from the first moment a proxy is bound, the finalizer is stored.
    world.kubectl(&["patch", "gaap", "live", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]).await;
    world
        .is("live", "with its finalizer again", |object| {
            object["metadata"]["finalizers"] == json!(["gaap-operator.io/destroy"])
        })
        .await;

    world.cloud().change_settings(|settings| settings.destroy_duration_ms = 300);
    world.delete("other").await;
    world.gone("other").await;
    assert_eq!((world.destroys(PROXY).len(), world.destroys(OTHER).len()), (1, 0));
    world.finish().await;
}

#[tokio::test]
async fn claims_count_across_the_namespaces_that_are_watched() {
    let world = World::build("two namespaces").second_namespace().start().await;
    world.create("elder", PROXY).await;
    world.available("elder").await;
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let second = world.second_namespace().to_owned();
    let cluster = world.cluster();
    let younger = manifest("younger", PROXY, json!({})).to_string();
    cluster.kubectl_with(&["apply", "-n", &second], &younger).await;
    until("the other namespace's conflict", LIMIT, async || {
        let shown = cluster.kubectl(&["get", "gaap", "-n", &second, "younger"]).await;
        if shown.contains("Conflict") { Ok(()) } else { Err(shown) }
    })
    .await;
    world.delete("elder").await;
    let message = world.condition("elder", "Deleting", "Conflict").await;
    assert!(message.contains(&format!("{second}/younger")), "{message}");
    cluster.kubectl(&["delete", "gaap", "-n", &second, "younger", "--wait=false"]).await;
    world.gone("elder").await;
    assert_eq!((world.destroys(PROXY).len(), world.accepted(PROXY)), (1, 1));
    world.finish().await;
}
