//! Faults that hit a process and not one deletion: its lists, its watches, its Lease, the whole way to the cloud. One
//! comes after the other in a world, each with a deletion of its own; those that take a minute have worlds of their own.

use std::time::{Duration, Instant};

use futures::future::FutureExt;
use gaap_simulator::{Credential, DEFAULT_UIN, Fault, Kind};

use crate::calls::{LOOK, SEND, create, name, proxy, world};
use crate::harness::{Call, LIMIT, WatchKind, WireFault, WireKind, World, in_time, until};
use crate::kube_wire::QUICK;
use crate::table::{Part, Row, ended};

/// A request that every deletion rests on.
#[derive(Clone, Copy)]
struct Basis {
    name: &'static str,
    call: Call,
    /// What makes the process ask it.
    provoke: Provoke,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Provoke {
    /// It is asked at the start.
    Restart,
    /// It is asked again when the open watches end.
    EndWatches,
    /// It is asked every two seconds.
    Wait,
}

const LIST: Basis = Basis { name: "first list", call: Call::List, provoke: Provoke::Restart };
const WATCH: Basis = Basis { name: "watch opened", call: Call::Watch, provoke: Provoke::EndWatches };
const LEASE: Basis = Basis { name: "lease renewed", call: Call::WriteLease, provoke: Provoke::Wait };
const LEASE_WATCH: Basis =
    Basis { name: "watch of the lease opened", call: Call::WatchLease, provoke: Provoke::EndWatches };

/// Those that are over soon, of any request.
const SHORT: &[(&str, WireKind)] = &[
    ("410", WireKind::Refused(410)),
    ("429, Retry-After", WireKind::Refused(429)),
    ("500", WireKind::Refused(500)),
    ("503, Retry-After", WireKind::Refused(503)),
    ("connection cut before", WireKind::CutBefore),
    ("connection cut after commit", WireKind::CutAfter),
    ("two seconds late", WireKind::Late(Duration::from_secs(2))),
];

/// Those that make the caller wait: the deadline of a renewal ends it soon.
const WAITS: &[(&str, WireKind)] = &[
    ("hang before", WireKind::HangBefore),
    ("hang after commit", WireKind::HangAfter),
    ("late, after the caller gave up", WireKind::Late(Duration::from_secs(4))),
];

/// What becomes of watches that are open.
const OPEN: &[(&str, WatchKind)] =
    &[("cut in mid-line", WatchKind::CutMidLine), ("ended", WatchKind::Ended), ("410 in the stream", WatchKind::Gone)];

/// All of them, each a world.
pub fn parts() -> Vec<Part> {
    vec![
        ("first lists", basis(LIST, SHORT).boxed_local()),
        ("watches opened", basis(WATCH, SHORT).boxed_local()),
        ("open watches", open_watches(OPEN).boxed_local()),
        ("leases", lease().boxed_local()),
        ("the way to the cloud, looks", whole_cloud("look (DescribeProxies)", LOOK).boxed_local()),
        ("the way to the cloud, sends", whole_cloud("send (DestroyProxies, E2)", SEND).boxed_local()),
        // Each takes the minute after which a connection without a sign of life is given up.
        ("a list that hangs", basis(LIST, &[("hang", WireKind::HangBefore)]).boxed_local()),
        ("a watch that hangs", basis(WATCH, &[("hang", WireKind::HangBefore)]).boxed_local()),
        ("a silent watch", open_watches(&[("silent", WatchKind::Silent)]).boxed_local()),
    ]
}

async fn adopted(world: &World, place: usize) {
    create(world, place..place + 1).await;
    world.available(&name(place)).await;
}

async fn end(world: &World, fault: (&str, &str), place: usize, since: Instant) -> Row {
    ended(world, fault, &name(place), &proxy(place), since, &["a"]).await
}

async fn basis(basis: Basis, faults: &[(&str, WireKind)]) -> Vec<Row> {
    let world = world(basis.name).start().await;
    let mut rows = Vec::new();
    for (place, (fault, kind)) in faults.iter().enumerate() {
        adopted(&world, place).await;
        rows.push(one(&world, &basis, (fault, *kind), place).await);
    }
    world.finish().await;
    rows
}

/// The fault, and a deletion that begins while it is there.
async fn one(world: &World, basis: &Basis, fault: (&str, WireKind), place: usize) -> Row {
    let (name_of_fault, kind) = fault;
    let gate = world.gate();
    let number = gate.fault(WireFault::new(kind, basis.call));
    match basis.provoke {
        Provoke::Restart => {
            world.operator().kill().await;
            world.operator().spawn().await;
        }
        Provoke::EndWatches => gate.open_watches(WatchKind::Ended),
        Provoke::Wait => {}
    }
    gate.fault_hits(number).await;
    let deleted = Instant::now();
    world.delete(&name(place)).await;
    end(world, (basis.name, name_of_fault), place, deleted).await
}

async fn open_watches(faults: &[(&str, WatchKind)]) -> Vec<Row> {
    let world = world("open watches").start().await;
    let mut rows = Vec::new();
    for (place, (fault, kind)) in faults.iter().enumerate() {
        adopted(&world, place).await;
        world.gate().open_watches(*kind);
        let deleted = Instant::now();
        world.delete(&name(place)).await;
        rows.push(end(&world, ("watch, open", fault), place, deleted).await);
    }
    world.finish().await;
    rows
}

/// One fault of the Lease changes nothing: the same replica leads all the time.
async fn lease() -> Vec<Row> {
    let world = world("lease").replicas().operator_stopped().start().await;
    world.operator().start().await;
    let holder = world.leader_and_standby().await.0.host();
    assert_eq!(holder, "first", "the other is not there yet");
    world.second().start().await;
    let mut rows = Vec::new();
    let faults = QUICK.iter().chain(WAITS).map(|fault| (LEASE, *fault));
    for (basis, (fault, kind)) in faults.chain(SHORT.iter().map(|fault| (LEASE_WATCH, *fault))) {
        let place = rows.len();
        adopted(&world, place).await;
        rows.push(one(&world, &basis, (fault, kind), place).await);
        // Two faults in a row would be more than one: a renewal that comes through is between them.
        let version = world.lease_version().await;
        until("a renewal", LIMIT, async || match world.lease_version().await {
            now if now == version => Err(now),
            _ => Ok(()),
        })
        .await;
        let leads = world.holder().await.starts_with("first_");
        in_time(leads, format_args!("{}: the leader does not go on leading", rows[place]));
    }
    world.finish().await;
    rows
}

/// Faults of the whole way to the cloud, at a request of this action. A world for each: the clock of the cloud is taken
/// over at most once a minute.
async fn whole_cloud(effect: &'static str, action: &'static str) -> Vec<Row> {
    let world = world(effect).start().await;
    let mut rows = Vec::new();
    let refused = Fault::new(Kind::ConnectionRefused).with(|with| with.duration_ms = Some(1_500));
    let skew = Fault::new(Kind::ClockSkew).with(|with| with.seconds = Some(900));
    for (fault, kind) in [("connection-refused", refused), ("clock-skew", skew)] {
        let place = rows.len();
        adopted(&world, place).await;
        let number = world.fault(kind.on(action));
        let deleted = Instant::now();
        world.delete(&name(place)).await;
        world.fault_hits(number).await;
        let tokens: &[&str] = if action == SEND { &["aa"] } else { &["a"] };
        rows.push(ended(&world, (effect, fault), &name(place), &proxy(place), deleted, tokens).await);
    }
    adopted(&world, rows.len()).await;
    rows.push(another_cloud(&world, (effect, action), rows.len()).await);
    world.finish().await;
    rows
}

/// The name leads to a cloud that does not know the key, once; a person writes another key.
async fn another_cloud(world: &World, effect: (&str, &str), place: usize) -> Row {
    let number = world.fault(Fault::new(Kind::DnsFlip).on(effect.1).for_id(proxy(place)));
    let deleted = Instant::now();
    world.delete(&name(place)).await;
    world.fault_hits(number).await;
    world.condition(&name(place), "Deleting", "CredentialsInvalid").await;
    let (id, key) = (format!("AKIDSIMULATOR{place:023}"), format!("simulatorsimulatorsimulator{place:05}"));
    world.cloud().put_credential(Credential::new(&id, &key, DEFAULT_UIN));
    world.write_credentials(&id, &key);
    let tokens: &[&str] = if effect.1 == SEND { &["aa", "ab"] } else { &["a"] };
    ended(world, (effect.0, "dns-flip to another cloud"), &name(place), &proxy(place), deleted, tokens).await
}
