//! S1: no id in a DestroyProxies unless its resource has deletionTimestamp, our finalizer, this uid and policy
//! Destroy, read from the API server just before.
//!
//! "This uid" includes the proxy that the resource is bound to: the account it was seen under and, where status names
//! one, its createTime.

use crate::case::Case;
use crate::cloud::{Request, Sight};
use crate::report::{Promise, Report};
use crate::sends::{Read, Send};

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    for (send, request) in case.sent() {
        report.check(Promise::S1);
        if let Some(fault) = fault(case, send, request) {
            let mut evidence = case.show_send(send, request);
            if let Some((look, _)) = case.known_look(send, request) {
                evidence.push(case.show_request(look));
            }
            let message = format!("DestroyProxies #{} names {}, but {fault}", request.seq, send.id);
            report.broken(Promise::S1, &case.subject(send), message, evidence);
        }
    }
}

fn fault(case: &Case<'_>, send: &Send<'_>, request: &Request<'_>) -> Option<String> {
    let Some(read) = send.read else {
        return Some("the operator read no resource with that id from the API server before".to_owned());
    };
    let age = request.time.since(read.ended);
    if age > case.context.tolerance.read_freshness {
        return Some(format!("the newest read of the resource was {age:?} old"));
    }
    let object = read.object;
    if !object.is_deleting() {
        return Some("the resource was not being deleted when it was read".to_owned());
    }
    if !object.has_finalizer() {
        return Some("the resource did not have the operator's finalizer when it was read".to_owned());
    }
    if !object.may_destroy() {
        return Some(format!("the policy of the resource was {} when it was read", object.policy()));
    }
    wrote_after(case, send, request, &read).or_else(|| other_binding(case, send, request, &read))
}

/// The operator changed the object after the read, so the read was not "just before".
fn wrote_after(case: &Case<'_>, send: &Send<'_>, request: &Request<'_>, read: &Read<'_>) -> Option<String> {
    let object = case.history.object(send.uid?)?;
    // What another operator writes is not known to this one, and makes its read no older; nor does what was on its way
    // when the read was asked for, and arrives now: its sender gave it up, or was killed.
    let process = case.processes.of_request(request);
    let between = case.history.operator_writes(object).find(|(version, _)| {
        let own = process.is_none_or(|process| process.called(version.call));
        let later = version.object.version() > read.object.version() && version.call.sent > read.received;
        own && later && version.call.ended <= request.time
    })?;
    Some(format!(
        "the operator itself changed the resource at {}, after it had read it at {}",
        between.0.call.received, read.ended
    ))
}

fn other_binding(case: &Case<'_>, send: &Send<'_>, request: &Request<'_>, read: &Read<'_>) -> Option<String> {
    // The cloud names no account for a key that it does not know.
    let sender = Some(request.account).filter(|account| !account.is_empty());
    if let Some(account) = read.object.account_id().filter(|account| sender.is_some_and(|sender| sender != *account)) {
        return Some(format!("the proxy was seen under account {account} and the request is from {}", request.account));
    }
    let bound = read.object.seen_create_time()?;
    match case.known_look(send, request)? {
        (_, Sight::Present { create_time, .. }) if create_time != bound => {
            Some(format!("the proxy with that id was created at {create_time}, the one of the resource at {bound}"))
        }
        _ => None,
    }
}
