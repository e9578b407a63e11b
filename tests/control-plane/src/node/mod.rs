//! A node: it runs pods, in namespaces of its own, on this machine.

mod availability;
pub(crate) mod binaries;
pub(crate) mod image;
mod process;
pub(crate) mod relay;
pub(crate) mod settings;
pub(crate) mod start;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

pub use availability::{REQUIRED, availability, wanted};
pub use binaries::NodeBinaries;
pub use image::Image;
pub use process::resident_memory;
pub use relay::Relay;

use crate::api::Api;
use crate::cgroups;
use crate::error::{Error, Result, tail};
use crate::namespaces::{NSENTER, Namespaces};
use crate::node::start::Ready;
use crate::path::search_path;
use crate::server::Stop;
use crate::sign::Sign;

/// An image is read from the disk and unpacked to it.
const IMPORT_LIMIT: Duration = Duration::from_secs(120);

/// For what the kubelet does within seconds.
const LIMIT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(50);

/// What another process has to know to use a node.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeDescription {
    pub(crate) namespaces: Namespaces,
    pub(crate) containerd_socket: PathBuf,
    pub(crate) cgroups: Vec<PathBuf>,
    pub(crate) kubelet_root: PathBuf,
}

/// The one node of a control plane. Everything here works from every process of root on the same machine.
#[derive(Debug)]
pub struct Node {
    description: NodeDescription,
    ctr: PathBuf,
    kubelet: PathBuf,
    api: Api,
}

impl Node {
    pub(crate) fn new(description: NodeDescription, binaries: &NodeBinaries, api: Api) -> Self {
        Self { description, ctr: binaries.ctr.clone(), kubelet: binaries.kubelet.clone(), api }
    }

    /// The name by which the cluster knows it.
    pub fn name(&self) -> &'static str {
        settings::NAME
    }

    /// Makes the images of an archive, as `docker save` or [`Image::write`] make it, known to the node. An image of
    /// this name that was there before is replaced.
    ///
    /// # Errors
    /// When containerd refuses it.
    pub async fn import_image(&self, archive: &Path) -> Result<()> {
        self.description.import_image(&self.ctr, archive).await
    }

    /// The number, outside, of the first process of a running container. A signal sent to it is one from outside of
    /// the container: SIGKILL and SIGSTOP take effect.
    ///
    /// # Errors
    /// When there is no such pod, or the container does not run.
    pub async fn container_pid(&self, namespace: &str, pod: &str, container: &str) -> Result<u32> {
        let failed = |reason: &str| Error::Container {
            container: format!("{namespace}/{pod}/{container}"),
            reason: reason.to_owned(),
        };
        let answer = self.api.get(&format!("/api/v1/namespaces/{namespace}/pods/{pod}")).await?;
        let statuses = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
        let status = statuses
            .iter()
            .filter_map(|kind| answer.pointer(&format!("/status/{kind}")).and_then(Value::as_array))
            .flatten()
            .find(|status| status.get("name").is_some_and(|name| name == container))
            .ok_or_else(|| failed("the pod has no state of a container of this name"))?;
        if status.pointer("/state/running").is_none() {
            return Err(failed(&format!("it does not run: {}", status.get("state").unwrap_or(&Value::Null))));
        }
        let id = status.get("containerID").and_then(Value::as_str).unwrap_or_default();
        let id = id.strip_prefix("containerd://").filter(|id| !id.is_empty()).ok_or_else(|| failed("it has no id"))?;
        process::first(&cgroups::processes(&self.description.cgroups, id)).ok_or_else(|| failed("it has no process"))
    }

    /// The number, outside, of the kubelet, to stop it (SIGSTOP) and let it go on (SIGCONT).
    ///
    /// # Errors
    /// When none is found, as in the instant in which one follows another.
    pub fn kubelet_pid(&self) -> Result<u32> {
        let root = self.description.kubelet_root.display().to_string();
        process::with_arguments(&self.kubelet, &root)
            .ok_or_else(|| Error::Container { container: "kubelet".to_owned(), reason: "it has no process".to_owned() })
    }

    /// Ends the kubelet and waits until the one that follows takes part in the cluster. Pods go on meanwhile.
    ///
    /// # Errors
    /// When no new one is ready in time.
    pub async fn restart_kubelet(&self, how: Stop) -> Result<()> {
        let before = self.kubelet_pid()?;
        let signal = match how {
            Stop::Gracefully => Signal::TERM,
            Stop::Kill => Signal::KILL,
        };
        // One that ended just now is followed by another as well.
        let _ = i32::try_from(before).ok().and_then(Pid::from_raw).map(|pid| kill_process(pid, signal));
        let start = Instant::now();
        loop {
            let missing = match self.kubelet_pid() {
                Ok(now) if now != before => match (Ready { api: &self.api }).look().await {
                    Ok(()) => return Ok(()),
                    Err(missing) => missing,
                },
                Ok(_) => "the old one has not ended".to_owned(),
                Err(error) => error.to_string(),
            };
            if start.elapsed() >= LIMIT {
                let what = format!("was not back within {} s after its restart ({missing})", LIMIT.as_secs());
                return Err(Error::Server { server: "kubelet", what, tail: String::new() });
            }
            sleep(POLL).await;
        }
    }

    /// A listener on 127.0.0.1 of the machine that leads to this address of the node's network: of a pod, a Service,
    /// or a program on the node.
    ///
    /// # Errors
    /// When the node has ended.
    pub fn reach(&self, inside: SocketAddr) -> Result<Relay> {
        Relay::out_of(self.description.namespaces, 0, inside)
    }

    /// A listener on an address that pods can reach, and that leads to this address of the machine, for example of a
    /// simulator in the test's own process.
    ///
    /// # Errors
    /// When the node has ended.
    pub fn expose(&self, outside: SocketAddr) -> Result<Relay> {
        Relay::into(self.description.namespaces, outside)
    }

    /// A command that runs on the node: with its mounts, its network and its processes, and not in any pod.
    pub fn command(&self, program: &Path) -> Command {
        self.description.command(program)
    }
}

impl NodeDescription {
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(NSENTER);
        command.args(self.namespaces.arguments()).arg(program);
        command.env("PATH", search_path()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    pub(crate) async fn import_image(&self, ctr: &Path, archive: &Path) -> Result<()> {
        let archive = std::path::absolute(archive).map_err(|error| Error::file("find", archive, error))?;
        let failed = |reason: String| Error::Image { archive: archive.clone(), reason };
        let mut command = self.command(ctr);
        command.arg("--address").arg(&self.containerd_socket);
        // The containers of Kubernetes have a namespace of containerd to themselves.
        command.args(["--namespace", "k8s.io", "images", "import"]).arg(&archive);
        let output = timeout(IMPORT_LIMIT, command.output())
            .await
            .map_err(|_| failed(format!("no answer within {} s", IMPORT_LIMIT.as_secs())))?
            .map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(failed(tail(&String::from_utf8_lossy(&output.stderr))))
    }
}
