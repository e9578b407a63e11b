//! How long one deletion takes while many other resources rest.

use std::time::Duration;

use kube::api::DeleteParams;
use tokio::time::Instant;

use crate::arithmetic::percentile;
use crate::bed::{Bed, POLL_SECONDS, SPACING_SECONDS};
use crate::error::{Error, Result};
use crate::operator::Operator;
use crate::patience::until;
use crate::report::{Report, progress};
use crate::resources::{self, Herd};

const LIMIT: Duration = Duration::from_secs(60);

/// Deletes one resource after the other. The cloud destroys at once, so that what is left is the operator's: the look
/// after `--destroy-poll` and the second one after `--absence-spacing`.
///
/// # Errors
/// When something does not happen in time.
pub async fn latency(
    bed: &Bed,
    operator: &mut Operator,
    report: &mut Report,
    resting: usize,
    samples: usize,
) -> Result<()> {
    progress(&format!(
        "latency: {samples} single deletions under {resting} resting resources; poll and spacing are {} s",
        POLL_SECONDS + SPACING_SECONDS
    ));
    bed.cloud().change_settings(|settings| settings.destroy_duration_ms = 0);
    let herd = Herd { letter: 'y', count: samples };
    resources::create(bed, herd).await?;
    until("The sight of every proxy", LIMIT, Duration::from_millis(200), async || {
        operator.check()?;
        let mirrored = operator.mirrored().await;
        Ok(if mirrored == Ok(resting + samples) { Ok(()) } else { Err(format!("{mirrored:?}")) })
    })
    .await?;
    operator.rest(LIMIT).await?;
    let api = resources::api(bed);
    let mut seconds = Vec::with_capacity(samples);
    for number in 1..=samples {
        let name = herd.name(number);
        let begun = Instant::now();
        api.delete(&name, &DeleteParams::default()).await.map_err(Error::kube("deleting a resource"))?;
        until("The end of one deletion", LIMIT, Duration::from_millis(10), async || {
            let there = api.get_metadata_opt(&name).await.map_err(Error::kube("looking for a resource"))?;
            Ok(if there.is_none() { Ok(()) } else { Err("it is there".to_owned()) })
        })
        .await?;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    for (case, percent) in [("p50", 50), ("p99", 99)] {
        if let Some(value) = percentile(&seconds, percent) {
            report.add("latency_seconds", resting, case, value, "s")?;
        }
    }
    Ok(())
}
