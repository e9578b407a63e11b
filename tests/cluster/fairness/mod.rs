//! Load and fairness: what one resource, one namespace, or another user of the account does to everybody else's
//! deletions; and the pace, measured where it is received.
//!
//! Times are those that a user sees: from the sight of `deletionTimestamp` to the end of the resource. Each case is held
//! against the same deletions without the trouble, and must stay within twice their time. The figures are printed in
//! every run, whether it passes or not. Worlds that measure have the machine for themselves (`Build::alone`).

mod drift;
mod measure;
mod neighbours;
mod pace;
mod scale;
mod together;
