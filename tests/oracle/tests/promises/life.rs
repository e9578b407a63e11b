//! Whole lives that keep every promise.

use oracle::{Promise, Source};
use serde_json::json;

use crate::story::*;

#[test]
fn a_life_with_a_lost_answer_a_crash_and_a_raised_attempt_keeps_every_promise() {
    let mut story = Story::new();
    adopted_with(story.holds_lease("one", 15), json!({"proxyId": ID, "force": true}));
    // Another resource with the same id comes and goes.
    story.user_creates("edge-twin").operator_adds_finalizer("edge-twin").seconds(5);
    story.user_deletes("edge-twin").operator_releases("edge-twin").seconds(5);
    story.user_deletes(EDGE).looks("RUNNING").operator_reads(EDGE);
    story.destroys_and_hears_nothing(EDGE).seconds(2);
    // The leader crashes, and another replica takes over.
    story.operator_restarts().seconds(15).holds_lease("two", 15).looks("RUNNING").operator_reads(EDGE);
    story.destroys(EDGE, "UnsupportedOperation").operator_records(EDGE, 1).seconds(30);
    story.looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK").operator_records(EDGE, 1).seconds(5);
    story.looks("DESTROYING").operator_mirrors(EDGE, "DESTROYING").seconds(5);
    story.looks_and_finds_nothing().operator_sets_condition(EDGE, "Deleting", "ConfirmingAbsence").seconds(5);
    story.looks_and_finds_nothing().operator_releases(EDGE).operator_misses(EDGE);
    // A new resource under the old name is another one.
    story.user_creates_with(EDGE, json!({"proxyId": "link-55556666"}));
    let verdict = story.judged();
    assert!(verdict.is_clean(), "{verdict}");
    assert!(Promise::ALL.into_iter().all(|promise| verdict.checked(promise) > 0), "each was judged\n{verdict}");
}

#[test]
fn an_empty_log_is_clean_and_shows_that_nothing_was_looked_at() {
    let verdict = Story::new().judged();
    assert!(verdict.is_clean());
    assert!(Promise::ALL.into_iter().all(|promise| verdict.checked(promise) == 0));
    assert_eq!(verdict.to_string().matches("the logs hold none").count(), Promise::ALL.len());
}

#[test]
fn an_entry_that_cannot_be_read_makes_the_verdict_unclean() {
    let mut story = Story::new();
    requested(&mut story);
    story.audit[2]["stageTimestamp"] = json!("yesterday");
    story.last_request().as_object_mut().unwrap().remove("delivered");
    let verdict = story.judged();
    assert_eq!(verdict.unreadable.len(), 2, "{verdict}");
    assert!(!verdict.is_clean());
}

#[test]
fn a_request_without_a_user_was_refused_or_is_a_hole_in_the_log() {
    for (code, is_clean) in [(401, true), (200, false)] {
        let mut story = Story::new();
        requested(&mut story);
        let mut entry = story.audit[2].clone();
        entry["user"] = json!({});
        entry["stage"] = json!("ResponseStarted");
        entry["responseStatus"]["code"] = json!(code);
        story.audit.push(entry);
        let verdict = story.judged();
        assert_eq!(verdict.is_clean(), is_clean, "{code}: {verdict}");
    }
}

#[test]
fn a_finalizer_taken_off_by_hand_is_a_notice_and_breaks_nothing() {
    let mut story = Story::new();
    requested(&mut story).user_edits(EDGE, |object| {
        object["metadata"].as_object_mut().unwrap().remove("finalizers");
    });
    let verdict = story.judged();
    assert!(verdict.is_clean(), "{verdict}");
    assert!(verdict.notices[0].message.contains(USER), "{verdict}");
}

#[test]
fn another_client_of_the_cloud_is_not_the_operator() {
    let mut story = Story::new();
    story.context.operator_client = Some("gaap-operator/".to_owned());
    story.request("DestroyProxies", &[ID], "OK", json!({"client": "SDK_PYTHON_3.1.33", "acceptedIds": [ID]}));
    let verdict = story.judged();
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!(verdict.checked(Promise::S1), 0);
}

#[test]
fn a_secret_is_named_by_number_and_never_printed() {
    let mut story = Story::new();
    adopted(&mut story).operator_writes_status(EDGE, |status| status["note"] = json!(format!("key {SECRET}")));
    let verdict = story.judged();
    let violation = verdict.of(Promise::S15).next().expect("the secret is found");
    assert!(violation.message.contains("secret 1"), "{verdict}");
    assert!(!format!("{verdict}{verdict:?}").contains(SECRET));
}

#[test]
fn evidence_names_the_entry_in_the_log_it_is_from() {
    let mut story = Story::new();
    adopted(&mut story).looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK");
    let verdict = story.judged();
    let violation = verdict.of(Promise::S1).next().expect("it is not being deleted");
    let sources: Vec<_> = violation.evidence.iter().map(|evidence| evidence.source).collect();
    assert_eq!(sources[..2], [Source::Audit(4), Source::Cloud(3)], "{verdict}");
}
