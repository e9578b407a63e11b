//! S6: one replica leads at a time. A Lease changes hands only when it was given back or deleted, or was not renewed for
//! as long as it was to last. (That two which act at once all the same send the identical request is S4's matter.)

use crate::case::Case;
use crate::leases::{LeaseWrite, writes};
use crate::report::{Promise, Report};

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    let mut last: Option<LeaseWrite<'_, '_>> = None;
    for write in writes(case.audit, case.context) {
        if let Some(before) = last.as_ref().filter(|_| write.call.by_operator) {
            report.check(Promise::S6);
            let taken = !before.holder.is_empty() && !write.holder.is_empty() && before.holder != write.holder;
            let unrenewed = write.call.received.since(before.call.received);
            if taken && unrenewed.saturating_add(case.context.tolerance.jitter) < before.duration {
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
}
