//! S6, and what a change of the leader means for the other promises.

use crate::story::*;
use crate::twins;

twins! {
    S6 a_lease_is_taken_only_when_it_has_expired(story, bad) {
        story.holds_lease("one", 15).seconds(2).holds_lease("one", 15);
        story.seconds(if bad { 13 } else { 15 }).holds_lease("two", 15);
    }

    S6 a_lease_that_was_given_back_may_be_taken_at_once(story, bad) {
        story.holds_lease("one", 15).seconds(2);
        if !bad {
            story.holds_lease("", 1);
        }
        story.milliseconds(50).holds_lease("two", 15);
    }

    S6 a_lease_whose_release_was_not_answered_may_be_taken_at_once(story, bad) {
        story.holds_lease("one", 15).seconds(2).holds_lease("", 1);
        story.last_call()["responseStatus"]["code"] = serde_json::json!(if bad { 409 } else { 504 });
        story.milliseconds(50).holds_lease("two", 15);
    }

    S2 a_new_leader_proves_absence_anew(story, bad) {
        requested(story.holds_lease("one", 15)).looks_and_finds_nothing().seconds(5);
        if bad {
            story.holds_lease("", 1).holds_lease("two", 15);
        }
        story.looks_and_finds_nothing().operator_releases(EDGE);
    }

    S3 a_new_leader_may_repeat_an_accepted_request_that_it_does_not_know_of(story, bad) {
        requested(story.holds_lease("one", 15));
        if !bad {
            story.holds_lease("", 1).holds_lease("two", 15);
        }
        story.looks("RUNNING").operator_reads(EDGE).destroys(EDGE, "FailedOperation.DuplicatedRequest");
    }
}
