//! How a node comes up: its namespaces and containerd before the control plane, the rest when the API answers.

use std::net::SocketAddr;

use serde_json::Value;

use crate::api::Api;
use crate::binaries::Binaries;
use crate::cgroups;
use crate::credentials::{Credentials, read, write_kubeconfig};
use crate::error::{Error, Result};
use crate::flags::Places;
use crate::guard::Guard;
use crate::namespaces::Namespaces;
use crate::node::binaries::NodeBinaries;
use crate::node::image::{Image, PAUSE_IMAGE};
use crate::node::settings::{self, API_PORT, API_SERVICE, HIDDEN, NAME, NodePlaces};
use crate::node::{NodeDescription, availability};
use crate::server::{Server, Stop};
use crate::sign::{Accepts, Answers, Sign};

/// The servers of a node that the control plane has not got.
#[derive(Debug)]
pub(crate) struct NodeServers {
    first_process: Server,
    containerd: Server,
    /// kubelet, kube-scheduler and kube-proxy.
    others: Vec<Server>,
    pub(crate) description: NodeDescription,
}

impl NodeServers {
    pub(crate) fn namespaces(&self) -> Namespaces {
        self.description.namespaces
    }

    /// Makes the namespaces and starts containerd in them.
    pub(crate) async fn start(
        guard: &Guard,
        places: &Places,
        binaries: &NodeBinaries,
        credentials: &Credentials,
    ) -> Result<Self> {
        availability().map_err(|reason| Error::NoNode { reason })?;
        let places = &NodePlaces { plane: places };
        visible_inside(places)?;
        let folder = guard.folder();
        let cgroup = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        settings::write_files(places, binaries, credentials, &cgroup)?;
        cgroups::make(folder, &cgroup)?;
        let local = format!("https://127.0.0.1:{API_PORT}");
        let token = read(&credentials.admin_token)?;
        write_kubeconfig(&places.kubeconfig(), &local, &credentials.ca_file, "admin", &token, "default")?;

        let mut first_process = settings::first_process(places).start(guard)?;
        first_process.wait_until_ready(&Written(places)).await?;
        let number = read(&places.first_process())?;
        let first_process_outside = number.trim().parse().map_err(|_| Error::NoNode { reason: number.clone() })?;
        let namespaces = Namespaces { first_process: first_process_outside };
        let containerd = settings::containerd(places, binaries, namespaces).start(guard)?;
        let description = NodeDescription {
            namespaces,
            containerd_socket: places.containerd_socket()?,
            cgroups: cgroups::listed(folder),
            kubelet_root: places.kubelet_root(),
        };
        Ok(Self { first_process, containerd, others: Vec::new(), description })
    }

    /// Starts what needs the API, and waits until a pod would run.
    pub(crate) async fn finish(
        &mut self,
        guard: &Guard,
        places: &Places,
        binaries: &Binaries,
        api: &Api,
    ) -> Result<()> {
        let Some(programs) = &binaries.node else { return Ok(()) };
        let (places, namespaces) = (&NodePlaces { plane: places }, self.namespaces());
        self.containerd.wait_until_ready(&Accepts(&places.containerd_socket()?)).await?;
        let mut kubelet = settings::kubelet(places, programs, namespaces).start(guard)?;
        let mut scheduler = settings::scheduler(places, programs, namespaces).start(guard)?;
        let mut proxy = settings::proxy(places, programs, namespaces).start(guard)?;
        Image::new(PAUSE_IMAGE).file(&programs.pause, "/pause").entrypoint(&["/pause"]).write(&places.pause_image())?;
        self.description.import_image(&programs.ctr, &places.pause_image()).await?;

        kubelet.wait_until_ready(&Ready { api }).await?;
        std::fs::write(places.kubelet_ready(), "")
            .map_err(|error| Error::file("write", &places.kubelet_ready(), error))?;
        let service = SocketAddr::from(API_SERVICE);
        proxy.wait_until_ready(&Reaches { namespaces, service }).await?;
        scheduler.wait_until_ready(&Runs).await?;
        self.others.extend([kubelet, scheduler, proxy]);
        Ok(())
    }

    /// Ends the first process, and with it every other one; then waits for those that are ours.
    pub(crate) async fn stop(self, guard: &Guard) -> Result<Vec<Server>> {
        self.first_process.stop(guard, Stop::Kill).await?;
        let mut servers = self.others;
        servers.push(self.containerd);
        Ok(servers)
    }
}

/// Some folders are hidden inside by others; what we share with the programs there must not be below them.
fn visible_inside(places: &NodePlaces<'_>) -> Result<()> {
    for path in [&places.plane.folder, &places.plane.logs] {
        let real = std::fs::canonicalize(path).map_err(|error| Error::file("find", path, error))?;
        if HIDDEN.iter().any(|hidden| real.starts_with(hidden)) {
            return Err(Error::Hidden { folder: real });
        }
    }
    Ok(())
}

/// The namespaces are as they should be.
struct Written<'a>(&'a NodePlaces<'a>);

impl Sign for Written<'_> {
    async fn look(&self) -> Result<(), String> {
        if self.0.first_process().exists() { Ok(()) } else { Err("its namespaces are not there".to_owned()) }
    }
}

/// It only has not ended.
struct Runs;

impl Sign for Runs {
    async fn look(&self) -> Result<(), String> {
        Ok(())
    }
}

/// kube-proxy has written its rules.
struct Reaches {
    namespaces: Namespaces,
    service: SocketAddr,
}

impl Sign for Reaches {
    async fn look(&self) -> Result<(), String> {
        crate::node::relay::accepts(self.namespaces, self.service).await
    }
}

/// The node takes pods, and the API server reaches its kubelet.
pub(crate) struct Ready<'a> {
    pub(crate) api: &'a Api,
}

impl Sign for Ready<'_> {
    async fn look(&self) -> Result<(), String> {
        let node = self.api.get(&format!("/api/v1/nodes/{NAME}")).await.map_err(|error| error.to_string())?;
        takes_pods(&node)?;
        Answers { api: self.api, paths: &["/api/v1/nodes/node1/proxy/healthz"] }.look().await
    }
}

fn takes_pods(node: &Value) -> Result<(), String> {
    if let Some(taint) = node.pointer("/spec/taints/0/key") {
        return Err(format!("it has the taint {taint}"));
    }
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let ready = conditions.into_iter().find(|condition| condition.get("type").is_some_and(|kind| kind == "Ready"));
    match ready {
        Some(ready) if ready.get("status").is_some_and(|status| status == "True") => Ok(()),
        Some(ready) => Err(format!("not ready: {}", ready.get("message").unwrap_or(&Value::Null))),
        None => Err("it has not told its state".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_takes_pods_when_it_is_ready_and_has_no_taint() {
        let node = |status: &str, taints: Value| {
            let conditions =
                json!([{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": status}]);
            json!({"spec": {"taints": taints}, "status": {"conditions": conditions}})
        };
        assert!(takes_pods(&node("True", json!([]))).is_ok());
        assert!(takes_pods(&node("False", json!([]))).is_err());
        assert!(takes_pods(&node("True", json!([{"key": "node.kubernetes.io/not-ready"}]))).is_err());
        assert!(takes_pods(&json!({})).is_err());
    }
}
