//! Why the demo ended before its end, each as a sentence that a newcomer can act on.

use std::io;
use std::path::{Path, PathBuf};

/// The result of a step.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The programs were not there, or a server did not start.
    #[error(transparent)]
    ControlPlane(#[from] control_plane::Error),
    /// Nobody reads what we print.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// A file or folder could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The demo was started somewhere else.
    #[error("{} is not here: start the demo with `make demo` in the folder of the repository", path.display())]
    Place {
        /// What was looked for.
        path: PathBuf,
    },
    /// Building was switched off and something is not built.
    #[error("{} is not there: build it with `cargo build --workspace --bins`, or leave --no-build away", path.display())]
    NotBuilt {
        /// The program.
        path: PathBuf,
    },
    /// The images were not made.
    #[error("{} is not there: run `make image`, which makes it", path.display())]
    NoImage {
        /// The archive.
        path: PathBuf,
    },
    /// No node can run on this machine.
    #[error("no node can run here: {0}; plain `make demo` needs none")]
    NoNode(String),
    /// A command said no.
    #[error("`{line}` failed ({status})\n{output}")]
    Command {
        /// As it was shown.
        line: String,
        /// How it ended.
        status: String,
        /// What it printed.
        output: String,
    },
    /// A program of ours ended by itself.
    #[error("{program} ended by itself ({status})")]
    Ended {
        /// The program.
        program: &'static str,
        /// How.
        status: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {seconds} s{last}")]
    Late {
        /// What was awaited, as the beginning of a sentence.
        what: String,
        /// The limit.
        seconds: u64,
        /// What was seen instead, with a separator in front, or nothing.
        last: String,
    },
    /// The simulator did not answer as its control API should.
    #[error("simulator: {request}: {answer}")]
    Simulator {
        /// Method and path.
        request: String,
        /// Status and body, or what went wrong on the way.
        answer: String,
    },
    /// What the demo shows is not what it claims.
    #[error("the demo's promise does not hold: {0}")]
    Promise(String),
}

impl Error {
    /// For `map_err` on a file operation.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.to_owned(), source }
    }
}

/// Ends the demo with this sentence unless the claim holds.
pub fn promise(holds: bool, sentence: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Promise(sentence())) }
}
