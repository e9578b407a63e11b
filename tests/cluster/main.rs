//! The operator as it is shipped, on a real API server, with a simulated cloud.
//!
//! Each test is a world of its own (`harness::World`): a namespace, a cloud, an operator process that watches only
//! this namespace. Every test ends with `world.finish()`, which holds what the API server and the cloud saw against
//! the promises of docs/design.md. A failing test prints the operator's log and what the cloud received.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_in_result,
    clippy::disallowed_methods,
    reason = "this is a test: it may panic, and it measures real time"
)]

mod harness;

/// Worlds at work at the same time. Most of them wait for something most of the time.
const WORLDS_AT_ONCE: u32 = 6;

// Tests start in the order of their names. Those that measure come first, one after the other: for each of them in between,
// the machine would stand still until all others have ended. Then those that take a minute, so that none of them is
// left at the end.
#[path = "ends.rs"]
mod a_ends;
#[path = "fairness/mod.rs"]
mod a_fairness;
#[path = "pace.rs"]
mod b_pace;
#[path = "upgrade.rs"]
mod b_upgrade;
#[path = "watch.rs"]
mod b_watch;

mod api_server;
mod canary;
mod check;
mod crash;
mod errors;
mod faults;
mod helm;
mod input;
mod judged;
mod leader;
mod lifecycle;
mod malformed;
mod namespace;
mod never_seen;
mod permissions;
mod process;
mod recreate;
mod retain;
/// The last one, which judges what all others did.
#[path = "rbac.rs"]
mod z_rbac;
