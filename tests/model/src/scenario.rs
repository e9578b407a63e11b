//! Where the exploration begins, and what users do meanwhile.

use crate::cloud::Phase;

/// Resources of a scenario at most; each is one uid.
pub const SLOTS: usize = 3;
/// Proxies of the cloud.
pub const PROXIES: usize = 2;

/// What the cloud does with a ClientToken that it knows. Which of the three GAAP does is not documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenMode {
    /// `FailedOperation.DuplicatedRequest`.
    Refuse,
    /// The first answer again.
    Replay,
    /// The first answer for the same request, an error for another.
    Mismatch,
}

/// Every mode.
pub const TOKEN_MODES: [TokenMode; 3] = [TokenMode::Refuse, TokenMode::Replay, TokenMode::Mismatch];

/// One resource.
#[derive(Debug, PartialEq, Eq)]
pub struct Slot {
    /// Name; two slots of one name never exist at the same time.
    pub name: &'static str,
    /// Uid.
    pub uid: &'static str,
    /// Which proxy of the cloud it names.
    pub proxy: usize,
    /// How it is at first.
    pub first: First,
}

/// A resource at first. All but the missing have their finalizer and are bound to their proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Not there.
    Missing,
    /// Living.
    Living,
    /// Deleted a moment ago; no operator has seen it yet.
    Deleted,
}

/// What a user does. Each happens at any moment after the one before it in its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// kubectl create.
    Create(usize),
    /// kubectl delete.
    Delete(usize),
    /// `spec.force: true`.
    Force(usize),
    /// `spec.deletionPolicy: Retain`.
    Retain(usize),
    /// The annotation.
    Pause(usize),
    /// Without the annotation.
    Unpause(usize),
}

/// A beginning and what users do.
#[derive(Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Name.
    pub name: &'static str,
    /// The resources.
    pub slots: &'static [Slot],
    /// What users do: lines that run beside each other.
    pub users: &'static [&'static [User]],
    /// State of every proxy at first.
    pub phase: Phase,
    /// Origin servers are bound: only Force destroys.
    pub bound: bool,
    /// The proxies were made a moment ago.
    pub young: bool,
    /// Faults on one path in the bounded exploration; none: it is not a part of that.
    pub bounded: Option<u8>,
    /// Faults on one path in the full exploration.
    pub full: u8,
}

const A: Slot = Slot { name: "a", uid: "uid-a", proxy: 0, first: First::Deleted };
/// Living at first.
const LIVING: Slot = Slot { first: First::Living, ..A };
/// Not there at first.
const NEW: Slot = Slot { first: First::Missing, ..A };
/// The same name again, a later uid.
const AGAIN: Slot = Slot { name: "a", uid: "uid-b", proxy: 0, first: First::Missing };
/// A later claim on the proxy of `A`.
const B: Slot = Slot { name: "b", uid: "uid-b", proxy: 0, first: First::Living };
const C: Slot = Slot { name: "c", uid: "uid-c", proxy: 1, first: First::Living };

const PLAIN: Scenario = Scenario {
    name: "one resource",
    slots: &[A],
    users: &[],
    phase: Phase::Running,
    bound: false,
    young: false,
    bounded: Some(1),
    full: 2,
};

/// Every scenario. Pairs of faults where two of them meet a request that is open; every pair of every scenario would take an
/// hour.
pub static SCENARIOS: [Scenario; 12] = [
    PLAIN,
    Scenario { name: "Force changes", users: &[&[User::Force(0)]], ..PLAIN },
    Scenario {
        name: "origin servers bound, Force changes",
        users: &[&[User::Force(0)]],
        bound: true,
        full: 1,
        ..PLAIN
    },
    Scenario { name: "Retain in mid-deletion", users: &[&[User::Retain(0)]], ..PLAIN },
    Scenario { name: "paused for a while", users: &[&[User::Pause(0), User::Unpause(0)]], full: 1, ..PLAIN },
    Scenario { name: "living, then deleted", slots: &[LIVING], users: &[&[User::Delete(0)]], ..PLAIN },
    Scenario {
        name: "made and deleted",
        slots: &[NEW],
        users: &[&[User::Create(0), User::Delete(0)]],
        full: 1,
        ..PLAIN
    },
    Scenario { name: "an unknown state, then young", phase: Phase::Odd, young: true, full: 1, ..PLAIN },
    Scenario {
        name: "made again under the same name",
        slots: &[A, AGAIN],
        users: &[&[User::Create(1), User::Delete(1)], &[User::Retain(0)]],
        bounded: Some(0),
        full: 1,
        ..PLAIN
    },
    Scenario {
        name: "two claims on one proxy",
        slots: &[A, B],
        users: &[&[User::Delete(1)]],
        bounded: Some(0),
        full: 1,
        ..PLAIN
    },
    Scenario {
        name: "two claims, the owner is let go",
        slots: &[A, B],
        users: &[&[User::Retain(0)], &[User::Delete(1)]],
        bounded: Some(0),
        full: 1,
        ..PLAIN
    },
    Scenario {
        name: "three resources, two on one proxy",
        slots: &[A, B, C],
        users: &[&[User::Delete(2)], &[User::Delete(1)]],
        bounded: None,
        full: 0,
        ..PLAIN
    },
];
