//! What the process still waits for: `/readyz` tells it by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

type Waiting = BTreeMap<&'static str, Option<String>>;

/// Named conditions that must all be met. Cheap to clone; all clones are the same readiness.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    waiting: Arc<watch::Sender<Waiting>>,
}

impl Readiness {
    /// Not ready for these names, until each is set.
    pub fn waiting_for(names: &[&'static str]) -> Self {
        let readiness = Readiness::default();
        for name in names {
            readiness.set_waiting(name, "not there yet");
        }
        readiness
    }

    /// This condition is met.
    pub fn set_ready(&self, name: &'static str) {
        self.set(name, None);
    }

    /// This condition is not met, and why.
    pub fn set_waiting(&self, name: &'static str, why: impl Into<String>) {
        self.set(name, Some(why.into()));
    }

    fn set(&self, name: &'static str, why: Option<String>) {
        self.waiting.send_if_modified(|waiting| waiting.insert(name, why.clone()) != Some(why));
    }

    /// What is missing, one line each; empty when ready.
    pub fn missing(&self) -> Vec<String> {
        missing(&self.waiting.borrow())
    }

    /// Tells of every change from now on.
    pub fn changes(&self) -> Changes {
        Changes { waiting: self.waiting.subscribe() }
    }
}

/// The changes of a [`Readiness`].
#[derive(Debug)]
pub struct Changes {
    waiting: watch::Receiver<Waiting>,
}

impl Changes {
    /// Waits for the next change; none when the readiness is gone.
    pub async fn next(&mut self) -> Option<()> {
        self.waiting.changed().await.ok()
    }
}

fn missing(waiting: &Waiting) -> Vec<String> {
    waiting.iter().filter_map(|(name, why)| Some(format!("{name}: {}", why.as_ref()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_until_it_is_there() {
        let readiness = Readiness::waiting_for(&["credentials", "first list"]);
        readiness.set_waiting("credentials", "no file secretId");
        assert_eq!(readiness.missing(), ["credentials: no file secretId", "first list: not there yet"]);
        readiness.set_ready("credentials");
        readiness.set_ready("first list");
        assert!(readiness.missing().is_empty());
        readiness.set_waiting("credentials", "refused");
        assert_eq!(readiness.missing(), ["credentials: refused"]);
    }

    #[tokio::test]
    async fn only_a_change_is_told_as_one() {
        let readiness = Readiness::waiting_for(&["credentials"]);
        let mut changes = readiness.changes();
        readiness.set_waiting("credentials", "not there yet");
        assert!(!changes.waiting.has_changed().unwrap());
        readiness.set_ready("credentials");
        assert_eq!(changes.next().await, Some(()));
    }
}
