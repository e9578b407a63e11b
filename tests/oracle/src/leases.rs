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

/// The writes of the operator's Lease in their order: an update is made from the version before it, so the API server had
/// what made that one first. Their entries may be made the other way round.
pub(crate) fn writes<'b, 'a>(audit: &'b AuditLog<'a>, context: &Context) -> Vec<LeaseWrite<'b, 'a>> {
    let on_lease = |call: &&Call<'_>| call.complete && call.succeeded() && is_write(call, context);
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
    let mut writes: Vec<_> = audit.calls.iter().filter(on_lease).map(read).collect();
    writes.sort_by_key(|write| write.call.received);
    writes
}

fn is_write(call: &Call<'_>, context: &Context) -> bool {
    let here = context.lease_namespace.as_deref().is_none_or(|namespace| namespace == call.namespace);
    call.resource == "leases" && call.is_write() && here && name(call) == LEASE
}

/// Whether the operator gave the Lease back between two moments in a write that nobody was answered: it closed the
/// connection at the end of its time, and the API server may have stored the write all the same.
pub(crate) fn unheard_release(audit: &AuditLog<'_>, context: &Context, from: Moment, to: Moment) -> bool {
    let gives_back = |call: &Call<'_>| {
        let holder = call.request().and_then(|lease| lease.pointer("/spec/holderIdentity")).and_then(Value::as_str);
        call.request().is_some() && holder.unwrap_or_default().is_empty() && !call.verb.starts_with("delete")
    };
    let unheard = |call: &Call<'_>| !call.succeeded() && !call.refused();
    audit.calls.iter().any(|call| {
        let between = from <= call.received && call.received <= to;
        between && call.by_operator && is_write(call, context) && unheard(call) && gives_back(call)
    })
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
