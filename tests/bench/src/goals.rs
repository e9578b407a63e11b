//! What the figures are held against.

/// A limit, and whether missing it fails the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// The largest value that meets it.
    pub at_most: f64,
    /// A count is the same on every machine, so missing it is a defect. A time or a size may be the machine's.
    pub count: bool,
}

/// A sum of floating point numbers is not held to the last digit.
const TOLERANCE: f64 = 1e-9;

impl Goal {
    /// The goal of a figure, if it has one.
    pub fn of(measure: &str, n: usize) -> Option<Self> {
        let count = |at_most| Some(Self { at_most, count: true });
        let size = |at_most| Some(Self { at_most, count: false });
        match measure {
            "destroy_calls_per_deletion" => count(1.0),
            // With few deletions there is little to share.
            "describe_calls_per_deletion" if n >= 300 => count(0.2),
            "kube_writes_per_deletion" => count(3.0),
            "kube_events_per_deletion" => count(4.0),
            "makespan_over_bound" if n >= 300 => size(1.25),
            "rss_mb" if n == 10_000 => size(35.0),
            "idle_requests" => count(0.0),
            _ => None,
        }
    }

    /// The value meets it.
    pub fn is_met(self, value: f64) -> bool {
        value <= self.at_most + TOLERANCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_by_its_limit_and_missed_above_it() {
        let goal = Goal::of("describe_calls_per_deletion", 300).unwrap();
        assert!(goal.is_met(0.2) && !goal.is_met(0.21) && goal.count);
        assert_eq!(Goal::of("describe_calls_per_deletion", 50), None);
        assert!(!Goal::of("rss_mb", 10_000).unwrap().count, "memory is the machine's, too");
        assert_eq!(Goal::of("rss_mb", 1_000), None);
    }
}
