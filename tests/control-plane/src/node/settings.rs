//! The settings of a node's programs: what each one is told, and why.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::credentials::{Credentials, write};
use crate::error::{Error, Result};
use crate::flags::{Places, flag};
use crate::namespaces::Namespaces;
use crate::node::binaries::NodeBinaries;
use crate::node::image::PAUSE_IMAGE;
use crate::server::Launch;

/// The name of the one node.
pub(crate) const NAME: &str = "node1";

/// Its address, in a network of its own: every node can have the same.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 199, 0, 1);

/// Where the API server listens in there.
pub(crate) const API_PORT: u16 = 6443;

/// The addresses of Services; the first one is that of the API server.
pub(crate) const SERVICES: &str = "10.96.0.0/24";

/// The API server as pods know it.
pub(crate) const API_SERVICE: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 96, 0, 1), 443);

/// Where a node has folders of its own, so that what is there outside is not what is there inside.
pub(crate) const HIDDEN: [&str; 3] = ["/run", "/var/lib", "/var/log"];

const PODS: &str = "10.244.0.0/24";

const INIT: &str = include_str!("init.sh");

const KUBELET: &str = include_str!("kubelet.sh");

/// Where a node keeps its things.
#[derive(Debug)]
pub(crate) struct NodePlaces<'a> {
    pub(crate) plane: &'a Places,
}

impl NodePlaces<'_> {
    fn folder(&self) -> PathBuf {
        self.plane.folder.join("node")
    }

    /// Written when the namespaces are as they should be.
    pub(crate) fn first_process(&self) -> PathBuf {
        self.folder().join("first-process")
    }

    /// Written when the kubelet was ready for the first time.
    pub(crate) fn kubelet_ready(&self) -> PathBuf {
        self.folder().join("kubelet-ready")
    }

    /// The administrator's kubeconfig for use inside.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder().join("kubeconfig")
    }

    /// The socket is in the guarded folder and not in the private `/run`, so that it can be seen from outside.
    pub(crate) fn containerd_socket(&self) -> Result<PathBuf> {
        self.plane.socket("containerd.sock")
    }

    pub(crate) fn pause_image(&self) -> PathBuf {
        self.folder().join("pause.tar")
    }

    /// The root of the kubelet's own folders, by which its process is found.
    pub(crate) fn kubelet_root(&self) -> PathBuf {
        self.folder().join("kubelet")
    }
}

/// Writes what the programs read. The cgroup is that of all pods.
pub(crate) fn write_files(
    places: &NodePlaces<'_>,
    binaries: &NodeBinaries,
    credentials: &Credentials,
    cgroup: &str,
) -> Result<()> {
    let folder = places.folder();
    let network = folder.join("network");
    std::fs::create_dir_all(&network).map_err(|error| Error::file("make", &network, error))?;
    write(&network.join("10-pods.conflist"), &format!("{:#}\n", pod_network(&folder)))?;
    write(&folder.join("containerd.toml"), &containerd_settings(places, binaries, &network)?)?;
    let kubelet = kubelet_settings(places, credentials, cgroup)?;
    write(&folder.join("kubelet.json"), &format!("{kubelet:#}\n"))
}

fn pod_network(folder: &Path) -> serde_json::Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{
            "type": "ptp",
            // There is nowhere outside that an answer would have to come back from.
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                // By default this is a folder of the machine, where the addresses of an ended node would stay taken.
                "dataDir": folder.join("addresses"),
                "ranges": [[{"subnet": PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    })
}

fn containerd_settings(places: &NodePlaces<'_>, binaries: &NodeBinaries, network: &Path) -> Result<String> {
    // A JSON string is a TOML string as well.
    let text = |path: &Path| json!(path).to_string();
    let folder = places.folder();
    Ok(format!(
        r#"version = 3
root = {root}
state = "/run/containerd"

[grpc]
address = {socket}

# Folders of the machine that it would make.
[plugins."io.containerd.internal.v1.opt"]
path = {opt}

[plugins."io.containerd.cri.v1.runtime"]
# Without the capability CAP_SYS_RESOURCE a score cannot be lowered, and no pod would start.
restrict_oom_score_adj = true
# It would load a profile into the kernel, where it would stay.
disable_apparmor = true

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = [{plugins}]
conf_dir = {network}

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = {runc}

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE_IMAGE}"
"#,
        root = text(&folder.join("containerd")),
        socket = text(&places.containerd_socket()?),
        opt = text(&folder.join("opt")),
        plugins = text(&binaries.network_plugins),
        network = text(network),
        runc = text(&binaries.runc.program),
    ))
}

fn kubelet_settings(places: &NodePlaces<'_>, credentials: &Credentials, cgroup: &str) -> Result<serde_json::Value> {
    let folder = places.folder();
    Ok(json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{}", places.containerd_socket()?.display()),
        "failCgroupV1": false,
        // The pods of two nodes do not meet, and what is left is found in one place.
        "cgroupRoot": format!("/{cgroup}"),
        "cgroupDriver": "cgroupfs",
        "enforceNodeAllocatable": [],
        // Only the API server can reach it, with the certificate that our authority signed.
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": false},
            "x509": {"clientCAFile": credentials.ca_file},
        },
        "authorization": {"mode": "AlwaysAllow"},
        // A disk that is full for other reasons must neither remove our images nor end our pods.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
            "imagefs.available": "0%", "imagefs.inodesFree": "0%",
        },
        // Names of the outside world mean nothing in there.
        "resolvConf": "",
        "oomScoreAdj": 0,
        "nodeStatusUpdateFrequency": "5s",
        // By default a folder of the machine, which the kubelet would make.
        "volumePluginDir": folder.join("volume-plugins"),
        "podLogsDir": "/var/log/pods",
        "failSwapOn": false,
    }))
}

/// The first process of the node.
pub(crate) fn first_process(places: &NodePlaces<'_>) -> Launch {
    let mut arguments =
        ["--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", INIT]
            .map(OsString::from)
            .to_vec();
    arguments.push("gaap-node".into());
    arguments.push(places.plane.folder.clone().into());
    arguments.extend([ADDRESS.to_string().into(), SERVICES.into()]);
    Launch::new("node", Path::new("unshare"), arguments, places.plane.log("node"))
}

pub(crate) fn containerd(places: &NodePlaces<'_>, binaries: &NodeBinaries, namespaces: Namespaces) -> Launch {
    let arguments = vec![flag("config", places.folder().join("containerd.toml"))];
    let mut launch = Launch::new("containerd", &binaries.containerd, arguments, places.plane.log("containerd"))
        .inside(Some(namespaces));
    launch.environment.extend(binaries.runc.library_path().map(|path| ("LD_LIBRARY_PATH", path)));
    launch
}

/// The kubelet, below a shell that starts it again.
pub(crate) fn kubelet(places: &NodePlaces<'_>, binaries: &NodeBinaries, namespaces: Namespaces) -> Launch {
    let folder = places.folder();
    let mut arguments =
        vec!["-c".into(), KUBELET.into(), places.kubelet_ready().into(), binaries.kubelet.clone().into()];
    arguments.extend([
        flag("config", folder.join("kubelet.json")),
        flag("kubeconfig", places.kubeconfig()),
        flag("hostname-override", NAME),
        flag("node-ip", ADDRESS.to_string()),
        flag("root-dir", places.kubelet_root()),
        flag("cert-dir", folder.join("kubelet-certificates")),
    ]);
    Launch::new("kubelet", Path::new("/bin/sh"), arguments, places.plane.log("kubelet")).inside(Some(namespaces))
}

pub(crate) fn scheduler(places: &NodePlaces<'_>, binaries: &NodeBinaries, namespaces: Namespaces) -> Launch {
    let arguments = vec![
        flag("kubeconfig", places.kubeconfig()),
        flag("leader-elect", "false"),
        // No port of its own: nobody asks for its health.
        flag("secure-port", "0"),
    ];
    let name = "kube-scheduler";
    Launch::new(name, &binaries.kube_scheduler, arguments, places.plane.log(name)).inside(Some(namespaces))
}

pub(crate) fn proxy(places: &NodePlaces<'_>, binaries: &NodeBinaries, namespaces: Namespaces) -> Launch {
    let arguments = vec![
        flag("kubeconfig", places.kubeconfig()),
        flag("hostname-override", NAME),
        flag("proxy-mode", "nftables"),
        flag("cluster-cidr", PODS),
        // The connection table is one for the whole machine: it stays as it is.
        flag("conntrack-max-per-core", "0"),
        flag("conntrack-tcp-timeout-established", "0s"),
        flag("conntrack-tcp-timeout-close-wait", "0s"),
    ];
    let name = "kube-proxy";
    let mut launch =
        Launch::new(name, &binaries.kube_proxy, arguments, places.plane.log(name)).inside(Some(namespaces));
    let mut path = binaries.nft.program.parent().unwrap_or(Path::new("/")).as_os_str().to_owned();
    path.push(":");
    path.push(crate::path::search_path());
    launch.environment.push(("PATH", path));
    launch.environment.extend(binaries.nft.library_path().map(|path| ("LD_LIBRARY_PATH", path)));
    launch
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_kubelet_is_started_again_only_after_it_was_ready_once() {
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        let run = |program: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", KUBELET]).arg(&ready).args(["sh", "-c", program]).current_dir(folder.path());
            command.status().unwrap().code()
        };
        assert_eq!(run("echo >>runs; exit 3"), Some(3));
        assert_eq!(std::fs::read_to_string(folder.path().join("runs")).unwrap().lines().count(), 1);
        std::fs::write(&ready, "").unwrap();
        assert_eq!(run("echo >>runs; [ $(wc -l <runs) -lt 4 ] || rm ready; exit 5"), Some(5));
        assert_eq!(std::fs::read_to_string(folder.path().join("runs")).unwrap().lines().count(), 4);
    }
}
