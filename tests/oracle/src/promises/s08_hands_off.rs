//! S8: Retain and paused resources cause no cloud write. What counts is the operator's newest read; a change after it
//! is excused.

use crate::case::Case;
use crate::cloud::Request;
use crate::object::Resource;
use crate::report::{Promise, Report};
use crate::sends::Send;

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    for (send, request) in case.sent() {
        report.check(Promise::S8);
        let Some(why) = hold(case, send, request) else { continue };
        let message = format!("DestroyProxies #{} names {}, although {why}", request.seq, send.id);
        report.broken(Promise::S8, &case.subject(send), message, case.show_send(send, request));
    }
}

fn held(object: Resource<'_>) -> Option<&'static str> {
    if object.policy() == "Retain" {
        Some("the policy of its resource is Retain")
    } else if object.is_paused() {
        Some("its resource is paused")
    } else {
        None
    }
}

fn hold(case: &Case<'_>, send: &Send<'_>, request: &Request<'_>) -> Option<&'static str> {
    if let Some(read) = send.read {
        return held(read.object);
    }
    // Nothing was read: the destroy must be wanted by some resource that the operator could know of.
    let known_by = request.time.minus(case.context.tolerance.delivery);
    let mut holds = case
        .history
        .claimants(case.context, send.id, request.time, case.context.tolerance.delivery)
        .filter_map(|object| case.history.versions(object).rfind(|version| version.call.ended <= known_by))
        .map(|version| held(version.object));
    let first = holds.next()?;
    if holds.all(|other| other.is_some()) { first } else { None }
}
