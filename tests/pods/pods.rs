//! The operator's pods: which one leads, what each says, and what can be done to one.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use rustix::process::{Pid, Signal, kill_process};

use crate::install::{Install, PATIENCE, RELEASE};
use crate::patience::{LIMIT, in_time, until};

/// One pod of the release.
#[derive(Clone, Debug)]
pub struct OperatorPod {
    pub name: String,
    pub ready: bool,
    pub restarts: i32,
    /// Exit status of the container's last run.
    pub last_exit: Option<i32>,
    pub ending: bool,
}

impl OperatorPod {
    fn read(pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        let container = status.and_then(|status| status.container_statuses.as_ref()?.first());
        let last = container.and_then(|container| container.last_state.as_ref()?.terminated.as_ref());
        Self {
            name: pod.metadata.name.clone().unwrap(),
            ready: container.is_some_and(|container| container.ready),
            restarts: container.map_or(0, |container| container.restart_count),
            last_exit: last.map(|last| last.exit_code),
            ending: pod.metadata.deletion_timestamp.is_some(),
        }
    }
}

impl Install {
    /// The operator's pods.
    pub async fn pods(&self) -> Vec<OperatorPod> {
        let api: Api<Pod> = Api::namespaced(self.bed.client.clone(), &self.namespace);
        let labels = format!("app.kubernetes.io/name=gaap-operator,app.kubernetes.io/instance={RELEASE}");
        let parameters = ListParams::default().labels(&labels);
        // Most callers ask again and again: one request that fails is no answer.
        let list = async || api.list(&parameters).await.map_err(|error| error.to_string());
        let pods = until("the pods", LIMIT, list).await;
        pods.items.iter().map(OperatorPod::read).collect()
    }

    /// One pod by name; none when it is gone.
    pub async fn pod(&self, name: &str) -> Option<OperatorPod> {
        self.pods().await.into_iter().find(|pod| pod.name == name)
    }

    /// Waits until so many pods are ready, and no other is there.
    pub async fn all_ready(&self, count: usize) {
        until(&format!("{count} ready pods"), PATIENCE, async || {
            let pods = self.pods().await;
            let ready = pods.iter().filter(|pod| pod.ready && !pod.ending).count();
            if ready == count && pods.len() == count { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await;
    }

    /// Who holds the Lease: a process, named after its pod; empty when none does.
    pub async fn holder(&self) -> String {
        let api: Api<Lease> = Api::namespaced(self.bed.client.clone(), &self.namespace);
        let get = async || api.get_opt("gaap-operator").await.map_err(|error| error.to_string());
        let lease = until("the Lease", LIMIT, get).await;
        lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default()
    }

    /// The pod that leads.
    pub async fn leader(&self) -> String {
        until("a leader", PATIENCE, async || match self.holder().await {
            holder if holder.is_empty() => Err("nobody holds the Lease".to_owned()),
            holder => Ok(holder.split('_').next().unwrap_or_default().to_owned()),
        })
        .await
    }

    /// Waits until another process leads, of the same pod if it was started again; how long that took.
    pub async fn succeeded(&self, former: &str) -> Duration {
        let asked = Instant::now();
        until(&format!("a successor of {former}"), PATIENCE, async || match self.holder().await {
            holder if holder.is_empty() || holder == former => Err(format!("'{holder}' leads")),
            _ => Ok(()),
        })
        .await;
        asked.elapsed()
    }

    /// What a pod has logged since its container started.
    pub async fn log(&self, pod: &str) -> String {
        let mut command = self.bed.plane.kubectl();
        command.args(["-n", &self.namespace, "logs", pod]);
        crate::bed::run(command, None).await.1
    }

    /// Asserts that no container of the operator has ended since its pod was made. A leader that cannot renew its Lease in
    /// time ends, as it must, and on a busy node that is a matter of time.
    pub async fn went_on(&self) {
        let pods = self.pods().await;
        for pod in pods.iter().filter(|pod| pod.restarts > 0) {
            let mut command = self.bed.plane.kubectl();
            command.args(["-n", &self.namespace, "logs", "--previous", &pod.name]);
            let (_, log) = crate::bed::run(command, None).await;
            let lost = log.contains("could not be renewed in time");
            in_time(!lost || pod.restarts > 1, format_args!("{} did not renew the Lease in time", pod.name));
        }
        assert!(pods.iter().all(|pod| pod.restarts == 0), "{pods:?}");
    }

    /// Sends a signal from outside to the operator in a pod.
    pub async fn signal(&self, pod: &str, signal: Signal) {
        let node = self.bed.plane.node().expect("a node of our own");
        let pid = node.container_pid(&self.namespace, pod, "operator").await.unwrap();
        send(pid, signal);
    }
}

/// Sends a signal to a process of the node.
pub fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}
