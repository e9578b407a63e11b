//! S7: every write carries the uid: a JSON patch tests `/metadata/uid`, any other body has `metadata.uid`, a deletion
//! has it as a precondition. So a recreated resource of the same name is never touched.

use serde_json::Value;

use crate::audit::Call;
use crate::case::Case;
use crate::report::{Promise, Report};

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    let writes = case.audit.on_proxies().filter(|call| call.by_operator && call.is_write());
    for call in writes.filter(|call| case.context.in_scope(call.namespace)) {
        let Some(body) = call.request() else {
            // Refused before the body was read.
            if call.succeeded() && call.verb != "delete" && call.verb != "deletecollection" {
                report.unreadable(format!(
                    "audit[{}] is a write without requestObject: is its level RequestResponse?",
                    call.number
                ));
                continue;
            }
            if call.succeeded() {
                report.check(Promise::S7);
                broken(case, call, "without any precondition", report);
            }
            continue;
        };
        report.check(Promise::S7);
        let Some(uid) = named_uid(call.verb, body) else {
            broken(case, call, "that does not name the uid", report);
            continue;
        };
        let touched = call.answered().and_then(|object| object.uid());
        if touched.is_some_and(|touched| touched != uid) {
            broken(case, call, &format!("meant for uid {uid}"), report);
        }
    }
}

fn broken(case: &Case<'_>, call: &Call<'_>, how: &str, report: &mut Report) {
    let uid = call.answered().and_then(|object| object.uid()).unwrap_or("unknown");
    let subject = format!("{}/{} (uid {uid})", call.namespace, call.name);
    let message = format!("the operator sent a {} {how}", call.verb);
    report.broken(Promise::S7, &subject, message, vec![case.show(call)]);
}

/// The uid that a write insists on.
fn named_uid<'a>(verb: &str, body: &'a Value) -> Option<&'a str> {
    if let Some(operations) = body.as_array() {
        return operations
            .iter()
            .find(|operation| {
                operation.get("op").is_some_and(|op| op == "test")
                    && operation.get("path").is_some_and(|path| path == "/metadata/uid")
            })
            .and_then(|test| test.get("value"))
            .and_then(Value::as_str);
    }
    let place = if verb.starts_with("delete") { "/preconditions/uid" } else { "/metadata/uid" };
    body.pointer(place).and_then(Value::as_str)
}
