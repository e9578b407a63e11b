//! What can happen, by name: the protocol at work, users, the cloud, and faults.

use crate::cloud::Sight;
use crate::scenario::TokenMode;

/// How a request meets the cloud and how its answer comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// As it should.
    Normal,
    /// It never arrives; the operator waits for its deadline.
    RequestLost,
    /// It arrives, the answer does not.
    AnswerLost,
    /// The answer comes later.
    AnswerLate,
    /// The operator gives up, and the request arrives later.
    RequestLate,
    /// It arrives twice.
    Twice,
    /// The rate limit answers.
    Throttled,
    /// InternalError, and it was not taken.
    ErrorNotTaken,
    /// InternalError, and it was taken.
    ErrorTaken,
    /// The id in OperationFailedInstanceSet.
    FailedSet,
    /// UnauthorizedOperation.
    Unauthorized,
}

/// What the cloud does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// The next state on the way.
    On,
    /// A destroy is taken back: DESTROYING, then RUNNING again.
    TakenBack,
    /// An accepted destroy has no effect.
    NoEffect,
    /// The id is given to another proxy.
    Reused,
}

/// One step of the world. Operators, slots and proxies by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The next user action of a line.
    User(usize),
    /// It turns out what the cloud does with a token that it knows.
    Mode(TokenMode),
    /// A reconcile up to its next effect.
    Reconcile(usize, usize),
    /// As `Reconcile`, and the answer to its write is lost.
    WriteAnswerLost(usize, usize),
    /// A look is answered.
    Look(usize, usize, Sight),
    /// The request at this place of the wire reaches the cloud.
    Deliver(usize, Delivery),
    /// The late answer to it arrives.
    Arrive(usize),
    /// An operator is killed.
    Crash(usize),
    /// An operator begins to lead.
    Lead(usize),
    /// An operator begins to lead while the other is stopped with the turn to send in hand; that one goes on later.
    LeadOver(usize),
    /// An operator begins to lead, and the other goes on for as long as it likes.
    BothLead(usize),
    /// Of two that lead, this one ends.
    Stop(usize),
    /// The first list of an operator brings a resource.
    List(usize, usize),
    /// The first list is complete.
    Listed(usize),
    /// The watch of an operator falls behind.
    Freeze(usize),
    /// It catches up.
    Thaw(usize),
    /// An operator gets credentials of another account.
    OtherAccount(usize),
    /// It gets its own again.
    OwnAccount(usize),
    /// The cloud moves on.
    Cloud(usize, Move),
    /// Time passes.
    Tick,
}

/// Names of the kinds of faults, for the table of pairs.
pub const FAULTS: [&str; 26] = [
    "crash",
    "stopped leader goes on",
    "two leaders",
    "watch behind",
    "other account",
    "write answer lost",
    "request lost",
    "answer lost",
    "answer late",
    "request late",
    "request twice",
    "throttled",
    "error, not taken",
    "error, taken",
    "failed set",
    "unauthorized",
    "look timeout",
    "truncated page",
    "not found of several",
    "stale read",
    "gone and back",
    "unknown state",
    "no createTime",
    "destroy taken back",
    "destroy without effect",
    "id reused",
];

impl Action {
    /// Which fault it is, if it is one.
    pub fn fault(self) -> Option<usize> {
        let name = match self {
            Action::Crash(_) => "crash",
            Action::LeadOver(_) => "stopped leader goes on",
            Action::BothLead(_) => "two leaders",
            Action::Freeze(_) => "watch behind",
            Action::OtherAccount(_) => "other account",
            Action::WriteAnswerLost(..) => "write answer lost",
            Action::Deliver(_, Delivery::RequestLost) => "request lost",
            Action::Deliver(_, Delivery::AnswerLost) => "answer lost",
            Action::Deliver(_, Delivery::AnswerLate) => "answer late",
            Action::Deliver(_, Delivery::RequestLate) => "request late",
            Action::Deliver(_, Delivery::Twice) => "request twice",
            Action::Deliver(_, Delivery::Throttled) => "throttled",
            Action::Deliver(_, Delivery::ErrorNotTaken) => "error, not taken",
            Action::Deliver(_, Delivery::ErrorTaken) => "error, taken",
            Action::Deliver(_, Delivery::FailedSet) => "failed set",
            Action::Deliver(_, Delivery::Unauthorized) => "unauthorized",
            Action::Look(_, _, Sight::Timeout) => "look timeout",
            Action::Look(_, _, Sight::Truncated) => "truncated page",
            Action::Look(_, _, Sight::NotFoundOfSeveral) => "not found of several",
            Action::Look(_, _, Sight::Stale) => "stale read",
            Action::Look(_, _, Sight::Flap) => "gone and back",
            Action::Look(_, _, Sight::Odd) => "unknown state",
            Action::Look(_, _, Sight::Timeless) => "no createTime",
            Action::Cloud(_, Move::TakenBack) => "destroy taken back",
            Action::Cloud(_, Move::NoEffect) => "destroy without effect",
            Action::Cloud(_, Move::Reused) => "id reused",
            _ => return None,
        };
        FAULTS.iter().position(|known| *known == name)
    }
}
