//! A namespace that is deleted, with the real namespace controller.

use std::time::Duration;

use crate::harness::{LIMIT, OTHER, PROXY, World, in_both_modes, in_time, until};

#[tokio::test]
async fn deleting_a_namespace_destroys_its_proxies_and_then_the_namespace_goes() {
    in_both_modes("namespace", async |world: World| {
        world.create("one", PROXY).await;
        world.create("two", OTHER).await;
        world.available("one").await;
        world.available("two").await;
        world.cluster().kubectl(&["delete", "namespace", world.namespace(), "--wait=false"]).await;
        world.gone_within("one", Duration::from_secs(60)).await;
        world.gone_within("two", Duration::from_secs(60)).await;
        until("the end of the namespace", Duration::from_secs(60), async || {
            let left = world
                .cluster()
                .kubectl(&["get", "namespace", world.namespace(), "--ignore-not-found", "-o", "yaml"])
                .await;
            if left.is_empty() { Ok(()) } else { Err(left) }
        })
        .await;
        assert_eq!((world.accepted(PROXY), world.accepted(OTHER)), (1, 1));
        // Events are refused in a namespace that is being deleted, which is no error.
        let metrics = world.operator().metrics().await;
        // On a busy machine a call can be given up.
        let log = world.operator().log();
        in_time(!log.contains("no answer from the API server"), "a call of the API server was given up");
        assert_eq!(metrics.value("controller_runtime_reconcile_errors_total", &[]), 0.0, "{}", metrics.text);
        assert!(!log.contains("event lost"));
        until("the operator's readiness", LIMIT, async || match world.operator().readyz().await? {
            (200, _) => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        world.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_namespace_whose_proxy_cannot_be_destroyed_stays_and_the_resource_says_why() {
    let world = World::new("namespace held").await;
    let bound = gaap_simulator::ProxySpec { bound: Some(true), ..Default::default() };
    world.cloud().change_proxy(PROXY, &bound).unwrap();
    world.create("bound", PROXY).await;
    world.available("bound").await;
    world.cluster().kubectl(&["delete", "namespace", world.namespace(), "--wait=false"]).await;
    let message = world.condition("bound", "Stalled", "RealServerBound").await;
    assert!(message.contains("spec.force"), "{message}");
    world.change_spec("bound", serde_json::json!({"deletionPolicy": "Retain"})).await;
    world.gone("bound").await;
    assert_eq!(world.accepted(PROXY), 0);
    world.finish().await;
}
