//! S11, S14, S16 and S17: when the cloud is asked, and how often.

use std::time::Duration;

use serde_json::json;

use crate::story::*;
use crate::twins;

/// From a bare object to the request, without a list.
fn to_the_request(story: &mut Story) -> &mut Story {
    story.user_creates(EDGE).operator_adds_finalizer(EDGE).seconds(1).user_deletes(EDGE);
    story.looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK")
}

twins! {
    S11 nothing_is_destroyed_before_the_first_list(story, bad) {
        if !bad {
            story.operator_lists();
        }
        to_the_request(story);
    }

    S11 a_list_that_failed_is_no_list(story, bad) {
        story.operator_lists();
        story.last_call()["responseStatus"]["code"] = json!(if bad { 503 } else { 200 });
        to_the_request(story);
    }

    S11 each_process_lists_first(story, bad) {
        story.operator_lists().seconds(1);
        let now = story.now();
        story.context.operator_starts.push(now);
        if !bad {
            story.seconds(1).operator_lists();
        }
        to_the_request(story);
    }

    S11 every_watched_namespace_is_listed(story, bad) {
        story.context.watched_namespaces = vec!["games".to_owned(), "shop".to_owned()];
        for namespace in ["games", if bad { "games" } else { "shop" }] {
            story.operator_lists().last_call()["objectRef"]["namespace"] = json!(namespace);
        }
        to_the_request(story);
    }

    S11 every_page_of_the_list_comes_first(story, bad) {
        story.operator_lists().operator_lists();
        let page = story.last_call();
        page["requestURI"] = json!("/apis/gaap-operator.io/v1alpha1/gaapproxies?limit=500&continue=abc");
        if bad {
            page["stageTimestamp"] = json!("2026-11-24T03:00:59Z");
        }
        to_the_request(story);
    }

    S11 a_watch_that_sends_the_initial_events_is_a_list(story, bad) {
        story.operator_lists();
        let watch = story.last_call();
        watch["verb"] = json!("watch");
        watch["stage"] = json!("ResponseStarted");
        watch["requestURI"] = json!(if bad { "/gaapproxies?watch=true" } else { "/gaapproxies?watch=true&sendInitialEvents=true" });
        to_the_request(story);
    }

    S14 the_twenty_first_call_waits_for_the_next_second(story, bad) {
        for number in 0..21 {
            story.looks("RUNNING");
            let gap = if number == 19 && !bad { 620 } else { 0 };
            story.wait(Duration::from_millis(gap));
        }
    }

    S14 failed_attempts_count_too(story, bad) {
        for number in 0..21 {
            let action = if bad || number < 20 { "DescribeProxies" } else { "DestroyProxiesOfAnotherKind" };
            story.request(action, &[ID], "RequestLimitExceeded", json!({}));
        }
    }

    S14 copies_made_by_the_network_do_not_count(story, bad) {
        for _ in 0..21 {
            story.looks("RUNNING");
        }
        if !bad {
            story.last_request()["duplicateOf"] = json!(20);
        }
    }

    S14 accounts_have_limits_of_their_own(story, bad) {
        for number in 0..21 {
            story.looks("RUNNING");
            let account = if !bad && number % 2 == 0 { "100000000002" } else { ACCOUNT };
            story.last_request()["account"] = json!(account);
        }
    }

    S14 two_that_act_at_once_are_counted_each(story, bad) {
        story.context.acting_by_key = true;
        for number in 0..30 {
            story.looks("RUNNING");
            story.last_request()["key"] = json!(if !bad && number % 2 == 0 { "0001" } else { "0002" });
        }
    }

    S16 one_proxy_is_destroyed_once(story, bad) {
        requested(story).looks("RUNNING");
        if bad {
            // What a lagging replica shows is not what is.
            story.last_request()["faults"] = json!(["stale-after-accept"]);
        }
        story.seconds(60).looks("RUNNING");
        if bad {
            story.last_request()["faults"] = json!(["stale-after-accept"]);
        }
        story.operator_records(EDGE, 1).operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S16 a_duplicate_is_no_second_effect(story, bad) {
        ready(story).destroys_and_hears_nothing(EDGE).seconds(5).looks("RUNNING");
        story.last_request()["faults"] = json!(["stale-after-accept"]);
        story.operator_reads(EDGE).destroys(EDGE, if bad { "OK" } else { "FailedOperation.DuplicatedRequest" });
    }

    S17 an_unknown_status_is_waited_for(story, bad) {
        adopted(story).user_deletes(EDGE).looks("RUNNING").seconds(5);
        story.looks(if bad { "QUIESCING" } else { "CLOSED" }).seconds(2).operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S17 a_passing_status_is_waited_for(story, bad) {
        adopted(story).user_deletes(EDGE).looks("ADJUSTING").seconds(5);
        if !bad {
            story.looks("RUNNING");
        }
        story.operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S17 destroying_is_waited_for(story, bad) {
        adopted(story).user_deletes(EDGE).looks(if bad { "DESTROYING" } else { "ISOLATED" }).seconds(2);
        story.operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S17 a_proxy_is_looked_at_before_it_is_destroyed(story, bad) {
        story.operator_lists().user_creates(EDGE).operator_adds_finalizer(EDGE).user_deletes(EDGE);
        if !bad {
            story.looks("RUNNING");
        }
        story.operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S17 an_absent_proxy_is_not_destroyed(story, bad) {
        adopted(story).user_deletes(EDGE);
        if bad {
            story.looks_and_finds_nothing();
        } else {
            story.looks("RUNNING");
        }
        story.seconds(2).operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S17 a_lost_answer_shows_nothing(story, bad) {
        adopted(story).user_deletes(EDGE).looks("CREATING").seconds(5).looks("RUNNING");
        story.last_request()["delivered"] = json!(!bad);
        story.operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S17 an_unknown_outcome_leads_back_to_a_look(story, bad) {
        ready(story).destroys_and_hears_nothing(EDGE).seconds(5);
        if !bad {
            story.looks("RUNNING");
        }
        story.operator_reads(EDGE).destroys(EDGE, "FailedOperation.DuplicatedRequest");
    }

    S17 throttling_needs_no_new_look(story, bad) {
        ready(story).destroys(EDGE, if bad { "InternalError" } else { "RequestLimitExceeded" }).seconds(2);
        story.operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S17 a_look_of_an_earlier_process_is_not_known(story, bad) {
        adopted(story).user_deletes(EDGE).looks("RUNNING").operator_restarts();
        if !bad {
            story.looks("RUNNING");
        }
        story.operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S17 a_young_proxy_is_waited_for(story, bad) {
        let second = oracle::Moment::parse(&story.now()).unwrap().0 / 1_000_000;
        story.operator_lists().user_creates(EDGE).operator_adds_finalizer(EDGE).user_deletes(EDGE).looks("RUNNING");
        story.last_request()["describe"]["returned"][0]["createTime"] = json!(second - if bad { 60 } else { 120 });
        story.operator_reads(EDGE).destroys(EDGE, "OK");
    }
}
