//! What the operator does when its watch is dead, or its cache old.

use std::time::{Duration, Instant};

use gaap_simulator::{Fault, Kind, Phase};
use serde_json::json;

use crate::harness::{OTHER, PROXY, Side, Signal, World, Write};

#[tokio::test]
async fn a_dead_watch_is_noticed_within_its_timeout_and_five_seconds() {
    let world = World::build("dead watch").gate().start().await;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    world.gate().silence_open_watches();
    let silent = Instant::now();
    world.delete("edge").await;
    // The bound is 60 s (L5); the rest is for the deletion itself on a loaded machine.
    world.gone_within("edge", Duration::from_secs(60 + 15)).await;
    assert_eq!(world.accepted(PROXY), 1);
    assert!(silent.elapsed() > Duration::from_secs(5), "the watch was silent, so this took its time");
    world.finish().await;
}

/// Before the silent watch is made anew, which would tell the operator.
const SOON: Duration = Duration::from_secs(30);

/// The look that hangs is not given up before the user has changed the resource.
const PATIENT: (&str, &str) = ("--request-timeout", "60s");

/// S1: what a request is made from is read from the API server right before, whatever the cache believes.
#[tokio::test]
async fn an_old_cache_never_sends_what_the_user_took_back() {
    for (name, change) in [
        ("retain", json!({"spec": {"deletionPolicy": "Retain"}})),
        ("paused", json!({"metadata": {"annotations": {"gaap-operator.io/paused": "true"}}})),
    ] {
        let world = World::build(&format!("old cache {name}")).gate().flag(PATIENT.0, PATIENT.1).start().await;
        world.create("edge", PROXY).await;
        world.available("edge").await;
        let hang =
            world.fault(Fault::new(Kind::Hang).on("DescribeProxies").with(|with| with.phase = Some(Phase::Before)));
        world.delete("edge").await;
        world.fault_hits(hang).await;
        world.gate().silence_open_watches();
        world.kubectl(&["patch", "gaap", "edge", "--type=merge", "-p", &change.to_string()]).await;
        world.cloud().clear_faults();
        if name == "retain" {
            world.gone_within("edge", SOON).await;
        } else {
            world.condition_within("edge", "Deleting", "Paused", SOON).await;
        }
        assert!(world.destroys(PROXY).is_empty(), "{name}");
        world.finish().await;
    }
}

/// The same with the force that the user took back: the request is made from what is stored now.
#[tokio::test]
async fn an_old_cache_never_sends_a_force_that_the_user_took_back() {
    let world = World::build("old force").gate().flag(PATIENT.0, PATIENT.1).start().await;
    world.create_with("edge", PROXY, json!({"force": true})).await;
    world.available("edge").await;
    let hang = world.fault(Fault::new(Kind::Hang).on("DescribeProxies").with(|with| with.phase = Some(Phase::Before)));
    world.delete("edge").await;
    world.fault_hits(hang).await;
    world.gate().silence_open_watches();
    world.change_spec("edge", json!({"force": false})).await;
    world.cloud().clear_faults();
    world.gone("edge").await;
    assert_eq!(world.destroys(PROXY).iter().map(|entry| entry.force).collect::<Vec<_>>(), [Some(0)]);
    world.finish().await;
}

#[tokio::test]
async fn a_process_that_was_stopped_and_goes_on_acts_on_what_is_true_then() {
    let world = World::new("stopped").await;
    for (name, proxy) in [("released", PROXY), ("again", OTHER)] {
        world.create(name, proxy).await;
        world.available(name).await;
    }
    world.operator().signal(Signal::STOP);
    for name in ["released", "again"] {
        world.delete(name).await;
    }
    world.change_spec("released", json!({"deletionPolicy": "Retain"})).await;
    let stripped = r#"{"metadata":{"finalizers":null}}"#;
    world.kubectl(&["patch", "gaap", "again", "--type=merge", "-p", stripped]).await;
    world.gone("again").await;
    world.create("again", "link-sim00003").await;
    world.operator().signal(Signal::CONT);
    world.gone("released").await;
    world.available("again").await;
    for proxy in [PROXY, OTHER, "link-sim00003"] {
        assert!(world.destroys(proxy).is_empty(), "{proxy}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_status_that_cannot_be_written_for_a_while_does_not_stop_a_deletion() {
    // The second write to be lost tells the first absence: there is none when the second look is due already.
    let world = World::build("status lost").gate().flag("--absence-spacing", "2s").start().await;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    let holds: Vec<_> = (0..2).map(|_| world.gate().hold(Write::Status, Side::Before)).collect();
    world.delete("edge").await;
    for hold in holds {
        hold.reached().await;
        hold.lose().await;
    }
    world.gone("edge").await;
    assert_eq!((world.destroys(PROXY).len(), world.accepted(PROXY)), (1, 1));
    world.finish().await;
}
