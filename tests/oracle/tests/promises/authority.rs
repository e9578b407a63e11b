//! S1, S8 and S9: who may be destroyed, and how.

use serde_json::json;

use crate::story::*;
use crate::twins;

twins! {
    S1 a_resource_that_is_not_being_deleted_keeps_its_proxy(story, bad) {
        adopted(story);
        if !bad {
            story.user_deletes(EDGE);
        }
        story.looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S1 a_destroy_needs_a_read_before_it(story, bad) {
        adopted(story).user_deletes(EDGE).looks("RUNNING");
        if !bad {
            story.operator_reads(EDGE);
        }
        story.destroys(EDGE, "OK").operator_records(EDGE, 0);
    }

    S1 a_read_after_the_send_is_too_late(story, bad) {
        adopted(story).user_deletes(EDGE).looks("RUNNING");
        if bad {
            story.destroys(EDGE, "OK").seconds(1).operator_reads(EDGE);
        } else {
            story.operator_reads(EDGE).destroys(EDGE, "OK");
        }
    }

    S1 an_old_read_is_not_just_before(story, bad) {
        ready(story).seconds(if bad { 6 } else { 4 }).destroys(EDGE, "OK");
    }

    S1 a_read_by_somebody_else_does_not_count(story, bad) {
        ready(story);
        story.last_call()["user"]["username"] = json!(if bad { USER } else { OPERATOR });
        story.destroys(EDGE, "OK").operator_records(EDGE, 0);
    }

    S1 a_resource_without_the_finalizer_keeps_its_proxy(story, bad) {
        adopted(story).user_edits(EDGE, |object| {
            object["metadata"]["finalizers"] = json!(if bad { vec!["other/one"] } else { vec!["other/one", FINALIZER] });
        });
        story.user_deletes(EDGE).looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S1 the_newest_read_is_the_one_that_counts(story, bad) {
        ready(story);
        if bad {
            story.user_edits(EDGE, |object| object["spec"]["deletionPolicy"] = json!("Retain")).operator_reads(EDGE);
        } else {
            story.operator_reads(EDGE);
        }
        story.destroys(EDGE, "OK").operator_records(EDGE, 0);
    }

    S1 an_unknown_policy_is_not_destroy(story, bad) {
        adopted(story).user_edits(EDGE, |object| object["spec"]["deletionPolicy"] = json!(if bad { "Later" } else { "Destroy" }));
        story.user_deletes(EDGE).looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S1 a_write_of_the_operator_makes_its_read_old(story, bad) {
        adopted(story).user_deletes(EDGE).looks("CLOSED");
        if bad {
            story.operator_reads(EDGE).operator_mirrors(EDGE, "CLOSED");
        } else {
            story.operator_mirrors(EDGE, "CLOSED").operator_reads(EDGE);
        }
        story.destroys(EDGE, "OK");
    }

    S1 a_write_that_was_on_its_way_before_the_read_makes_it_no_older(story, bad) {
        adopted(story).user_deletes(EDGE).looks("CLOSED");
        let before = story.now();
        story.seconds(1).operator_reads(EDGE);
        let sent = if bad { story.now() } else { before };
        story.operator_mirrors(EDGE, "CLOSED");
        story.last_call()["userAgent"] = json!(format!("on-its-way-since/{sent}"));
        story.destroys(EDGE, "OK");
    }

    S1 a_proxy_seen_under_one_account_is_not_destroyed_under_another(story, bad) {
        ready(story).destroys(EDGE, "OK");
        if bad {
            story.last_request()["account"] = json!("100000000002");
        }
    }

    S1 another_proxy_under_the_old_id_lives(story, bad) {
        adopted(story).user_deletes(EDGE).looks("RUNNING");
        if bad {
            story.last_request()["describe"]["returned"][0]["createTime"] = json!(CREATED + 1000);
        }
        story.seconds(2).operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S8 a_retained_resource_causes_no_destroy(story, bad) {
        let policy = if bad { "Retain" } else { "Destroy" };
        adopted_with(story, json!({"proxyId": ID, "deletionPolicy": policy})).user_deletes(EDGE);
        story.looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S8 a_paused_resource_causes_no_destroy(story, bad) {
        adopted(story).user_edits(EDGE, |object| {
            object["metadata"]["annotations"] = json!({"gaap-operator.io/paused": if bad { "true" } else { "false" }});
        });
        story.user_deletes(EDGE).looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S8 a_pause_counts_from_the_read_on(story, bad) {
        adopted(story).user_deletes(EDGE).looks("RUNNING");
        let pause = |story: &mut Story| {
            story.user_edits(EDGE, |object| object["metadata"]["annotations"] = json!({"gaap-operator.io/paused": "true"}));
        };
        if bad {
            pause(story);
        }
        story.operator_reads(EDGE);
        if !bad {
            pause(story);
        }
        story.destroys(EDGE, "OK");
    }

    S8 without_any_read_the_last_known_state_counts(story, bad) {
        adopted(story).user_deletes(EDGE);
        story.user_edits(EDGE, |object| object["spec"]["deletionPolicy"] = json!(if bad { "Retain" } else { "Destroy" }));
        story.seconds(3).looks("RUNNING");
        if !bad {
            story.operator_reads(EDGE);
        }
        story.destroys(EDGE, "OK");
    }

    S9 force_is_sent_only_when_the_spec_says_so(story, bad) {
        adopted_with(story, json!({"proxyId": ID, "force": !bad})).user_deletes(EDGE);
        story.looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK");
        story.last_request()["force"] = json!(1);
    }

    S9 a_refused_request_is_not_repeated_with_force(story, bad) {
        ready(story).destroys(EDGE, "FailedOperation.RealServerAlreadyBound").operator_records(EDGE, 1).seconds(2);
        if !bad {
            story.user_edits(EDGE, |object| object["spec"]["force"] = json!(true));
        }
        story.looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK");
        story.last_request()["force"] = json!(1);
    }

    S9 force_counts_as_it_stood_at_the_read(story, bad) {
        adopted_with(story, json!({"proxyId": ID, "force": true})).user_deletes(EDGE).looks("RUNNING");
        if bad {
            story.user_edits(EDGE, |object| object["spec"]["force"] = json!(false)).operator_reads(EDGE);
        } else {
            story.operator_reads(EDGE).user_edits(EDGE, |object| object["spec"]["force"] = json!(false));
        }
        story.destroys(EDGE, "OK");
        story.last_request()["force"] = json!(1);
    }
}
