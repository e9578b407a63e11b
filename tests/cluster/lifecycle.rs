//! From `kubectl apply` to the end of the proxy, as a user sees it.

use crate::harness::{PROXY, Side, World, Write, in_both_modes};

#[tokio::test]
async fn a_running_proxy_is_adopted_and_deleting_its_resource_destroys_it_exactly_once() {
    in_both_modes("lifecycle", async |world: World| {
        world.create("edge", PROXY).await;
        world.available("edge").await;
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
        world.finish().await;
    })
    .await;
}

#[tokio::test]
async fn an_operator_behind_a_gate_works_as_one_without() {
    let world = World::build("gate").gate().start().await;
    world.create("edge", PROXY).await;
    let hold = world.gate().hold(Write::Status, Side::After);
    hold.reached().await;
    drop(hold);
    world.available("edge").await;
    world.delete("edge").await;
    world.gone("edge").await;
    world.finish().await;
}
