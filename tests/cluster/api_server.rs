//! The API server goes away in the middle of deletions, and comes back.

use std::time::Duration;

use control_plane::Stop;
use k8s_openapi::jiff::Timestamp;

use crate::harness::{Cluster, OTHER, PROXY, World};

const THIRD: &str = "link-sim00003";

/// From the API server's return to the end of a deletion: two pauses of the watch (10 s each at most: no connection,
/// then an expired resourceVersion), a look, and room for a slow machine. kube's own back-off needed up to two minutes.
const BACK: Duration = Duration::from_secs(45);

#[tokio::test]
async fn an_api_server_that_restarts_in_mid_deletion_changes_nothing_but_the_time() {
    let cluster = Cluster::own().await;
    // One operator for all namespaces, as the chart installs it by default.
    let world = World::build("restart").on(&cluster).watch_all().cloud(|cloud| cloud.destroy_duration_ms = 6_000);
    let world = world.start().await;
    for (name, proxy) in [("under-way", PROXY), ("next", OTHER), ("stays", THIRD)] {
        world.create(name, proxy).await;
        world.available(name).await;
    }
    world.delete("under-way").await;
    world.condition("under-way", "Deleting", "Destroying").await;
    cluster.plane().stop_api_server(Stop::Kill).await.unwrap();
    // The proxy vanishes while nobody can be told. Killed later, the API server could store the release and make no entry.
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(world.cloud().proxy(PROXY).is_none());
    let (status, said) = world.operator().readyz().await.unwrap();
    assert_eq!(status, 200, "an API server that is away is not the operator's trouble: {said}");
    let started = Timestamp::now();
    cluster.plane().start_api_server().await.unwrap();
    world.gone_within("under-way", BACK).await;
    world.excuse_denials_since(started);

    world.delete("next").await;
    let started = Timestamp::now();
    cluster.plane().restart_api_server(Stop::Gracefully).await.unwrap();
    world.gone_within("next", BACK).await;
    world.excuse_denials_since(started);
    assert_eq!((world.destroys(PROXY).len(), world.accepted(OTHER)), (1, 1));
    assert!(world.destroys(THIRD).is_empty());
    assert_eq!(world.operator().starts().len(), 1, "the same process all the time");
    assert!(world.operator().is_running());
    world.finish().await;
}
