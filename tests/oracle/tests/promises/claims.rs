//! S5: several resources with one id.

use serde_json::json;

use crate::story::*;
use crate::twins;

const OTHER: &str = "edge-sg-other";

twins! {
    S5 a_living_claimant_keeps_the_proxy(story, bad) {
        adopted(story).user_creates(OTHER).operator_adds_finalizer(OTHER).seconds(5).user_deletes(EDGE);
        if !bad {
            story.user_deletes(OTHER);
        }
        story.looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S5 a_living_claimant_counts_whatever_its_policy(story, bad) {
        adopted(story).user_creates_with(OTHER, json!({"proxyId": ID, "deletionPolicy": "Retain"}));
        story.operator_adds_finalizer(OTHER).seconds(5).user_deletes(EDGE);
        if !bad {
            story.user_deletes(OTHER);
        }
        story.looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S5 a_claimant_made_a_moment_ago_may_still_be_on_its_way(story, bad) {
        adopted(story).user_creates(OTHER).operator_adds_finalizer(OTHER).seconds(5).user_deletes(EDGE).user_deletes(OTHER);
        story.looks("RUNNING").user_creates("edge-sg-third").milliseconds(if bad { 2000 } else { 100 });
        story.operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S5 only_the_oldest_claimant_sends(story, bad) {
        adopted(story).user_creates(OTHER).operator_adds_finalizer(OTHER).seconds(5).user_deletes(EDGE).user_deletes(OTHER);
        let sender = if bad { OTHER } else { EDGE };
        story.looks("RUNNING").operator_reads(sender).destroys(sender, "OK").operator_records(sender, 0);
    }

    S5 a_claimant_that_is_gone_no_longer_counts(story, bad) {
        adopted(story).user_creates(OTHER).seconds(5);
        story.user_creates("edge-sg-third").operator_adds_finalizer("edge-sg-third").seconds(5);
        story.user_deletes("edge-sg-third");
        if !bad {
            story.user_deletes(OTHER);
        }
        story.user_deletes(EDGE).looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S5 only_watched_namespaces_count(story, bad) {
        story.context.watched_namespaces = vec!["games".to_owned()];
        adopted(story).user_creates(OTHER);
        if !bad {
            story.last_call()["responseObject"]["metadata"]["namespace"] = json!("elsewhere");
            story.last_call()["objectRef"]["namespace"] = json!("elsewhere");
        }
        story.user_creates("edge-sg-third").operator_adds_finalizer("edge-sg-third").user_deletes("edge-sg-third");
        story.seconds(5).user_deletes(EDGE).looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S5 another_id_is_no_claim(story, bad) {
        let id = if bad { ID } else { "link-33334444" };
        adopted(story).user_creates_with(OTHER, json!({"proxyId": id}));
        story.user_creates("edge-sg-third").operator_adds_finalizer("edge-sg-third").user_deletes("edge-sg-third");
        story.seconds(5).user_deletes(EDGE).looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S5 a_deletion_of_the_whole_namespace_deletes_the_other_claim_too(story, bad) {
        adopted(story).user_creates(OTHER).operator_adds_finalizer(OTHER).seconds(5);
        let names: &[&str] = if bad { &[EDGE] } else { &[EDGE, OTHER] };
        let items: Vec<_> = names.iter().map(|name| story.object(name).clone()).collect();
        story.call(USER, "deletecollection", "", "", 200, json!({}), json!({"kind": "GaapProxyList", "items": items}));
        story.last_call()["objectRef"]["namespace"] = json!("games");
        story.user_deletes(EDGE).looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK");
    }
}
