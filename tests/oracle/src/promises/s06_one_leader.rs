//! S6: one replica leads at a time. A Lease changes hands only when it was given back or deleted, or was not renewed for
//! as long as it was to last; and a replica that can be told from the others sends nothing while another holds it, or
//! nobody does. (That two which act at once all the same send the identical request is S4's matter.)

use crate::case::Case;
use crate::leases::{LeaseWrite, unheard_release, writes};
use crate::report::{Promise, Report};

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    let mut last: Option<LeaseWrite<'_, '_>> = None;
    for write in writes(case.audit, case.context) {
        if let Some(before) = last.as_ref().filter(|_| write.call.by_operator) {
            report.check(Promise::S6);
            let taken = !before.holder.is_empty() && !write.holder.is_empty() && before.holder != write.holder;
            let unrenewed = write.call.received.since(before.call.received);
            let early = taken && unrenewed.saturating_add(case.context.tolerance.jitter) < before.duration;
            let (from, to) = (before.call.received, write.call.received);
            if early && !unheard_release(case.audit, case.context, from, to) {
                let message = format!(
                    "{} took the lease of {} {unrenewed:?} after its renewal, but it was to last {:?}",
                    write.holder, before.holder, before.duration
                );
                let evidence = vec![case.show(before.call), case.show(write.call)];
                let subject = format!("lease {}/{}", write.call.namespace, write.call.name);
                report.broken(Promise::S6, &subject, message, evidence);
            }
        }
        last = Some(write);
    }
    senders_lead(case, report);
}

/// Held against the cloud's time of receipt: a request that was on its way for long would need an allowance, but what
/// delays requests in tests does so after their receipt.
fn senders_lead(case: &Case<'_>, report: &mut Report) {
    let writes = writes(case.audit, case.context);
    for (send, request) in case.sent() {
        let Some(process) = case.processes.of_request(request).filter(|_| !writes.is_empty()) else { continue };
        report.check(Promise::S6);
        let known = request.time.minus(case.context.tolerance.jitter);
        let lease = writes.iter().rfind(|write| write.call.ended <= known);
        // The lease that came to be known a moment later counts as well.
        let led = writes
            .iter()
            .filter(|write| known < write.call.ended && write.call.received <= request.time)
            .chain(lease)
            .any(|write| process.is_holder(write.holder));
        if !led {
            let holder = lease.map_or("", |write| write.holder);
            let message =
                format!("DestroyProxies #{} was sent by one that did not lead: the holder was '{holder}'", request.seq);
            let evidence = lease.map(|write| case.show(write.call)).into_iter().chain([case.show_request(request)]);
            report.broken(Promise::S6, &case.subject(send), message, evidence.collect());
        }
    }
}
