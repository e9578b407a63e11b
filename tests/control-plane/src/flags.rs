//! The flags of each server.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::binaries::Binaries;
use crate::credentials::Credentials;
use crate::error::{Error, Result};
use crate::node::settings::{ADDRESS, API_PORT};
use crate::server::Launch;

/// A socket's name has room for 108 bytes on Linux and 104 on macOS, the end mark included.
const LONGEST_SOCKET: usize = 100;

/// What runs in kube-controller-manager: what deletes, and what a chart's objects need to become stable.
///
/// clusterrole-aggregation fills the roles admin, edit and view.
const CONTROLLERS: &str = "namespace-controller,garbage-collector-controller,serviceaccount-controller,\
    root-ca-certificate-publisher-controller,clusterrole-aggregation-controller,deployment-controller,\
    replicaset-controller,ttl-after-finished-controller";

/// What only means something with pods that run: without node-lifecycle a new node keeps its taint and gets no pod.
const NODE_CONTROLLERS: &str = "node-lifecycle-controller,endpointslice-controller,disruption-controller,\
    pod-garbage-collector-controller,job-controller";

/// Where the servers of one control plane keep their things.
#[derive(Debug)]
pub(crate) struct Places {
    /// The guarded folder.
    pub(crate) folder: PathBuf,
    /// The folder of the logs, which may be one that outlives the control plane.
    pub(crate) logs: PathBuf,
}

impl Places {
    pub(crate) fn etcd_socket(&self) -> Result<PathBuf> {
        self.socket("etcd.sock")
    }

    /// A socket of this name in the guarded folder.
    pub(crate) fn socket(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        if path.as_os_str().len() > LONGEST_SOCKET { Err(Error::LongPath { path }) } else { Ok(path) }
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.logs.join("audit.log")
    }

    pub(crate) fn audit_policy(&self) -> PathBuf {
        self.folder.join("audit-policy.yaml")
    }

    pub(crate) fn admin_kubeconfig(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }
}

/// etcd, reached through a socket in the guarded folder: a port would be open to every user of the machine.
pub(crate) fn etcd(binaries: &Binaries, places: &Places) -> Result<Launch> {
    let socket = unix_url(&places.etcd_socket()?);
    let arguments = vec![
        flag("data-dir", places.folder.join("etcd")),
        flag("listen-client-urls", socket),
        // Nobody asks for this address, and not every etcd takes a socket here.
        flag("advertise-client-urls", "http://127.0.0.1:1"),
        // The kernel chooses a port; there is no peer.
        flag("listen-peer-urls", "http://127.0.0.1:0"),
        // Nothing here has to survive a power cut, and a sync after each write doubles the time of a start.
        "--unsafe-no-fsync".into(),
        flag("log-level", "warn"),
    ];
    Ok(Launch::new("etcd", &binaries.etcd, arguments, places.log("etcd")))
}

/// The API server on this port of 127.0.0.1, with RBAC and our audit policy.
pub(crate) fn api_server(binaries: &Binaries, places: &Places, credentials: &Credentials, port: u16) -> Result<Launch> {
    let mut launch = any_api_server(binaries, places, credentials)?;
    launch.arguments.extend([
        flag("secure-port", port.to_string()),
        flag("bind-address", "127.0.0.1"),
        flag("advertise-address", "127.0.0.1"),
        // There is no Service network whose endpoints would have to be kept.
        flag("endpoint-reconciler-type", "none"),
    ]);
    Ok(launch)
}

/// The API server of a node, which its pods reach as the Service `kubernetes`.
pub(crate) fn api_server_of_a_node(binaries: &Binaries, places: &Places, credentials: &Credentials) -> Result<Launch> {
    let mut launch = any_api_server(binaries, places, credentials)?;
    launch.arguments.extend([
        flag("secure-port", API_PORT.to_string()),
        // All of them are addresses of the node's own network.
        flag("bind-address", "0.0.0.0"),
        flag("advertise-address", ADDRESS.to_string()),
        // For logs, exec and port-forward it asks the kubelet.
        flag("kubelet-client-certificate", &credentials.kubelet_client_certificate),
        flag("kubelet-client-key", &credentials.kubelet_client_key),
        flag("kubelet-preferred-address-types", "InternalIP"),
    ]);
    Ok(launch)
}

fn any_api_server(binaries: &Binaries, places: &Places, credentials: &Credentials) -> Result<Launch> {
    let arguments = vec![
        flag("etcd-servers", unix_url(&places.etcd_socket()?)),
        flag("service-cluster-ip-range", "10.96.0.0/24"),
        flag("tls-cert-file", &credentials.serving_certificate),
        flag("tls-private-key-file", &credentials.serving_key),
        flag("service-account-issuer", "https://kubernetes.default.svc"),
        flag("service-account-key-file", &credentials.service_account_public_key),
        flag("service-account-signing-key-file", &credentials.service_account_key),
        flag("token-auth-file", &credentials.tokens),
        flag("authorization-mode", "RBAC"),
        flag("audit-policy-file", places.audit_policy()),
        flag("audit-log-path", places.audit_log()),
        // Each entry is written before its request counts as done, so that a killed server has not lost any.
        flag("audit-log-mode", "blocking"),
        // In megabytes: one file for the whole life, because a reader that holds a position cannot follow a rotation.
        flag("audit-log-maxsize", "10000"),
    ];
    Ok(Launch::new("kube-apiserver", &binaries.kube_apiserver, arguments, places.log("kube-apiserver")))
}

/// kube-controller-manager with the controllers of [`CONTROLLERS`], as the administrator of this kubeconfig; for a node
/// also with those of [`NODE_CONTROLLERS`].
pub(crate) fn controller_manager(
    program: &Path,
    places: &Places,
    credentials: &Credentials,
    kubeconfig: &Path,
    node: bool,
) -> Launch {
    let controllers = if node { format!("{CONTROLLERS},{NODE_CONTROLLERS}") } else { CONTROLLERS.to_owned() };
    let arguments = vec![
        flag("kubeconfig", kubeconfig),
        flag("root-ca-file", &credentials.ca_file),
        flag("controllers", controllers),
        flag("leader-elect", "false"),
        // No port of its own: nobody asks for its health.
        flag("secure-port", "0"),
    ];
    let name = "kube-controller-manager";
    Launch::new(name, program, arguments, places.log(name))
}

fn unix_url(socket: &Path) -> OsString {
    let mut url = OsString::from("unix://");
    url.push(socket);
    url
}

pub(crate) fn flag(name: &str, value: impl Into<OsString>) -> OsString {
    let mut flag = OsString::from(format!("--{name}="));
    flag.push(value.into());
    flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_too_deep_for_a_socket_is_named() {
        let places = Places { folder: format!("/{}", "x".repeat(120)).into(), logs: "/".into() };
        assert!(places.etcd_socket().unwrap_err().to_string().contains("TMPDIR"));
    }

    #[test]
    fn flags_and_their_values_are_one_argument_each() {
        assert_eq!(flag("data-dir", Path::new("/a b")), "--data-dir=/a b");
        assert_eq!(unix_url(Path::new("/tmp/etcd.sock")), "unix:///tmp/etcd.sock");
        assert!(!CONTROLLERS.contains(' ') && !NODE_CONTROLLERS.contains(' '), "no space came with the line breaks");
    }
}
