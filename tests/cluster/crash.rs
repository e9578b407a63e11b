//! `kill -9` of the real program after each effect of a deletion, and the same moments without a crash but with the
//! request or its answer lost. The end is always the same: the proxy gone, one accepted request, the resource gone;
//! the oracle judges the rest.
//!
//! The numbers are those of the crash points in docs/development.md: c0 before the finalizer is stored, c1 after; c2
//! before the first look; c4 before the cloud received the request, c5 before its answer was received, c6 before the
//! status told of it, c7 at the bookkeeping of a partial answer, c8 before the first poll, c9 before the finalizer is
//! removed, c10 while it is, c11 before that was known; c13 at a change of credentials; c14 at SIGTERM.

use gaap_simulator::{Fault, Kind, Phase};
use serde_json::json;

use crate::harness::{OTHER, PROXY, Side, World, Write, in_time};

/// What happens at the moment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Kill,
    /// No crash: what was under way is lost.
    Lose,
}

async fn world(name: &str) -> World {
    World::build(name).gate().cloud(|cloud| cloud.destroy_duration_ms = 1_500).start().await
}

async fn adopted(name: &str) -> World {
    let world = world(name).await;
    world.create("edge", PROXY).await;
    world.available("edge").await;
    world
}

/// Lets `begin` lead to a write of the operator, and stops it there.
async fn at(world: &World, write: Write, side: Side, then: Then, begin: impl AsyncFnOnce()) {
    let hold = world.gate().hold(write, side);
    begin().await;
    hold.reached().await;
    match then {
        Then::Kill => {
            world.operator().kill().await;
            hold.abandoned().await;
            world.operator().start().await;
        }
        Then::Lose => hold.lose().await,
    }
}

/// The same with a request to the cloud that is stopped by a fault.
async fn at_the_cloud(world: &World, fault: Fault, begin: impl AsyncFnOnce()) {
    let fault = world.fault(fault);
    begin().await;
    world.fault_hits(fault).await;
    world.operator().kill().await;
    world.operator().start().await;
}

/// The same end, whatever came before.
async fn ends_well(world: World, most_sends: usize) {
    world.gone("edge").await;
    assert!(world.cloud().proxy(PROXY).is_none());
    assert_eq!(world.accepted(PROXY), 1, "one accepted destroy: {:?}", world.destroys(PROXY));
    let destroys = world.destroys(PROXY);
    assert!(destroys.len() <= most_sends, "{destroys:?}");
    assert!(destroys.iter().all(|entry| entry.client_token == destroys[0].client_token), "{destroys:?}");
    world.finish().await;
}

async fn finalizer_not_stored(then: Then) {
    let world = world("c0").await;
    at(&world, Write::AddFinalizer, Side::Before, then, async || world.create("edge", PROXY).await).await;
    world.available("edge").await;
    assert!(world.destroys(PROXY).is_empty());
    world.delete("edge").await;
    ends_well(world, 1).await;
}

#[tokio::test]
async fn c0_killed_before_the_finalizer_is_stored() {
    finalizer_not_stored(Then::Kill).await;
}

#[tokio::test]
async fn c0_the_patch_of_the_finalizer_is_lost() {
    finalizer_not_stored(Then::Lose).await;
}

#[tokio::test]
async fn c0_deleted_and_gone_before_the_finalizer_is_stored() {
    let world = world("c0 gone").await;
    let hold = world.gate().hold(Write::AddFinalizer, Side::Before);
    world.create("edge", PROXY).await;
    hold.reached().await;
    world.delete("edge").await;
    world.gone("edge").await;
    drop(hold);
    // The patch arrives at nothing, or at another object of that name, which it must not touch.
    world.create("edge", OTHER).await;
    world.available("edge").await;
    assert!(world.destroys(PROXY).is_empty() && world.destroys(OTHER).is_empty());
    world.finish().await;
}

async fn finalizer_just_stored(then: Then) {
    let world = world("c1").await;
    at(&world, Write::AddFinalizer, Side::After, then, async || world.create("edge", PROXY).await).await;
    world.available("edge").await;
    assert_eq!(world.object("edge").unwrap()["metadata"]["finalizers"], json!(["gaap-operator.io/destroy"]), "once");
    world.delete("edge").await;
    ends_well(world, 1).await;
}

#[tokio::test]
async fn c1_killed_when_the_finalizer_was_stored() {
    finalizer_just_stored(Then::Kill).await;
}

#[tokio::test]
async fn c1_the_answer_to_the_patch_of_the_finalizer_is_lost() {
    finalizer_just_stored(Then::Lose).await;
}

#[tokio::test]
async fn c2_killed_when_the_deletion_was_noticed_and_the_first_look_is_under_way() {
    let world = adopted("c2").await;
    let hang = Fault::new(Kind::Hang).on("DescribeProxies").with(|with| with.phase = Some(Phase::Before));
    at_the_cloud(&world, hang, async || world.delete("edge").await).await;
    ends_well(world, 1).await;
}

#[tokio::test]
async fn c4_killed_when_the_request_left_and_the_cloud_processes_it_only_later() {
    let world = adopted("c4").await;
    let hang = Fault::new(Kind::Hang).on("DestroyProxies").with(|with| with.phase = Some(Phase::Before));
    at_the_cloud(&world, hang, async || world.delete("edge").await).await;
    world.destroys_reach(PROXY, 2).await;
    // The first request goes on now, after the same one of the second process.
    world.cloud().clear_faults();
    ends_well(world, 2).await;
}

#[tokio::test]
async fn c4_killed_when_the_request_left_and_never_arrived() {
    let world = adopted("c4 lost").await;
    at_the_cloud(&world, Fault::new(Kind::RequestLost).on("DestroyProxies"), async || world.delete("edge").await).await;
    // The process may have sent it again before it was killed.
    ends_well(world, 3).await;
}

#[tokio::test]
async fn c5_killed_when_the_cloud_has_accepted_and_not_answered() {
    let world = adopted("c5").await;
    let hang = Fault::new(Kind::Hang).on("DestroyProxies").with(|with| with.phase = Some(Phase::After));
    at_the_cloud(&world, hang, async || world.delete("edge").await).await;
    ends_well(world, 1).await;
}

#[tokio::test]
async fn c5_killed_when_the_answer_was_lost_and_the_cloud_still_shows_the_proxy_running() {
    let world = adopted("c5 stale").await;
    world.fault(Fault::new(Kind::StaleAfterAccept).on("DescribeProxies").times(3));
    at_the_cloud(&world, Fault::new(Kind::AnswerLost).on("DestroyProxies"), async || world.delete("edge").await).await;
    // The same request again is answered DuplicatedRequest, which says: look.
    ends_well(world, 3).await;
}

async fn accepted_not_told(then: Then) {
    let world = adopted("c6").await;
    let told = Write::StatusWith("gaap1-");
    at(&world, told, Side::Before, then, async || world.delete("edge").await).await;
    ends_well(world, 1).await;
}

#[tokio::test]
async fn c6_killed_when_the_answer_was_received_and_before_the_status_tells_it() {
    accepted_not_told(Then::Kill).await;
}

#[tokio::test]
async fn c6_the_status_that_tells_of_the_accepted_request_is_lost() {
    accepted_not_told(Then::Lose).await;
}

/// The raised attempt is stored before it is used: whatever is lost at that moment, a token means one request.
async fn partial_answer(side: Side, then: Then) {
    let world = adopted("c7").await;
    world.fault(Fault::new(Kind::PartialSets).with(|with| with.failed = vec![PROXY.to_owned()]));
    at(&world, Write::StatusWith("\"attempt\":1"), side, then, async || world.delete("edge").await).await;
    world.gone("edge").await;
    let destroys = world.destroys(PROXY);
    assert_eq!(world.accepted(PROXY), 1, "{destroys:?}");
    assert!(destroys.len() <= 3, "{destroys:?}");
    assert_ne!(destroys.first().unwrap().client_token, destroys.last().unwrap().client_token);
    world.finish().await;
}

#[tokio::test]
async fn c7_killed_before_the_raised_attempt_is_stored() {
    partial_answer(Side::Before, Then::Kill).await;
}

#[tokio::test]
async fn c7_killed_when_the_raised_attempt_was_stored() {
    partial_answer(Side::After, Then::Kill).await;
}

#[tokio::test]
async fn c7_the_answer_to_the_patch_of_the_raised_attempt_is_lost() {
    partial_answer(Side::After, Then::Lose).await;
}

async fn told_not_polled(then: Then) {
    let world = adopted("c8").await;
    at(&world, Write::StatusWith("gaap1-"), Side::After, then, async || world.delete("edge").await).await;
    ends_well(world, 1).await;
}

#[tokio::test]
async fn c8_killed_when_the_status_was_written_and_before_the_first_poll() {
    told_not_polled(Then::Kill).await;
}

#[tokio::test]
async fn c8_the_answer_to_the_status_is_lost() {
    told_not_polled(Then::Lose).await;
}

#[tokio::test]
async fn c9_killed_when_absence_was_proved_and_before_the_finalizer_is_removed() {
    let world = adopted("c9").await;
    let hold = world.gate().hold(Write::RemoveFinalizer, Side::Before);
    world.delete("edge").await;
    hold.reached().await;
    world.operator().kill().await;
    hold.abandoned().await;
    let looks = world.looks(PROXY).len();
    world.operator().start().await;
    world.gone("edge").await;
    assert!(world.looks(PROXY).len() >= looks + 2, "what was proved before the crash is proved anew");
    ends_well(world, 1).await;
}

#[tokio::test]
async fn c10_the_removal_of_the_finalizer_is_lost() {
    let world = adopted("c10").await;
    at(&world, Write::RemoveFinalizer, Side::Before, Then::Lose, async || world.delete("edge").await).await;
    ends_well(world, 1).await;
}

#[tokio::test]
async fn c11_killed_when_the_finalizer_was_removed_and_the_resource_made_again() {
    let world = adopted("c11").await;
    let hold = world.gate().hold(Write::RemoveFinalizer, Side::After);
    world.delete("edge").await;
    hold.reached().await;
    world.operator().kill().await;
    hold.abandoned().await;
    world.gone("edge").await;
    world.create("edge", OTHER).await;
    world.operator().start().await;
    world.available("edge").await;
    assert!(world.destroys(OTHER).is_empty(), "the new resource is another one");
    assert_eq!((world.accepted(PROXY), world.destroys(PROXY).len()), (1, 1));
    world.finish().await;
}

#[tokio::test]
async fn c11_the_answer_to_the_removal_of_the_finalizer_is_lost() {
    let world = adopted("c11 lost").await;
    at(&world, Write::RemoveFinalizer, Side::After, Then::Lose, async || world.delete("edge").await).await;
    ends_well(world, 1).await;
}

#[tokio::test]
async fn c13_a_key_that_is_revoked_before_the_new_one_is_there_loses_no_deletion_and_proves_no_absence() {
    let world = World::build("c13").cloud(|cloud| cloud.destroy_duration_ms = 3_000).start().await;
    world.create("edge", PROXY).await;
    world.create("next", OTHER).await;
    world.available("edge").await;
    world.available("next").await;
    world.delete("edge").await;
    world.condition("edge", "Deleting", "Destroying").await;
    assert!(world.cloud().remove_credential(gaap_simulator::DEFAULT_SECRET_ID));
    world.delete("next").await;
    world.condition("edge", "Deleting", "CredentialsInvalid").await;
    world.condition("next", "Deleting", "CredentialsInvalid").await;
    let (id, key) = ("AKIDSIMULATOR00000000000000000000009", "simulatorsimulatorsimulator00009");
    world.cloud().put_credential(gaap_simulator::Credential::new(id, key, gaap_simulator::DEFAULT_UIN));
    world.write_credentials(id, key);
    world.gone("edge").await;
    world.gone("next").await;
    for proxy in [PROXY, OTHER] {
        let destroys = world.destroys(proxy);
        assert_eq!(world.accepted(proxy), 1, "{destroys:?}");
        assert!(destroys.iter().all(|entry| entry.client_token == destroys[0].client_token), "{destroys:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn c14_sigterm_while_a_request_is_under_way_sends_no_other_and_leaves_it_resumable() {
    let world = adopted("c14").await;
    let hang = world.fault(Fault::new(Kind::Hang).on("DestroyProxies").with(|with| with.phase = Some(Phase::After)));
    world.delete("edge").await;
    world.fault_hits(hang).await;
    let (_, took) = world.operator().terminate().await;
    assert_eq!(world.destroys(PROXY).len(), 1);
    in_time(took < std::time::Duration::from_secs(2), format_args!("SIGTERM ended it after {took:?}"));
    world.operator().start().await;
    ends_well(world, 1).await;
}
