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
}

impl Case<'_> {
    /// The start of the operator process that acted at `moment`, if one is known.
    pub fn process_start(&self, moment: Moment) -> Option<Moment> {
        self.context.starts().into_iter().filter(|start| *start <= moment).max()
    }

    /// Whether an operator process was started between the two, so that what was known only in memory may be lost.
    pub fn restarted_between(&self, earlier: Moment, later: Moment) -> bool {
        self.context.starts().into_iter().any(|start| earlier < start && start <= later)
    }
}
