//! S5: no destroy while another resource that is not being deleted claims the same id, among the namespaces watched,
//! as of the last event delivered before the send. And only the owner, the oldest claimant, ever sends.

use crate::case::Case;
use crate::report::{Promise, Report};

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    let delivery = case.context.tolerance.delivery;
    for (send, request) in case.sent() {
        let own = send.uid.and_then(|uid| case.history.object(uid));
        let rivals = case.history.objects().filter(|other| other.proxy_id == send.id && Some(other.uid) != send.uid);
        // Those that were gone by then count as looked at: that they were gone is what was found.
        rivals.filter(|other| other.known_from <= request.time).for_each(|_| report.check(Promise::S5));
        let claimants: Vec<_> = case.history.claimants(case.context, send.id, request.time, delivery).collect();
        for other in claimants.into_iter().filter(|other| Some(other.uid) != send.uid) {
            let lives = other.deleting_from.is_none_or(|from| from > request.time);
            let older = own.is_some_and(|own| other.seniority() < own.seniority());
            let why = match (lives, older) {
                (true, _) => "which is not being deleted, claims the same proxy",
                (false, true) => "which is older, owns the proxy",
                (false, false) => continue,
            };
            let message = format!("DestroyProxies #{} was sent although {}, {why}", request.seq, other.subject());
            let mut evidence = case.show_send(send, request);
            let shown = case.history.versions(other).rfind(|version| version.call.received <= request.time);
            evidence.extend(shown.map(|version| case.show(version.call)));
            report.broken(Promise::S5, &case.subject(send), message, evidence);
        }
    }
}
