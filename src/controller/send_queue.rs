//! The order in which deletions get their turn under the rate limit.
//!
//! A reconcile that waits for its turn holds one of the `--concurrency` workers. With 1 000 deletions all workers
//! would wait, and nobody would look after deletions that are already under way. So only the first few wait inside;
//! the others stand in line and come back when their turn is near. Namespaces take turns: one line for all would make
//! a single deletion wait a minute behind the 1 000 of somebody else.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::process::fair_line::FairLine;

/// Who waits to send, by uid. Bounded by the resources there are.
#[derive(Debug, Default)]
pub struct SendQueue {
    line: Mutex<FairLine<String, String>>,
}

impl SendQueue {
    fn line(&self) -> MutexGuard<'_, FairLine<String, String>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stands in line, or keeps the place; returns how many are ahead.
    pub fn join(&self, namespace: &str, uid: &str) -> u64 {
        let mut line = self.line();
        line.join(&namespace.to_owned(), uid.to_owned());
        line.ahead(uid).unwrap_or_default() as u64
    }

    /// Has nothing to send any more.
    pub fn leave(&self, uid: &str) {
        self.line().leave(uid);
    }

    /// Has sent: the next turn is another namespace's.
    pub fn sent(&self, uid: &str) {
        self.line().served(uid);
    }
}

/// How many may be ahead of one that renews its look: those of the next two seconds. A look takes up to half a second,
/// for it is shared with others, and is then as fresh as it must be.
pub fn near(inside: u64, per_second: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 19 per second")]
    let soon = (2.0 * per_second) as u64;
    inside.saturating_add(soon)
}

/// How long to stay away with this many ahead; none: wait inside. `inside`: how many may wait inside.
pub fn stay_away(ahead: u64, inside: u64, per_second: f64) -> Option<Duration> {
    let excess = ahead.checked_sub(inside)?;
    // Back a little early: the line may have become shorter.
    #[expect(clippy::cast_precision_loss, reason = "a few thousand at most; a lost unit shifts nothing")]
    let seconds = (excess + 1) as f64 / per_second.max(1.0);
    Some(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_ask_is_the_first_in_line_of_its_namespace() {
        let queue = SendQueue::default();
        let join = |uid: &str| queue.join(&uid[..1], uid);
        assert_eq!(["a1", "a2", "a1", "a3", "b1"].map(join), [0, 1, 0, 2, 1]);
        queue.sent("a1");
        assert_eq!(["b1", "a2", "a3"].map(join), [0, 1, 2]);
        queue.leave("a2");
        assert_eq!(["b1", "a3"].map(join), [0, 1], "who left is not counted");
    }

    #[test]
    fn looks_are_renewed_by_those_of_the_next_two_seconds_besides_those_inside() {
        assert_eq!([near(4, 18.0), near(4, 0.1), near(0, 19.0)], [40, 4, 38]);
    }

    #[test]
    fn few_wait_inside_and_the_others_come_back_in_order() {
        assert_eq!(stay_away(3, 4, 18.0), None);
        let pauses: Vec<_> = (4..8).map(|ahead| stay_away(ahead, 4, 18.0).unwrap()).collect();
        assert!(pauses.is_sorted() && pauses[0] > Duration::ZERO);
    }
}
