//! Waiting for a condition under a limit: no test sleeps for luck.
//!
//! A missed limit of time begins with "too slow: ", and with nothing else does a message begin so: `scripts/patiently.sh`
//! gives such a test, and no other, a second try with no other test beside.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// The limit of every wait that names no other. Far above what an idle machine needs, and shorter than the minute after
/// which a watch is made anew (L5) and heals what should not have needed it.
pub const LIMIT: Duration = Duration::from_secs(50);

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
        if start.elapsed() >= limit {
            // A long message of a panic is written in pieces, between which another test can write.
            eprintln!("{what}: seen last: {last}");
            in_time(false, format_args!("{what:.200}: not within {limit:?}; seen last: {last:.150}"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asserts that kubectl or helm succeeded. That it gave up waiting is a matter of time.
///
/// # Panics
/// When it failed.
#[track_caller]
pub fn succeeded(command: &str, succeeded: bool, said: &str) {
    let gave_up = ["timed out", "deadline exceeded", "TLS handshake timeout", "i/o timeout"];
    in_time(succeeded || !gave_up.iter().any(|word| said.contains(word)), format_args!("{command}: {said}"));
    assert!(succeeded, "{command} failed: {said}");
}

/// What a test asserts about time, and only that: a busy machine can break it.
///
/// # Panics
/// When it does not hold.
#[track_caller]
pub fn in_time(holds: bool, what: impl Display) {
    assert!(holds, "too slow: {what}");
}
