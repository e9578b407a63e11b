//! What can go wrong, each told as a sentence a person can act on.

use std::io;
use std::path::{Path, PathBuf};

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no control plane, or why it did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
    /// The guarded folder was not made.
    #[error("cannot make the folder {}; is its parent there and writable?", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
    },
    /// Something was left behind after an orderly end.
    #[error("the folder {} was not removed in time", folder.display())]
    Leftover {
        /// The folder.
        folder: PathBuf,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system: {reason}")]
    Random {
        /// What it said.
        reason: String,
    },
    /// A program could not be started.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Go is needed and not there.
    #[error(
        "Go is needed to build {what} and is not on PATH: install Go 1.26 or newer (https://go.dev/dl/), or set \
         KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd and kubectl"
    )]
    NoGo {
        /// What was to be built.
        what: String,
    },
    /// There is no folder for the cache.
    #[error("no cache folder: set XDG_CACHE_HOME or HOME to an absolute path")]
    NoCacheFolder,
    /// `KUBEBUILDER_ASSETS` is set and lacks a program.
    #[error("KUBEBUILDER_ASSETS is {}, which has no {program}: add it, or unset KUBEBUILDER_ASSETS to build it", folder.display())]
    Assets {
        /// The folder.
        folder: PathBuf,
        /// The program that is missing.
        program: &'static str,
    },
    /// A build failed.
    #[error("building {what} failed ({reason}); the end of its output:\n{tail}")]
    Build {
        /// What was built.
        what: String,
        /// How it ended.
        reason: String,
        /// The last lines it printed.
        tail: String,
    },
    /// A module file of this crate is not as it should be.
    #[error("the go.mod of {module} names no version of {requirement}")]
    Module {
        /// The folder of the module.
        module: &'static str,
        /// The requirement whose version was looked for.
        requirement: &'static str,
    },
    /// A server ended or was not ready in time.
    #[error("{server} {what}; the end of its log:\n{tail}")]
    Server {
        /// Which server.
        server: &'static str,
        /// What happened, as the rest of a sentence.
        what: String,
        /// The last lines of its log.
        tail: String,
    },
    /// The API server refused a request, or did not answer it.
    #[error("{request}: {answer}")]
    Api {
        /// Method and path.
        request: String,
        /// Status and message, or what went wrong on the way.
        answer: String,
    },
    /// Keys or certificates could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The control plane belongs to another process.
    #[error("{what} is not possible: this control plane belongs to another process (GAAP_CONTROL_PLANE)")]
    Attached {
        /// What was asked for.
        what: &'static str,
    },
    /// The shared control plane lacks what is needed.
    #[error("the control plane of GAAP_CONTROL_PLANE has no kube-controller-manager: start it with --controllers")]
    NoControllers,
    /// The cluster of somebody's kubeconfig cannot be used.
    #[error("GAAP_TEST_CLUSTER asks for the cluster of KUBECONFIG, which cannot be used: {reason}")]
    ForeignCluster {
        /// Why.
        reason: String,
    },
    /// Something that only a control plane of our own has.
    #[error("{what} is not there: this is the cluster of KUBECONFIG and not one of our own (GAAP_TEST_CLUSTER)")]
    Foreign {
        /// What was asked for.
        what: &'static str,
    },
    /// There can be no node here, or the shared control plane has none.
    #[error("no node: {reason}")]
    NoNode {
        /// Why.
        reason: String,
    },
    /// The programs of a node do not see a folder that they are to work in.
    #[error("{} cannot be used with a node, which has folders of its own in that place: set TMPDIR, or name another folder for the logs", folder.display())]
    Hidden {
        /// The folder.
        folder: PathBuf,
    },
    /// A program that is no Go module could be neither found nor fetched.
    #[error("no {program} that can be used: {reason}; install the package '{package}'")]
    Package {
        /// The program.
        program: &'static str,
        /// The package that has it.
        package: &'static str,
        /// What went wrong when it was fetched.
        reason: String,
    },
    /// An image was not taken.
    #[error("the node did not take the image {}: {reason}", archive.display())]
    Image {
        /// The archive.
        archive: PathBuf,
        /// What containerd said.
        reason: String,
    },
    /// A container or its process was not found.
    #[error("no process of {container}: {reason}")]
    Container {
        /// Namespace, pod and container.
        container: String,
        /// What is known of it.
        reason: String,
    },
    /// No way between the network of the node and that of the machine.
    #[error("no connection to the network of the node: {source}; has it ended?")]
    Relay {
        /// What the operating system said.
        source: io::Error,
    },
    /// The description of a shared control plane cannot be used.
    #[error("GAAP_CONTROL_PLANE names {}, which describes no running control plane: {reason}", path.display())]
    Description {
        /// The file that was read.
        path: PathBuf,
        /// Why it is of no use.
        reason: String,
    },
    /// A path is too long for a socket.
    #[error("{} is longer than a socket's name may be (100 bytes): set TMPDIR to a shorter path", path.display())]
    LongPath {
        /// The path.
        path: PathBuf,
    },
    /// An awaited audit entry did not come.
    #[error("no audit entry for {what} within {seconds} s")]
    NoAuditEntry {
        /// What was awaited.
        what: String,
        /// The limit, in seconds.
        seconds: u64,
    },
}

impl Error {
    pub(crate) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { action, path: path.to_owned(), source }
    }
}

/// The last lines of a log, for an error message: enough to see the cause, few enough to read.
pub fn tail(text: &str) -> String {
    const LINES: usize = 15;
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n")
}
