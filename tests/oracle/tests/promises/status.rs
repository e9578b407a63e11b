//! S15: status is true and holds no secret.

use serde_json::{Value, json};

use crate::story::*;
use crate::twins;

fn event(story: &Story, reason: &str, note: &str) -> Value {
    json!({"kind": "Event", "apiVersion": "events.k8s.io/v1", "reason": reason, "note": note, "eventTime": story.now(),
           "regarding": {"namespace": "games", "name": EDGE, "uid": story.uid(EDGE)}})
}

twins! {
    S15 a_status_shows_what_the_cloud_said(story, bad) {
        adopted(story).looks("CLOSED").operator_mirrors(EDGE, if bad { "RECOVERING" } else { "CLOSED" });
    }

    S15 a_status_does_not_run_ahead_of_the_answer(story, bad) {
        adopted(story);
        if bad {
            story.operator_mirrors(EDGE, "CLOSED").seconds(1).looks("CLOSED");
        } else {
            story.looks("CLOSED").seconds(1).operator_mirrors(EDGE, "CLOSED");
        }
    }

    S15 the_create_time_is_the_one_that_was_shown(story, bad) {
        story.user_creates(EDGE).operator_adds_finalizer(EDGE).looks("RUNNING");
        if bad {
            story.last_request()["describe"]["returned"][0]["createTime"] = json!(CREATED - 5);
        }
        story.operator_mirrors(EDGE, "RUNNING");
    }

    S15 the_account_is_one_that_saw_the_proxy(story, bad) {
        story.user_creates(EDGE).operator_adds_finalizer(EDGE);
        story.context.accounts.clear();
        story.looks("RUNNING");
        story.last_request()["account"] = json!(if bad { "100000000002" } else { ACCOUNT });
        story.operator_mirrors(EDGE, "RUNNING");
    }

    S15 the_endpoint_is_the_operators(story, bad) {
        adopted(story).looks("RUNNING").operator_writes_status(EDGE, |status| {
            status["account"]["endpoint"] = json!(if bad { "https://elsewhere.invalid" } else { "https://gaap.tencentcloudapi.com/" });
        });
    }

    S15 absence_is_not_claimed_without_a_look(story, bad) {
        adopted(story);
        if bad {
            story.request("DescribeProxies", &[ID], "InternalError", json!({}));
        } else {
            story.looks_and_finds_nothing();
        }
        story.operator_sets_condition(EDGE, "Ready", "NotFound");
    }

    S15 absence_is_not_claimed_after_a_sight(story, bad) {
        adopted(story).looks_and_finds_nothing().seconds(5);
        if bad {
            story.looks("RUNNING").seconds(2);
        }
        story.operator_sets_condition(EDGE, "Ready", "NotFound");
    }

    S15 a_proxy_is_not_dropped_from_the_status_without_a_look(story, bad) {
        adopted(story);
        if !bad {
            story.looks_and_finds_nothing();
        }
        story.operator_writes_status(EDGE, |status| status["proxy"]["status"] = Value::Null);
    }

    S15 absence_is_being_confirmed_only_after_a_first_negative_answer(story, bad) {
        ready(story).destroys(EDGE, if bad { "ResourceUnavailable" } else { "ResourceNotFound" });
        story.operator_sets_condition(EDGE, "Deleting", "ConfirmingAbsence");
    }

    S15 observed_generation_never_falls(story, bad) {
        adopted(story).user_edits(EDGE, |object| object["spec"]["force"] = json!(true));
        story.operator_writes_status(EDGE, |_| {}).operator_writes_status(EDGE, |status| {
            status["observedGeneration"] = json!(if bad { 1 } else { 2 });
        });
    }

    S15 observed_generation_is_not_ahead(story, bad) {
        adopted(story).operator_writes_status(EDGE, |status| status["observedGeneration"] = json!(if bad { 2 } else { 1 }));
    }

    S15 a_transition_time_moves_only_with_the_status(story, bad) {
        adopted(story).operator_sets_condition(EDGE, "Ready", "Available").seconds(60);
        story.operator_writes_status(EDGE, |status| {
            let condition = &mut status["conditions"][0];
            condition["lastTransitionTime"] = json!("2026-11-24T03:01:30Z");
            condition["status"] = json!(if bad { "True" } else { "False" });
        });
    }

    S15 a_request_id_is_one_that_was_answered(story, bad) {
        ready(story).destroys(EDGE, "InvalidParameter").operator_records(EDGE, 1).operator_writes_status(EDGE, |status| {
            status["destroy"]["requestId"] = json!(if bad { "request-99" } else { "request-3" });
        });
    }

    S15 a_code_is_the_one_that_was_answered(story, bad) {
        ready(story).destroys(EDGE, "InvalidParameter").operator_records(EDGE, 1);
        if bad {
            story.last_call()["responseObject"]["status"]["destroy"]["lastCode"] = json!("OK");
        }
    }

    S15 an_id_in_a_set_is_not_called_accepted(story, bad) {
        ready(story).destroys(EDGE, "OK");
        story.last_request()["acceptedIds"] = json!([]);
        story.operator_records(EDGE, 1);
        story.last_call()["responseObject"]["status"]["destroy"]["lastCode"] =
            json!(if bad { "OK" } else { "InvalidStatusInstanceSet" });
    }

    S15 no_secret_is_written_to_an_object(story, bad) {
        adopted(story).operator_writes_status(EDGE, |status| {
            status["note"] = json!(if bad { SECRET } else { "nothing to hide" });
        });
    }

    S15 no_secret_is_written_to_an_event(story, bad) {
        adopted(story);
        let event = event(story, "Available", if bad { SECRET } else { "fine" });
        story.context.events.push(event);
    }

    S15 no_secret_is_written_to_another_text(story, bad) {
        adopted(story);
        let text = if bad { format!("signed with {SECRET}") } else { "signed".to_owned() };
        story.context.texts.push(("stdout of the operator".to_owned(), text));
    }

    S15 no_event_tells_of_an_end_before_there_is_a_sign_of_it(story, bad) {
        requested(story);
        let early = event(story, "Destroyed", "gone");
        story.seconds(1);
        story.looks_and_finds_nothing().seconds(5).looks_and_finds_nothing();
        let late = event(story, "Destroyed", "gone");
        story.context.events.push(if bad { early } else { late });
        story.operator_releases(EDGE);
    }
}
