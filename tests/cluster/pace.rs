//! A long line of deletions: how many requests are open at once, and what those are told that wait.

use std::collections::BTreeSet;
use std::time::Duration;

use gaap_simulator::{Entry, Fault, Kind, ProxySpec};
use serde_json::{Value, json};

use crate::harness::{Build, LIMIT, World, manifest, until};

const COUNT: usize = 60;

fn proxy(place: usize) -> String {
    format!("link-pace{place:04}")
}

fn names() -> Vec<String> {
    (0..COUNT).map(|place| format!("pace-{place}")).collect()
}

async fn adopted(build: Build) -> World {
    // A rate that the cloud would not enforce by itself: what is measured is the operator's own pace.
    let world = build.proxies(0).cloud(|cloud| cloud.rate_limit = 0).start().await;
    let mut items: Vec<Value> = Vec::new();
    for place in 0..COUNT {
        world.cloud().add_proxy(&ProxySpec::named(proxy(place))).unwrap();
        items.push(manifest(&format!("pace-{place}"), &proxy(place), json!({})));
    }
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items})).await;
    for place in 0..COUNT {
        world.available(&format!("pace-{place}")).await;
    }
    world
}

async fn all_gone(world: &World) {
    for place in 0..COUNT {
        world.gone(&format!("pace-{place}")).await;
        assert_eq!(world.accepted(&proxy(place)), 1, "{}", proxy(place));
    }
}

/// The answer of a real cloud takes its time: sent one after the other, sixty would take a minute and more. What is open
/// at once is counted, not how fast they follow one another, which on a busy machine would measure the machine.
#[tokio::test]
async fn a_cloud_that_takes_seconds_to_answer_has_eight_requests_open_at_once() {
    // Half of the default of `--concurrency`.
    const OPEN: usize = 8;
    // Or the operator gives a request up that the cloud still holds.
    let world = adopted(World::build("pace slow").flag("--request-timeout", "60s")).await;
    let open = || {
        let is_open = |entry: &&Entry| entry.action == "DestroyProxies" && !entry.completed;
        world.requests().iter().filter(is_open).count()
    };
    let silence = world.fault(Fault::new(Kind::Hang).before().on("DestroyProxies").endless());
    world.delete_at_once(world.namespace(), &names()).await;
    until("eight open requests", LIMIT, async || match open() {
        open if open >= OPEN => Ok(()),
        open => Err(format!("{open} are open")),
    })
    .await;
    // In a second eighteen more would have come.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(open(), OPEN);
    world.cloud().remove_fault(silence);
    all_gone(&world).await;
    world.finish().await;
}

#[tokio::test]
async fn who_waits_in_line_for_longer_than_a_minute_is_told_so() {
    let slow = World::build("pace line").flag("--concurrency", "4");
    let world = adopted(slow).await;
    let silence = world.fault(Fault::new(Kind::Hang).before().on("DestroyProxies").endless());
    world.kubectl(&["delete", "gaap", "--all", "--wait=false"]).await;
    for place in 0..COUNT {
        let name = format!("pace-{place}");
        until(&format!("a word on {name}"), Duration::from_secs(100), async || {
            let told = world.reasons(&name, "Deleting");
            if told.is_empty() { Err("Deleting does not stand in its status".to_owned()) } else { Ok(()) }
        })
        .await;
    }
    let sent: BTreeSet<String> =
        world.requests().into_iter().filter(|one| one.action == "DestroyProxies").flat_map(|one| one.ids).collect();
    assert!(sent.len() < COUNT, "nearly all wait in line");
    world.cloud().remove_fault(silence);
    all_gone(&world).await;
    world.finish().await;
}
