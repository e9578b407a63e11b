//! The program itself: how large, how fast to start.

use std::path::Path;

use crate::arithmetic::{megabytes, percentile};
use crate::bed::Bed;
use crate::error::{Error, Result};
use crate::report::{Report, progress};

/// Size of the program, and the median time from its start until it is ready, with no resources.
///
/// # Errors
/// When it does not start, or the file cannot be read.
pub async fn program(bed: &mut Bed, report: &mut Report, program: &Path, starts: usize) -> Result<()> {
    let bytes = std::fs::metadata(program).map_err(Error::file("read", program))?.len();
    report.add("binary_mb", 0, "", megabytes(bytes.div_ceil(1024)), "MB")?;
    progress(&format!("start-up: {starts} starts"));
    let mut seconds = Vec::with_capacity(starts);
    for _ in 0..starts {
        let operator = bed.start_operator().await?;
        seconds.push(operator.startup.as_secs_f64());
        operator.stop().await?;
    }
    match percentile(&seconds, 50) {
        Some(median) => report.add("startup_seconds", 0, "", median, "s"),
        None => Ok(()),
    }
}
