//! Waiting for a condition under a limit.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::{Error, Result};

/// Looks every `pause` until `look` has something. `Err` in its answer says what is seen instead.
///
/// # Errors
/// When it does not come within `limit`, with what was seen last, or when looking fails.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    pause: Duration,
    mut look: impl AsyncFnMut() -> Result<Result<T, String>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let last = match look().await? {
            Ok(wanted) => return Ok(wanted),
            Err(seen) => seen,
        };
        if start.elapsed() >= limit {
            return Err(Error::Late { what: what.to_owned(), seconds: limit.as_secs(), last });
        }
        sleep(pause).await;
    }
}
