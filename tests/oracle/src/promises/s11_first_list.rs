//! S11: no cloud write before the first list is complete.
//!
//! Per process of the operator and per watched namespace: a list that succeeded, with all its pages, or a watch that
//! sends the initial events itself.

use crate::audit::Call;
use crate::case::Case;
use crate::cloud::Request;
use crate::moment::Moment;
use crate::report::{Promise, Report};

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    for (send, request) in case.sent() {
        report.check(Promise::S11);
        let start = case.process_start(request).unwrap_or(Moment(i64::MIN));
        let scopes = &case.context.watched_namespaces;
        let everywhere = [String::new()];
        let scopes = if scopes.is_empty() { &everywhere[..] } else { scopes };
        let missing = scopes.iter().find_map(|scope| unlisted(case, scope, start, request));
        if let Some((why, call)) = missing {
            let evidence = call.map(|call| case.show(call)).into_iter().chain([case.show_request(request)]).collect();
            let message = format!("DestroyProxies #{} was sent before {why}", request.seq);
            report.broken(Promise::S11, &case.subject(send), message, evidence);
        }
    }
}

/// What is missing of the first list of one namespace (empty: all), and the call that shows it.
fn unlisted<'b>(
    case: &'b Case<'_>,
    scope: &str,
    start: Moment,
    request: &Request<'_>,
) -> Option<(String, Option<&'b Call<'b>>)> {
    let latest = request.time.plus(case.context.tolerance.jitter);
    let calls = || {
        let process = case.processes.of_request(request);
        let own = move |call: &&Call<'_>| process.is_none_or(|process| process.called(call));
        let ours = move |call: &&Call<'_>| call.by_operator && own(call) && call.on_proxies() && call.received >= start;
        case.audit.calls.iter().filter(ours).filter(|call| call.namespace.is_empty() || call.namespace == scope)
    };
    let streams = |call: &Call<'_>| call.verb == "watch" && call.uri.contains("sendInitialEvents=true");
    if calls().any(|call| streams(call) && call.received <= request.time && call.code < 400) {
        return None;
    }
    let place = if scope.is_empty() { "all namespaces".to_owned() } else { format!("namespace {scope}") };
    let lists = || calls().filter(|call| call.verb == "list" && call.complete);
    let Some(first) = lists().find(|call| call.succeeded() && !call.is_later_page() && call.ended <= latest) else {
        return Some((format!("the first list of {place} was complete"), lists().next()));
    };
    let watched = calls().filter(|call| call.verb == "watch" && call.received >= first.ended).map(|call| call.received);
    let watched = watched.min().unwrap_or(Moment(i64::MAX));
    let page = lists().find(|call| {
        call.is_later_page() && call.received >= first.received && call.received < watched && call.ended > latest
    })?;
    Some((format!("the last page of the first list of {place}"), Some(page)))
}
