//! Resident memory with many resources: at rest, after a relist, after a mass deletion.

use std::time::Duration;

use control_plane::Stop;

use crate::bed::{Bed, Mark};
use crate::error::Result;
use crate::measures::idle::idle;
use crate::measures::latency::latency;
use crate::measures::{Extent, Measure};
use crate::operator::Operator;
use crate::patience::until;
use crate::report::{Report, progress};
use crate::resources::{self, Herd};
use crate::witness::KubeRequests;

/// For each number of resources a new operator; with [`Extent::crowd`] of them also latency and idle time.
///
/// # Errors
/// When something does not happen in time, or a log cannot be read.
pub async fn memory(bed: &mut Bed, report: &mut Report, extent: &Extent) -> Result<()> {
    // The largest number comes last: only one herd is there at a time, and the one before is a part of the next.
    let mut there = 0;
    for (letter, &count) in ('m'..='x').zip(&extent.resources) {
        let herd = Herd { letter, count: count.saturating_sub(there) };
        let crowd = extent.crowd() == Some(count);
        progress(&format!("{count} resources: making {} more", herd.count));
        if !extent.adopt {
            resources::create_taken_in(bed, herd).await?;
        }
        let mark = bed.mark()?;
        let mut operator = bed.start_operator().await?;
        if extent.adopt {
            resources::create(bed, herd).await?;
        }
        settle(bed, &mut operator, count, mark).await?;
        if extent.wants(Measure::Memory) {
            if count > 0 {
                report.add("startup_seconds", count, "", operator.startup.as_secs_f64(), "s")?;
            }
            resident(report, &operator, count, "idle")?;
        }
        if crowd && extent.wants(Measure::Latency) {
            latency(bed, &mut operator, report, count, extent.latencies).await?;
        }
        if crowd && extent.wants(Measure::Idle) {
            idle(bed, &mut operator, report, count, extent.idle_seconds).await?;
        }
        there = count;
        if extent.wants(Measure::Memory) && count > 0 {
            relist(bed, &mut operator).await?;
            resident(report, &operator, count, "relist")?;
            let deleted = herd.count.min(extent.mass_deletion);
            mass_deletion(bed, &mut operator, herd, count, deleted).await?;
            resident(report, &operator, count, "after_deletion")?;
            there -= deleted;
        }
        operator.stop().await?;
    }
    Ok(())
}

/// Waits until the operator has seen every proxy and rests, and tells if it had more to write than it should have.
async fn settle(bed: &Bed, operator: &mut Operator, count: usize, mark: Mark) -> Result<()> {
    // 230 s for ten thousand that the operator takes in by itself, at the default pace on two cores.
    let limit = Duration::from_secs(120) + Duration::from_millis(60) * u32::try_from(count).unwrap_or(u32::MAX);
    until("The sight of every proxy", limit, Duration::from_millis(500), async || {
        operator.check()?;
        let mirrored = operator.mirrored().await;
        Ok(if mirrored == Ok(count) { Ok(()) } else { Err(format!("{mirrored:?} of {count}")) })
    })
    .await?;
    operator.rest(limit).await?;
    let kube = KubeRequests::count(&bed.audit_since(mark).await?, &bed.user());
    progress(&format!("  at rest; until then the operator made {} writes and {} events", kube.writes, kube.events));
    Ok(())
}

fn resident(report: &mut Report, operator: &Operator, count: usize, case: &'static str) -> Result<()> {
    let (now, most) = operator.resident()?;
    report.add("rss_mb", count, case, now, "MB")?;
    report.add("rss_peak_mb", count, case, most, "MB")
}

/// An API server that starts anew has forgotten where every watch stood, so the operator lists once more.
async fn relist(bed: &Bed, operator: &mut Operator) -> Result<()> {
    progress("relist: the API server is started anew");
    let mark = bed.mark()?;
    bed.plane.restart_api_server(Stop::Kill).await?;
    until("The operator's list", Duration::from_secs(180), Duration::from_secs(1), async || {
        operator.check()?;
        let kube = KubeRequests::count(&bed.audit_since(mark).await?, &bed.user());
        Ok(if kube.lists > 0 { Ok(()) } else { Err(format!("{kube:?}")) })
    })
    .await?;
    operator.rest(Duration::from_secs(300)).await
}

async fn mass_deletion(bed: &Bed, operator: &mut Operator, herd: Herd, count: usize, deleted: usize) -> Result<()> {
    progress(&format!("mass deletion: {deleted} of {count} resources"));
    bed.cloud().change_settings(|settings| settings.destroy_duration_ms = 3_000);
    resources::delete(bed, herd, deleted).await?;
    let limit = Duration::from_secs(180) + Duration::from_millis(200) * u32::try_from(deleted).unwrap_or(u32::MAX);
    resources::gone(bed, count - deleted, limit).await?;
    operator.rest(limit).await
}
