//! S9: Force=1 only if the spec says so, in the version that was read before the send.

use crate::case::Case;
use crate::report::{Promise, Report};

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    for (send, request) in case.sent().filter(|(_, request)| request.force == Some(1)) {
        report.check(Promise::S9);
        let why = match send.read {
            Some(read) if read.object.force() => continue,
            Some(_) => "spec.force was not true when the resource was read",
            None => "no resource with that id was read",
        };
        let message = format!("DestroyProxies #{} carries Force=1 for {}, but {why}", request.seq, send.id);
        report.broken(Promise::S9, &case.subject(send), message, case.show_send(send, request));
    }
}
