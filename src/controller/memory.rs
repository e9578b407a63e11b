//! What this process remembers of one resource (by uid).
//!
//! A plain value that may be lost at any moment without breaking a promise: losing it costs a look or a wait. What
//! must outlive a crash is in the resource itself (finalizer, `status.destroy.attempt`).

use std::time::Duration;

use crate::controller::failure::Failure;
use crate::controller::observation::Resource;
use crate::gaap::{Account, Look, Proxy};

/// What the cloud said when it was asked for one proxy.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// The proxy is there.
    Present(Box<Proxy>),
    /// A complete answer without the proxy.
    Absent,
    /// No usable answer: says nothing about the proxy.
    Failed(Failure),
}

impl From<Look> for Seen {
    fn from(look: Look) -> Self {
        match look {
            Look::Present(proxy) => Seen::Present(proxy),
            Look::Absent => Seen::Absent,
            Look::Failed(error) => Seen::Failed(Failure::from(&error)),
        }
    }
}

/// One look at the proxy. Times are on the process's monotonic clock.
#[derive(Clone, Debug, PartialEq)]
pub struct LookRecord {
    /// When the question was asked. What happened after this may be missing from the answer.
    pub asked: Duration,
    /// When the answer was there.
    pub answered: Duration,
    /// Account that answered; none when nobody could be asked.
    pub account: Option<Account>,
    /// The answer.
    pub seen: Seen,
}

/// What became of a DestroyProxies request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The cloud took it.
    Accepted {
        /// RequestId of the answer.
        request_id: Option<String>,
    },
    /// The cloud knows the token: an earlier send got there first, with an outcome that only a look can tell.
    Duplicate(Failure),
    /// A definite answer that nothing was accepted: a refusal, or the id in either set.
    NotTaken(Failure),
    /// The rate limit answered before the request was looked at.
    Throttled(Failure),
    /// Anything else: it may have been taken.
    Unknown(Failure),
}

impl Outcome {
    /// The failure, unless the request was accepted.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Outcome::Accepted { .. } => None,
            Outcome::Duplicate(failure)
            | Outcome::NotTaken(failure)
            | Outcome::Throttled(failure)
            | Outcome::Unknown(failure) => Some(failure),
        }
    }
}

/// One DestroyProxies request and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendRecord {
    /// The attempt it was made for.
    pub attempt: u32,
    /// Its Force.
    pub force: bool,
    /// Its ClientToken.
    pub client_token: String,
    /// When it was answered or given up, on the monotonic clock.
    pub at: Duration,
    /// When it was sent, since 1970.
    pub at_unix: Duration,
    /// What became of it.
    pub outcome: Outcome,
}

/// A time before which something is not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Until when, on the monotonic clock.
    pub until: Duration,
    /// The hold ends early when the resource is no longer of this generation; none: it never ends early.
    pub lifted_by_change_from: Option<i64>,
}

impl Hold {
    /// How much longer the hold lasts for a resource of this generation.
    pub fn remaining(self, now: Duration, generation: i64) -> Option<Duration> {
        if self.lifted_by_change_from.is_some_and(|held| held != generation) {
            return None;
        }
        self.until.checked_sub(now).filter(|left| !left.is_zero())
    }
}

/// Everything remembered of one resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// When this process met the resource first, on the monotonic clock.
    pub since: Duration,
    /// The newest answer about the proxy.
    pub look: Option<LookRecord>,
    /// When this process noticed the deletion. A look asked before does not count for it.
    pub deleting_since: Option<Duration>,
    /// A question is under way since then.
    pub asking: Option<Duration>,
    /// The first of the negative looks in a row: when it was answered, and by which account. Answers of two accounts
    /// prove nothing together.
    pub first_absent: Option<(Duration, Account)>,
    /// Last time a look showed that a destroy is in effect.
    pub effect: Option<Duration>,
    /// The last request to destroy.
    pub send: Option<SendRecord>,
    /// The last request that may have been taken, whatever a later one was answered: a refusal or the rate limit says
    /// nothing about the requests before it.
    pub doubt: Option<SendRecord>,
    /// A request that the status tells of and this process did not send: its token, and since when that was known here.
    pub told: Option<(String, Duration)>,
    /// The resource was in deletion already when this process met it: what an earlier process sent is not known.
    pub met_deleting: bool,
    /// Failed looks in a row.
    pub look_failures: u32,
    /// Requests in a row that did not get anywhere.
    pub send_failures: u32,
    /// No look before this.
    pub look_hold: Option<Hold>,
    /// No request to destroy before this.
    pub send_hold: Option<Hold>,
}

impl Memory {
    /// A memory that begins now.
    pub fn begin(now: Duration, met_deleting: bool) -> Self {
        Memory { since: now, met_deleting, ..Memory::default() }
    }

    /// Takes in a sight of the resource in deletion, when the caches may be behind what another process did (`behind`).
    pub fn met_again(&mut self, deleting: bool, behind: bool) {
        if behind && deleting && self.deleting_since.is_none() {
            self.met_deleting = true;
        }
    }

    /// Ends the holds that wait for a person.
    pub fn lift_holds(&mut self) {
        for hold in [&mut self.look_hold, &mut self.send_hold] {
            hold.take_if(|hold| hold.lifted_by_change_from.is_some());
        }
    }

    /// Takes in an answer. Any sight of the proxy cancels the proof of absence; a failed look proves nothing, and
    /// leaves the proof as it was.
    pub fn record_look(&mut self, look: LookRecord) {
        // A later question is still under way.
        self.asking.take_if(|asked| *asked <= look.asked);
        match &look.seen {
            Seen::Present(proxy) => {
                self.first_absent = None;
                self.look_failures = 0;
                self.look_hold = None;
                if proxy.status.phase() == crate::gaap::Phase::Destroying {
                    self.effect = Some(look.answered);
                }
            }
            Seen::Absent => {
                // It may have been answered from what was before the request.
                let asked_before = self.send.as_ref().is_some_and(|send| look.asked < send.at);
                let before = self.first_absent.as_ref().map(|(_, account)| account);
                if !asked_before && (before.is_none() || before != look.account.as_ref()) {
                    self.first_absent = look.account.clone().map(|account| (look.answered, account));
                }
                self.effect = Some(look.answered);
                self.look_failures = 0;
                self.look_hold = None;
            }
            Seen::Failed(_) => self.look_failures = self.look_failures.saturating_add(1),
        }
        self.look = Some(look);
    }

    /// Takes in what the resource tells: that it is in deletion, and of which request its status knows.
    pub fn notice(&mut self, resource: &Resource, now: Duration) {
        if resource.deleted.is_some() && self.deleting_since.is_none() {
            self.deleting_since = Some(now);
            // A pause after a failed look at a living resource: the deletion must not wait for it in silence.
            self.look_hold.take_if(|hold| hold.lifted_by_change_from.is_none());
        }
        if let Some(token) = resource.status.destroy.as_ref().and_then(|destroy| destroy.client_token.as_deref()) {
            self.read_token(token, now);
        }
    }

    /// Takes in the token of the request that the status tells of.
    fn read_token(&mut self, token: &str, now: Duration) {
        let own = self.send.as_ref().is_some_and(|send| send.client_token == token);
        let known = self.told.as_ref().is_some_and(|(told, _)| told == token);
        if !own && !known {
            self.told = Some((token.to_owned(), now));
        }
    }

    /// Takes in a request that is about to be sent. What was seen before it no longer counts: only a look that is
    /// asked after the request can prove absence.
    pub fn record_send(&mut self, send: SendRecord) {
        self.first_absent = None;
        if matches!(send.outcome, Outcome::Accepted { .. } | Outcome::Duplicate(_) | Outcome::Unknown(_)) {
            self.doubt = Some(send.clone());
        }
        // An earlier process may have sent the very same before this one began: a refusal says nothing about that.
        if let (Outcome::NotTaken(failure), true, None) = (&send.outcome, self.met_deleting, &self.doubt) {
            let outcome = Outcome::Unknown(failure.clone());
            self.doubt = Some(SendRecord { at: self.since, outcome, ..send.clone() });
        }
        match send.outcome {
            Outcome::Accepted { .. } | Outcome::Duplicate(_) => self.send_failures = 0,
            _ => self.send_failures = self.send_failures.saturating_add(1),
        }
        self.send = Some(send);
    }
}
