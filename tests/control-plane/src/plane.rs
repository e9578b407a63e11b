//! A running control plane: our own, one that is shared, or the cluster of somebody else.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::api::Api;
use crate::audit::{AuditLog, Position};
use crate::binaries::{Binaries, Clients};
use crate::credentials::{read, write_kubeconfig};
use crate::error::{Error, Result};
use crate::foreign::{self, Foreign};
use crate::node::{Node, NodeDescription};
use crate::random;
use crate::server::Stop;
use crate::start::{self, Own, serving};

/// The variable that names the folder of a control plane shared by several processes.
pub const SHARED: &str = "GAAP_CONTROL_PLANE";

/// The description in that folder.
pub(crate) const DESCRIPTION: &str = "control-plane.json";

/// For how long a restarted API server may find its old port taken.
const PORT_LIMIT: Duration = Duration::from_secs(10);

/// For a token that outlives every test run.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// What a control plane is to have.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Also kube-controller-manager: namespace deletion, garbage collection, default ServiceAccounts, Deployments.
    pub controllers: bool,
    /// Also a node that runs pods, with everything that takes, kube-controller-manager included. See
    /// [`availability`](crate::node::availability).
    pub node: bool,
    /// A folder for the logs of the servers and the audit log, which then stay. Otherwise they go with the rest.
    pub keep_logs: Option<PathBuf>,
}

/// What another process has to know to use a control plane.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Description {
    pub(crate) folder: PathBuf,
    pub(crate) server_url: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) ca_file: PathBuf,
    pub(crate) token_file: PathBuf,
    pub(crate) audit_log: PathBuf,
    pub(crate) binaries: Binaries,
    pub(crate) node: Option<NodeDescription>,
}

/// A running etcd and kube-apiserver on loopback, perhaps with a node; or, when that is asked for, a cluster of
/// somebody else.
///
/// One that was started here ends when it is dropped, and also when the process ends in any way, `kill -9` included:
/// the servers are killed and the folder is removed within moments. [`ControlPlane::stop`] waits for that.
/// One that is shared (`GAAP_CONTROL_PLANE`) stays.
///
/// It belongs to the tokio runtime it was started in: what stops or starts a server has to run in the same one.
#[derive(Debug)]
pub struct ControlPlane {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Ours(Box<Ours>),
    Foreign(Box<Foreign>),
}

/// One that this program started, in this process or in another one.
#[derive(Debug)]
struct Ours {
    description: Description,
    api: Api,
    node: Option<Node>,
    own: Option<Own>,
}

impl ControlPlane {
    /// Starts a control plane of our own and waits until it serves. Programs that are missing are built first, which
    /// is told on standard error and can take many minutes.
    ///
    /// # Errors
    /// When a program can be neither found nor built, or a server does not become ready (with the end of its log).
    pub async fn start(options: Options) -> Result<Self> {
        let (description, api, own) = start::start(options).await?;
        Ok(Self::new(description, api, Some(own)))
    }

    fn new(description: Description, api: Api, own: Option<Own>) -> Self {
        let node = description.node.clone().zip(description.binaries.node.as_ref());
        let node = node.map(|(node, binaries)| Node::new(node, binaries, api.clone()));
        Self { kind: Kind::Ours(Box::new(Ours { description, api, node, own })) }
    }

    /// With `GAAP_TEST_CLUSTER=kubeconfig` the cluster of `KUBECONFIG`; else the shared control plane of
    /// `GAAP_CONTROL_PLANE` if that is set; else one of our own.
    ///
    /// # Errors
    /// As [`ControlPlane::start`]; also when the shared one or the cluster does not answer, or the shared one lacks
    /// what was asked for.
    pub async fn attach_or_start(options: Options) -> Result<Self> {
        if let Some(kubeconfig) = foreign::asked_for()? {
            return Self::attach_foreign(kubeconfig).await;
        }
        match std::env::var_os(SHARED).filter(|folder| !folder.is_empty()) {
            Some(folder) => Self::attach(Path::new(&folder), &options).await,
            None => Self::start(options).await,
        }
    }

    /// The cluster of the current context of this kubeconfig, with the rights of its user.
    ///
    /// It has neither an audit log nor a [`Node`] for us, and its servers are not ours to stop; everything else is the
    /// same. Nothing is done to it but what the caller does.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read or the cluster does not answer.
    pub async fn attach_foreign(kubeconfig: impl Into<OsString>) -> Result<Self> {
        let foreign = Foreign::attach(&kubeconfig.into()).await?;
        Ok(Self { kind: Kind::Foreign(Box::new(foreign)) })
    }

    /// Whether this is a cluster of somebody else.
    pub fn is_foreign(&self) -> bool {
        matches!(self.kind, Kind::Foreign(_))
    }

    fn ours(&self, what: &'static str) -> Result<&Ours> {
        match &self.kind {
            Kind::Ours(ours) => Ok(ours),
            Kind::Foreign(_) => Err(Error::Foreign { what }),
        }
    }

    /// `what` is only for who started it.
    fn own(&self, what: &'static str) -> Result<(&Ours, &Own)> {
        let ours = self.ours(what)?;
        let own = ours.own.as_ref().ok_or(Error::Attached { what })?;
        Ok((ours, own))
    }

    async fn attach(folder: &Path, options: &Options) -> Result<Self> {
        let path = folder.join(DESCRIPTION);
        let unusable = |reason: String| Error::Description { path: path.clone(), reason };
        let text = std::fs::read(&path).map_err(|error| unusable(error.to_string()))?;
        let description: Description = serde_json::from_slice(&text).map_err(|error| unusable(error.to_string()))?;
        if options.controllers && description.binaries.kube_controller_manager.is_none() {
            return Err(Error::NoControllers);
        }
        if options.node && description.node.is_none() {
            let reason = "the control plane of GAAP_CONTROL_PLANE was started without --node".to_owned();
            return Err(Error::NoNode { reason });
        }
        let token = read(&description.token_file)?;
        let api = Api::new(&description.server_url, &description.ca_file, token)?;
        api.is_ok("/readyz").await.map_err(unusable)?;
        Ok(Self::new(description, api, None))
    }

    /// The folder of this control plane, for `GAAP_CONTROL_PLANE` of another process. It goes with the control plane.
    pub fn folder(&self) -> &Path {
        match &self.kind {
            Kind::Ours(ours) => &ours.description.folder,
            Kind::Foreign(foreign) => foreign.folder(),
        }
    }

    /// A kubeconfig of an administrator (group `system:masters`), or of the user of a cluster of somebody else.
    pub fn admin_kubeconfig(&self) -> &Path {
        match &self.kind {
            Kind::Ours(ours) => &ours.description.kubeconfig,
            Kind::Foreign(foreign) => foreign.kubeconfig(),
        }
    }

    /// For example `https://127.0.0.1:23456`. It stays the same over restarts of the API server.
    pub fn server_url(&self) -> &str {
        match &self.kind {
            Kind::Ours(ours) => &ours.description.server_url,
            Kind::Foreign(foreign) => foreign.server_url(),
        }
    }

    /// The certificate of the authority that signed the server's, in PEM; that of a cluster of somebody else is in its
    /// kubeconfig, if it has one of its own.
    pub fn ca_file(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Ours(ours) => Some(&ours.description.ca_file),
            Kind::Foreign(_) => None,
        }
    }

    /// The clients that are used.
    pub fn binaries(&self) -> &Clients {
        match &self.kind {
            Kind::Ours(ours) => &ours.description.binaries.clients,
            Kind::Foreign(foreign) => foreign.clients(),
        }
    }

    /// The node that runs pods, when this control plane has one of our own.
    pub fn node(&self) -> Option<&Node> {
        match &self.kind {
            Kind::Ours(ours) => ours.node.as_ref(),
            Kind::Foreign(_) => None,
        }
    }

    /// The audit log. A `get` of a GaapProxy holds the object that was read, a patch its body and result. Reading that
    /// of a cluster of somebody else is an error.
    pub fn audit(&self) -> AuditLog {
        match &self.kind {
            Kind::Ours(ours) => AuditLog::new(&ours.description.audit_log),
            Kind::Foreign(_) => AuditLog::foreign(),
        }
    }

    /// The audit entries after `since`, complete for every request that was answered before this call.
    ///
    /// # Errors
    /// When the API server does not answer, or the log cannot be read.
    pub async fn settled_audit(&self, since: Position) -> Result<Vec<serde_json::Value>> {
        let mark = format!("settled-{}", random::hexadecimal::<8>()?);
        self.ours("the audit log")?.api.mark(&mark).await?;
        let limit = Duration::from_secs(60);
        let is_mark = |entry: &serde_json::Value| entry.get("auditID").is_some_and(|id| id == mark.as_str());
        self.audit().wait_for("our own request", since, limit, is_mark).await?;
        self.audit().entries(since)
    }

    /// A token of a ServiceAccount that exists, from the TokenRequest API.
    ///
    /// # Errors
    /// When the API server refuses, for example because there is no such ServiceAccount, or a lifetime below 10 min.
    pub async fn service_account_token(&self, namespace: &str, name: &str, lifetime: Duration) -> Result<String> {
        match &self.kind {
            Kind::Ours(ours) => ours.api.service_account_token(namespace, name, lifetime).await,
            Kind::Foreign(foreign) => foreign.service_account_token(namespace, name, lifetime).await,
        }
    }

    /// A new kubeconfig with a token of this ServiceAccount, good for 24 h, and its namespace as the default one.
    ///
    /// # Errors
    /// As [`ControlPlane::service_account_token`].
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let token = self.service_account_token(namespace, name, TOKEN_LIFETIME).await?;
        let user = format!("{namespace}:{name}");
        let Description { folder, server_url, ca_file, .. } = match &self.kind {
            Kind::Ours(ours) => &ours.description,
            Kind::Foreign(foreign) => return foreign.write_kubeconfig(&user, &token, namespace),
        };
        let file = format!("{namespace}-{name}-{}", random::hexadecimal::<4>()?);
        let path = folder.join("kubeconfigs").join(file);
        write_kubeconfig(&path, server_url, ca_file, &user, &token, namespace)?;
        Ok(path)
    }

    /// kubectl as the administrator, shut off from the settings and caches of the user.
    pub fn kubectl(&self) -> Command {
        self.client(&self.binaries().kubectl)
    }

    /// helm as the administrator, shut off from the settings and caches of the user.
    pub fn helm(&self) -> Command {
        self.client(&self.binaries().helm)
    }

    fn client(&self, program: &Path) -> Command {
        if let Kind::Foreign(foreign) = &self.kind {
            return foreign.client(program);
        }
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| steers_a_client(name)) {
            command.env_remove(name);
        }
        // Their caches and settings are below HOME when nothing else is set.
        command.env("HOME", self.folder().join("home")).env("KUBECONFIG", self.admin_kubeconfig());
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Ends the API server; etcd, and with it every object, stays. Does nothing when it is not running.
    ///
    /// # Errors
    /// When the control plane is a shared one.
    pub async fn stop_api_server(&self, how: Stop) -> Result<()> {
        let (_, own) = self.own("stopping the API server")?;
        match own.servers.lock().await.api_server.take() {
            Some(server) => server.stop(&own.guard, how).await.map(drop),
            None => Ok(()),
        }
    }

    /// Starts the API server again, on the same port and with the same data. Does nothing when it is running.
    ///
    /// # Errors
    /// When the control plane is a shared one, or the API server does not become ready.
    pub async fn start_api_server(&self) -> Result<()> {
        let (ours, own) = self.own("starting the API server")?;
        let mut servers = own.servers.lock().await;
        if servers.api_server.is_some() {
            return Ok(());
        }
        self.audit().mend()?;
        let start = Instant::now();
        loop {
            let mut server = own.api_server.start(&own.guard)?;
            match server.wait_until_ready(&serving(&ours.api)).await {
                Ok(()) => {
                    servers.api_server = Some(server);
                    return Ok(());
                }
                Err(_) if server.lost_its_port() && start.elapsed() < PORT_LIMIT => {}
                Err(error) => return Err(error),
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Ends the API server and starts it again.
    ///
    /// # Errors
    /// As [`ControlPlane::stop_api_server`] and [`ControlPlane::start_api_server`].
    pub async fn restart_api_server(&self, how: Stop) -> Result<()> {
        self.stop_api_server(how).await?;
        self.start_api_server().await
    }

    /// Ends everything this process started and waits until it is gone. A shared control plane stays.
    ///
    /// # Errors
    /// When a process or the folder is still there after some time.
    pub async fn stop(self) -> Result<()> {
        match self.kind {
            Kind::Ours(ours) => match ours.own {
                Some(own) => own.stop().await,
                None => Ok(()),
            },
            Kind::Foreign(foreign) => foreign.end().await,
        }
    }
}

/// Variables by which kubectl or helm would do something else than in the next shell: proxies, other clusters,
/// namespaces, cache and settings folders.
fn steers_a_client(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    name.ends_with("_PROXY") || ["HELM_", "KUBE", "XDG_"].iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_does_not_inherit_what_would_lead_it_elsewhere() {
        for name in
            ["https_proxy", "NO_PROXY", "HELM_NAMESPACE", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "XDG_CACHE_HOME"]
        {
            assert!(steers_a_client(OsStr::new(name)), "{name}");
        }
        for name in ["PATH", "LANG", "TMPDIR"] {
            assert!(!steers_a_client(OsStr::new(name)), "{name}");
        }
    }

    #[tokio::test]
    async fn a_folder_without_a_control_plane_is_named() {
        let error = ControlPlane::attach(Path::new("/nonexistent"), &Options::default()).await.unwrap_err();
        assert!(error.to_string().contains("/nonexistent/control-plane.json"), "{error}");
    }
}
