//! Waiting for a condition under a limit: no test sleeps for luck.

use std::time::{Duration, Instant};

/// The limit of every wait that names no other. Far above what an idle machine needs: a loaded one is no failure.
pub const LIMIT: Duration = Duration::from_secs(40);

const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `check` gives a value; what it says meanwhile is told when it never does.
///
/// # Panics
/// When the limit is over.
pub async fn until<T>(what: &str, limit: Duration, mut check: impl AsyncFnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        let last = match check().await {
            Ok(value) => return value,
            Err(last) => last,
        };
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}; seen last: {last}");
        tokio::time::sleep(PAUSE).await;
    }
}
