//! S2: when the finalizer may go.

use serde_json::json;

use crate::story::*;
use crate::twins;

/// Requested, and seen to be on its way.
fn waiting(story: &mut Story) -> &mut Story {
    requested(story).looks("DESTROYING").seconds(5)
}

twins! {
    S2 a_release_that_nobody_was_told_of_rests_on_a_proof_too(story, bad) {
        requested(story).looks_and_finds_nothing().seconds(5);
        if !bad {
            story.looks_and_finds_nothing();
        }
        let call = story.operator_releases(EDGE).last_call();
        call["responseStatus"]["code"] = json!(500);
        call["responseObject"] = json!(null);
        story.operator_misses(EDGE);
    }

    S2 a_removal_that_arrives_when_another_process_is_at_work_is_judged_by_when_it_was_sent(story, bad) {
        requested(story).looks_and_finds_nothing().seconds(5).looks_and_finds_nothing();
        let sent = story.now();
        story.seconds(1).operator_restarts().seconds(1).operator_releases(EDGE);
        if !bad {
            story.last_call()["userAgent"] = json!(format!("on-its-way-since/{sent}"));
        }
    }

    S2 one_negative_answer_is_no_proof(story, bad) {
        waiting(story).looks_and_finds_nothing().seconds(5);
        if !bad {
            story.looks_and_finds_nothing();
        }
        story.operator_releases(EDGE);
    }

    S2 two_negative_answers_must_be_apart(story, bad) {
        waiting(story).looks_and_finds_nothing().seconds(if bad { 4 } else { 5 }).looks_and_finds_nothing();
        story.operator_releases(EDGE);
    }

    S2 a_sight_in_between_cancels_the_proof(story, bad) {
        waiting(story).looks_and_finds_nothing().seconds(3);
        story.looks("DESTROYING");
        // The same answer, lost on its way, says nothing.
        story.last_request()["delivered"] = json!(bad);
        story.seconds(2).looks_and_finds_nothing().operator_releases(EDGE);
    }

    S2 a_sight_after_the_proof_cancels_it(story, bad) {
        waiting(story).looks_and_finds_nothing().seconds(5).looks_and_finds_nothing();
        if bad {
            story.looks("DESTROYING");
        }
        story.seconds(3).operator_releases(EDGE);
    }

    S2 a_truncated_page_is_no_absence(story, bad) {
        waiting(story).looks_and_finds_nothing().seconds(5).looks_and_finds_nothing();
        if bad {
            story.last_request()["describe"]["totalCount"] = json!(1);
        }
        story.operator_releases(EDGE);
    }

    S2 a_page_smaller_than_the_question_is_no_absence(story, bad) {
        waiting(story);
        for _ in 0..2 {
            let ids: Vec<String> = (0..25).map(|number| format!("link-other{number:02}")).collect();
            let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            story.seconds(5).looks_at(&ids[..20], "RUNNING");
            ids.push(ID);
            let last = story.last_request();
            last["ids"] = json!(ids);
            last["describe"]["limit"] = json!(if bad { 20 } else { 100 });
        }
        story.operator_releases(EDGE);
    }

    S2 an_error_is_no_absence(story, bad) {
        waiting(story);
        for _ in 0..2 {
            let code = if bad { "AuthFailure.SecretIdNotFound" } else { "ResourceNotFound" };
            story.seconds(5).request("DescribeProxies", &[ID], code, json!({}));
        }
        story.operator_releases(EDGE);
    }

    S2 not_found_for_several_ids_is_no_absence(story, bad) {
        waiting(story);
        for _ in 0..2 {
            let both = [ID, "link-33334444"];
            let ids = if bad { &both[..] } else { &both[..1] };
            story.seconds(5).request("DescribeProxies", ids, "ResourceNotFound", json!({}));
        }
        story.operator_releases(EDGE);
    }

    S2 a_lost_answer_is_no_absence(story, bad) {
        waiting(story).looks_and_finds_nothing().seconds(5).looks_and_finds_nothing();
        story.last_request()["delivered"] = json!(!bad);
        story.operator_releases(EDGE);
    }

    S2 another_account_cannot_prove_absence(story, bad) {
        waiting(story);
        for _ in 0..2 {
            story.seconds(5).looks_and_finds_nothing();
            story.last_request()["account"] = json!(if bad { "100000000002" } else { ACCOUNT });
        }
        story.operator_releases(EDGE);
    }

    S2 the_account_of_an_unrecorded_sight_proves_absence(story, bad) {
        story.operator_lists().user_creates(EDGE).operator_adds_finalizer(EDGE).looks("RUNNING");
        story.last_request()["account"] = json!(if bad { "100000000002" } else { ACCOUNT });
        story.user_deletes(EDGE);
        for _ in 0..2 {
            story.seconds(5).looks_and_finds_nothing();
        }
        story.operator_releases(EDGE);
    }

    S2 two_accounts_do_not_make_one_proof(story, bad) {
        story.operator_lists().user_creates(EDGE).operator_adds_finalizer(EDGE).user_deletes(EDGE);
        story.looks_and_finds_nothing();
        story.last_request()["account"] = json!(if bad { "100000000002" } else { ACCOUNT });
        story.seconds(5).looks_and_finds_nothing().operator_releases(EDGE);
    }

    S2 the_proof_is_made_after_the_last_request(story, bad) {
        adopted(story).user_deletes(EDGE);
        if bad {
            story.looks_and_finds_nothing().seconds(5).looks_and_finds_nothing();
        }
        story.looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK").seconds(5);
        if !bad {
            story.looks_and_finds_nothing().seconds(5).looks_and_finds_nothing();
        }
        story.operator_releases(EDGE);
    }

    S2 a_negative_answer_does_not_outlive_the_process(story, bad) {
        waiting(story);
        if !bad {
            story.operator_restarts();
        }
        story.looks_and_finds_nothing().seconds(5);
        if bad {
            story.operator_restarts();
        }
        story.looks_and_finds_nothing().operator_releases(EDGE);
    }

    S2 destroying_is_not_gone(story, bad) {
        waiting(story);
        for _ in 0..2 {
            story.seconds(5);
            if bad {
                story.looks("DESTROYING");
            } else {
                story.looks_and_finds_nothing();
            }
        }
        story.operator_releases(EDGE);
    }

    S2 only_retain_releases_without_proof(story, bad) {
        let policy = if bad { "Destroy" } else { "Retain" };
        adopted_with(story, json!({"proxyId": ID, "deletionPolicy": policy})).user_deletes(EDGE).operator_releases(EDGE);
    }

    S2 retain_of_long_ago_does_not_release(story, bad) {
        adopted_with(story, json!({"proxyId": ID, "deletionPolicy": "Retain"})).user_deletes(EDGE).operator_reads(EDGE);
        story.user_edits(EDGE, |object| object["spec"]["deletionPolicy"] = json!("Destroy"));
        // A change of a moment ago can cross the release on its way.
        story.milliseconds(if bad { 2000 } else { 50 }).operator_releases(EDGE);
    }

    S2 a_living_resource_keeps_its_finalizer(story, bad) {
        waiting(story).looks_and_finds_nothing().seconds(5).looks_and_finds_nothing();
        let object = story.object(EDGE).clone();
        story.user_creates_with("edge-sg-2", object["spec"].clone()).operator_adds_finalizer("edge-sg-2");
        if !bad {
            story.user_deletes("edge-sg-2");
        }
        story.operator_releases("edge-sg-2");
    }

    S2 only_a_later_claimant_goes_without_proof(story, bad) {
        adopted(story).user_creates("edge-sg-2").operator_adds_finalizer("edge-sg-2").seconds(3);
        let name = if bad { EDGE } else { "edge-sg-2" };
        story.user_deletes(name).operator_releases(name);
    }

    S2 a_claimant_in_an_unwatched_namespace_releases_nobody(story, bad) {
        story.user_creates("edge-old");
        let created = story.last_call();
        if bad {
            created["objectRef"]["namespace"] = json!("elsewhere");
            created["responseObject"]["metadata"]["namespace"] = json!("elsewhere");
        }
        story.context.watched_namespaces = vec!["games".to_owned()];
        story.seconds(2);
        adopted(story).user_deletes(EDGE).operator_releases(EDGE);
    }
}
