//! Everything a promise is judged from.

use crate::audit::AuditLog;
use crate::cloud::{CloudLog, Request};
use crate::context::Context;
use crate::history::History;
use crate::moment::Moment;
use crate::processes::{Process, Processes};
use crate::sends::Send;

/// Shorter than what a process that has just started is silent for.
const SILENT: std::time::Duration = std::time::Duration::from_millis(500);

/// Both logs, read and put in relation.
pub(crate) struct Case<'a> {
    pub context: &'a Context,
    pub audit: &'a AuditLog<'a>,
    pub cloud: &'a CloudLog<'a>,
    pub history: &'a History<'a>,
    /// Each id of each DestroyProxies of the operator, in order of receipt.
    pub sends: &'a [Send<'a>],
    /// When a replica began to lead, and its identity. Empty: there is no election.
    pub leaderships: Vec<(Moment, &'a str)>,
    /// Who did what, where several operators can be told apart.
    pub processes: Processes<'a>,
}

impl<'a> Case<'a> {
    /// The start of the process that sent this request, if one is known. Where the logs do not tell which of several
    /// replicas it was: the first start, which asks the least.
    pub fn process_start(&self, request: &Request<'_>) -> Option<Moment> {
        if let Some(process) = self.processes.of_request(request) {
            return process.start(self.sent_by(request.time));
        }
        let starts = self.context.starts().into_iter().filter(|start| *start <= self.sent_by(request.time));
        if self.leaderships.is_empty() { starts.max() } else { starts.min() }
    }

    /// What the cloud notes within a moment of a start was sent by the process before, and was in the socket when that was
    /// killed: a new one must first be loaded, and sends nothing in its first second (`Pace::new`). One that begins to lead
    /// may send at once.
    pub fn sent_by(&self, received: Moment) -> Moment {
        received.minus(if self.leaderships.is_empty() { SILENT } else { self.context.tolerance.jitter })
    }

    /// Since when the one that acted at `moment` remembers: the start of the process, or of its leadership.
    pub fn memory_start(&self, moment: Moment, process: Option<&Process<'_>>) -> Option<Moment> {
        self.memory_starts(process).into_iter().filter(|start| *start <= moment).max()
    }

    /// Whether the sender of `later` does not remember `earlier`: another sent it, or another began to act in between,
    /// so that what was known only in memory may be lost.
    pub fn forgotten(&self, earlier: &Request<'_>, later: &Request<'_>) -> bool {
        let process = self.processes.of_request(later);
        let stranger = process.is_some_and(|process| !process.sent(earlier));
        let starts = self.memory_starts(process);
        stranger || starts.into_iter().any(|start| earlier.time < start && start <= later.time)
    }

    fn memory_starts(&self, process: Option<&Process<'_>>) -> Vec<Moment> {
        if self.leaderships.is_empty() {
            return process.map_or_else(|| self.context.starts(), Process::starts);
        }
        let own = |(_, holder): &&(Moment, &str)| process.is_none_or(|process| process.is_holder(holder));
        self.leaderships.iter().filter(own).map(|(moment, _)| *moment).collect()
    }
}
