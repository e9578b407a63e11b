//! The order in which deletions get their turn under the rate limit.
//!
//! A reconcile that waits for its turn holds one of the `--concurrency` workers. With 1 000 deletions all workers
//! would wait, and nobody would look after deletions that are already under way. So only the first few wait inside;
//! the others hold a ticket and come back when their turn is near, in the order in which they asked first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    tickets: HashMap<String, u64>,
    line: BTreeMap<u64, String>,
}

/// Tickets by uid. Bounded by the resources there are.
#[derive(Debug, Default)]
pub struct SendQueue {
    inner: Mutex<Inner>,
}

impl SendQueue {
    /// Draws a ticket, or finds the one drawn before; returns how many are ahead.
    pub fn join(&self, uid: &str) -> u64 {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = match inner.tickets.get(uid) {
            Some(ticket) => *ticket,
            None => {
                let ticket = inner.next;
                inner.next += 1;
                inner.tickets.insert(uid.to_owned(), ticket);
                inner.line.insert(ticket, uid.to_owned());
                ticket
            }
        };
        // Counted, not subtracted: one that waits long at the front would make all numbers behind it look far away.
        inner.line.range(..ticket).count() as u64
    }

    /// Gives the ticket back: sent, or nothing to send any more.
    pub fn leave(&self, uid: &str) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ticket) = inner.tickets.remove(uid) {
            inner.line.remove(&ticket);
        }
    }
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
    fn the_first_to_ask_is_the_first_in_line() {
        let queue = SendQueue::default();
        assert_eq!([queue.join("a"), queue.join("b"), queue.join("a"), queue.join("c")], [0, 1, 0, 2]);
        queue.leave("a");
        assert_eq!([queue.join("b"), queue.join("c"), queue.join("a")], [0, 1, 2]);
        queue.leave("c");
        assert_eq!([queue.join("b"), queue.join("a")], [0, 1], "who left is not counted");
    }

    #[test]
    fn few_wait_inside_and_the_others_come_back_in_order() {
        assert_eq!(stay_away(3, 4, 18.0), None);
        let pauses: Vec<_> = (4..8).map(|ahead| stay_away(ahead, 4, 18.0).unwrap()).collect();
        assert!(pauses.is_sorted() && pauses[0] > Duration::ZERO);
    }
}
