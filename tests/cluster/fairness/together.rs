//! The rate limit over a restart and a hand-over, and with two operators that act at the same time.

use std::collections::{BTreeMap, BTreeSet};

use gaap_simulator::Entry;

use super::measure::{LONG, Make, Stopwatch, densest, make, names, proxy_of, received, tell};
use crate::harness::{Build, SECOND_KEY, Signal, World, in_time, until};

const COUNT: usize = 60;
const ACTIONS: [&str; 3] = ["DestroyProxies", "DescribeProxies", "GetCallerIdentity"];

/// A world with deletions that nobody has begun yet. A rate that the cloud would not enforce by itself: what is measured
/// is the operators' own pace.
async fn in_line(build: Build) -> (World, Vec<String>, Stopwatch) {
    let world = build.proxies(0).cloud(|cloud| cloud.rate_limit = 0).operator_stopped().start().await;
    let all = names("line", COUNT);
    make(&world, world.namespace(), &all, Make::Deleted).await;
    let stopwatch = Stopwatch::start(&world, &[world.namespace()]);
    world.start_all().await;
    (world, all, stopwatch)
}

async fn sent(world: &World, wanted: usize) {
    until(&format!("{wanted} requests"), LONG, async || {
        let sent = received(&world.requests(), "DestroyProxies").len();
        if sent >= wanted { Ok(()) } else { Err(format!("{sent} requests")) }
    })
    .await;
}

/// The most attempts of an action in any second.
fn most(requests: &[Entry]) -> BTreeMap<&'static str, usize> {
    ACTIONS.into_iter().map(|action| (action, densest(&received(requests, action)))).collect()
}

/// One accepted request for each, and one token.
fn destroyed_once(world: &World, all: &[String]) {
    for proxy in all.iter().map(|name| proxy_of(name)) {
        let tokens: BTreeSet<_> = world.destroys(&proxy).into_iter().map(|entry| entry.client_token).collect();
        assert_eq!((world.accepted(&proxy), tokens.len()), (1, 1), "{proxy}: {:?}", world.destroys(&proxy));
    }
}

#[tokio::test]
async fn a_restart_in_the_middle_does_not_begin_with_a_burst() {
    let (world, all, stopwatch) = in_line(World::build("restart pace")).await;
    sent(&world, 15).await;
    world.operator().crash_and_restart().await;
    stopwatch.times(&all).await;
    let most = most(&world.requests());
    tell(&format!("pace     | restart after 15 of {COUNT} requests: the most attempts in any second: {most:?}"));
    assert!(most.values().all(|most| *most <= 20), "{most:?}");
    destroyed_once(&world, &all);
    world.finish().await;
}

#[tokio::test]
async fn a_hand_over_in_the_middle_does_not_make_more_than_twenty_calls_in_a_second() {
    let (world, all, stopwatch) = in_line(World::build("handover pace").replicas()).await;
    sent(&world, 20).await;
    let (leader, standby) = world.leader_and_standby().await;
    leader.signal(Signal::TERM);
    world.leads(standby, LONG).await;
    stopwatch.times(&all).await;
    let most = most(&world.requests());
    tell(&format!("pace     | hand-over after 20 of {COUNT} requests: the most attempts in any second: {most:?}"));
    assert!(most.values().all(|most| *most <= 20), "{most:?}");
    destroyed_once(&world, &all);
    world.finish().await;
}

#[tokio::test]
async fn two_operators_at_once_send_the_same_requests_and_each_keeps_the_limit() {
    let (world, all, stopwatch) = in_line(World::build("both pace").both_at_once()).await;
    stopwatch.times(&all).await;
    let requests = world.requests();
    let (second, first): (Vec<Entry>, Vec<Entry>) =
        requests.into_iter().partition(|entry| entry.secret_id.as_deref() == Some(SECOND_KEY.0));
    for requests in [&first, &second] {
        let most = most(requests);
        let sends = received(requests, "DestroyProxies").len();
        tell(&format!("pace     | two at once: {sends} requests of one; the most attempts in any second: {most:?}"));
        assert!(most.values().all(|most| *most <= 20), "{most:?}");
        in_time(sends > 0, "one of them came too late");
    }
    destroyed_once(&world, &all);
    world.finish().await;
}
