//! A resource for a proxy that is not there.

use serde_json::json;

use crate::harness::{World, in_both_modes};

const NOBODY: &str = "link-nobody01";

#[tokio::test]
async fn a_proxy_that_was_never_seen_is_released_after_the_same_proof_with_a_warning() {
    in_both_modes("never seen", async |world: World| {
        world.create("ghost", NOBODY).await;
        let message = world.condition("ghost", "Ready", "NotFound").await;
        assert!(message.contains(NOBODY) && message.contains("100000000001"), "{message}");
        let looks_before = world.looks(NOBODY).len();
        world.delete("ghost").await;
        world.gone("ghost").await;
        let event = world.event("ghost", "NeverSeen").await;
        assert!(event.kind == "Warning" && event.note.contains("check spec.proxyId"), "{event:?}");
        assert!(world.looks(NOBODY).len() > looks_before, "a look after the deletion");
        assert!(world.destroys(NOBODY).is_empty());
        world.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_someone_else_destroyed_is_told_and_its_resource_goes_without_a_request() {
    in_both_modes("destroyed elsewhere", async |world: World| {
        world.create("edge", crate::harness::PROXY).await;
        world.available("edge").await;
        assert!(world.cloud().remove_proxy(crate::harness::PROXY));
        world.delete("edge").await;
        world.gone("edge").await;
        assert!(world.destroys(crate::harness::PROXY).is_empty());
        assert_eq!(world.event("edge", "Destroyed").await.kind, "Normal");
        world.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_resource_deleted_before_the_operator_ever_ran_is_adopted_or_gone_but_never_stuck() {
    let world = World::build("before the operator").operator_stopped().start().await;
    world.apply(&crate::harness::manifest("early", NOBODY, json!({}))).await;
    world.delete("early").await;
    world.gone("early").await;
    world.operator().start().await;
    assert!(world.requests().iter().all(|entry| entry.action == "GetCallerIdentity"), "{:?}", world.requests());
    world.finish().await;
}
