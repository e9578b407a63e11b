//! The operator as it was before: what build.rs made of previous.tar.gz.
#![allow(warnings, clippy::all, clippy::pedantic, reason = "what was released is not mended any more")]

// Its program speaks of its library by name.
extern crate self as gaap_operator;

include!(concat!(env!("OUT_DIR"), "/src/root.rs"));
