//! Waiting for a condition under a limit.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::{Error, Result};

/// How often a condition is looked at: seldom enough to cost nothing, often enough not to be noticed.
const POLL: Duration = Duration::from_millis(100);

/// Looks again and again until `look` has something. `Err` in its answer says what is seen instead.
///
/// # Errors
/// When it does not come within `limit`, with what was seen last, or when looking fails.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<Result<T, String>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let seen = match look().await? {
            Ok(wanted) => return Ok(wanted),
            Err(seen) => seen,
        };
        if start.elapsed() >= limit {
            let last = if seen.is_empty() { seen } else { format!("; last seen: {seen}") };
            return Err(Error::Late { what: what.to_owned(), seconds: limit.as_secs(), last });
        }
        sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_condition_that_never_holds_is_given_up_with_what_was_seen() {
        let begun = Instant::now();
        let look = async || Ok(Err::<(), _>("nothing".to_owned()));
        let error = until("The end", Duration::from_secs(3), look).await.unwrap_err();
        assert_eq!(error.to_string(), "The end did not happen within 3 s; last seen: nothing");
        assert!(begun.elapsed() < Duration::from_secs(4));
    }
}
