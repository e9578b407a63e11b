//! Faults at every effect of a deletion, one at a time, by chance two at a time, and a thousand deletions under fire.
//!
//! The operator is the real program on the real API server. Its way to the API server leads through a gate
//! (`harness::WireFault`), its way to the cloud ends in the simulator, whose faults act on the real connection. `matrix`
//! is the table of single faults, `pairs` draws two from a seed, `soak` (`make soak`) does both for long. Every world is
//! judged by the oracle at its end.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_in_result,
    clippy::disallowed_methods,
    reason = "this is a test: it may panic, and it measures real time"
)]

#[path = "../cluster/harness/mod.rs"]
mod harness;

/// Worlds at work at the same time. More than in `cluster`: most of the time these wait for a deadline.
const WORLDS_AT_ONCE: usize = 8;

mod calls;
mod cloud_wire;
mod everywhere;
mod kills;
mod kube_wire;
mod matrix;
mod pairs;
mod processes;
mod script;
mod soak;
mod strikes;
mod table;
mod two;
