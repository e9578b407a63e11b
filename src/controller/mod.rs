//! The Kubernetes side: watch, observe, decide, act. It uses `gaap`, which knows nothing of it.

pub mod act;
pub mod agenda;
pub mod backoff;
pub mod claims;
pub mod context;
pub mod crd_wait;
pub mod decide;
pub mod failure;
pub mod finalizer;
pub mod kube_call;
pub mod lease;
pub mod memories;
pub mod memory;
pub mod metrics;
pub mod object;
pub mod observation;
pub mod observe;
pub mod own_pod;
pub mod permissions;
pub mod publisher;
pub mod reasons;
pub mod reconcile;
pub mod report;
pub mod rights;
pub mod run;
pub mod scopes;
pub mod send_queue;
pub mod status;
pub mod tables;
#[cfg(test)]
mod testing;
pub mod wake;
