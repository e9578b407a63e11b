//! Why a run ended before its end, each as a sentence that a newcomer can act on.

use std::io;
use std::path::{Path, PathBuf};

/// The result of a step.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The servers.
    #[error(transparent)]
    ControlPlane(#[from] control_plane::Error),
    /// The simulated cloud.
    #[error("the simulated cloud: {0}")]
    Cloud(String),
    /// A request of the benchmark itself.
    #[error("{what}: {error}")]
    Kube {
        /// What was tried.
        what: &'static str,
        /// What the client said.
        error: Box<kube::Error>,
    },
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
    /// Something is not as this program needs it.
    #[error("{0}")]
    Unusable(String),
    /// A program could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operator ended by itself.
    #[error("the operator ended by itself ({status}); its last lines:\n{log}")]
    Ended {
        /// How.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {seconds} s; last seen: {last}")]
    Late {
        /// What was awaited, as the beginning of a sentence.
        what: String,
        /// The limit.
        seconds: u64,
        /// What was seen instead.
        last: String,
    },
}

impl Error {
    /// For `map_err` on a file operation.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.to_owned(), source }
    }

    /// For `map_err` on a request.
    pub fn kube(what: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |error| Self::Kube { what, error: Box::new(error) }
    }
}
