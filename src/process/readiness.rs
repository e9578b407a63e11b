//! What the process still waits for: `/readyz` tells it by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Named conditions that must all be met. Cheap to clone; all clones are the same readiness.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    waiting: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
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
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(name, None);
    }

    /// This condition is not met, and why.
    pub fn set_waiting(&self, name: &'static str, why: impl Into<String>) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Some(why.into()));
    }

    /// What is missing, one line each; empty when ready.
    pub fn missing(&self) -> Vec<String> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.iter().filter_map(|(name, why)| Some(format!("{name}: {}", why.as_ref()?))).collect()
    }
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
}
