//! The simulator over loopback HTTP, as its callers meet it.

// The exemptions of clippy.toml cover test functions, not the helpers beside them.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod control;
mod faults;
mod limits_and_log;
mod semantic_faults;
mod signing;
mod support;
