//! Two operators. One is stopped with a request of each effect on its way, the other does everything that is left, then
//! all those requests arrive and the first one goes on: with an election, and as if somebody had installed it twice. And
//! one operator whose API server is killed at that moment.

use std::time::Instant;

use control_plane::Stop;
use futures::future::{FutureExt, join_all};
use k8s_openapi::jiff::Timestamp;

use crate::calls::{create, name, proxy, world};
use crate::everywhere::{self, ROWS};
use crate::harness::{Cluster, LIMIT, Signal, World};
use crate::table::{Part, Row, ended};

/// All of them, each a world.
pub fn parts() -> Vec<Part> {
    vec![
        ("two elected", elected().boxed_local()),
        ("installed twice", installed_twice().boxed_local()),
        ("both at once", together().boxed_local()),
        ("an API server that is killed", api_server().boxed_local()),
    ]
}

async fn elected() -> Vec<Row> {
    let world = world("two elected").replicas().operator_stopped().start().await;
    let (first, second) = (world.operator(), world.second());
    first.start().await;
    world.leads(first, LIMIT).await;
    second.start().await;
    let held = everywhere::hold(&world, world.gate_of(first)).await;
    first.signal(Signal::STOP);
    world.leads(second, LIMIT).await;
    let rows = everywhere::end(&world, &held, "leader SIGSTOP, replaced, CONT").await;
    everywhere::arrive(&world, world.gate_of(first), &held).await;
    first.signal(Signal::CONT);
    assert_eq!(first.ended(LIMIT).await.code(), Some(1), "it ends, to stand by after its restart");
    world.finish().await;
    rows
}

async fn installed_twice() -> Vec<Row> {
    let world = world("two at once").both_at_once().operator_stopped().start().await;
    let (first, second) = (world.operator(), world.second());
    first.start().await;
    let held = everywhere::hold(&world, world.gate_of(first)).await;
    first.signal(Signal::STOP);
    second.start().await;
    let mut rows = everywhere::end(&world, &held, "installed twice, SIGSTOP, CONT").await;
    everywhere::arrive(&world, world.gate_of(first), &held).await;
    first.signal(Signal::CONT);
    // What the first one was told while it was stopped is over; it goes on.
    create(&world, ROWS..ROWS + 1).await;
    world.available(&name(ROWS)).await;
    let begun = Instant::now();
    world.delete(&name(ROWS)).await;
    rows.push(both(&world, "after CONT", ROWS, begun).await);
    assert!(first.is_running() && second.is_running());
    world.finish().await;
    rows
}

/// Both act all the time.
async fn together() -> Vec<Row> {
    const COUNT: usize = 6;
    let world = world("both").both_at_once().start().await;
    create(&world, 0..COUNT).await;
    join_all((0..COUNT).map(async |place| world.available(&name(place)).await)).await;
    let begun = Instant::now();
    world.kubectl(&["delete", "gaap", "--all", "--wait=false"]).await;
    let rows = join_all((0..COUNT).map(|place| both(&world, "all the time", place, begun))).await;
    world.finish().await;
    rows
}

async fn both(world: &World, when: &str, place: usize, begun: Instant) -> Row {
    ended(world, ("whole deletion, both act", when), &name(place), &proxy(place), begun, &["a", "aa"]).await
}

/// The requests arrive at the one that was started after it.
async fn api_server() -> Vec<Row> {
    let cluster = Cluster::own().await;
    let world = world("api server").on(&cluster).start().await;
    let held = everywhere::hold(&world, world.gate()).await;
    cluster.plane().stop_api_server(Stop::Kill).await.unwrap();
    let started = Timestamp::now();
    cluster.plane().start_api_server().await.unwrap();
    everywhere::arrive(&world, world.gate(), &held).await;
    let rows = everywhere::end(&world, &held, "API server kill -9, restarted").await;
    world.excuse_denials_since(started);
    world.finish().await;
    rows
}
