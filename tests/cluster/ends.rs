//! SIGTERM ends the process within two seconds at any moment, and hands over. Measured, so with the machine to itself.

use std::time::Duration;

use gaap_simulator::{Fault, Kind, Phase};
use k8s_openapi::jiff::Timestamp;

use crate::harness::{LIMIT, PROXY, Side, Signal, World, Write, in_time};
use crate::leader::{ends_well, in_flight, took};

/// SIGTERM ends the process within this at any moment.
const PROMPT: Duration = Duration::from_secs(2);

pub async fn ends_promptly(world: &World, moment: &str) {
    let (status, took) = world.operator().terminate().await;
    assert!(status.success(), "{moment}: {status}");
    in_time(took < PROMPT, format_args!("{moment}: SIGTERM ended it only after {took:?}"));
}

#[tokio::test]
async fn sigterm_ends_it_within_two_seconds_at_any_moment() {
    let world = World::build("sigterm").gate().alone().operator_stopped().start().await;
    let list = world.gate().hold_list(Side::Before);
    world.operator().spawn().await;
    list.reached().await;
    world.operator().waits_for(&["first list"]).await;
    assert_eq!(world.operator().healthz().await.unwrap().0, 200, "alive, though not ready");
    ends_promptly(&world, "before the first list").await;
    list.abandoned().await;

    let account = world.fault(Fault::new(Kind::Hang).on("GetCallerIdentity").times(0));
    world.operator().spawn().await;
    world.fault_hits(account).await;
    world.operator().waits_for(&["credentials"]).await;
    ends_promptly(&world, "while the account is asked").await;
    world.cloud().clear_faults();

    world.operator().start().await;
    ends_promptly(&world, "at rest").await;

    let finalizer = world.gate().hold(Write::AddFinalizer, Side::Before);
    world.operator().start().await;
    world.create("edge", PROXY).await;
    finalizer.reached().await;
    ends_promptly(&world, "while the finalizer is stored").await;
    finalizer.abandoned().await;

    let look = world.fault(Fault::new(Kind::Hang).on("DescribeProxies").times(0));
    world.operator().start().await;
    world.fault_hits(look).await;
    ends_promptly(&world, "during a look").await;
    world.cloud().clear_faults();

    world.operator().start().await;
    world.available("edge").await;
    let status = world.gate().hold(Write::Status, Side::After);
    world.delete("edge").await;
    status.reached().await;
    ends_promptly(&world, "while a status is written").await;
    status.abandoned().await;
    world.operator().start().await;
    world.gone("edge").await;
    assert_eq!(world.accepted(PROXY), 1);
    world.finish().await;
}

async fn hands_over(phase: Phase) {
    let world = in_flight(World::build(&format!("handover {phase:?}")).alone(), phase).await;
    let (leader, standby) = world.leader_and_standby().await;
    let asked = Timestamp::now();
    leader.signal(Signal::TERM);
    let time = world.took_over(standby, asked).await;
    took("SIGTERM", time);
    in_time(time < PROMPT, format_args!("{time:?}"));
    assert_eq!(leader.ended(LIMIT).await.code(), Some(0));
    ends_well(world).await;
}

#[tokio::test]
async fn sigterm_hands_over_within_two_seconds_with_a_request_in_flight() {
    hands_over(Phase::Before).await;
}

#[tokio::test]
async fn sigterm_hands_over_within_two_seconds_with_an_answer_in_flight() {
    hands_over(Phase::After).await;
}
