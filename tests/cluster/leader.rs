//! Two replicas: one acts, the other takes over without a gap and without a second destroy, however the first one ends.

use std::time::Duration;

use gaap_simulator::{Fault, Kind, Phase};
use k8s_openapi::jiff::Timestamp;

use crate::harness::{Build, LEASE, LIMIT, OTHER, PROXY, Signal, World, in_time, until, until_allowed};

/// A world whose leader has sent a request for [`PROXY`] and waits for the answer, which takes longer than its deadline.
pub async fn in_flight(world: Build, phase: Phase) -> World {
    let world = world.replicas().start().await;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    let hang = Fault::new(Kind::Hang).on("DestroyProxies").for_id(PROXY).with(|with| with.phase = Some(phase));
    let hang = world.fault(hang);
    world.delete("edge").await;
    world.fault_hits(hang).await;
    world
}

/// The proxy is gone, the cloud took one request, and every request was the same.
pub async fn ends_well(world: World) {
    world.gone("edge").await;
    let destroys = world.destroys(PROXY);
    assert!(destroys.iter().all(|sent| sent.client_token == destroys[0].client_token), "{destroys:?}");
    assert_eq!(world.accepted(PROXY), 1, "{destroys:?}");
    world.finish().await;
}

/// A takeover as the issue wants it measured: printed, so that a report can quote it.
pub fn took(what: &str, time: Duration) {
    eprintln!("hand-over after {what}: {:.2} s", time.as_secs_f64());
}

#[tokio::test]
async fn a_standby_serves_and_watches_but_does_nothing() {
    let world = World::build("standby").replicas().flag("--resync", "1s").start().await;
    let (leader, standby) = world.leader_and_standby().await;
    world.create("edge", PROXY).await;
    world.create("other", OTHER).await;
    world.available("edge").await;
    world.available("other").await;
    assert_eq!(standby.readyz().await, Ok((200, "ok\n".to_owned())), "a standby is ready to take over");
    assert_eq!(standby.healthz().await.unwrap().0, 200);
    world.delete("edge").await;
    world.gone("edge").await;
    let (acting, idle) = (leader.metrics().await, standby.metrics().await);
    assert!(acting.value("gaap_proxies", &[]) >= 1.0, "{}", acting.text);
    assert_eq!(idle.value("gaap_proxies", &[]), 0.0, "a sum over the replicas counts each once: {}", idle.text);
    for action in ["DescribeProxies", "DestroyProxies"] {
        assert!(acting.value("gaap_api_requests_total", &[("action", action)]) >= 1.0);
        assert_eq!(idle.value("gaap_api_requests_total", &[("action", action)]), 0.0, "{action}: {}", idle.text);
    }
    ends_well_without_more(world).await;
}

async fn ends_well_without_more(world: World) {
    assert_eq!((world.destroys(PROXY).len(), world.destroys(OTHER).len()), (1, 0));
    world.finish().await;
}

#[tokio::test]
async fn a_crashed_leader_is_replaced_within_one_lease() {
    let world = in_flight(World::build("crash"), Phase::After).await;
    let (leader, standby) = world.leader_and_standby().await;
    let killed = Timestamp::now();
    leader.kill().await;
    let time = world.took_over(standby, killed).await;
    took("kill -9", time);
    // Plus one retry period: the first try of a standby may meet an API server that is busy.
    in_time(time < LEASE + Duration::from_secs(2), format_args!("{time:?}"));
    ends_well(world).await;
}

#[tokio::test]
async fn a_leader_that_was_stopped_past_its_lease_sends_nothing_when_it_goes_on() {
    let world = in_flight(World::build("stopped"), Phase::Before).await;
    world.create("other", OTHER).await;
    world.available("other").await;
    let (leader, standby) = world.leader_and_standby().await;
    let stopped = Timestamp::now();
    leader.signal(Signal::STOP);
    took("SIGSTOP", world.took_over(standby, stopped).await);
    world.gone("edge").await;
    world.delete("other").await;
    leader.signal(Signal::CONT);
    let status = leader.ended(LIMIT).await;
    assert_eq!(status.code(), Some(1), "it ends, to stand by after its restart");
    assert!(leader.log().contains("could not be renewed in time, or another replica has it"), "{}", leader.log());
    world.gone("other").await;
    assert_eq!((world.accepted(PROXY), world.accepted(OTHER)), (1, 1));
    leader.start().await;
    assert!(world.holder().await.starts_with(&standby.host()), "the one that leads goes on leading");
    ends_well(world).await;
}

#[tokio::test]
async fn a_deleted_lease_is_made_again_by_the_leader_and_nobody_else_takes_over() {
    let world = World::build("lease deleted").replicas().start().await;
    world.leader_and_standby().await;
    let before = world.holder().await;
    world.kubectl(&["delete", "lease", "gaap-operator"]).await;
    until("the Lease", LIMIT, async || match world.holder().await {
        holder if holder.is_empty() => Err("it is not there".to_owned()),
        holder => Ok(holder),
    })
    .await;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    world.delete("edge").await;
    world.gone("edge").await;
    assert_eq!(world.holder().await, before);
    ends_well(world).await;
}

#[tokio::test]
async fn a_missing_permission_on_the_lease_is_named_and_heals_by_itself() {
    let world = World::build("denied lease").replicas().operator_stopped().start().await;
    let role = "gaap-operator-leader-election";
    let binding = world.kubectl(&["get", "rolebinding", role, "-o", "json"]).await;
    world.kubectl(&["delete", "rolebinding", role]).await;
    let lease = ("coordination.k8s.io", "leases");
    until_allowed(&world.client(), "create", lease, world.namespace(), false).await;
    let from = Timestamp::now();
    world.operator().spawn().await;
    world.operator().waits_for(&["leader election", "leases.coordination.k8s.io", "gaap-operator"]).await;
    world.create("edge", PROXY).await;
    let mut binding: serde_json::Value = serde_json::from_str(&binding).unwrap();
    binding["metadata"] = serde_json::json!({"name": role});
    world.cluster().kubectl_with(&["create", "--namespace", world.namespace()], &binding.to_string()).await;
    world.operator().ready().await;
    world.excuse_denials_since(from);
    world.available("edge").await;
    world.delete("edge").await;
    ends_well(world).await;
}
