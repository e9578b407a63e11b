//! What a test stands on.
//!
//! ```ignore
//! let world = World::new("deleting destroys").await;           // namespace, cloud with proxies, ready operator
//! world.create("edge", PROXY).await;                            // kubectl apply
//! world.condition("edge", "Ready", "Available").await;          // await, under a limit, saying what was seen last
//! world.delete("edge").await;                                   // kubectl delete --wait=false
//! world.gone("edge").await;
//! assert_eq!(world.destroys(PROXY).len(), 1);                   // what the cloud received
//! world.finish().await;                                         // the oracle; a test without it fails
//! ```
//!
//! `World::build("…")` sets flags, faults of the way to the API server (`gate`), a cloud that answers absent ids with an
//! error, and so on. Times are short: see [`FLAGS`].

#![allow(dead_code, unused_imports, reason = "what one test does not use, another may")]

mod build;
mod call;
mod cloud;
mod gate;
mod judge;
mod objects;
mod operator;
mod patience;
mod replicas;
mod rights;
mod serving;
mod shared;
mod sight;
mod watch_stream;
mod wire_fault;
mod world;

pub use build::Build;
pub use call::{Call, Write};
pub use gate::{Gate, Hold, Side};
pub use judge::operator_user;
pub use objects::{WIDE, manifest};
pub use operator::{Operator, Release, Signal};
pub use patience::{LIMIT, in_time, until};
pub use replicas::LEASE;
pub use rights::{asks_for_rights, until_allowed};
pub use serving::Metrics;
pub use shared::{CHART, Cluster, RELEASE, SYSTEM, guard, operator_program, run};
pub use sight::{Event, Soon, condition, headline};
pub use watch_stream::WatchKind;
pub use wire_fault::{WireFault, WireKind};
pub use world::{BOTH, FLAGS, OTHER, PROXY, SECOND_KEY, World, in_both_modes, worlds_at_work};
