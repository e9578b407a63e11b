//! A deletion that one release of the operator begins, and another one finishes: the present one after the earlier one
//! of tests/upgrade, and the other way round, as in a rollback.
//!
//! Whatever the first one had done, the second sends the very same request or none: the ClientToken is a function of
//! what is stored, and must be the same function in both.

use futures::future::join_all;
use gaap_simulator::{AbsentAnswer, Fault, Kind, Phase};

use crate::harness::{Build, LIMIT, PROXY, Release, Signal, World};

/// From the first to the second.
const WAYS: [(Release, Release); 2] = [(Release::Previous, Release::Present), (Release::Present, Release::Previous)];

/// How far the first one comes.
struct Moment {
    name: &'static str,
    /// What happens to a request meanwhile; the first one ends when it has hit.
    fault: Option<fn() -> Fault>,
    /// The first one ends when the resource has this step.
    step: Option<&'static str>,
    /// How it ends.
    signal: Signal,
    /// How many requests the cloud may receive, from one of them or from both.
    sends: std::ops::RangeInclusive<usize>,
}

const MOMENTS: &[Moment] = &[
    Moment {
        name: "before-the-send",
        fault: Some(|| Fault::new(Kind::Hang).on("DescribeProxies").with(|with| with.phase = Some(Phase::Before))),
        step: None,
        signal: Signal::KILL,
        sends: 1..=1,
    },
    Moment {
        name: "request-on-its-way",
        fault: Some(|| Fault::new(Kind::Hang).on("DestroyProxies").with(|with| with.phase = Some(Phase::Before))),
        step: None,
        signal: Signal::KILL,
        sends: 2..=2,
    },
    Moment {
        name: "answer-lost",
        fault: Some(|| Fault::new(Kind::Hang).on("DestroyProxies").with(|with| with.phase = Some(Phase::After))),
        step: None,
        signal: Signal::KILL,
        sends: 1..=1,
    },
    Moment {
        name: "answer-lost-at-sigterm",
        fault: Some(|| Fault::new(Kind::Hang).on("DestroyProxies").with(|with| with.phase = Some(Phase::After))),
        step: None,
        signal: Signal::TERM,
        sends: 1..=1,
    },
    Moment { name: "destroying", fault: None, step: Some("Destroying"), signal: Signal::TERM, sends: 1..=1 },
    Moment { name: "first-absence", fault: None, step: Some("ConfirmingAbsence"), signal: Signal::KILL, sends: 1..=1 },
];

fn world(name: &str, absent: AbsentAnswer) -> Build {
    World::build(name)
        .absent(absent)
        // Long enough for a request that is let go late to arrive before the end.
        .flag("--absence-spacing", "1500ms")
        .cloud(|cloud| cloud.destroy_duration_ms = 1_500)
}

async fn begun(world: Build, first: Release) -> World {
    let world = world.operator_stopped().start().await;
    world.operator().use_release(first);
    world.operator().start().await;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    world
}

async fn goes_on(world: &World, second: Release, signal: Signal) {
    world.operator().signal(signal);
    world.operator().ended(LIMIT).await;
    world.operator().use_release(second);
    world.operator().start().await;
}

async fn ends_well(world: World, sends: &std::ops::RangeInclusive<usize>) {
    world.gone("edge").await;
    let destroys = world.destroys(PROXY);
    assert!(sends.contains(&destroys.len()), "{}: {destroys:?}", world.name());
    assert!(destroys.iter().all(|sent| sent.client_token == destroys[0].client_token), "{destroys:?}");
    assert_eq!(world.accepted(PROXY), 1, "{}: {destroys:?}", world.name());
    world.finish().await;
}

async fn at(moment: &Moment, (first, second): (Release, Release), absent: AbsentAnswer) {
    let world = world(&format!("{} {first:?}", moment.name), absent);
    // The step lasts until it was seen and the first was ended, however busy the machine is.
    let world = match moment.step {
        Some("Destroying") => world.cloud(|cloud| cloud.destroy_duration_ms = 8_000),
        Some(_) => world.flag("--absence-spacing", "8s"),
        None => world,
    };
    let world = begun(world, first).await;
    let fault = moment.fault.map(|fault| world.fault(fault()));
    world.delete("edge").await;
    if let Some(fault) = fault {
        world.fault_hits(fault).await;
    }
    if let Some(step) = moment.step {
        world.condition("edge", "Deleting", step).await;
    }
    goes_on(&world, second, moment.signal).await;
    if moment.name == "request-on-its-way" {
        world.destroys_reach(PROXY, 2).await;
        // Let go now: it arrives after the same request of the other release.
        world.cloud().clear_faults();
    }
    ends_well(world, &moment.sends).await;
}

async fn every_moment(way: (Release, Release)) {
    let absent = |place: usize| if place.is_multiple_of(2) { AbsentAnswer::Omit } else { AbsentAnswer::Error };
    join_all(MOMENTS.iter().enumerate().map(|(place, moment)| at(moment, way, absent(place)))).await;
}

#[tokio::test]
async fn a_deletion_begun_by_the_earlier_operator_is_finished_by_this_one() {
    every_moment(WAYS[0]).await;
}

#[tokio::test]
async fn a_deletion_begun_by_this_operator_is_finished_by_the_earlier_one() {
    every_moment(WAYS[1]).await;
}

/// The cloud has acted, its answer is lost and its looks lag behind: both releases send, and the token tells the cloud
/// that it is one request.
#[tokio::test]
async fn both_operators_send_the_same_token_for_one_stored_attempt() {
    let both = async |(first, second): (Release, Release)| {
        let world = begun(world(&format!("token {first:?}"), AbsentAnswer::Omit), first).await;
        // The next request is a new one, with a raised attempt: what is stored must be read alike.
        world.fault(
            Fault::new(Kind::PartialSets).on("DestroyProxies").with(|with| with.invalid = vec![PROXY.to_owned()]),
        );
        let hang = Fault::new(Kind::Hang).on("DestroyProxies").skip(1).with(|with| with.phase = Some(Phase::After));
        let hang = world.fault(hang);
        world.fault(Fault::new(Kind::StaleAfterAccept).times(2));
        world.delete("edge").await;
        world.fault_hits(hang).await;
        goes_on(&world, second, Signal::KILL).await;
        world.gone("edge").await;
        let destroys = world.destroys(PROXY);
        assert_eq!(destroys.len(), 3, "refused, accepted, repeated: {destroys:?}");
        assert_ne!(destroys[0].client_token, destroys[1].client_token, "another attempt, another token");
        assert_eq!(destroys[1].client_token, destroys[2].client_token, "{first:?} then {second:?}");
        assert_eq!(destroys[2].code, "FailedOperation.DuplicatedRequest");
        assert_eq!(world.accepted(PROXY), 1);
        world.finish().await;
    };
    join_all(WAYS.map(both)).await;
}

/// What one has written is what the other one would write: taking over writes nothing to a resource at rest.
#[tokio::test]
async fn neither_operator_changes_the_status_that_the_other_one_left() {
    let left = async |(first, second): (Release, Release)| {
        let world = begun(world(&format!("status {first:?}"), AbsentAnswer::Omit), first).await;
        let before = world.get("edge").await.unwrap();
        goes_on(&world, second, Signal::TERM).await;
        world.operator().metrics_with("gaap_proxies", &[("state", "RUNNING")], 1.0).await;
        world.delete("edge").await;
        let is_deleting = |object: &serde_json::Value| object["metadata"]["deletionTimestamp"].is_string();
        let deleted = world.was("edge", "in deletion", is_deleting).await;
        assert_eq!(before["status"], deleted["status"], "{first:?} then {second:?}");
        ends_well(world, &(1..=1)).await;
    };
    join_all(WAYS.map(left)).await;
}
