//! S7 and S10: what the operator writes at the API server.

use serde_json::json;

use crate::story::*;
use crate::twins;

twins! {
    S7 the_finalizer_is_stored_on_this_uid_only(story, bad) {
        story.user_creates(EDGE).operator_adds_finalizer(EDGE);
        if bad {
            story.last_call()["requestObject"].as_array_mut().unwrap().remove(0);
        }
    }

    S7 a_status_names_the_uid(story, bad) {
        adopted(story).operator_writes_status(EDGE, |_| {});
        story.last_call()["requestObject"] = if bad {
            json!({"status": {}})
        } else {
            json!({"metadata": {"uid": story.uid(EDGE)}, "status": {}})
        };
    }

    S7 a_test_of_something_else_is_not_a_test_of_the_uid(story, bad) {
        adopted(story).operator_writes_status(EDGE, |_| {});
        if bad {
            story.last_call()["requestObject"][0]["path"] = json!("/metadata/name");
        }
    }

    S7 a_write_that_failed_named_the_uid_too(story, bad) {
        adopted(story).operator_writes_status(EDGE, |_| {});
        let call = story.last_call();
        call["responseStatus"]["code"] = json!(422);
        call["responseObject"] = json!({"kind": "Status"});
        if bad {
            call["requestObject"].as_array_mut().unwrap().remove(0);
        }
    }

    S7 a_write_touches_the_object_it_was_meant_for(story, bad) {
        adopted(story).operator_writes_status(EDGE, |_| {});
        if bad {
            story.last_call()["requestObject"][0]["value"] = json!("uid-of-a-predecessor");
        }
    }

    S7 an_update_carries_the_uid(story, bad) {
        adopted(story).operator_writes_status(EDGE, |_| {});
        let mut body = story.object(EDGE).clone();
        if bad {
            body["metadata"].as_object_mut().unwrap().remove("uid");
        }
        story.last_call()["verb"] = json!("update");
        story.last_call()["requestObject"] = body;
    }

    S7 a_deletion_by_the_operator_has_a_precondition(story, bad) {
        adopted(story);
        let uid = story.uid(EDGE);
        story.user_deletes(EDGE);
        let call = story.last_call();
        call["user"]["username"] = json!(OPERATOR);
        call["requestObject"] = if bad { json!({"kind": "DeleteOptions"}) } else { json!({"preconditions": {"uid": uid}}) };
    }

    S10 the_finalizer_is_stored_before_the_proxy_is_bound(story, bad) {
        story.user_creates(EDGE);
        if !bad {
            story.operator_adds_finalizer(EDGE);
        }
        story.looks("RUNNING").operator_mirrors(EDGE, "RUNNING");
    }

    S10 a_status_without_a_binding_may_come_first(story, bad) {
        story.user_creates(EDGE).looks("RUNNING");
        if bad {
            story.operator_mirrors(EDGE, "RUNNING");
        } else {
            story.operator_writes_status(EDGE, |_| {}).operator_adds_finalizer(EDGE).operator_mirrors(EDGE, "RUNNING");
        }
    }

    S10 a_resource_with_the_finalizer_does_not_vanish(story, bad) {
        requested(story).looks_and_finds_nothing().seconds(5).looks_and_finds_nothing();
        if !bad {
            story.operator_releases(EDGE);
        }
        story.operator_misses(EDGE);
    }

    S10 a_release_that_nobody_was_told_of_ends_it_too(story, bad) {
        requested(story).looks_and_finds_nothing().seconds(5).looks_and_finds_nothing().operator_releases(EDGE);
        // Its caller was killed, or it was refused.
        let code = if bad { 422 } else { 500 };
        let call = story.last_call();
        call["responseStatus"]["code"] = json!(code);
        call["responseObject"] = json!(null);
        story.operator_misses(EDGE);
    }

    S10 a_resource_is_not_replaced_while_it_has_the_finalizer(story, bad) {
        requested(story).looks_and_finds_nothing().seconds(5).looks_and_finds_nothing();
        if !bad {
            story.operator_releases(EDGE);
        }
        story.seconds(1).user_creates(EDGE);
    }

    S10 the_account_of_a_binding_is_not_lost(story, bad) {
        adopted(story).operator_writes_status(EDGE, |status| {
            if bad {
                status.as_object_mut().unwrap().remove("account");
            }
        });
    }

    S10 the_create_time_of_a_binding_does_not_change(story, bad) {
        adopted(story).looks("RUNNING");
        let later = CREATED + if bad { 1000 } else { 0 };
        story.last_request()["describe"]["returned"][0]["createTime"] = json!(later);
        story.operator_writes_status(EDGE, |status| status["proxy"]["createTime"] = json!(later));
    }
}
