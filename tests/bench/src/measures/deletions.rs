//! What N deletions at once cost, and how long they take.

use std::time::Duration;

use tokio::time::Instant;

use crate::arithmetic::{least_makespan, per};
use crate::bed::{Bed, REQUESTS_PER_SECOND, SPACING_SECONDS};
use crate::error::{Error, Result};
use crate::patience::until;
use crate::report::{Report, progress};
use crate::resources::{self, Herd};
use crate::witness::{KubeRequests, calls};

/// How long an accepted destroy takes in the simulated cloud. How long it takes in the real one is not documented.
pub const DESTROY_SECONDS: f64 = 3.0;

/// For each number: as many resources are made and taken in, then all of them are deleted at once.
///
/// # Errors
/// When something does not happen in time, or a log cannot be read.
pub async fn deletions(bed: &mut Bed, report: &mut Report, numbers: &[usize]) -> Result<()> {
    let mut operator = bed.start_operator().await?;
    bed.cloud().change_settings(|settings| settings.destroy_duration_ms = 3_000);
    for (letter, &count) in ('a'..='z').zip(numbers) {
        progress(&format!("{count} deletions at once: making {count} resources"));
        let herd = Herd { letter, count };
        resources::create(bed, herd).await?;
        let limit = Duration::from_secs(120) + Duration::from_millis(100) * u32::try_from(count).unwrap_or(u32::MAX);
        until("The sight of every proxy", limit, Duration::from_millis(200), async || {
            operator.check()?;
            let mirrored = operator.mirrored().await;
            Ok(if mirrored == Ok(count) { Ok(()) } else { Err(format!("{mirrored:?} of {count}")) })
        })
        .await?;
        // Statuses and events follow the sight.
        operator.rest(limit).await?;
        let (mark, cpu, begun) = (bed.mark()?, operator.cpu_seconds()?, Instant::now());
        let deleted = resources::delete(bed, herd, count);
        tokio::try_join!(deleted, resources::gone(bed, 0, limit))?;
        let makespan = begun.elapsed().as_secs_f64();
        let cpu = operator.cpu_seconds()? - cpu;
        // The last events are published after the resource is gone.
        operator.rest(limit).await?;
        let entries = bed.audit_since(mark).await?;
        let kube = KubeRequests::count(&entries, &bed.user());
        let cloud = bed.cloud().requests(mark.cloud);
        if bed.cloud().dropped_requests() > 0 {
            return Err(Error::Cloud("its log was too short for the benchmark".to_owned()));
        }
        let each = |value: usize| per(value, count);
        report.add("destroy_calls_per_deletion", count, "", each(calls(&cloud, "DestroyProxies")), "calls")?;
        report.add("describe_calls_per_deletion", count, "", each(calls(&cloud, "DescribeProxies")), "calls")?;
        report.add("kube_writes_per_deletion", count, "", each(kube.writes), "requests")?;
        report.add("kube_reads_per_deletion", count, "", each(kube.reads), "requests")?;
        report.add("kube_events_per_deletion", count, "", each(kube.events), "requests")?;
        let bound = least_makespan(count, REQUESTS_PER_SECOND, DESTROY_SECONDS, SPACING_SECONDS);
        report.add("makespan_seconds", count, "", makespan, "s")?;
        report.add("makespan_over_bound", count, "", makespan / bound, "ratio")?;
        report.add("cpu_seconds", count, "", cpu, "s")?;
    }
    operator.stop().await
}
