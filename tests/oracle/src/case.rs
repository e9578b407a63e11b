//! Everything a promise is judged from.

use crate::audit::AuditLog;
use crate::cloud::CloudLog;
use crate::context::Context;
use crate::history::History;
use crate::moment::Moment;
use crate::sends::Send;

/// Both logs, read and put in relation.
pub(crate) struct Case<'a> {
    pub context: &'a Context,
    pub audit: &'a AuditLog<'a>,
    pub cloud: &'a CloudLog<'a>,
    pub history: &'a History<'a>,
    /// Each id of each DestroyProxies of the operator, in order of receipt.
    pub sends: &'a [Send<'a>],
    /// When a replica began to lead. Empty: there is no election.
    pub leaderships: Vec<Moment>,
}

impl Case<'_> {
    /// The start of the operator process that acted at `moment`, if one is known. Where replicas elect a leader the logs
    /// do not tell which of them acted: then the first start, which asks the least.
    pub fn process_start(&self, moment: Moment) -> Option<Moment> {
        let starts = self.context.starts().into_iter().filter(|start| *start <= moment);
        if self.leaderships.is_empty() { starts.max() } else { starts.min() }
    }

    /// Since when the one that acted at `moment` remembers: the start of the process, or of its leadership.
    pub fn memory_start(&self, moment: Moment) -> Option<Moment> {
        self.memory_starts().into_iter().filter(|start| *start <= moment).max()
    }

    /// Whether another began to act between the two, so that what was known only in memory may be lost. Of two that act
    /// at once nobody can tell what the other one knows.
    pub fn restarted_between(&self, earlier: Moment, later: Moment) -> bool {
        if self.context.acting_by_key {
            return true;
        }
        self.memory_starts().into_iter().any(|start| earlier < start && start <= later)
    }

    fn memory_starts(&self) -> Vec<Moment> {
        if self.leaderships.is_empty() { self.context.starts() } else { self.leaderships.clone() }
    }
}
