use std::time::Duration;

use serde_json::{Value, json};

use crate::effect::Effect;
use crate::errors::ApiError;
use crate::fault::Fault;
use crate::kinds::Kind;
use crate::settings::{Refusal, TokenMode};
use crate::testing::Bench;

fn destroy(bench: &mut Bench, ids: &[&str], force: i64) -> Result<Effect, ApiError> {
    bench.call("DestroyProxies", json!({"Force": force, "ProxyIds": ids}))
}

fn with_token(bench: &mut Bench, ids: &[&str], force: i64, token: &str) -> Result<Effect, ApiError> {
    bench.call("DestroyProxies", json!({"Force": force, "ProxyIds": ids, "ClientToken": token}))
}

fn set(effect: &Effect, name: &str) -> Value {
    effect.body.get(name).cloned().unwrap_or_default()
}

#[test]
fn a_running_proxy_is_destroying_for_its_time_and_then_gone() {
    let mut bench = Bench::new();
    bench.add("link-a", |_| {});
    let effect = destroy(&mut bench, &["link-a"], 0).expect("accepted");
    assert_eq!(effect.accepted, ["link-a"]);
    assert_eq!(set(&effect, "InvalidStatusInstanceSet"), json!([]));
    assert_eq!(set(&effect, "OperationFailedInstanceSet"), json!([]));
    bench.advance(Duration::from_millis(2_999));
    assert_eq!(bench.status("link-a").as_deref(), Some("DESTROYING"));
    bench.advance(Duration::from_millis(1));
    assert_eq!(bench.status("link-a"), None);
}

#[test]
fn the_old_name_of_the_id_list_works_too() {
    let mut bench = Bench::new();
    bench.add("link-a", |_| {});
    let effect = bench.call("DestroyProxies", json!({"Force": 0, "InstanceIds": ["link-a"]}));
    assert_eq!(effect.expect("accepted").accepted, ["link-a"]);
}

#[test]
fn each_state_is_destroyable_or_comes_back_in_the_invalid_set() {
    for (status, destroyable) in [
        ("RUNNING", true),
        ("CLOSED", true),
        ("ISOLATED", true),
        ("CREATE_FAILED", true),
        ("CREATING", false),
        ("OPENING", false),
        ("CLOSING", false),
        ("ADJUSTING", false),
        ("CLONING", false),
        ("MOVING", false),
        ("RECOVERING", false),
        ("ISOLATING", false),
        ("DESTROYING", false),
        ("SOMETHING_NEW", false),
    ] {
        let mut bench = Bench::new();
        bench.add("link-a", |proxy| proxy.status = status.to_owned());
        bench.add("link-b", |_| {});
        let effect = destroy(&mut bench, &["link-a", "link-b"], 1).expect("a per-id answer");
        assert_eq!(effect.accepted.contains(&"link-a".to_owned()), destroyable, "{status}");
        assert!(effect.accepted.contains(&"link-b".to_owned()), "the other id is not stopped by {status}");
    }
}

#[test]
fn a_proxy_can_be_destroyed_from_the_120th_second_of_its_life() {
    let mut bench = Bench::new();
    bench.add("link-a", |proxy| proxy.create_time += 3_600 - 119);
    let effect = destroy(&mut bench, &["link-a"], 0).expect("a per-id answer");
    assert_eq!(set(&effect, "InvalidStatusInstanceSet"), json!(["link-a"]));
    bench.advance(Duration::from_secs(1));
    assert_eq!(destroy(&mut bench, &["link-a"], 0).expect("accepted").accepted, ["link-a"]);
}

#[test]
fn the_ways_of_refusing_are_settings() {
    let mut bench = Bench::new();
    bench.add("link-young", |proxy| proxy.create_time += 3_600);
    bench.add("link-dying", |proxy| proxy.status = "DESTROYING".to_owned());
    bench.world.settings.too_young = Refusal::OperationFailedSet;
    bench.world.settings.already_destroying = Refusal::Error("FailedOperation.ActionIsDoing".to_owned());
    bench.world.settings.absent_in_write = Refusal::InvalidStatusSet;
    let young = destroy(&mut bench, &["link-young"], 0).expect("a per-id answer");
    assert_eq!(set(&young, "OperationFailedInstanceSet"), json!(["link-young"]));
    assert_eq!(destroy(&mut bench, &["link-dying"], 0).expect_err("refused").code, "FailedOperation.ActionIsDoing");
    let absent = destroy(&mut bench, &["link-none"], 0).expect("a per-id answer");
    assert_eq!(set(&absent, "InvalidStatusInstanceSet"), json!(["link-none"]));
}

#[test]
fn an_absent_id_fails_the_call_and_leaves_the_others_alone() {
    let mut bench = Bench::new();
    bench.add("link-a", |_| {});
    assert_eq!(destroy(&mut bench, &["link-a", "link-none"], 1).expect_err("refused").code, "ResourceNotFound");
    assert_eq!(bench.status("link-a").as_deref(), Some("RUNNING"));
}

#[test]
fn without_force_one_bound_proxy_stops_the_whole_batch_and_with_force_none_does() {
    let mut bench = Bench::new();
    bench.add("link-a", |_| {});
    bench.add("link-b", |proxy| proxy.bound = true);
    let error = destroy(&mut bench, &["link-a", "link-b"], 0).expect_err("an origin is bound");
    assert_eq!(error.code, "FailedOperation.RealServerAlreadyBound");
    assert_eq!(bench.status("link-a").as_deref(), Some("RUNNING"));
    assert_eq!(destroy(&mut bench, &["link-a", "link-b"], 1).expect("forced").accepted, ["link-a", "link-b"]);
}

#[test]
fn proxies_of_different_groups_cannot_go_together() {
    let mut bench = Bench::new();
    for (id, group) in [("link-a", Some("lg-1")), ("link-b", Some("lg-2")), ("link-c", None), ("link-d", None)] {
        bench.add(id, |proxy| proxy.group_id = group.map(str::to_owned));
    }
    for pair in [["link-a", "link-b"], ["link-a", "link-c"]] {
        let error = destroy(&mut bench, &pair, 1).expect_err("two groups");
        assert_eq!(error.code, "FailedOperation.BelongDifferentGroup");
    }
    assert_eq!(destroy(&mut bench, &["link-c", "link-d"], 1).expect("no group").accepted.len(), 2);
}

#[test]
fn another_accounts_proxy_does_not_exist() {
    let mut bench = Bench::new();
    bench.add("link-a", |_| {});
    let error = bench.call_as("100000000002", "DestroyProxies", json!({"Force": 1, "ProxyIds": ["link-a"]}));
    assert_eq!(error.expect_err("not theirs").code, "ResourceNotFound");
    assert_eq!(bench.status("link-a").as_deref(), Some("RUNNING"));
}

#[test]
fn force_other_than_0_or_1_and_an_empty_list_are_refused_without_using_the_token() {
    let mut bench = Bench::new();
    bench.add("link-a", |_| {});
    assert_eq!(with_token(&mut bench, &["link-a"], 2, "t").expect_err("wrong").code, "InvalidParameterValue");
    assert_eq!(with_token(&mut bench, &[], 0, "t").expect_err("no id").code, "MissingParameter");
    assert!(with_token(&mut bench, &["link-a"], 0, "t").is_ok());
}

#[test]
fn a_token_counts_as_used_also_when_its_request_failed() {
    let mut bench = Bench::new();
    bench.add("link-young", |proxy| proxy.create_time += 3_600);
    bench.add("link-bound", |proxy| proxy.bound = true);
    with_token(&mut bench, &["link-young"], 0, "set").expect("a per-id answer");
    with_token(&mut bench, &["link-bound"], 0, "error").expect_err("an origin is bound");
    bench.advance(Duration::from_secs(200));
    for (id, token) in [("link-young", "set"), ("link-bound", "error")] {
        let error = with_token(&mut bench, &[id], 1, token).expect_err("used up");
        assert_eq!(error.code, "FailedOperation.DuplicatedRequest");
        assert_eq!(with_token(&mut bench, &[id], 1, &format!("{token} anew")).expect("accepted").accepted, [id]);
    }
}

#[test]
fn a_replayed_answer_accepts_nothing_and_a_mismatch_is_named() {
    let mut bench = Bench::new();
    bench.world.settings.token_mode = TokenMode::Mismatch;
    bench.add("link-a", |_| {});
    with_token(&mut bench, &["link-a"], 0, "t").expect("accepted");
    let replayed = with_token(&mut bench, &["link-a"], 0, "t").expect("the first answer");
    assert!(replayed.accepted.is_empty() && replayed.replay_of.is_some());
    assert_eq!(with_token(&mut bench, &["link-a"], 1, "t").expect_err("other Force").code, "InvalidParameterValue");
}

#[test]
fn a_forgotten_token_lets_a_second_destroy_of_a_new_incarnation_through() {
    let mut bench = Bench::new();
    bench.add("link-a", |_| {});
    with_token(&mut bench, &["link-a"], 0, "t").expect("accepted");
    bench.advance(Duration::from_secs(10));
    bench.add("link-a", |_| {});
    bench.fault(Fault::new(Kind::TokenForgotten));
    assert_eq!(with_token(&mut bench, &["link-a"], 0, "t").expect("forgotten").accepted, ["link-a"]);
}

#[test]
fn every_subset_of_a_batch_can_be_scripted_into_the_two_sets() {
    let ids = ["link-a", "link-b", "link-c", "link-d"];
    for combination in 0..81_usize {
        let places: Vec<usize> = (0..4_u32).map(|index| combination / 3_usize.pow(index) % 3).collect();
        let chosen = |place| -> Vec<String> {
            let pairs = ids.iter().zip(&places).filter(|(_, its)| **its == place);
            pairs.map(|(id, _)| (*id).to_owned()).collect()
        };
        let mut bench = Bench::new();
        ids.iter().for_each(|id| bench.add(id, |_| {}));
        bench.fault(Fault::new(Kind::PartialSets).with(|parameters| {
            parameters.invalid = chosen(1);
            parameters.failed = chosen(2);
        }));
        let effect = destroy(&mut bench, &ids, 0).expect("a per-id answer");
        assert_eq!(effect.accepted, chosen(0));
        assert_eq!(set(&effect, "InvalidStatusInstanceSet"), json!(chosen(1)));
        assert_eq!(set(&effect, "OperationFailedInstanceSet"), json!(chosen(2)));
    }
}

#[test]
fn a_destroy_can_stick_come_back_last_longer_or_make_room_for_someone_else() {
    let outcome = |fault: Fault, seconds: u64| {
        let mut bench = Bench::new();
        bench.add("link-a", |proxy| proxy.status = "CLOSED".to_owned());
        bench.fault(fault);
        destroy(&mut bench, &["link-a"], 0).expect("accepted");
        bench.advance(Duration::from_secs(seconds));
        bench.status("link-a")
    };
    assert_eq!(outcome(Fault::new(Kind::StuckDestroying), 1_000_000).as_deref(), Some("DESTROYING"));
    assert_eq!(outcome(Fault::new(Kind::DestroyRejectedLate), 4).as_deref(), Some("CLOSED"));
    let hour = || Fault::new(Kind::DestroyDuration).with(|parameters| parameters.duration_ms = Some(3_600_000));
    assert_eq!(outcome(hour(), 3_599).as_deref(), Some("DESTROYING"));
    assert_eq!(outcome(hour(), 3_600), None);
    assert_eq!(outcome(Fault::new(Kind::DestroyDuration), 0), None, "no time at all");
    assert_eq!(outcome(Fault::new(Kind::IdReused), 4).as_deref(), Some("RUNNING"));
}

#[test]
fn a_destroy_that_was_taken_back_can_be_followed_by_another() {
    let mut bench = Bench::new();
    bench.add("link-a", |_| {});
    bench.fault(Fault::new(Kind::DestroyRejectedLate));
    destroy(&mut bench, &["link-a"], 0).expect("accepted");
    bench.advance(Duration::from_secs(4));
    assert_eq!(destroy(&mut bench, &["link-a"], 0).expect("accepted again").accepted, ["link-a"]);
}
