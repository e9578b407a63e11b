//! Two operators that the logs tell apart: what one of them knows, the other does not.

use oracle::Replica;

use crate::story::*;
use crate::twins;

/// Two that were started and have listed, and of which `one` acts first.
fn two(story: &mut Story) -> &mut Story {
    for host in ["one", "two"] {
        story.context.replicas.push(Replica {
            host: host.to_owned(),
            secret_id: format!("AKID-{host}"),
            credential: format!("JTI={host}"),
            starts: Vec::new(),
        });
        story.acts_as(host).operator_restarts();
    }
    story.acts_as("one")
}

twins! {
    S11 a_list_of_another_operator_is_none_of_this_one(story, bad) {
        adopted(two(story)).user_deletes(EDGE);
        if bad {
            // Started again, and the other one listed.
            let now = story.now();
            story.context.replicas[0].starts.push(now);
            story.milliseconds(500).acts_as("two").operator_lists().acts_as("one");
        }
        story.looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S17 a_look_of_another_operator_is_no_ground_for_a_request(story, bad) {
        adopted(two(story)).user_deletes(EDGE).acts_as("two").looks("DESTROYING").acts_as("one");
        if bad {
            story.seconds(2).acts_as("two").looks("RUNNING").acts_as("one");
            // The last own look is older than the own request.
            story.operator_reads(EDGE).destroys(EDGE, "InternalError").seconds(2);
        } else {
            story.looks("RUNNING");
        }
        story.operator_reads(EDGE).destroys(EDGE, "OK");
    }

    S2 looks_of_two_operators_prove_nothing_together(story, bad) {
        requested(two(story)).looks_and_finds_nothing().seconds(5);
        if bad {
            story.acts_as("two");
        }
        story.looks_and_finds_nothing().acts_as("one").operator_releases(EDGE);
    }

    S3 an_operator_may_repeat_what_only_another_knows_to_be_accepted(story, bad) {
        requested(two(story));
        if !bad {
            story.acts_as("two");
        }
        story.looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "FailedOperation.DuplicatedRequest");
    }

    S1 what_another_operator_writes_makes_a_read_no_older(story, bad) {
        ready(two(story));
        if !bad {
            story.acts_as("two");
        }
        story.operator_sets_condition(EDGE, "Reconciling", "Requesting").acts_as("one").destroys(EDGE, "OK");
    }

    S14 two_without_an_election_keep_the_rate_each_for_itself(story, bad) {
        two(story);
        for number in 0..24 {
            story.acts_as(if bad || number % 2 == 0 { "one" } else { "two" }).looks("RUNNING");
        }
    }

    S6 a_replica_that_does_not_lead_sends_nothing(story, bad) {
        two(story).holds_lease("one_1", 15);
        if bad {
            story.acts_as("two");
        }
        ready(story).destroys(EDGE, "OK");
    }
}
