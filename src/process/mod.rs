//! What any service needs.
pub mod clock;
