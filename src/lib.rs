//! gaap-operator: destroys Tencent Cloud GAAP proxies from Kubernetes, exactly once.
//!
//! Three rooms and a front door. `controller` knows Kubernetes and uses `gaap`; `gaap` knows the cloud and nothing of
//! Kubernetes; `process` knows neither. `settings`, `main` and `check` use them all; `crd` holds the only types both sides share.
//! The protocol of one deletion is one pure function: [`controller::decide::decide`].

pub mod check;
pub mod controller;
pub mod crd;
pub mod gaap;
pub mod process;

pub mod settings;
