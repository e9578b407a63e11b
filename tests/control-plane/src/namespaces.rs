//! The namespaces of a node: its processes, its mounts and its network, apart from the machine's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

/// Of util-linux. Entering by ourselves, between fork and exec, would need unsafe code.
pub(crate) const NSENTER: &str = "nsenter";

/// The namespaces of one process, the first one of a node, by its number outside.
///
/// When it ends, the kernel ends every process in its process namespace, and mounts and network go with the last one.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Namespaces {
    pub(crate) first_process: u32,
}

impl Namespaces {
    /// The arguments of nsenter, up to the program.
    pub(crate) fn arguments(self) -> Vec<OsString> {
        let target = format!("--target={}", self.first_process);
        [target.as_str(), "--mount", "--net", "--pid", "--"].map(OsString::from).to_vec()
    }

    /// Moves this thread, and no other, into the network.
    #[cfg(target_os = "linux")]
    pub(crate) fn enter_network(self) -> std::io::Result<()> {
        use std::os::fd::AsFd;
        let network = std::fs::File::open(self.proc("ns/net"))?;
        Ok(rustix::thread::move_into_link_name_space(
            network.as_fd(),
            Some(rustix::thread::LinkNameSpaceType::Network),
        )?)
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn enter_network(self) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn proc(self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.first_process.to_string()).join(name)
    }
}

/// The first child of a process, by its number outside.
pub(crate) fn first_child(parent: Pid) -> Option<Pid> {
    let parent = parent.as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok().and_then(Pid::from_raw)
}
