//! The deletion protocol of gaap-operator, explored exhaustively with faults.
//!
//! Two operators, up to three resources (two of them naming one proxy), one cloud. Every order of their steps is walked
//! through, with users who change their minds at any moment and with every placing of a number of faults, in all three
//! ways in which the cloud may treat a repeated ClientToken. The promises ([`Promise`]) are judged in every state by what really
//! is, and from every state one fair schedule without further faults is followed until the deletions have ended (L1): an
//! eventual property of that schedule, not of every schedule.
//!
//! # What is shipped code and what is not
//!
//! Shipped, called through [`Protocol`]: `decide`; the reading of answers (`Look::of`, `act::outcome_of`, the table of
//! classes); what is remembered (`Memory`: looks, requests, the noticed deletion, beginnings); the pauses
//! (`backoff::hold`); `Plan::against`; the token; every JSON patch, applied to the stored object by the same library that
//! kube's client uses for its types. Written anew: the order in which `reconcile.rs` performs one step (`operator`), the
//! watch, the lease, the cloud. Signing, HTTP, the pace and the line for it, events and metrics are not here: they decide
//! nothing.
//!
//! # What is abstracted away
//!
//! - *Time* goes in ticks that are a little longer than the poll and half of the settle time. Shipped code compares only
//!   differences of times with its settings, and every comparison falls to the same side for all times within a tick;
//!   differences longer than every setting are alike (`clock`). A pause for a person lasts three ticks; a pause before a
//!   request that is shorter than half a tick is over at once, any other growing pause lasts one.
//! - *Reconciles* may happen at any moment, as they may in truth for any event. That none is forgotten is followed from
//!   every state on one fair schedule, where only changes and the waits that `decide` asks for wake a resource (`fair`).
//! - *States are alike* when no decision can tell them apart (`canon`). The words of conditions are left out: they decide
//!   only whether a status is written once more. States are compared by a 64-bit hash, so one in some billions of pairs
//!   could be taken for another.
//! - *A watch* delivers at once, or is behind by one tick at most (a fault) and then delivers the newest version: the
//!   versions in between are seen only when they are the newest.
//! - *When no fault and no user action is left*, a reconcile that goes on at once is not interrupted: nothing that could
//!   come in between touches what it reads.
//! - *Attempts* above 2 are not followed any further: a refusal that stays would raise them for ever.
//!
//! # What is taken for granted
//!
//! The cloud shows a destroy within the settle time, a request that has not arrived one tick after it was sent never does,
//! and a wrong "not there" does not last as long as the spacing of two looks: nobody is told it twice in a row. An id is not given
//! to another proxy while a request for the first can still arrive. Where these do not hold, no client can keep S2 and S16,
//! for the API has no condition on the createTime.
//!
//! # Gaps
//!
//! What the search found and what is not judged, so that the rest can be:
//!
//! - When two operators lead at once without knowing of each other, which the lease rules out, S3 and S16 are not judged;
//!   all others are, S6 above all. (The one that led before takes a request that the other recorded for one of long ago.)
//! - A process that was stopped between its last read and the wire sends when it goes on (docs/design.md, "Several
//!   replicas"). That send is judged by all but S3, and by S16 unless the user has changed Force.
//! - When a resource is released by Retain right after its request was sent, and another is made for the same proxy and
//!   deleted while reads are still behind, a second destroy may be accepted for a proxy that is being destroyed. S16 is
//!   judged between resources only while both exist.

#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a program for tests: numbers of slots, proxies and operators are made here and always in range, and a model that is wrong should stop"
)]

mod action;
mod canon;
mod clock;
mod cloud;
mod fair;
mod model;
mod operator;
mod perform;
mod possible;
mod promises;
mod protocol;
mod scenario;
mod state;
mod store;
mod wire;

pub use action::{Action, Delivery, FAULTS, Move};
pub use cloud::{Phase, Sight};
pub use model::{Exploration, Finding, L1, Outcome, explore};
pub use promises::Promise;
pub use protocol::{Described, Destroyed, Protocol};
pub use scenario::{First, SCENARIOS, Scenario, Slot, TokenMode, User};
