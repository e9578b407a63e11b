//! A real etcd and kube-apiserver, with kubectl and helm to go with them, for tests and the demo.
//!
//! ```no_run
//! # async fn example() -> control_plane::Result<()> {
//! use control_plane::{ControlPlane, Options};
//!
//! let plane = ControlPlane::start(Options::default()).await?;
//! let answer = plane.kubectl().args(["get", "namespaces"]).output().await;
//! plane.stop().await
//! # }
//! ```
//!
//! Everything listens on loopback only and lives in one folder below the temporary one. It ends with its owner,
//! whatever the owner's end is (`watchdog.sh`). The programs come from `KUBEBUILDER_ASSETS`, or are built once from the
//! Go modules of the folder `go` into the cache of the user.

mod api;
mod audit;
mod binaries;
mod build;
mod cache;
mod cgroups;
mod credentials;
mod debian;
mod error;
mod flags;
mod foreign;
mod guard;
mod http;
mod namespaces;
pub mod node;
mod path;
mod plane;
mod port;
mod progress;
mod random;
mod recipe;
mod server;
mod sign;
mod start;
mod watched;

pub use audit::{AuditLog, Position};
pub use binaries::{Binaries, Clients};
pub use debian::Unpacked;
pub use error::{Error, Result, tail};
pub use foreign::TEST_CLUSTER;
pub use guard::Guard;
pub use http::get as http_get;
pub use node::{Image, Node, NodeBinaries, Relay};
pub use plane::{ControlPlane, Options, SHARED};
pub use port::choose as free_port;
pub use progress::{Durations, Took, human, say};
pub use server::Stop;
pub use watched::watch;
