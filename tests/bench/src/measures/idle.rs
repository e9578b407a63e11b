//! What it costs that nothing happens.

use std::time::Duration;

use tokio::time::sleep;

use crate::bed::Bed;
use crate::error::Result;
use crate::operator::Operator;
use crate::report::{Report, progress};
use crate::witness::{KubeRequests, calls};

/// Waits, and counts what came meanwhile. `idle_requests` are those that neither renew the Lease nor a watch that the
/// API server has ended, as it does every minute: there should be none. The looks at the cloud are the configured resync.
///
/// # Errors
/// When the operator ends, or a log cannot be read.
pub async fn idle(
    bed: &Bed,
    operator: &mut Operator,
    report: &mut Report,
    resources: usize,
    seconds: u64,
) -> Result<()> {
    progress(&format!("idle: {resources} resources, {seconds} s in which nothing happens"));
    operator.rest(Duration::from_secs(300)).await?;
    let (mark, before) = (bed.mark()?, operator.cpu_seconds()?);
    sleep(Duration::from_secs(seconds)).await;
    operator.check()?;
    let cpu = operator.cpu_seconds()? - before;
    let kube = KubeRequests::count(&bed.audit_since(mark).await?, &bed.user());
    let looks = calls(&bed.cloud().requests(mark.cloud), "DescribeProxies");
    let requests = kube.writes + kube.reads - kube.watches + kube.events;
    for (measure, value) in [
        ("idle_requests", requests),
        ("idle_lease_requests", kube.lease),
        ("idle_watch_requests", kube.watches),
        ("idle_describe_calls", looks),
    ] {
        report.add(measure, resources, "idle", crate::arithmetic::per(value, 1), "requests")?;
    }
    report.add("cpu_seconds", resources, "idle", cpu, "s")
}
