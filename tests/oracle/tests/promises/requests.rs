//! S3 and S4: what a resend looks like.

use serde_json::json;

use crate::story::*;
use crate::twins;

/// Sent once; the answer never came.
fn unheard(story: &mut Story) -> &mut Story {
    ready(story).destroys_and_hears_nothing(EDGE).seconds(5)
}

/// The next request, after a look and a read, as it should be.
fn again(story: &mut Story) -> &mut Story {
    story.looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "FailedOperation.DuplicatedRequest")
}

twins! {
    S3 a_lost_answer_is_followed_by_the_same_token(story, bad) {
        unheard(story);
        if bad {
            story.operator_records(EDGE, 1);
        } else {
            story.operator_records(EDGE, 0);
        }
        again(story);
    }

    S3 throttling_keeps_the_token(story, bad) {
        ready(story).destroys(EDGE, "RequestLimitExceeded").operator_records(EDGE, u64::from(bad)).seconds(2);
        again(story);
    }

    S3 an_internal_error_keeps_the_token(story, bad) {
        ready(story).destroys(EDGE, if bad { "InternalError" } else { "InvalidParameter" });
        story.operator_records(EDGE, 1).seconds(5);
        again(story);
    }

    S3 an_error_page_of_a_gateway_is_no_refusal(story, bad) {
        ready(story).destroys(EDGE, "AuthFailure");
        if bad {
            story.last_request()["httpStatus"] = json!(403);
        }
        story.operator_records(EDGE, 1).seconds(5);
        again(story);
    }

    S3 an_id_in_a_set_is_a_definite_answer(story, bad) {
        ready(story).destroys(EDGE, "OK");
        story.last_request()["acceptedIds"] = json!([]);
        story.last_request()["delivered"] = json!(!bad);
        story.operator_writes_status(EDGE, |status| status["destroy"] = json!({"attempt": 1})).seconds(5);
        again(story);
    }

    S3 an_unknown_outcome_after_a_refusal_closes_the_way_again(story, bad) {
        ready(story).destroys(EDGE, "InvalidParameter").seconds(5);
        story.looks("RUNNING").operator_reads(EDGE).destroys(EDGE, if bad { "InternalError" } else { "InvalidParameter" });
        story.operator_records(EDGE, 1).seconds(5);
        again(story);
    }

    S3 an_accepted_request_is_given_time_to_settle(story, bad) {
        requested(story).seconds(if bad { 50 } else { 60 }).operator_records(EDGE, 1);
        again(story);
    }

    S3 a_duplicate_is_given_time_to_settle(story, bad) {
        unheard(story);
        again(story).seconds(if bad { 50 } else { 60 }).operator_records(EDGE, 1);
        again(story);
    }

    S3 an_accepted_request_is_not_sent_again_by_the_process_that_knows(story, bad) {
        requested(story);
        if !bad {
            story.operator_restarts();
        }
        again(story);
    }

    S3 a_raised_attempt_is_stored_before_it_is_used(story, bad) {
        ready(story).destroys(EDGE, "InvalidParameter").seconds(5).looks("RUNNING");
        if bad {
            story.operator_reads(EDGE).operator_records(EDGE, 1).destroys(EDGE, "OK");
        } else {
            story.operator_records(EDGE, 1).operator_reads(EDGE).destroys(EDGE, "OK");
        }
    }

    S3 only_the_user_changes_force(story, bad) {
        ready(story).destroys(EDGE, "FailedOperation.RealServerAlreadyBound").operator_records(EDGE, 1).seconds(5);
        if !bad {
            story.user_edits(EDGE, |object| object["spec"]["force"] = json!(true));
        }
        again(story);
        story.last_request()["force"] = json!(1);
    }

    S3 a_change_of_force_waits_for_an_unknown_outcome_to_settle(story, bad) {
        unheard(story).user_edits(EDGE, |object| object["spec"]["force"] = json!(true));
        story.seconds(if bad { 30 } else { 60 });
        again(story);
    }

    S3 throttling_does_not_hide_an_earlier_unknown_outcome(story, bad) {
        ready(story).destroys(EDGE, if bad { "InternalError" } else { "RequestLimitExceeded" }).seconds(5);
        story.looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "RequestLimitExceeded").seconds(2);
        story.user_edits(EDGE, |object| object["spec"]["force"] = json!(true));
        again(story);
    }

    S3 a_refused_key_says_nothing_of_an_earlier_delivery(story, bad) {
        unheard(story).looks("RUNNING").operator_reads(EDGE);
        story.destroys(EDGE, if bad { "AuthFailure.SecretIdNotFound" } else { "InvalidParameter" });
        story.operator_records(EDGE, 1).seconds(5);
        again(story);
    }

    S3 a_recorded_request_is_remembered_by_the_next_process(story, bad) {
        unheard(story);
        if bad {
            story.operator_records(EDGE, 0);
        }
        story.user_edits(EDGE, |object| object["spec"]["force"] = json!(true)).operator_restarts();
        again(story);
    }

    S3 the_ids_stay_the_same(story, bad) {
        unheard(story);
        again(story);
        if bad {
            story.last_request()["ids"] = json!([ID, "link-33334444"]);
        }
    }

    S3 the_stored_attempt_never_falls(story, bad) {
        ready(story).destroys(EDGE, "InvalidParameter").operator_records(EDGE, 1).seconds(5);
        again(story).operator_records(EDGE, u64::from(!bad));
    }

    S4 two_requests_do_not_share_a_token(story, bad) {
        ready(story).destroys(EDGE, "InvalidParameter");
        let token = story.last_request()["clientToken"].clone();
        story.operator_records(EDGE, 1).seconds(5).user_edits(EDGE, |object| object["spec"]["force"] = json!(true));
        again(story);
        if bad {
            story.last_request()["clientToken"] = token;
        }
    }

    S4 a_recreated_resource_has_a_token_of_its_own(story, bad) {
        requested(story);
        let token = story.requests[2]["clientToken"].clone();
        story.looks_and_finds_nothing().seconds(5).looks_and_finds_nothing().operator_releases(EDGE).seconds(5);
        story.user_creates(EDGE).operator_adds_finalizer(EDGE).user_deletes(EDGE).looks("RUNNING").operator_reads(EDGE);
        story.destroys(EDGE, "OK");
        if bad {
            story.last_request()["clientToken"] = token;
        }
        story.operator_records(EDGE, 0);
    }

    S4 one_request_has_one_token(story, bad) {
        unheard(story);
        again(story);
        if bad {
            story.last_request()["clientToken"] = json!("gaap1-random");
        }
    }

    S4 a_request_has_a_token(story, bad) {
        ready(story).destroys(EDGE, "OK");
        if bad {
            story.last_request()["clientToken"] = json!(null);
        }
    }

    S4 a_token_has_at_most_64_characters(story, bad) {
        ready(story).destroys(EDGE, "OK");
        story.last_request()["clientToken"] = json!("t".repeat(if bad { 65 } else { 64 }));
    }

    S4 a_token_does_not_show_the_uid(story, bad) {
        ready(story).destroys(EDGE, "OK");
        let uid = story.uid(EDGE).replace('-', "");
        story.last_request()["clientToken"] = json!(format!("gaap1-{}", if bad { &uid } else { "r3ad4bl3" }));
    }

    S4 a_token_does_not_show_a_secret(story, bad) {
        ready(story).destroys(EDGE, "OK");
        let text = if bad { SECRET } else { "fakefakefakefakefakefakefake0002" };
        story.last_request()["clientToken"] = json!(text);
    }
}
