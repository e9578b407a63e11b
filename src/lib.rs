//! gaap-operator
pub mod crd;
