//! What can go wrong, as sentences with the file that it went wrong with.

use std::path::PathBuf;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("cannot {verb} {path}: {source}", path = .path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A recipe that does not say what it should.
    #[error("{path}: {why}", path = .path.display())]
    Recipe {
        /// The recipe.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A program that could not run on an empty root.
    #[error("{path} {why}", path = .path.display())]
    Program {
        /// The program.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Not the name of an image.
    #[error("{text:?} is no image name with tag, such as registry.example.com/team/gaap-operator:0.1.0: {why}")]
    Reference {
        /// What was given.
        text: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A document could not be written as JSON, or a file not be put into a tar.
    #[error("the archive cannot be made: {0}")]
    Archive(#[from] std::io::Error),
}

impl Error {
    /// For `map_err`.
    pub(crate) fn file(verb: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { verb, path, source }
    }
}
