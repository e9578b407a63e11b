//! The leader's pod ends in every way there is, with a request to destroy in flight.

use std::time::Duration;

use control_plane::Stop;
use gaap_simulator::{Fault, Kind, Phase};
use rustix::process::Signal;

use crate::bed::own_node;
use crate::cloud::PROXY;
use crate::install::{Install, PATIENCE};
use crate::patience::{in_time, until};

/// Longer than the lease by a write that times out, a retry period, and what a loaded machine takes to notice.
const ONE_LEASE: Duration = Duration::from_secs(15 + 7);

/// The leader has sent a request for [`PROXY`] and waits for an answer that takes longer than its deadline.
async fn in_flight(name: &str, phase: Phase) -> Option<Install> {
    let install = Install::ready(name, 4).await?;
    install.create(1..=1).await;
    install.available().await;
    let hang = Fault::new(Kind::Hang).on("DestroyProxies").for_id(PROXY).with(|with| with.phase = Some(phase));
    let hang = install.cloud.fault(hang).await;
    install.delete(&["edge-1"]).await;
    install.cloud.fault_hits(hang).await;
    Some(install)
}

async fn ends_well(install: Install) {
    install.gone("edge-1").await;
    install.destroyed_once(1..=1).await;
    install.all_ready(2).await;
    install.finish().await;
}

fn took(what: &str, time: Duration) {
    eprintln!("hand-over in pods after {what}: {:.1} s", time.as_secs_f64());
}

#[tokio::test]
async fn a_deleted_leader_pod_hands_over_at_once() {
    let Some(install) = in_flight("pod-deleted", Phase::After).await else { return };
    let (leader, holder) = (install.leader().await, install.holder().await);
    install.keep_logs().await;
    install.kubectl(&["delete", "pod", &leader, "--wait=false"]).await;
    let time = install.succeeded(&holder).await;
    took("kubectl delete pod", time);
    // From SIGTERM on it is 2 s, which the tests of the process hold; the kubelet passes SIGTERM on when it comes to it.
    // A Lease that nobody gave back would be free after 13 s at the earliest, for it was renewed within the last two.
    in_time(time < Duration::from_secs(10), format_args!("{time:?}"));
    ends_well(install).await;
}

#[tokio::test]
async fn a_killed_leader_is_replaced_within_one_lease() {
    let Some(()) = own_node() else { return };
    let Some(install) = in_flight("killed", Phase::After).await else { return };
    let (leader, holder) = (install.leader().await, install.holder().await);
    install.keep_logs().await;
    install.signal(&leader, Signal::KILL).await;
    let time = install.succeeded(&holder).await;
    took("kill -9 in the container", time);
    in_time(time < ONE_LEASE, format_args!("{time:?}"));
    ends_well(install).await;
}

#[tokio::test]
async fn a_leader_that_was_stopped_past_its_lease_ends_and_stands_by_when_it_goes_on() {
    let Some(()) = own_node() else { return };
    let Some(install) = in_flight("stopped", Phase::Before).await else { return };
    let (leader, holder) = (install.leader().await, install.holder().await);
    install.keep_logs().await;
    let before = install.pod(&leader).await.unwrap().restarts;
    install.signal(&leader, Signal::STOP).await;
    let time = install.succeeded(&holder).await;
    took("SIGSTOP", time);
    in_time(time < ONE_LEASE, format_args!("{time:?}"));
    // At once: after three failed probes, 23 s at the earliest, the kubelet would end it.
    install.signal(&leader, Signal::CONT).await;
    until("the restart of the one that was stopped", PATIENCE, async || {
        let pod = install.pod(&leader).await.ok_or("the pod is gone")?;
        if pod.restarts > before && pod.ready && pod.last_exit == Some(1) { Ok(()) } else { Err(format!("{pod:?}")) }
    })
    .await;
    assert_ne!(install.leader().await, leader);
    ends_well(install).await;
}

#[tokio::test]
async fn a_restart_of_the_kubelet_disturbs_no_deletion() {
    let Some(()) = own_node() else { return };
    let Some(install) = in_flight("kubelet", Phase::After).await else { return };
    let leader = install.leader().await;
    install.bed.plane.node().unwrap().restart_kubelet(Stop::Kill).await.unwrap();
    install.gone("edge-1").await;
    install.went_on().await;
    in_time(install.leader().await == leader, "the Lease changed hands");
    ends_well(install).await;
}

#[tokio::test]
async fn a_deleted_lease_is_made_again_by_its_holder() {
    let Some(install) = Install::ready("lease", 4).await else { return };
    let leader = install.leader().await;
    install.kubectl(&["delete", "lease", "gaap-operator"]).await;
    assert_eq!(install.leader().await, leader);
    install.create(1..=1).await;
    install.available().await;
    install.delete(&["edge-1"]).await;
    ends_well(install).await;
}
