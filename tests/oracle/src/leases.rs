//! The election among the operator's replicas, as the API server saw it.

use std::time::Duration;

use serde_json::Value;

use crate::audit::{AuditLog, Call};
use crate::context::Context;
use crate::moment::Moment;

const LEASE: &str = "gaap-operator";

/// One write of the Lease that went through.
pub(crate) struct LeaseWrite<'b, 'a> {
    pub call: &'b Call<'a>,
    /// Empty when the lease was given back, or deleted.
    pub holder: &'a str,
    /// How long it was to last.
    pub duration: Duration,
}

/// The writes of the operator's Lease in order.
pub(crate) fn writes<'b, 'a>(audit: &'b AuditLog<'a>, context: &Context) -> Vec<LeaseWrite<'b, 'a>> {
    let ours = |call: &Call<'_>| {
        context.lease_namespace.as_deref().is_none_or(|namespace| namespace == call.namespace) && name(call) == LEASE
    };
    let on_lease = |call: &&Call<'_>| {
        call.resource == "leases" && call.complete && call.succeeded() && call.is_write() && ours(call)
    };
    let read = |call: &'b Call<'a>| {
        let spec = call.request().and_then(|lease| lease.get("spec")).filter(|_| !call.verb.starts_with("delete"));
        let seconds = spec.and_then(|spec| spec.get("leaseDurationSeconds")).and_then(Value::as_u64);
        let holder = spec.and_then(|spec| spec.get("holderIdentity")).and_then(Value::as_str);
        LeaseWrite {
            call,
            holder: holder.unwrap_or_default(),
            duration: Duration::from_secs(seconds.unwrap_or_default()),
        }
    };
    audit.calls.iter().filter(on_lease).map(read).collect()
}

/// The name in the address; a create has it in the object only.
fn name<'a>(call: &Call<'a>) -> &'a str {
    let in_object = || call.request()?.pointer("/metadata/name")?.as_str();
    if call.name.is_empty() { in_object().unwrap_or_default() } else { call.name }
}

/// When a replica began to lead, and who it is: what another one knew only in memory does not count beyond it.
pub(crate) fn leaderships<'a>(audit: &AuditLog<'a>, context: &Context) -> Vec<(Moment, &'a str)> {
    let mut holder = "";
    let mut begun = Vec::new();
    for write in writes(audit, context) {
        if write.holder != holder && !write.holder.is_empty() {
            begun.push((write.call.received, write.holder));
        }
        holder = write.holder;
    }
    begun
}
