//! The judge itself: what would let a broken promise pass must fail here.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use crate::harness::{LIMIT, PROXY, World, run, until};

/// Runs kubectl with the operator's own kubeconfig: for the API server this is the operator.
async fn as_the_operator(world: &World, arguments: &[&str]) -> (bool, String) {
    let mut kubectl = world.cluster().plane().kubectl();
    kubectl.env("KUBECONFIG", world.operator().kubeconfig()).args(["-n", world.namespace()]).args(arguments);
    run(kubectl, None).await
}

/// What the end of this test says.
async fn verdict(world: World) -> String {
    let ended = AssertUnwindSafe(world.finish()).catch_unwind().await;
    let said = ended.expect_err("the judge was to refuse this");
    said.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_finalizer_that_goes_without_proved_absence_is_seen() {
    let world = World::build("judged finalizer").flag("--minimum-age", "6000m").start().await;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    world.delete("edge").await;
    world.condition("edge", "Deleting", "TooYoung").await;
    assert_eq!(world.broken(), None);
    let patch = r#"[{"op":"remove","path":"/metadata/finalizers/0"}]"#;
    let (succeeded, said) = as_the_operator(&world, &["patch", "gaap", "edge", "--type=json", "-p", patch]).await;
    assert!(succeeded, "{said}");
    world.gone("edge").await;
    // Also in a world that did not come to its end: the entry is written moments after the answer.
    until("the sight of it", LIMIT, async || match world.broken() {
        Some(said) if said.contains("S2 (") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let said = verdict(world).await;
    assert!(said.contains("S2 (") && said.contains("S7 ("), "no proof, and a patch without the uid: {said}");
}

#[tokio::test]
async fn a_permission_that_is_missing_is_seen() {
    let world = World::new("judged permission").await;
    let (succeeded, _) = as_the_operator(&world, &["get", "secrets"]).await;
    assert!(!succeeded);
    assert!(verdict(world).await.contains("RBAC denied requests of the operator"));
}

#[tokio::test]
#[should_panic(expected = "a test ends with world.finish()")]
async fn a_test_that_forgets_its_end_fails() {
    let _world = World::build("judged end").operator_stopped().start().await;
}
