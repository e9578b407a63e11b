//! The chart as a cluster runs it: real pods on a real node, two replicas, the image of `make image`.
//!
//! Each test is an installation of its own (`install::Install`): a namespace that enforces the restricted standard, with a
//! simulated cloud in a pod, a Secret, and a release of the chart that watches this namespace. Every test ends with
//! `install.finish()`, which holds what the API server and the cloud saw against the promises of docs/design.md.
//!
//! On a node of our own, or with `GAAP_TEST_CLUSTER=kubeconfig` on the cluster of `KUBECONFIG`: see docs/development.md.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "this is a test: it may panic, and it measures real time"
)]

mod bed;
mod cloud;
mod install;
#[path = "../cluster/harness/patience.rs"]
mod patience;
mod pods;

mod handover;
mod life;
mod load;
mod rollout;
mod secret;
mod trouble;
mod uninstall;
