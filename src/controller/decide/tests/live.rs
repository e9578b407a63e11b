//! When a living resource is looked at again, and what its Ready says when nobody can look.

use super::*;

fn living() -> Observation {
    let mut observation = observation();
    observation.resource.finalizers = vec![FINALIZER.into()];
    observation
}

#[test]
fn a_passing_state_is_looked_at_again_soon_and_a_lasting_one_after_the_resync() {
    for (state, seconds) in [(ProxyStatus::Opening, 30), (ProxyStatus::Running, 600), (ProxyStatus::Closed, 600)] {
        let mut observation = living();
        observation.memory.record_look(present(0.0, state.clone()));
        let due = Duration::from_secs(seconds);
        assert_eq!(decide(&observation, at(0.0)).again, Some(due), "{state:?}");
        let due = due.as_secs_f64();
        assert_eq!(decide(&observation, at(due - 0.1)).step, Step::Wait, "{state:?}");
        assert_eq!(decide(&observation, at(due)).step, Step::Look, "{state:?}");
    }
}

#[test]
fn a_failed_look_is_made_again_when_its_pause_is_over() {
    let mut observation = living();
    observation.memory.record_look(looked(0.0, Seen::Failed(failure(Class::Backoff))));
    observation.memory.look_hold = Some(Hold { until: mono(8.0), lifted_by_change_from: None });
    let meanwhile = decide(&observation, at(1.0));
    assert_eq!((step_reason(&meanwhile), meanwhile.again), (Reason::CloudUnreachable, Some(Duration::from_secs(7))));
    assert_eq!(decide(&observation, at(8.0)).step, Step::Look);
}

#[test]
fn a_failed_look_without_a_hold_is_made_again_at_once() {
    let mut observation = living();
    observation.memory.record_look(looked(0.0, Seen::Failed(failure(Class::User))));
    observation.memory.look_hold = Some(Hold { until: mono(600.0), lifted_by_change_from: Some(1) });
    assert_eq!(decide(&observation, at(1.0)).step, Step::Wait);
    // The credentials were exchanged.
    observation.memory.lift_holds();
    assert_eq!(decide(&observation, at(1.0)).step, Step::Look);
}

#[test]
fn ready_names_what_a_person_must_mend_and_else_that_nobody_can_look() {
    for (reason, shown) in [
        (Reason::CredentialsInvalid, Reason::CredentialsInvalid),
        (Reason::PermissionDenied, Reason::PermissionDenied),
        (Reason::Throttled, Reason::CloudUnreachable),
    ] {
        let mut observation = living();
        observation.cloud = Cloud::Blocked(Failure { reason, ..failure(Class::User) });
        assert_eq!(step_reason(&decide(&observation, at(0.0))), shown);
    }
}
