//! Every fault that the simulated cloud can make (its `CATALOGUE`), and what a user and the cloud see of it.
//!
//! `sends` and `looks` hold the faults of one call, by row: many resources in one world, one fault each. `semantics`
//! holds those whose story is longer than one call, `pages` those of an answer about several proxies, and `outages`
//! those that hit a whole connection, each in a world of its own. Everything runs in both absent modes where the mode
//! can make a difference.

mod looks;
mod outages;
mod pages;
mod semantics;
mod sends;

use futures::future::join_all;
use gaap_simulator::{AbsentAnswer, Entry, ProxySpec};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{BOTH, LIMIT, World, condition, in_time, manifest, until};

/// Beside the harness's: short enough for a fault to be over soon, and a settle time longer than any look takes.
const TIMES: &[(&str, &str)] = &[("--destroy-poll", "250ms"), ("--absence-spacing", "300ms"), ("--settle-time", "2s")];

/// For tests of requests that are given up; a busy machine makes others late as well.
const IMPATIENT: (&str, &str) = ("--request-timeout", "2s");

/// Runs a test in a world of each absent mode, side by side. The cloud is empty.
async fn in_both_modes(name: &str, test: impl AsyncFn(World)) {
    in_both_modes_with(name, &[], test).await;
}

/// The same with these flags.
async fn in_both_modes_with(name: &str, flags: &[(&str, &str)], test: impl AsyncFn(World)) {
    let test = &test;
    join_all(BOTH.map(async |absent| {
        let world = flags.iter().fold(world(name, absent), |world, (flag, value)| world.flag(flag, value));
        test(world.start().await).await;
    }))
    .await;
}

fn world(name: &str, absent: AbsentAnswer) -> crate::harness::Build {
    let world = World::build(&format!("{name} {absent:?}")).absent(absent).proxies(0);
    TIMES.iter().fold(world, |world, (flag, value)| world.flag(flag, value))
}

/// The proxy of the n-th row.
fn proxy(place: usize) -> String {
    format!("link-fault{place:03}")
}

/// A proxy and its resource for each name, seen as Available.
async fn adopt(world: &World, names: &[&str]) {
    let manifests: Vec<Value> =
        (0..).zip(names).map(|(place, name)| manifest(name, &proxy(place), json!({}))).collect();
    for place in 0..names.len() {
        world.cloud().add_proxy(&ProxySpec::named(proxy(place))).unwrap();
    }
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": manifests})).await;
    join_all(names.iter().map(|name| world.available(name))).await;
}

/// The proxy was destroyed by these requests, one of which was accepted.
fn destroyed_once(world: &World, row: &str, proxy: &str, expected: &str) {
    let destroys = world.destroys(proxy);
    assert_eq!(world.tokens(proxy), expected, "{row}: {destroys:#?}");
    assert_eq!(world.accepted(proxy), 1, "{row}: {destroys:#?}");
    assert_eq!(world.cloud().proxy(proxy), None, "{row}");
}

/// The step that was shown first in the deletion, with its event, and that nobody was asked to act.
async fn told_first(world: &World, name: &str, reason: &str) {
    // The gauges tell of a step before its condition is written.
    world.was(name, "a step of its deletion", |object| condition(object, "Deleting").is_some()).await;
    let reasons = world.reasons(name, "Deleting");
    let first = reasons.first().map_or("", String::as_str);
    // On a busy machine the next step can be there before this one is written, or a call be given up. Any other step before it
    // is wrong.
    let late = !reasons.iter().any(|told| told == reason) || first == "CloudUnreachable";
    in_time(first == reason || !late, format_args!("{name}: {reasons:?}, not {reason} first"));
    assert_eq!(first, reason, "{name}: {reasons:?}");
    let event = world.event(name, reason).await;
    assert_eq!(event.kind, "Normal", "{name}: {event:?}");
    for object in world.history(name) {
        assert_eq!(condition(&object, "Stalled"), None, "{name}: {object}");
    }
}

/// What waits is shown by the gauge of its step.
async fn waits(world: &World, step: &str, count: f64) {
    until(&format!("{count} deletions in step {step}"), LIMIT, async || {
        let metrics = world.operator().metrics().await;
        let found = metrics.value("gaap_deletions_in_progress", &[("step", step)]);
        if found >= count { Ok(()) } else { Err(format!("{found}")) }
    })
    .await;
}

fn seconds_between(earlier: &Entry, later: &Entry) -> f64 {
    let time = |entry: &Entry| entry.time.parse::<Timestamp>().unwrap();
    time(later).duration_since(time(earlier)).as_secs_f64()
}
