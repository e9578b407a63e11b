//! Scripted faults: which requests they hit, how often, and with what parameters.
//!
//! A request is matched once, at receipt. Of each kind the oldest matching fault takes part and counts a hit; faults of
//! different kinds act together, each at the time its catalogue row names. Where two would make the answer, the one
//! that comes first in the catalogue does.

use serde::Serialize;

use crate::errors::ApiError;
use crate::fault::{Fault, Parameters, Phase};
use crate::kinds::Kind;

/// A fault that is in force.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Active {
    /// Number, for DELETE.
    pub id: u64,
    /// What was posted.
    #[serde(flatten)]
    pub fault: Fault,
    /// Requests that matched.
    pub seen: u64,
    /// Requests that it hit.
    pub hits: u64,
    #[serde(skip)]
    random: fastrand::Rng,
}

/// A fault's part in one request.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Number of the fault.
    pub fault: u64,
    /// Its kind.
    pub kind: Kind,
    /// Ids it is restricted to.
    pub ids: Vec<String>,
    /// How many requests it had hit before this one.
    pub nth: u64,
    /// Parameters.
    pub parameters: Parameters,
}

impl Hit {
    /// The error it speaks of, `default` if it names no code.
    pub fn error(&self, default: &str) -> ApiError {
        let code = self.parameters.code.clone().unwrap_or_else(|| default.to_owned());
        ApiError::with_message(code, self.parameters.message.clone())
    }

    /// Whether the hit concerns this id.
    pub fn concerns(&self, id: &str) -> bool {
        self.ids.is_empty() || self.ids.iter().any(|known| known == id)
    }
}

/// All faults that take part in one request.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The hits, at most one of a kind.
    pub hits: Vec<Hit>,
}

impl Plan {
    /// The hit of this kind.
    pub fn get(&self, kind: Kind) -> Option<&Hit> {
        self.hits.iter().find(|hit| hit.kind == kind)
    }

    /// The hit of this kind if its phase (or else `default`) is `phase`.
    pub fn in_phase(&self, kind: Kind, default: Phase, phase: Phase) -> Option<&Hit> {
        self.get(kind).filter(|hit| hit.parameters.phase.unwrap_or(default) == phase)
    }
}

/// What a fault is matched against.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// `X-TC-Action`.
    pub action: &'a str,
    /// Account of the key, empty when unknown.
    pub account: &'a str,
    /// Ids as sent.
    pub ids: &'a [String],
}

/// The faults in force.
#[derive(Debug, Default)]
pub struct Faults {
    active: Vec<Active>,
    made: u64,
}

const MAXIMUM_FAULTS: usize = 10_000;

impl Faults {
    /// Puts a fault in force and gives it a number.
    ///
    /// # Errors
    /// A sentence when it cannot be one, or when there are too many.
    pub fn add(&mut self, fault: Fault) -> Result<u64, String> {
        if !(0.0..=1.0).contains(&fault.probability) {
            return Err(format!("probability is between 0 and 1, not {}", fault.probability));
        }
        if self.active.len() >= MAXIMUM_FAULTS {
            self.active.retain(|active| active.hits < active.fault.limit());
        }
        if self.active.len() >= MAXIMUM_FAULTS {
            return Err(format!("there are {MAXIMUM_FAULTS} faults in force already"));
        }
        self.made += 1;
        let random = fastrand::Rng::with_seed(fault.seed);
        self.active.push(Active { id: self.made, fault, seen: 0, hits: 0, random });
        Ok(self.made)
    }

    /// Ends one fault; whether it was there.
    pub fn remove(&mut self, id: u64) -> bool {
        let before = self.active.len();
        self.active.retain(|active| active.id != id);
        self.active.len() < before
    }

    /// Ends all faults.
    pub fn clear(&mut self) {
        self.active.clear();
    }

    /// All faults posted and not deleted, used-up ones too: their counts are worth reading.
    pub fn all(&self) -> &[Active] {
        &self.active
    }

    /// Whether this fault has not been deleted.
    pub fn is_in_force(&self, id: u64) -> bool {
        self.active.iter().any(|active| active.id == id)
    }

    /// Matches a request. `is_doomed` tells whether a destroy of an id was accepted, which some kinds wait for.
    pub fn plan(&mut self, subject: Subject<'_>, is_doomed: impl Fn(&str) -> bool) -> Plan {
        let mut plan = Plan::default();
        for active in &mut self.active {
            if plan.get(active.fault.kind).is_some() || active.hits >= active.fault.limit() {
                continue;
            }
            if !matches(&active.fault, subject, &is_doomed) {
                continue;
            }
            active.seen += 1;
            if active.seen <= active.fault.skip || active.random.f64() >= active.fault.probability {
                continue;
            }
            plan.hits.push(Hit {
                fault: active.id,
                kind: active.fault.kind,
                ids: active.fault.ids.clone(),
                nth: active.hits,
                parameters: active.fault.parameters.clone(),
            });
            active.hits += 1;
        }
        plan
    }
}

fn matches(fault: &Fault, subject: Subject<'_>, is_doomed: impl Fn(&str) -> bool) -> bool {
    let is_look = matches!(subject.action, "DescribeProxies" | "DescribeProxiesStatus");
    let same_action = fault.action.as_deref().is_none_or(|action| action == subject.action);
    let same_account = fault.account.as_deref().is_none_or(|account| account == subject.account);
    let asked: Vec<&String> = subject.ids.iter().filter(|id| fault.ids.is_empty() || fault.ids.contains(id)).collect();
    // A look without ids is a look at everything.
    let concerned = fault.ids.is_empty() || !asked.is_empty() || (is_look && subject.ids.is_empty());
    let ripe = match fault.kind {
        Kind::GoneBackGone | Kind::StaleAfterAccept => {
            is_look
                && (asked.iter().any(|id| is_doomed(id))
                    || fault.ids.iter().any(|id| subject.ids.is_empty() && is_doomed(id)))
        }
        Kind::AbsentFromPage => is_look && subject.ids.len() != 1,
        Kind::UnknownStatus | Kind::TotalCountLies | Kind::LimitIgnored | Kind::AbsentAnswer => is_look,
        Kind::DestroyDuration | Kind::StuckDestroying | Kind::DestroyRejectedLate | Kind::IdReused => {
            subject.action == "DestroyProxies"
        }
        Kind::PartialSets => matches!(subject.action, "DestroyProxies" | "CloseProxies" | "OpenProxies"),
        _ => true,
    };
    same_action && same_account && concerned && ripe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(faults: &mut Faults, action: &str, ids: &[&str]) -> Vec<Kind> {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let plan = faults.plan(Subject { action, account: "1", ids: &ids }, |id| id == "link-doomed");
        plan.hits.iter().map(|hit| hit.kind).collect()
    }

    fn faults(fault: Fault) -> Faults {
        let mut faults = Faults::default();
        faults.add(fault).expect("a valid fault");
        faults
    }

    #[test]
    fn a_fault_hits_the_next_request_once_unless_told_otherwise() {
        let mut faults = faults(Fault::new(Kind::AnswerLost));
        assert_eq!(hits(&mut faults, "DestroyProxies", &["link-a"]), [Kind::AnswerLost]);
        assert!(hits(&mut faults, "DestroyProxies", &["link-a"]).is_empty());
    }

    #[test]
    fn action_id_skip_and_times_choose_the_requests() {
        let fault = Fault::new(Kind::AnswerLost).on("DestroyProxies").for_id("link-a").skip(1).times(2);
        let mut faults = faults(fault);
        assert!(hits(&mut faults, "DescribeProxies", &["link-a"]).is_empty(), "another action");
        assert!(hits(&mut faults, "DestroyProxies", &["link-b"]).is_empty(), "another id");
        let outcomes: Vec<usize> =
            (0..5).map(|_| hits(&mut faults, "DestroyProxies", &["link-a", "link-b"]).len()).collect();
        assert_eq!(outcomes, [0, 1, 1, 0, 0]);
    }

    #[test]
    fn of_one_kind_the_oldest_acts_and_the_next_takes_over() {
        let mut faults = Faults::default();
        for code in ["InternalError", "ResourceUnavailable"] {
            faults.add(Fault::new(Kind::Error).with(|p| p.code = Some(code.to_owned()))).expect("valid");
        }
        let subject = Subject { action: "DestroyProxies", account: "1", ids: &[] };
        for expected in ["InternalError", "ResourceUnavailable"] {
            let plan = faults.plan(subject, |_| false);
            assert_eq!(plan.get(Kind::Error).and_then(|hit| hit.parameters.code.as_deref()), Some(expected));
        }
    }

    #[test]
    fn a_probability_hits_its_share_and_the_same_seed_the_same_requests() {
        let run = |seed| {
            let mut faults = faults(Fault::new(Kind::Throttle).times(0).probability(0.3, seed));
            (0..1_000).map(|_| !hits(&mut faults, "DestroyProxies", &[]).is_empty()).collect::<Vec<bool>>()
        };
        let first = run(7);
        let share = first.iter().filter(|hit| **hit).count();
        assert!((250..350).contains(&share), "{share} of 1000");
        assert_eq!(first, run(7));
        assert_ne!(first, run(8));
    }

    #[test]
    fn a_stale_look_waits_until_a_destroy_was_accepted() {
        let mut faults = faults(Fault::new(Kind::StaleAfterAccept));
        assert!(hits(&mut faults, "DescribeProxies", &["link-a"]).is_empty());
        assert_eq!(hits(&mut faults, "DescribeProxies", &["link-a", "link-doomed"]), [Kind::StaleAfterAccept]);
    }

    #[test]
    fn a_page_fault_spares_the_question_for_one_id() {
        let mut faults = faults(Fault::new(Kind::AbsentFromPage).for_id("link-a").times(0));
        assert!(hits(&mut faults, "DescribeProxies", &["link-a"]).is_empty());
        assert_eq!(hits(&mut faults, "DescribeProxies", &["link-a", "link-b"]), [Kind::AbsentFromPage]);
        assert_eq!(hits(&mut faults, "DescribeProxies", &[]), [Kind::AbsentFromPage]);
    }
}
