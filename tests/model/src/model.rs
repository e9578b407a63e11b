//! The model as stateright takes it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stateright::report::{ReportData, ReportDiscovery, Reporter};
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::action::{Action, FAULTS};
use crate::fair::Fair;
use crate::possible::actions;
use crate::promises::Promise;
use crate::protocol::Protocol;
use crate::scenario::{Scenario, TokenMode};
use crate::state::State;

/// A request of a higher attempt is not followed any further: a refusal that stays would raise it for ever.
const HIGHEST_ATTEMPT: u32 = 2;

/// One exploration: a beginning, a number of faults, and the functions that are run.
pub struct Exploration {
    protocol: Protocol,
    beginning: State,
    fair: Fair,
    pairs: Vec<AtomicUsize>,
    /// The kinds of faults that may happen; empty: all.
    kinds: &'static [&'static str],
}

impl Exploration {
    /// This scenario.
    pub fn new(protocol: Protocol, scenario: &'static Scenario, faults: u8) -> Self {
        Exploration {
            protocol,
            beginning: State::begin(scenario, faults),
            fair: Fair::default(),
            pairs: (0..FAULTS.len() * FAULTS.len()).map(|_| AtomicUsize::new(0)).collect(),
            kinds: &[],
        }
    }

    /// Only these kinds of faults ([`FAULTS`]).
    pub fn only(self, kinds: &'static [&'static str]) -> Self {
        Exploration { kinds, ..self }
    }

    fn may_happen(&self, action: Action) -> bool {
        self.kinds.is_empty()
            || action.fault().and_then(|fault| FAULTS.get(fault)).is_none_or(|name| self.kinds.contains(name))
    }

    fn note_pair(&self, before: &State, action: Action) {
        if let Some((first, second)) = before.first_fault.zip(action.fault())
            && let Some(count) = self.pairs.get(first * FAULTS.len() + second)
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn ends(&self, state: &State) -> bool {
        // Another way has broken a promise, or is not followed: nothing to say about its end.
        if state.broken.any() || !self.within_boundary(state) {
            return true;
        }
        self.fair.ends(&self.protocol, state)
    }
}

macro_rules! always {
    ($($promise:ident),+) => {
        vec![$(Property::always(Promise::$promise.text(), |_: &Exploration, state: &State| !state.broken.holds(Promise::$promise))),+]
    };
}

/// Name of the property for L1.
pub const L1: &str = "L1 without further faults every deletion ends";

impl Model for Exploration {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.beginning.clone()]
    }

    fn actions(&self, state: &State, out: &mut Vec<Action>) {
        if !state.broken.any() {
            actions(state, out);
            out.retain(|action| self.may_happen(*action));
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let after = state.after(&self.protocol, action)?;
        self.note_pair(state, action);
        Some(after)
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.known.iter().all(|known| known.attempt <= HIGHEST_ATTEMPT)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties =
            always!(S1, S2, S3, S4, S5, S6, S7, S8, S9, S10, S11, S16, S17, Replaced, Account, TooYoung);
        properties.push(Property::always(L1, Exploration::ends));
        properties
    }
}

/// A promise that was found broken.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The property.
    pub property: &'static str,
    /// The scenario.
    pub scenario: &'static str,
    /// What the cloud does with known tokens.
    pub mode: Option<TokenMode>,
    /// The steps that lead there.
    pub trace: Vec<Action>,
}

/// What an exploration came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// States, alike ones counted once.
    pub states: usize,
    /// Steps from a state to another that were taken.
    pub steps: usize,
    /// Steps of the longest shortest path.
    pub depth: usize,
    /// Pairs of kinds of faults of which the second was met on a path that had the first.
    pub pairs: usize,
    /// Steps of the longest way to the end.
    pub longest_end: usize,
    /// Broken promises, the shortest trace first.
    pub findings: Vec<Finding>,
}

/// Explores everything, or until a promise is found broken. `progress` is called now and then with the states so far.
pub fn explore(
    exploration: Exploration,
    threads: usize,
    progress: impl FnMut(usize, usize, Duration) + Send,
) -> Outcome {
    let mut reporter = Progress(progress);
    let checker = exploration
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join_and_report(&mut reporter);
    let mut findings: Vec<Finding> = checker
        .discoveries()
        .into_iter()
        .map(|(property, path)| {
            let last = path.last_state().clone();
            Finding { property, scenario: last.scenario.name, mode: last.mode, trace: path.into_actions() }
        })
        .collect();
    findings.sort_by_key(|finding| (finding.trace.len(), finding.property));
    let model = checker.model();
    Outcome {
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth(),
        pairs: model.pairs.iter().filter(|count| count.load(Ordering::Relaxed) > 0).count(),
        longest_end: model.fair.longest(),
        findings,
    }
}

struct Progress<F>(F);

impl<F: FnMut(usize, usize, Duration)> Reporter<Exploration> for Progress<F> {
    fn report_checking(&mut self, data: ReportData) {
        (self.0)(data.unique_states, data.max_depth, data.duration);
    }

    fn report_discoveries(
        &mut self,
        _model: &Exploration,
        _discoveries: std::collections::BTreeMap<&'static str, ReportDiscovery<Exploration>>,
    ) {
    }
}
