//! What a status records of the requests, and its words.

use super::*;

fn stored(attempt: u32, code: &str) -> DestroyStatus {
    DestroyStatus {
        client_token: Some(sent(0.0, accepted()).client_token),
        attempt,
        force: Some(false),
        last_code: Some(code.into()),
        ..Default::default()
    }
}

fn recorded(observation: &Observation, seconds: f64) -> DestroyStatus {
    decide(observation, at(seconds)).status.unwrap().fields.destroy.unwrap()
}

fn words(observation: &Observation, seconds: f64) -> String {
    decide(observation, at(seconds)).status.unwrap().headline().1.to_owned()
}

#[test]
fn the_last_request_is_recorded_with_its_time_its_answer_and_its_number() {
    let mut observation = running(0.0);
    observation.resource.status.destroy = Some(stored(0, "InternalError"));
    observation.memory.record_send(sent(1.0, accepted()));
    let record = recorded(&observation, 1.0);
    assert_eq!((record.attempt, record.last_code.as_deref()), (0, Some("OK")));
    assert_eq!(record.request_id.as_deref(), Some("r-0"));
    // 1 900 000 001 seconds since 1970.
    assert_eq!(record.request_time.as_deref(), Some("2030-03-17T17:46:41Z"));
}

#[test]
fn the_later_of_two_attempts_is_the_one_that_is_recorded() {
    let mut observation = running(0.0);
    observation.memory.record_send(sent(1.0, accepted()));
    observation.resource.status.destroy = Some(stored(2, "OperationFailedInstanceSet"));
    assert_eq!(recorded(&observation, 1.0), stored(2, "OperationFailedInstanceSet"), "another process raised it");
    observation.resource.status.destroy = Some(stored(0, "OperationFailedInstanceSet"));
    observation.memory.record_send(SendRecord { attempt: 1, ..sent(2.0, accepted()) });
    let record = recorded(&observation, 2.0);
    assert_eq!((record.attempt, record.last_code.as_deref()), (1, Some("OK")));
}

#[test]
fn a_request_that_the_cloud_knew_already_settles_after_a_restart_as_well() {
    let mut observation = running(0.0);
    observation.fresh = true;
    observation.memory.since = mono(0.0);
    observation.resource.status.destroy = Some(stored(0, "FailedOperation.DuplicatedRequest"));
    assert_eq!(step_reason(&decide(&observation, at(0.0))), Reason::Destroying);
    observation.resource.status.destroy = Some(stored(0, "transport_timeout"));
    assert!(matches!(decide(&observation, at(0.0)).step, Step::Destroy(_)), "an unknown outcome is asked again");
}

#[test]
fn a_proxy_of_which_only_a_part_is_known_is_bound_first() {
    let mut without_time = running(0.0);
    without_time.fresh = true;
    without_time.resource.status.proxy.as_mut().unwrap().create_time = None;
    assert_eq!(decide(&without_time, at(0.0)).step, Step::Store);
    let mut without_account = running(0.0);
    without_account.fresh = true;
    without_account.resource.status.account = None;
    assert_eq!(decide(&without_account, at(0.0)).step, Step::Store);
}

#[test]
fn a_create_time_a_day_ahead_is_believed_and_one_further_is_not() {
    let ahead = |seconds: i64| {
        let created = Some(1_900_000_000 + seconds);
        let mut observation = deleting();
        observation.resource.status.proxy.as_mut().unwrap().create_time = created;
        let mut young = proxy(ProxyStatus::Running);
        young.create_time = created;
        observation.memory.record_look(looked(0.0, Seen::Present(Box::new(young))));
        step_reason(&decide(&observation, at(0.0)))
    };
    assert_eq!([ahead(86_400), ahead(86_401)], [Reason::TooYoung, Reason::WaitingForCloud]);
}

#[test]
fn while_the_cloud_is_at_work_the_words_say_what_it_answered_and_what_comes_next() {
    let mut observation = running(0.0);
    observation.memory.record_look(present(0.5, ProxyStatus::Destroying));
    assert_eq!(words(&observation, 0.5), "The cloud is destroying the proxy; the operator looks every 5s.");
    observation.memory.record_send(sent(1.0, accepted()));
    let accepted = words(&observation, 1.0);
    assert!(
        accepted.contains("accepted") && accepted.contains("RequestId r-0") && accepted.contains("5s"),
        "{accepted}"
    );
    observation.memory.record_look(present(6.0, ProxyStatus::Running));
    let settling = words(&observation, 6.0);
    assert!(settling.contains("RequestId r-0") && settling.contains("still shows RUNNING"), "{settling}");
    assert!(settling.contains("60s, a new request"), "{settling}");
    let mut duplicate = running(0.0);
    duplicate.memory.record_send(sent(1.0, Outcome::Duplicate(failure(Class::Observe))));
    duplicate.memory.record_look(present(1.5, ProxyStatus::Running));
    let known = words(&duplicate, 1.5);
    assert!(known.contains("already has this request") && known.contains("Some.Code"), "{known}");
}
