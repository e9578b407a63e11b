//! Container images without a container engine: one layer of a few static programs, as an archive that every engine
//! loads and every registry client pushes.
//!
//! ```text
//! recipe (deploy/image/NAME.json) + built programs -> layer -> config, manifest, index -> NAME.tar
//! ```
//!
//! An image is a tar of the files, three JSON documents that name each other by digest, and a tar around all of it. An
//! engine would add a daemon, root and the network, which the machines that test this repository do not have. The same
//! input gives the same bytes: no time, no user name and no order of a file system gets in.

mod archive;
mod documents;
mod error;
mod layer;
mod program;
mod recipe;
mod reference;

pub use archive::{Image, write};
pub use error::Error;
pub use recipe::{File, Recipe};
pub use reference::Reference;
