//! The protocol as a table of sentences: each test says what would break.

mod live;
mod record;

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::destroy::request;
use super::*;
use crate::controller::failure::Failure;
use crate::controller::memory::{Hold, LookRecord, Memory, Outcome, Seen, SendRecord};
use crate::controller::observation::{Claim, Cloud};
use crate::controller::reasons::condition;
use crate::controller::testing::{account, failure, observation};
use crate::crd::{DeletionPolicy, DestroyStatus, FINALIZER, GaapProxyStatus};
use crate::gaap::{Class, ProxyStatus};

/// The process has been running for so many seconds when the deletion is noticed.
const START: f64 = 1_000.0;

const PREPARE: Step = Step::Prepare { look_first: false };

fn at(seconds: f64) -> Now {
    let since_start = Duration::from_secs_f64(START + seconds);
    Now {
        unix: Duration::from_secs(1_900_000_000) + since_start - Duration::from_secs_f64(START),
        monotonic: since_start,
    }
}

fn mono(seconds: f64) -> Duration {
    at(seconds).monotonic
}

fn proxy(status: ProxyStatus) -> Proxy {
    Proxy {
        id: "link-11112222".parse().unwrap(),
        status,
        name: None,
        access_region: None,
        real_server_region: None,
        ip: None,
        domain: None,
        bandwidth_mbps: None,
        concurrent_connections: None,
        group_id: None,
        create_time: Some(1_800_000_000),
    }
}

fn looked(seconds: f64, seen: Seen) -> LookRecord {
    LookRecord { asked: mono(seconds), answered: mono(seconds), account: Some(account()), seen }
}

fn present(seconds: f64, status: ProxyStatus) -> LookRecord {
    looked(seconds, Seen::Present(Box::new(proxy(status))))
}

/// A resource in deletion since second 0 whose proxy was seen before.
fn deleting() -> Observation {
    let mut observation = observation();
    observation.resource.finalizers = vec![FINALIZER.into()];
    observation.resource.deleted = Some(1_900_000_000);
    observation.resource.generation = 2;
    observation.resource.status.account =
        Some(AccountStatus { account_id: account().id, endpoint: account().endpoint });
    observation.resource.status.proxy =
        Some(ProxyMirror { status: Some("RUNNING".into()), create_time: Some(1_800_000_000), ..Default::default() });
    observation.memory.since = mono(-100.0);
    observation.memory.deleting_since = Some(mono(0.0));
    observation
}

fn running(seconds: f64) -> Observation {
    let mut observation = deleting();
    observation.memory.record_look(present(seconds, ProxyStatus::Running));
    observation
}

fn sent(seconds: f64, outcome: Outcome) -> SendRecord {
    let request = request(&deleting().resource);
    SendRecord {
        attempt: 0,
        force: false,
        client_token: request.client_token(),
        at: mono(seconds),
        at_unix: at(seconds).unix,
        outcome,
    }
}

fn accepted() -> Outcome {
    Outcome::Accepted { request_id: Some("r-0".into()) }
}

fn step_reason(decision: &Decision) -> Reason {
    assert_eq!(decision.step, Step::Wait, "{decision:?}");
    decision.status.as_ref().expect("a status").headline().0
}

fn stalled(decision: &Decision) -> bool {
    decision.status.as_ref().expect("a status").stalled.is_some()
}

#[test]
fn nothing_is_done_before_the_finalizer_is_stored() {
    assert_eq!(decide(&observation(), at(0.0)).step, Step::AddFinalizer);
}

#[test]
fn a_resource_without_our_finalizer_is_left_alone_in_deletion() {
    let mut observation = deleting();
    observation.resource.finalizers = vec!["other/one".into()];
    assert_eq!(decide(&observation, at(0.0)), Decision::quiet_wait(None));
}

#[test]
fn retain_releases_without_credentials_and_without_a_look() {
    let mut observation = deleting();
    observation.resource.policy = DeletionPolicy::Retain;
    observation.cloud = Cloud::Blocked(failure(Class::User));
    observation.claims.complete = false;
    assert_eq!(decide(&observation, at(0.0)).step, Step::Release(Release::Retained));
}

#[test]
fn paused_holds_the_resource_and_calls_for_nobody() {
    let mut observation = running(0.0);
    observation.resource.paused = true;
    let decision = decide(&observation, at(0.0));
    assert_eq!((step_reason(&decision), stalled(&decision)), (Reason::Paused, false));
}

#[test]
fn the_finalizer_of_another_controller_is_waited_for_and_named() {
    let mut observation = running(0.0);
    observation.resource.finalizers.insert(0, "other/one".into());
    let decision = decide(&observation, at(0.0));
    assert_eq!(step_reason(&decision), Reason::WaitingForFinalizers);
    assert!(decision.status.unwrap().headline().1.contains("other/one"));
}

#[test]
fn nothing_is_sent_before_the_first_list_is_complete() {
    let mut observation = running(0.0);
    observation.claims.complete = false;
    assert_eq!(decide(&observation, at(0.0)), Decision::quiet_wait(None));
}

fn claim(name: &str, created: i64, deleting: bool) -> Claim {
    Claim { key: format!("other/{name}"), uid: format!("uid-{name}"), created, deleting }
}

#[test]
fn a_later_claimant_goes_without_a_cloud_call() {
    for deleting_too in [false, true] {
        let mut observation = running(0.0);
        observation.claims.others = vec![claim("old", 500, deleting_too)];
        let owner = claim("old", 500, deleting_too);
        assert_eq!(decide(&observation, at(0.0)).step, Step::Release(Release::NotOwner { owner }));
    }
}

#[test]
fn the_owner_waits_while_a_claimant_lives_and_names_it() {
    let mut observation = running(0.0);
    observation.claims.others = vec![claim("young", 2_000, false)];
    let decision = decide(&observation, at(0.0));
    assert_eq!((step_reason(&decision), stalled(&decision)), (Reason::Conflict, true));
    assert!(decision.status.unwrap().headline().1.contains("other/young"));
    observation.claims.others = vec![claim("young", 2_000, true)];
    assert_eq!(decide(&observation, at(0.0)).step, PREPARE);
}

#[test]
fn of_two_made_in_the_same_second_the_uid_decides() {
    let mut observation = running(0.0);
    observation.claims.others = vec![Claim { uid: "uid-0".into(), ..claim("twin", 1_000, true) }];
    assert!(matches!(decide(&observation, at(0.0)).step, Step::Release(Release::NotOwner { .. })));
    observation.claims.others = vec![Claim { uid: "uid-z".into(), ..claim("twin", 1_000, true) }];
    assert_eq!(decide(&observation, at(0.0)).step, PREPARE);
}

#[test]
fn another_account_or_endpoint_is_never_asked() {
    for other in [
        Account { id: "200".into(), ..account() },
        Account { endpoint: "https://gaap.intl.tencentcloudapi.com".into(), ..account() },
    ] {
        let mut observation = deleting();
        observation.cloud = Cloud::Ready(other);
        let decision = decide(&observation, at(0.0));
        assert_eq!((step_reason(&decision), stalled(&decision)), (Reason::AccountMismatch, true));
    }
}

#[test]
fn an_absence_that_was_asked_for_before_the_request_is_no_first_one() {
    let mut observation = running(0.0);
    observation.memory.record_send(sent(2.0, accepted()));
    observation.memory.look_failures = 1;
    observation.memory.look_hold = Some(Hold { until: mono(600.0), lifted_by_change_from: None });
    let late = LookRecord { answered: mono(3.0), ..looked(1.0, Seen::Absent) };
    observation.memory.record_look(late);
    let Memory { first_absent, look_failures, look_hold, .. } = &observation.memory;
    assert_eq!((first_absent, *look_failures, look_hold), (&None, 0, &None), "an answer ends the pauses all the same");
    observation.memory.record_look(looked(4.0, Seen::Failed(failure(Class::Backoff))));
    observation.memory.record_look(looked(9.0, Seen::Absent));
    assert!(!matches!(decide(&observation, at(9.0)).step, Step::Release(_)));
    observation.memory.record_look(looked(14.0, Seen::Absent));
    assert!(matches!(decide(&observation, at(14.0)).step, Step::Release(_)));
}

#[test]
fn the_proxy_is_looked_at_before_anything_is_sent() {
    assert_eq!(decide(&deleting(), at(0.0)).step, Step::Look);
    let mut before = deleting();
    before.memory.record_look(present(-0.001, ProxyStatus::Running));
    assert_eq!(decide(&before, at(0.0)).step, Step::Look, "a look from before the deletion does not count");
}

#[test]
fn an_answer_from_another_account_does_not_count() {
    let mut observation = deleting();
    let mut look = present(1.0, ProxyStatus::Running);
    look.account = Some(Account { id: "200".into(), ..account() });
    observation.memory.record_look(look);
    assert_eq!(decide(&observation, at(1.0)).step, Step::Look);
}

#[test]
fn a_question_under_way_is_waited_for_and_a_lost_one_asked_again() {
    let mut observation = deleting();
    observation.memory.asking = Some(mono(0.0));
    assert_eq!(decide(&observation, at(1.0)).step, Step::Wait);
    assert_eq!(decide(&observation, at(121.0)).step, Step::Look);
}

#[test]
fn a_deletion_does_not_wait_for_a_question_from_before_it() {
    let mut observation = deleting();
    observation.memory.asking = Some(mono(-1.0));
    assert_eq!(decide(&observation, at(0.0)).step, Step::Look);
    observation.memory.asking = Some(mono(0.5));
    observation.memory.record_look(present(-1.0, ProxyStatus::Running));
    assert_eq!(decide(&observation, at(1.0)).step, Step::Wait, "the answer to the first is not that to the second");
}

#[test]
fn sending_needs_a_fresh_read_with_the_turn_in_hand() {
    let mut observation = running(0.0);
    assert_eq!(decide(&observation, at(0.0)).step, PREPARE);
    observation.fresh = true;
    assert_eq!(decide(&observation, at(0.0)).step, Step::Destroy(request(&observation.resource)));
}

#[test]
fn an_old_look_is_not_enough_to_send_on() {
    let mut observation = running(0.0);
    assert_eq!(decide(&observation, at(10.1)).step, Step::Prepare { look_first: true });
    observation.fresh = true;
    assert_eq!(decide(&observation, at(10.0)).step, Step::Destroy(request(&observation.resource)));
    assert_eq!(decide(&observation, at(10.1)).step, Step::Look);
}

#[test]
fn a_look_is_renewed_in_line_before_it_is_too_old_and_once() {
    let mut observation = running(0.0);
    assert_eq!(decide(&observation, at(5.0)).step, PREPARE);
    assert_eq!(decide(&observation, at(5.1)).step, Step::Prepare { look_first: true });
    observation.memory.asking = Some(at(5.1).monotonic);
    assert_eq!(decide(&observation, at(5.2)).step, PREPARE, "asked for already, and still good enough");
    let decision = decide(&observation, at(10.1));
    assert_eq!((decision.step, decision.status), (Step::Wait, None), "keeps its place until the answer is there");
}

#[test]
fn force_is_what_the_spec_says_and_nothing_else() {
    for force in [false, true] {
        let mut observation = running(0.0);
        observation.resource.force = force;
        observation.fresh = true;
        let Step::Destroy(request) = decide(&observation, at(0.0)).step else { panic!("no request") };
        assert_eq!(request.force(), force);
    }
}

#[test]
fn a_proxy_in_a_passing_or_unknown_state_is_waited_for() {
    for (state, reason) in [
        (ProxyStatus::Destroying, Reason::Destroying),
        (ProxyStatus::Creating, Reason::WaitingForCloud),
        (ProxyStatus::Moving, Reason::WaitingForCloud),
        (ProxyStatus::Unknown("HIBERNATING".into()), Reason::WaitingForCloud),
    ] {
        let mut observation = deleting();
        observation.fresh = true;
        observation.memory.record_look(present(0.0, state));
        assert_eq!(step_reason(&decide(&observation, at(1.0))), reason);
        assert_eq!(decide(&observation, at(5.0)).step, Step::Look, "and looked at again after the poll");
    }
}

#[test]
fn every_stable_state_is_destroyed() {
    for state in [ProxyStatus::Running, ProxyStatus::Closed, ProxyStatus::Isolated, ProxyStatus::CreateFailed] {
        let mut observation = deleting();
        observation.memory.record_look(present(0.0, state));
        assert_eq!(decide(&observation, at(0.0)).step, PREPARE);
    }
}

#[test]
fn another_proxy_under_the_old_id_is_never_destroyed() {
    let mut observation = running(0.0);
    observation.fresh = true;
    observation.resource.status.proxy.as_mut().unwrap().create_time = Some(1_700_000_000);
    let decision = decide(&observation, at(0.0));
    assert_eq!((step_reason(&decision), stalled(&decision)), (Reason::Replaced, true));
    let kept = decision.status.unwrap().fields.proxy.unwrap().create_time;
    assert_eq!(kept, Some(1_700_000_000), "the resource stays bound to the proxy it was made for");
}

#[test]
fn a_proxy_without_create_time_is_not_taken_for_the_one_that_was_bound() {
    let mut observation = deleting();
    let mut nameless = proxy(ProxyStatus::Running);
    nameless.create_time = None;
    observation.memory.record_look(looked(0.0, Seen::Present(Box::new(nameless))));
    assert_eq!(step_reason(&decide(&observation, at(0.0))), Reason::WaitingForCloud);
}

#[test]
fn a_young_proxy_is_waited_for_without_a_call() {
    let mut observation = deleting();
    let created = 1_900_000_000 - 100;
    observation.resource.status.proxy.as_mut().unwrap().create_time = Some(created);
    let mut young = proxy(ProxyStatus::Running);
    young.create_time = Some(created);
    observation.memory.record_look(looked(0.0, Seen::Present(Box::new(young))));
    let decision = decide(&observation, at(0.0));
    assert_eq!(step_reason(&decision), Reason::TooYoung);
    assert_eq!(decision.again, Some(Duration::from_secs(20)));
    assert_eq!(decide(&observation, at(20.0)).step, Step::Prepare { look_first: true }, "then a new look");
}

#[test]
fn one_negative_look_is_no_proof() {
    let mut observation = deleting();
    observation.memory.record_look(looked(1.0, Seen::Absent));
    let decision = decide(&observation, at(1.0));
    assert_eq!(step_reason(&decision), Reason::ConfirmingAbsence);
    assert_eq!(decision.again, Some(Duration::from_secs(5)));
    assert_eq!(decide(&observation, at(6.0)).step, Step::Look);
}

#[test]
fn two_negative_looks_apart_release_the_resource() {
    let mut observation = deleting();
    observation.memory.record_look(looked(1.0, Seen::Absent));
    observation.memory.record_look(looked(5.9, Seen::Absent));
    assert_ne!(decide(&observation, at(5.9)).step, Step::Release(Release::Gone), "too close together");
    observation.memory.record_look(looked(6.0, Seen::Absent));
    assert_eq!(decide(&observation, at(6.0)).step, Step::Release(Release::Gone));
    observation.resource.status.account = None;
    assert_eq!(decide(&observation, at(6.0)).step, Step::Release(Release::NeverSeen));
}

#[test]
fn any_sight_of_the_proxy_cancels_the_proof() {
    let mut observation = deleting();
    observation.memory.record_look(looked(1.0, Seen::Absent));
    observation.memory.record_look(present(2.0, ProxyStatus::Destroying));
    observation.memory.record_look(looked(7.0, Seen::Absent));
    assert_eq!(step_reason(&decide(&observation, at(7.0))), Reason::ConfirmingAbsence);
}

#[test]
fn a_failed_look_proves_nothing() {
    let mut observation = deleting();
    observation.memory.record_look(looked(1.0, Seen::Absent));
    observation.memory.record_look(looked(7.0, Seen::Failed(failure(Class::Backoff))));
    observation.memory.look_hold = Some(Hold { until: mono(9.0), lifted_by_change_from: None });
    assert_eq!(decide(&observation, at(7.0)).again, Some(Duration::from_secs(2)));
    assert_eq!(decide(&observation, at(9.0)).step, Step::Look);
}

#[test]
fn answers_of_two_accounts_are_no_proof() {
    let mut observation = deleting();
    observation.resource.status.account = None;
    let mut other = looked(1.0, Seen::Absent);
    other.account = Some(Account { id: "200".into(), ..account() });
    observation.memory.record_look(other);
    observation.memory.record_look(looked(7.0, Seen::Absent));
    assert_eq!(step_reason(&decide(&observation, at(7.0))), Reason::ConfirmingAbsence);
}

#[test]
fn absence_seen_before_a_request_does_not_count_after_it() {
    let mut observation = deleting();
    observation.memory.record_look(looked(1.0, Seen::Absent));
    observation.memory.record_send(sent(2.0, accepted()));
    observation.memory.record_look(looked(7.0, Seen::Absent));
    assert_eq!(step_reason(&decide(&observation, at(7.0))), Reason::ConfirmingAbsence);
}

#[test]
fn after_an_unknown_outcome_the_proxy_is_looked_at_and_the_same_request_sent() {
    let mut observation = running(0.0);
    observation.fresh = true;
    let Step::Destroy(first) = decide(&observation, at(0.0)).step else { panic!("no request") };
    observation.memory.record_send(sent(1.0, Outcome::Unknown(failure(Class::Backoff))));
    observation.memory.send_hold = Some(Hold { until: mono(3.0), lifted_by_change_from: None });
    assert_eq!(decide(&observation, at(1.0)).step, Step::Look);
    observation.memory.record_look(present(1.5, ProxyStatus::Running));
    assert_eq!(decide(&observation, at(2.0)).again, Some(Duration::from_secs(1)), "the back-off holds");
    let Step::Destroy(second) = decide(&observation, at(3.0)).step else { panic!("no request") };
    assert_eq!(first.client_token(), second.client_token());
}

#[test]
fn throttling_keeps_the_token_and_needs_no_new_look() {
    let mut observation = running(0.0);
    observation.fresh = true;
    observation.memory.record_send(sent(1.0, Outcome::Throttled(failure(Class::Soon))));
    observation.memory.send_hold = Some(Hold { until: mono(3.0), lifted_by_change_from: None });
    assert_eq!(decide(&observation, at(2.0)).step, Step::Wait);
    let Step::Destroy(request) = decide(&observation, at(3.0)).step else { panic!("no request") };
    assert_eq!(request.client_token(), sent(1.0, accepted()).client_token);
}

fn refused(class: Class) -> Observation {
    let mut observation = running(0.0);
    observation.memory.record_send(sent(1.0, Outcome::NotTaken(failure(class))));
    observation.memory.send_hold = Some(Hold { until: mono(601.0), lifted_by_change_from: Some(2) });
    observation.memory.record_look(present(1.5, ProxyStatus::Running));
    observation
}

#[test]
fn a_refusal_is_stalled_names_the_code_and_raises_the_attempt_in_the_same_write() {
    let decision = decide(&refused(Class::User), at(2.0));
    assert_eq!((step_reason(&decision), stalled(&decision)), (Reason::Refused, true));
    let plan = decision.status.unwrap();
    assert!(plan.headline().1.contains("Some.Code") && plan.headline().1.contains("r-1"), "{plan:?}");
    let destroy = plan.fields.destroy.unwrap();
    assert_eq!((destroy.attempt, destroy.last_code.as_deref()), (1, Some("Some.Code")));
}

#[test]
fn a_change_of_the_object_ends_the_wait_after_a_refusal_but_the_raised_attempt_is_stored_first() {
    let mut observation = refused(Class::User);
    observation.resource.generation = 3;
    observation.resource.force = true;
    assert_eq!(decide(&observation, at(2.0)).step, Step::Store);
    observation.resource.status.destroy = Some(DestroyStatus { attempt: 1, ..Default::default() });
    observation.fresh = true;
    let Step::Destroy(request) = decide(&observation, at(2.0)).step else { panic!("no request") };
    assert_eq!((request.members()[0].attempt, request.force()), (1, true));
}

#[test]
fn an_accepted_request_without_effect_is_given_the_settle_time_and_then_a_new_attempt() {
    let mut observation = running(0.0);
    observation.memory.record_send(sent(1.0, accepted()));
    observation.memory.record_look(present(60.9, ProxyStatus::Running));
    assert_eq!(step_reason(&decide(&observation, at(60.9))), Reason::Destroying);
    observation.memory.record_look(present(61.0, ProxyStatus::Running));
    let decision = decide(&observation, at(61.0));
    assert_eq!(decision.step, Step::Store);
    assert_eq!(decision.status.unwrap().fields.destroy.unwrap().attempt, 1);
}

#[test]
fn a_destroy_that_the_cloud_took_back_settles_from_its_last_effect() {
    let mut observation = running(0.0);
    observation.memory.record_send(sent(1.0, accepted()));
    observation.memory.record_look(present(50.0, ProxyStatus::Destroying));
    observation.memory.record_look(present(70.0, ProxyStatus::Running));
    assert_eq!(step_reason(&decide(&observation, at(70.0))), Reason::Destroying);
    observation.memory.record_look(present(110.0, ProxyStatus::Running));
    assert_eq!(decide(&observation, at(110.0)).step, Step::Store);
}

#[test]
fn a_duplicate_is_not_a_success_and_not_a_reason_to_send_again_at_once() {
    let mut observation = running(0.0);
    observation.fresh = true;
    observation.memory.record_send(sent(1.0, Outcome::Duplicate(failure(Class::Observe))));
    assert_eq!(decide(&observation, at(1.0)).step, Step::Look);
    observation.memory.record_look(present(2.0, ProxyStatus::Running));
    assert_eq!(step_reason(&decide(&observation, at(2.0))), Reason::Destroying);
    observation.memory.record_look(present(61.0, ProxyStatus::Running));
    assert_eq!(decide(&observation, at(61.0)).step, Step::Store);
}

#[test]
fn another_force_waits_until_an_unknown_request_cannot_be_in_effect_any_more() {
    let mut observation = running(0.0);
    observation.fresh = true;
    observation.memory.record_send(sent(1.0, Outcome::Unknown(failure(Class::Backoff))));
    observation.resource.force = true;
    observation.memory.record_look(present(60.0, ProxyStatus::Running));
    assert_eq!(step_reason(&decide(&observation, at(60.0))), Reason::Destroying);
    observation.memory.record_look(present(61.0, ProxyStatus::Running));
    let Step::Destroy(request) = decide(&observation, at(61.0)).step else { panic!("no request") };
    assert!(request.force());
    assert_eq!(request.members()[0].attempt, 0, "an unknown outcome never raises the attempt");
}

#[test]
fn after_a_restart_an_accepted_request_is_waited_for_anew() {
    let mut observation = running(0.0);
    observation.resource.status.destroy = Some(DestroyStatus {
        client_token: Some(sent(0.0, accepted()).client_token),
        attempt: 0,
        force: Some(false),
        last_code: Some("OK".into()),
        ..Default::default()
    });
    observation.memory.since = mono(0.0);
    assert_eq!(step_reason(&decide(&observation, at(0.0))), Reason::Destroying);
    observation.memory.record_look(present(60.0, ProxyStatus::Running));
    assert_eq!(decide(&observation, at(60.0)).step, Step::Store);
}

/// Two operators at once: the other one's request is no older than the sight of it, however long this process knows the
/// resource.
#[test]
fn a_request_that_another_operator_made_is_waited_for_from_when_it_was_told() {
    let mut observation = running(0.0);
    observation.resource.status.destroy = Some(DestroyStatus {
        client_token: Some(sent(0.0, accepted()).client_token),
        attempt: 0,
        force: Some(false),
        last_code: Some("OK".into()),
        ..Default::default()
    });
    observation.memory.since = mono(-100.0);
    observation.memory.notice(&observation.resource, mono(10.0));
    observation.memory.notice(&observation.resource, mono(20.0));
    observation.memory.record_look(present(69.9, ProxyStatus::Running));
    assert_eq!(step_reason(&decide(&observation, at(69.9))), Reason::Destroying);
    observation.memory.record_look(present(70.0, ProxyStatus::Running));
    assert_eq!(decide(&observation, at(70.0)).step, Step::Store);
}

#[test]
fn after_a_restart_a_request_that_was_refused_is_not_repeated_with_its_token() {
    let mut observation = running(0.0);
    observation.fresh = true;
    observation.resource.status.destroy = Some(DestroyStatus {
        client_token: Some(sent(0.0, accepted()).client_token),
        attempt: 1,
        force: Some(false),
        last_code: Some("FailedOperation.RealServerAlreadyBound".into()),
        ..Default::default()
    });
    let Step::Destroy(request) = decide(&observation, at(0.0)).step else { panic!("no request") };
    assert_eq!(request.members()[0].attempt, 1);
}

#[test]
fn an_attempt_that_another_replica_raised_further_is_respected() {
    let mut observation = running(0.0);
    observation.fresh = true;
    observation.memory.record_send(sent(-10.0, Outcome::NotTaken(failure(Class::Backoff))));
    observation.memory.record_look(present(0.0, ProxyStatus::Running));
    observation.resource.status.destroy = Some(DestroyStatus { attempt: 7, ..Default::default() });
    let Step::Destroy(request) = decide(&observation, at(0.0)).step else { panic!("no request") };
    assert_eq!(request.members()[0].attempt, 7);
}

#[test]
fn an_attempt_that_another_replica_raised_does_not_settle_the_request_of_this_one() {
    for outcome in [accepted(), Outcome::Unknown(failure(Class::Backoff)), Outcome::Duplicate(failure(Class::Observe))]
    {
        let mut observation = running(0.0);
        observation.fresh = true;
        observation.memory.record_send(sent(1.0, outcome.clone()));
        observation.resource.status.destroy = Some(DestroyStatus { attempt: 1, ..Default::default() });
        observation.memory.record_look(present(60.9, ProxyStatus::Running));
        assert_eq!(step_reason(&decide(&observation, at(60.9))), Reason::Destroying, "{outcome:?}");
        observation.memory.record_look(present(61.0, ProxyStatus::Running));
        let Step::Destroy(request) = decide(&observation, at(61.0)).step else { panic!("no request: {outcome:?}") };
        assert_eq!(request.members()[0].attempt, 1);
    }
}

#[test]
fn blocked_credentials_say_so_in_deletion() {
    let mut observation = deleting();
    observation.cloud = Cloud::Blocked(Failure { reason: Reason::CredentialsInvalid, ..failure(Class::User) });
    let decision = decide(&observation, at(0.0));
    assert_eq!((step_reason(&decision), stalled(&decision)), (Reason::CredentialsInvalid, true));
}

#[test]
fn a_live_resource_mirrors_the_cloud_and_never_writes_to_it() {
    for (state, ready, reason) in [
        (ProxyStatus::Running, true, Reason::Available),
        (ProxyStatus::Closed, true, Reason::Closed),
        (ProxyStatus::Isolated, false, Reason::Closed),
        (ProxyStatus::Opening, false, Reason::Transitioning),
        (ProxyStatus::Unknown("NEW".into()), false, Reason::Transitioning),
    ] {
        let mut observation = observation();
        observation.resource.finalizers = vec![FINALIZER.into()];
        assert_eq!(decide(&observation, at(0.0)).step, Step::Look);
        observation.memory.record_look(present(0.0, state));
        let decision = decide(&observation, at(0.0));
        assert_eq!(step_reason(&decision), reason);
        let plan = decision.status.unwrap();
        assert_eq!(plan.ready.0, ready);
        assert_eq!(plan.fields.account.unwrap().account_id, account().id);
    }
}

#[test]
fn of_two_live_claimants_the_later_is_told() {
    let mut observation = observation();
    observation.resource.finalizers = vec![FINALIZER.into()];
    observation.memory.record_look(present(0.0, ProxyStatus::Running));
    observation.claims.others = vec![claim("old", 500, false)];
    assert_eq!(step_reason(&decide(&observation, at(0.0))), Reason::Conflict);
    observation.claims.others = vec![claim("young", 2_000, false)];
    assert_eq!(step_reason(&decide(&observation, at(0.0))), Reason::Available);
}

#[test]
fn after_an_accepted_request_the_next_look_comes_a_poll_later_and_changes_no_word() {
    let mut observation = running(0.0);
    observation.memory.record_send(sent(1.0, accepted()));
    let decision = decide(&observation, at(1.0));
    assert_eq!((step_reason(&decision), decision.again), (Reason::Destroying, Some(Duration::from_secs(5))));
    assert_eq!(decide(&observation, at(6.0)).step, Step::Look);
    observation.memory.record_look(present(6.0, ProxyStatus::Destroying));
    let later = decide(&observation, at(6.0));
    assert_eq!(decision.status.unwrap().headline(), later.status.unwrap().headline());
}

#[test]
fn a_deletion_that_ends_soon_is_told_in_two_statuses_and_a_long_one_shows_what_the_cloud_shows() {
    let mut observation = running(0.0);
    observation.memory.record_send(sent(1.0, accepted()));
    let write = |observation: &mut Observation, seconds| {
        let plan = decide(observation, at(seconds)).status.unwrap();
        let written = plan.against(&observation.resource.status, 2, Timestamp::UNIX_EPOCH);
        if let Some(status) = &written {
            observation.resource.status = status.clone();
        }
        written
    };
    let state = |status: &GaapProxyStatus| status.proxy.as_ref().unwrap().status.clone();
    let accepted = write(&mut observation, 1.0).unwrap();
    assert_eq!(accepted.reason_of(condition::DELETING), Some("Destroying"));
    observation.memory.record_look(present(6.0, ProxyStatus::Destroying));
    assert_eq!(write(&mut observation, 6.0), None, "no write for the state alone");

    let mut long = observation.clone();
    long.memory.record_look(present(11.0, ProxyStatus::Destroying));
    assert_eq!(state(&write(&mut long, 11.0).unwrap()).as_deref(), Some("DESTROYING"));

    observation.memory.record_look(looked(11.0, Seen::Absent));
    let absent = write(&mut observation, 11.0).unwrap();
    assert_eq!(absent.reason_of(condition::DELETING), Some("ConfirmingAbsence"));
    let proxy = absent.proxy.as_ref().unwrap();
    assert_eq!(proxy.status, None, "its last state would be read as its present one");
    assert!(proxy.create_time.is_some(), "what the resource is bound to stays");
}

#[test]
fn a_request_whose_answer_was_lost_shows_its_effect_at_once() {
    let mut observation = running(0.0);
    observation.memory.record_send(sent(1.0, Outcome::Unknown(failure(Class::Backoff))));
    observation.memory.record_look(present(1.5, ProxyStatus::Destroying));
    let plan = decide(&observation, at(1.5)).status.unwrap();
    assert_eq!(plan.fields.proxy.unwrap().status.as_deref(), Some("DESTROYING"));
}

#[test]
fn a_status_says_which_generation_it_was_made_from() {
    let mut resource = observation();
    resource.resource.status.observed_generation = Some(1);
    resource.resource.generation = 4;
    resource.resource.finalizers = vec![FINALIZER.to_owned()];
    resource.cloud = Cloud::Blocked(failure(Class::Config));
    let live = decide(&resource, at(0.0)).status.unwrap();
    assert_eq!(live.fields.observed_generation, Some(4));
    let mut observation = running(0.0);
    observation.resource.generation = 4;
    observation.memory.record_send(sent(1.0, accepted()));
    let plan = decide(&observation, at(1.0)).status.unwrap();
    assert_eq!(plan.fields.observed_generation, Some(4));
}

fn other_account() -> Account {
    Account { id: "200".into(), ..account() }
}

#[test]
fn a_proxy_that_was_never_mirrored_is_bound_before_it_is_asked_to_be_destroyed() {
    let mut observation = deleting();
    observation.resource.status = GaapProxyStatus::default();
    observation.memory.record_look(present(0.0, ProxyStatus::Running));
    observation.fresh = true;
    let decision = decide(&observation, at(0.0));
    assert_eq!(decision.step, Step::Store);
    observation.resource.status = decision.status.unwrap().fields;
    assert!(matches!(decide(&observation, at(0.0)).step, Step::Destroy(_)));
    observation.cloud = Cloud::Ready(other_account());
    assert_eq!(step_reason(&decide(&observation, at(0.0))), Reason::AccountMismatch);
}

#[test]
fn a_failed_look_between_the_answers_of_two_accounts_does_not_make_them_a_proof() {
    let mut observation = deleting();
    observation.memory.record_look(LookRecord { account: Some(other_account()), ..looked(1.0, Seen::Absent) });
    observation.memory.record_look(LookRecord { account: None, ..looked(2.0, Seen::Failed(failure(Class::Backoff))) });
    observation.memory.record_look(looked(7.0, Seen::Absent));
    assert_eq!(step_reason(&decide(&observation, at(7.0))), Reason::ConfirmingAbsence);
}

#[test]
fn throttling_does_not_make_an_unknown_request_before_it_known() {
    let mut observation = running(0.0);
    observation.fresh = true;
    observation.memory.record_send(sent(1.0, Outcome::Unknown(failure(Class::Backoff))));
    observation.memory.record_look(present(1.5, ProxyStatus::Running));
    observation.memory.record_send(sent(3.0, Outcome::Throttled(failure(Class::Soon))));
    assert!(matches!(decide(&observation, at(4.0)).step, Step::Destroy(_)), "the same request goes again");
    observation.resource.force = true;
    assert_eq!(step_reason(&decide(&observation, at(4.0))), Reason::Destroying);
    observation.memory.record_look(present(61.0, ProxyStatus::Running));
    assert!(matches!(decide(&observation, at(61.0)).step, Step::Destroy(_)));
}

#[test]
fn a_refusal_says_nothing_about_an_unknown_request_before_it() {
    let mut observation = running(0.0);
    observation.fresh = true;
    observation.memory.record_send(sent(1.0, Outcome::Unknown(failure(Class::Backoff))));
    observation.memory.record_look(present(1.5, ProxyStatus::Running));
    observation.memory.record_send(sent(3.0, Outcome::NotTaken(failure(Class::User))));
    observation.memory.record_look(present(3.5, ProxyStatus::Running));
    let decision = decide(&observation, at(3.6));
    assert_eq!(step_reason(&decision), Reason::Destroying);
    assert_eq!(decision.status.unwrap().fields.destroy.unwrap().attempt, 0, "not raised while in doubt");
    observation.memory.record_look(present(61.0, ProxyStatus::Running));
    assert_eq!(decide(&observation, at(61.0)).step, Step::Store);
}

#[test]
fn a_spec_that_was_changed_while_nobody_watched_waits_for_what_may_have_been_sent() {
    let mut observation = running(0.0);
    observation.fresh = true;
    observation.memory.met_deleting = true;
    observation.memory.since = mono(-0.5);
    observation.resource.status.observed_generation = Some(1);
    assert!(matches!(decide(&observation, at(0.0)).step, Step::Destroy(_)), "the deletion itself is no change");
    observation.resource.force = true;
    observation.resource.generation = 3;
    assert_eq!(step_reason(&decide(&observation, at(0.0))), Reason::Destroying);
    observation.memory.record_look(present(60.0, ProxyStatus::Running));
    assert!(matches!(decide(&observation, at(60.0)).step, Step::Destroy(_)));
}

#[test]
fn after_a_restart_a_refusal_says_nothing_about_what_an_earlier_process_may_have_sent() {
    let mut observation = running(0.0);
    observation.fresh = true;
    observation.memory = Memory { met_deleting: true, since: mono(0.0), ..observation.memory };
    observation.memory.record_send(sent(1.0, Outcome::NotTaken(failure(Class::User))));
    observation.memory.record_look(present(1.5, ProxyStatus::Running));
    let decision = decide(&observation, at(2.0));
    assert_eq!(step_reason(&decision), Reason::Destroying);
    assert_eq!(decision.status.unwrap().fields.destroy.unwrap().attempt, 0, "not raised while in doubt");
    observation.resource.force = true;
    assert_eq!(step_reason(&decide(&observation, at(2.0))), Reason::Destroying);
    observation.memory.record_look(present(60.0, ProxyStatus::Running));
    assert_eq!(decide(&observation, at(60.0)).step, Step::Store);
}

#[test]
fn a_record_of_an_earlier_attempt_does_not_tell_what_was_sent_before_a_change_that_nobody_saw() {
    let mut observation = running(0.0);
    observation.fresh = true;
    observation.memory = Memory { met_deleting: true, since: mono(-0.5), ..observation.memory };
    observation.resource.status.observed_generation = Some(2);
    observation.resource.status.destroy = Some(DestroyStatus {
        client_token: Some(sent(0.0, accepted()).client_token),
        attempt: 1,
        force: Some(false),
        last_code: Some("OperationFailedInstanceSet".into()),
        ..Default::default()
    });
    observation.resource.force = true;
    observation.resource.generation = 4;
    assert_eq!(step_reason(&decide(&observation, at(0.0))), Reason::Destroying);
    observation.memory.record_look(present(60.0, ProxyStatus::Running));
    assert!(matches!(decide(&observation, at(60.0)).step, Step::Destroy(_)));
}

#[test]
fn what_is_stored_while_a_change_that_nobody_saw_settles_does_not_end_the_wait() {
    let mut observation = running(0.0);
    observation.fresh = true;
    observation.memory = Memory { met_deleting: true, since: mono(-0.5), ..observation.memory };
    observation.resource.status.observed_generation = Some(1);
    observation.resource.force = true;
    observation.resource.generation = 3;
    let paused = |observation: &Observation| {
        let mut paused = observation.clone();
        paused.resource.paused = true;
        paused
    };
    // Whatever the status says meanwhile, and also for a process that begins anew.
    for plan in [decide(&paused(&observation), at(0.0)).status, decide(&observation, at(0.0)).status] {
        let resource = &mut observation.resource;
        let stored = plan.unwrap().against(&resource.status, resource.generation, Timestamp::UNIX_EPOCH);
        resource.status = stored.unwrap();
        assert_eq!(step_reason(&decide(&observation, at(0.0))), Reason::Destroying);
    }
    observation.memory.record_look(present(60.0, ProxyStatus::Running));
    assert!(matches!(decide(&observation, at(60.0)).step, Step::Destroy(_)));
}

#[test]
fn a_create_time_in_the_future_is_told_and_looked_at_again() {
    let mut observation = deleting();
    let mut odd = proxy(ProxyStatus::Running);
    odd.create_time = Some(1_800_000_000_000);
    observation.resource.status.proxy.as_mut().unwrap().create_time = odd.create_time;
    observation.memory.record_look(looked(0.0, Seen::Present(Box::new(odd))));
    let decision = decide(&observation, at(0.0));
    assert_eq!((step_reason(&decision), decision.again), (Reason::WaitingForCloud, Some(Duration::from_secs(600))));
    assert_eq!(decide(&observation, at(600.0)).step, Step::Look);
}

#[test]
fn the_proof_begins_anew_with_the_first_answer_from_the_account_in_use() {
    let mut observation = deleting();
    observation.memory.record_look(LookRecord { account: Some(other_account()), ..looked(1.0, Seen::Absent) });
    observation.memory.record_look(looked(2.0, Seen::Absent));
    observation.memory.record_look(looked(7.0, Seen::Absent));
    assert_eq!(decide(&observation, at(7.0)).step, Step::Release(Release::Gone));
}

#[test]
fn every_failure_says_when_the_next_try_is() {
    for (class, reason, words) in [
        (Class::Config, Reason::Refused, "within 30 minutes"),
        (Class::User, Reason::CredentialsInvalid, "within 10 minutes"),
        (Class::Soon, Reason::Throttled, "within 5 seconds"),
        (Class::Backoff, Reason::CloudUnreachable, "growing pauses"),
    ] {
        let mut observation = deleting();
        observation.cloud = Cloud::Blocked(Failure { reason, ..failure(class) });
        let plan = decide(&observation, at(0.0)).status.unwrap();
        assert!(plan.headline().1.contains(words), "{class:?}: {plan:?}");
    }
}
