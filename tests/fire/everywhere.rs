//! One request of each effect on its way at the same moment, each of another deletion, while something happens to a
//! process.

use std::time::Instant;

use futures::future::join_all;
use gaap_simulator::{Fault, Kind, Phase};

use crate::calls::{
    ACCEPTED, ADOPT, ATTEMPT, AVAILABLE, Effect, LOOK, READ, RELEASE, SEND, create, name, prepare, proxy,
};
use crate::harness::{Gate, WireFault, WireKind, World};
use crate::table::{LONGEST, Row, ended};

const EFFECTS: &[Effect] = &[ADOPT, AVAILABLE, READ, ACCEPTED, ATTEMPT, RELEASE];
/// The look and the request to destroy come after them.
const CLOUD: &[(&str, &str)] = &[("look (DescribeProxies)", LOOK), ("send (DestroyProxies, E2)", SEND)];

/// How many deletions there are.
pub const ROWS: usize = EFFECTS.len() + CLOUD.len();

/// What is on its way.
pub struct OnTheirWay {
    begun: Instant,
    /// Numbers of those on the way to the API server.
    numbers: Vec<u64>,
}

fn is_adoption(place: usize) -> bool {
    EFFECTS.get(place).is_some_and(|effect| effect.adoption)
}

/// Lets the operator of this gate come to all effects at once, and holds each request before it arrives.
pub async fn hold(world: &World, gate: &Gate) -> OnTheirWay {
    let deleted: Vec<usize> = (0..ROWS).filter(|place| !is_adoption(*place)).collect();
    create(world, deleted[0]..ROWS).await;
    join_all(deleted.iter().map(async |place| world.available(&name(*place)).await)).await;
    let mut numbers = Vec::new();
    for (place, effect) in EFFECTS.iter().enumerate() {
        prepare(world, effect, &proxy(place));
        numbers.push(gate.fault(WireFault::new(WireKind::OnItsWay, effect.call).about(&name(place))));
    }
    let mut hangs = Vec::new();
    for (place, (_, action)) in (EFFECTS.len()..).zip(CLOUD) {
        let hang = Fault::new(Kind::Hang).with(|with| with.phase = Some(Phase::Before));
        hangs.push(world.fault(hang.on(*action).for_id(proxy(place))));
    }
    let begun = Instant::now();
    create(world, 0..deleted[0]).await;
    let names: Vec<String> = deleted.into_iter().map(name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.kubectl(&[&["delete", "gaap", "--wait=false"], names.as_slice()].concat()).await;
    for number in &numbers {
        gate.fault_hits(*number).await;
    }
    for hang in hangs {
        world.fault_hits(hang).await;
    }
    OnTheirWay { begun, numbers }
}

/// Lets all of them arrive.
pub async fn arrive(world: &World, gate: &Gate, on_their_way: &OnTheirWay) {
    for number in &on_their_way.numbers {
        gate.let_arrive(*number).await;
    }
    world.cloud().clear_faults();
}

/// Waits for the end of every deletion.
pub async fn end(world: &World, on_their_way: &OnTheirWay, fault: &str) -> Vec<Row> {
    for place in (0..ROWS).filter(|place| is_adoption(*place)) {
        world.condition_within(&name(place), "Ready", "Available", LONGEST).await;
    }
    world.kubectl(&["delete", "gaap", "--all", "--wait=false"]).await;
    let effects = EFFECTS.iter().map(|effect| (effect.name, effect.tokens)).chain(CLOUD.iter().map(|row| (row.0, "a")));
    let rows = effects.enumerate().map(async |(place, (effect, tokens))| {
        let tokens = if tokens == "ab" { ["ab", "aab", "abb"].as_slice() } else { ["a", "aa"].as_slice() };
        ended(world, (effect, fault), &name(place), &proxy(place), on_their_way.begun, tokens).await
    });
    join_all(rows).await
}
