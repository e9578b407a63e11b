//! Keeping a proxy: Retain, paused, and Force only when the user says so.

use std::time::Duration;

use gaap_simulator::{Fault, Kind, ProxySpec};
use serde_json::json;

use crate::harness::{PROXY, World, in_both_modes, manifest};

fn bound() -> ProxySpec {
    ProxySpec { bound: Some(true), ..ProxySpec::default() }
}

#[tokio::test]
async fn a_retained_resource_goes_at_once_and_its_proxy_lives() {
    in_both_modes("retain", async |world: World| {
        world.create_with("kept", PROXY, json!({"deletionPolicy": "Retain"})).await;
        world.available("kept").await;
        world.delete("kept").await;
        world.gone("kept").await;
        let event = world.event("kept", "Retained").await;
        assert!(event.kind == "Normal" && event.note.contains(PROXY), "{event:?}");
        assert!(world.destroys(PROXY).is_empty());
        assert_eq!(world.cloud().proxy(PROXY).unwrap().status, "RUNNING");
        world.finish().await;
    })
    .await;
}

#[tokio::test]
async fn setting_retain_releases_a_resource_that_is_stuck_in_deletion() {
    in_both_modes("escape hatch", async |world: World| {
        world.cloud().change_proxy(PROXY, &bound()).unwrap();
        world.create("stuck", PROXY).await;
        world.available("stuck").await;
        world.delete("stuck").await;
        let message = world.condition("stuck", "Deleting", "RealServerBound").await;
        for words in ["FailedOperation.RealServerAlreadyBound", "spec.force: true", "Retain"] {
            assert!(message.contains(words), "{words}: {message}");
        }
        assert_eq!(world.condition("stuck", "Stalled", "RealServerBound").await, message);
        assert_eq!(world.event("stuck", "RealServerBound").await.kind, "Warning");
        world.change_spec("stuck", json!({"deletionPolicy": "Retain"})).await;
        world.gone_within("stuck", Duration::from_secs(10)).await;
        assert_eq!((world.destroys(PROXY).len(), world.accepted(PROXY)), (1, 0));
        assert_eq!(world.cloud().proxy(PROXY).unwrap().status, "RUNNING");
        world.finish().await;
    })
    .await;
}

#[tokio::test]
async fn setting_retain_after_an_accepted_request_lets_the_resource_go_and_says_nothing_untrue() {
    let world = World::build("retain late").cloud(|cloud| cloud.destroy_duration_ms = 60_000).start().await;
    world.create("late", PROXY).await;
    world.available("late").await;
    world.delete("late").await;
    world.condition("late", "Deleting", "Destroying").await;
    world.change_spec("late", json!({"deletionPolicy": "Retain"})).await;
    world.gone_within("late", Duration::from_secs(10)).await;
    assert_eq!(world.destroys(PROXY).len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_paused_resource_is_held_without_a_cloud_write_until_the_annotation_goes() {
    in_both_modes("paused", async |world: World| {
        let mut resource = manifest("held", PROXY, json!({}));
        resource["metadata"]["annotations"] = json!({"gaap-operator.io/paused": "true"});
        world.apply(&resource).await;
        world.available("held").await;
        world.delete("held").await;
        let message = world.condition("held", "Deleting", "Paused").await;
        assert!(message.contains("gaap-operator.io/paused"), "{message}");
        let object = world.object("held").unwrap();
        for wrong in ["Stalled", "Reconciling"] {
            assert!(crate::harness::condition(&object, wrong).is_none(), "a wish is no trouble: {wrong}");
        }
        assert!(world.destroys(PROXY).is_empty());
        world.kubectl(&["annotate", "gaap", "held", "gaap-operator.io/paused-"]).await;
        world.gone("held").await;
        assert_eq!(world.accepted(PROXY), 1);
        world.finish().await;
    })
    .await;
}

#[tokio::test]
async fn pausing_in_the_middle_of_a_deletion_stops_further_requests_at_once() {
    let world = World::new("paused late").await;
    world.fault(
        Fault::new(Kind::Error).on("DestroyProxies").times(0).with(|with| with.code = Some("FailedOperation".into())),
    );
    world.create("held", PROXY).await;
    world.available("held").await;
    world.delete("held").await;
    world.destroys_reach(PROXY, 1).await;
    world.kubectl(&["annotate", "gaap", "held", "gaap-operator.io/paused=true"]).await;
    world.condition("held", "Deleting", "Paused").await;
    let before = world.destroys(PROXY).len();
    world.cloud().clear_faults();
    // Longer than the back-off that would have sent the next one.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.destroys(PROXY).len(), before);
    world.kubectl(&["annotate", "gaap", "held", "gaap-operator.io/paused-"]).await;
    world.gone("held").await;
    assert_eq!(world.accepted(PROXY), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_bound_proxy_is_destroyed_with_force_when_the_spec_says_so() {
    in_both_modes("forced", async |world: World| {
        world.cloud().change_proxy(PROXY, &bound()).unwrap();
        world.create_with("forced", PROXY, json!({"force": true})).await;
        world.available("forced").await;
        world.delete("forced").await;
        world.gone("forced").await;
        let forces: Vec<_> = world.destroys(PROXY).iter().map(|entry| entry.force).collect();
        assert_eq!(forces, [Some(1)]);
        world.finish().await;
    })
    .await;
}

#[tokio::test]
async fn force_set_after_a_refusal_goes_at_once_as_another_request() {
    in_both_modes("force late", async |world: World| {
        world.cloud().change_proxy(PROXY, &bound()).unwrap();
        world.create("forced", PROXY).await;
        world.available("forced").await;
        world.delete("forced").await;
        world.condition("forced", "Deleting", "RealServerBound").await;
        world.change_spec("forced", json!({"force": true})).await;
        world.gone_within("forced", Duration::from_secs(15)).await;
        let destroys = world.destroys(PROXY);
        let forces: Vec<_> = destroys.iter().map(|entry| entry.force).collect();
        assert_eq!(forces, [Some(0), Some(1)]);
        assert_ne!(destroys[0].client_token, destroys[1].client_token, "another request, another token");
        world.finish().await;
    })
    .await;
}

#[tokio::test]
async fn force_taken_back_in_the_middle_of_a_deletion_is_never_sent_again() {
    let world = World::new("force taken back").await;
    world.cloud().change_proxy(PROXY, &bound()).unwrap();
    world.fault(
        Fault::new(Kind::Error).on("DestroyProxies").with(|with| with.code = Some("UnsupportedOperation".into())),
    );
    world.create_with("careful", PROXY, json!({"force": true})).await;
    world.available("careful").await;
    world.delete("careful").await;
    world.condition("careful", "Deleting", "Refused").await;
    world.change_spec("careful", json!({"force": false})).await;
    world.condition("careful", "Deleting", "RealServerBound").await;
    let forces: Vec<_> = world.destroys(PROXY).iter().map(|entry| entry.force).collect();
    assert_eq!(forces, [Some(1), Some(0)]);
    world.change_spec("careful", json!({"deletionPolicy": "Retain"})).await;
    world.gone("careful").await;
    assert_eq!(world.accepted(PROXY), 0);
    world.finish().await;
}

#[tokio::test]
async fn force_changed_after_an_unknown_outcome_waits_the_settle_time() {
    let world = World::new("force unknown").await;
    let lost = world.fault(Fault::new(Kind::RequestLost).on("DestroyProxies").times(0));
    world.create("unknown", PROXY).await;
    world.available("unknown").await;
    world.delete("unknown").await;
    world.destroys_reach(PROXY, 1).await;
    world.change_spec("unknown", json!({"force": true})).await;
    world.cloud().remove_fault(lost);
    world.gone("unknown").await;
    let destroys = world.destroys(PROXY);
    let time = |place: usize| destroys[place].time.parse::<k8s_openapi::jiff::Timestamp>().unwrap();
    let forced = destroys.iter().position(|entry| entry.force == Some(1)).expect("a request with Force");
    assert!(destroys[..forced].iter().all(|entry| entry.client_token == destroys[0].client_token));
    let pause = time(forced).as_millisecond() - time(forced - 1).as_millisecond();
    assert!(pause >= 2_950, "--settle-time is 3 s, but the changed request came after {pause} ms");
    assert_ne!(destroys[forced].client_token, destroys[0].client_token);
    world.finish().await;
}
