//! gaap-operator: destroys Tencent Cloud GAAP proxies from Kubernetes, exactly once.

pub mod gaap;
pub mod process;
