//! Judges whether an operator kept its promises, from what others saw: the audit log of the API server and the
//! request log of the cloud. The operator's own logs and metrics are never read, for they would share its mistakes.
//! For the same reason nothing here shares code with the operator.
//!
//! [`judge`] is the way in. It rebuilds the history of every object from the bodies in the audit log, and what the
//! cloud was asked and told from the request log, and holds both against the promises S1 to S11 and S14 to S17 of
//! docs/design.md. (S12 and S13 are not in force yet.)
//!
//! Two logs of two processes on one machine cannot be put in a total order: an answer is known to its receiver an
//! instant before or after it is logged. [`Tolerance`] names every allowance made for that; a promise is called broken
//! only when no order of the events within these allowances keeps it.

mod audit;
mod case;
mod cloud;
mod codes;
mod context;
mod history;
mod leases;
mod moment;
mod object;
mod processes;
mod promises;
mod rbac;
mod report;
mod sends;

use serde_json::Value;

pub use context::{Account, Context, ParseDurationError, Replica, Secret, Tolerance, parse_duration};
pub use moment::Moment;
pub use rbac::{RbacUse, denied, rbac_usage};
pub use report::{Evidence, Notice, Promise, Source, Verdict, Violation};

/// Judges the promises.
///
/// * `audit`: entries of kind Event (`audit.k8s.io/v1`), level RequestResponse for gaapproxies but for list and
///   watch, level Request for leases.
/// * `requests`: entries of the simulator's `GET /_sim/requests`, complete: fetch them after the last request ended.
///
/// An entry that cannot be read is listed in [`Verdict::unreadable`] and makes the verdict unclean: a log with holes
/// proves nothing.
pub fn judge(audit: &[Value], requests: &[Value], context: &Context) -> Verdict {
    let audit = audit::AuditLog::read(audit, context);
    let cloud = cloud::CloudLog::read(requests, context);
    let history = history::History::build(&audit, context);
    let processes = processes::Processes::read(context);
    let sends = sends::resolve(&cloud, &history, context, &processes);
    let case = case::Case {
        context,
        audit: &audit,
        cloud: &cloud,
        history: &history,
        sends: &sends,
        leaderships: leases::leaderships(&audit, context),
        processes,
    };
    let mut report = report::Report::new(audit.unreadable.iter().chain(&cloud.unreadable).cloned().collect());
    promises::check_all(&case, &mut report);
    report.finish()
}
