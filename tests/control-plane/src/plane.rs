//! A running control plane, our own or one that is shared.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::api::Api;
use crate::audit::{AuditLog, POLICY, Position};
use crate::binaries::Binaries;
use crate::credentials::{Credentials, write, write_kubeconfig};
use crate::error::{Error, Result};
use crate::flags::{Places, api_server, controller_manager, etcd};
use crate::guard::Guard;
use crate::server::{Launch, Server, Stop};
use crate::sign::{Accepts, Answers};
use crate::{port, random};

/// The variable that names the folder of a control plane shared by several processes.
pub const SHARED: &str = "GAAP_CONTROL_PLANE";

/// The description in that folder.
const DESCRIPTION: &str = "control-plane.json";

/// Two control planes that choose the same port five times in a row do not do so by chance.
const PORT_TRIES: usize = 5;

/// For how long a restarted API server may find its old port taken.
const PORT_LIMIT: Duration = Duration::from_secs(10);

/// For a token that outlives every test run.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// What a control plane is to have.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Also kube-controller-manager: namespace deletion, garbage collection, default ServiceAccounts, Deployments.
    pub controllers: bool,
    /// A folder for the logs of the servers and the audit log, which then stay. Otherwise they go with the rest.
    pub keep_logs: Option<PathBuf>,
}

/// What another process has to know to use a control plane.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    folder: PathBuf,
    server_url: String,
    kubeconfig: PathBuf,
    ca_file: PathBuf,
    token_file: PathBuf,
    audit_log: PathBuf,
    binaries: Binaries,
}

/// A running etcd and kube-apiserver on loopback.
///
/// One that was started here ends when it is dropped, and also when the process ends in any way, `kill -9` included:
/// the servers are killed and the folder is removed within moments. [`ControlPlane::stop`] waits for that.
/// One that is shared (`GAAP_CONTROL_PLANE`) stays.
///
/// It belongs to the tokio runtime it was started in: what stops or starts a server has to run in the same one.
#[derive(Debug)]
pub struct ControlPlane {
    description: Description,
    api: Api,
    own: Option<Own>,
}

/// What only the process that started a control plane has. Dropped from top to bottom: servers, then folder.
#[derive(Debug)]
struct Own {
    servers: Mutex<Servers>,
    api_server: Launch,
    guard: Guard,
}

#[derive(Debug)]
struct Servers {
    controller_manager: Option<Server>,
    api_server: Option<Server>,
    etcd: Server,
}

impl ControlPlane {
    /// Starts a control plane of our own and waits until it serves. Programs that are missing are built first, which
    /// is told on standard error and can take many minutes.
    ///
    /// # Errors
    /// When a program can be neither found nor built, or a server does not become ready (with the end of its log).
    pub async fn start(options: Options) -> Result<Self> {
        let binaries = Binaries::find_or_build(options.controllers).await?;
        let guard = Guard::new(&std::env::temp_dir(), "gaap-control-plane").await?;
        let folder = guard.folder().to_owned();
        let places = Places { logs: options.keep_logs.unwrap_or_else(|| folder.join("logs")), folder };
        for folder in [&places.logs, &places.folder.join("home"), &places.folder.join("kubeconfigs")] {
            std::fs::create_dir_all(folder).map_err(|error| Error::file("make", folder, error))?;
        }
        let credentials = Credentials::make(&places.folder)?;
        write(&places.audit_policy(), POLICY)?;

        let mut etcd = etcd(&binaries, &places)?.start(&guard)?;
        etcd.wait_until_ready(&Accepts(&places.etcd_socket()?)).await?;
        let (description, api, api_server, launch) = start_api_server(&guard, binaries, &places, &credentials).await?;
        let controller_manager = match &description.binaries.kube_controller_manager {
            Some(program) => {
                Some(start_controllers(controller_manager(program, &places, &credentials), &guard, &api).await?)
            }
            None => None,
        };
        let text = serde_json::to_string_pretty(&description).unwrap_or_default();
        write(&places.folder.join(DESCRIPTION), &text)?;
        let servers = Mutex::new(Servers { controller_manager, api_server: Some(api_server), etcd });
        Ok(Self { description, api, own: Some(Own { servers, api_server: launch, guard }) })
    }

    /// The shared control plane of `GAAP_CONTROL_PLANE` if that is set, else one of our own.
    ///
    /// # Errors
    /// As [`ControlPlane::start`]; also when the shared one does not answer or has no controllers though they were
    /// asked for.
    pub async fn attach_or_start(options: Options) -> Result<Self> {
        match std::env::var_os(SHARED).filter(|folder| !folder.is_empty()) {
            Some(folder) => Self::attach(Path::new(&folder), &options).await,
            None => Self::start(options).await,
        }
    }

    async fn attach(folder: &Path, options: &Options) -> Result<Self> {
        let path = folder.join(DESCRIPTION);
        let unusable = |reason: String| Error::Description { path: path.clone(), reason };
        let text = std::fs::read(&path).map_err(|error| unusable(error.to_string()))?;
        let description: Description = serde_json::from_slice(&text).map_err(|error| unusable(error.to_string()))?;
        if options.controllers && description.binaries.kube_controller_manager.is_none() {
            return Err(Error::NoControllers);
        }
        let token = read(&description.token_file)?;
        let api = Api::new(&description.server_url, &description.ca_file, token)?;
        api.is_ok("/readyz").await.map_err(unusable)?;
        Ok(Self { description, api, own: None })
    }

    /// The folder of this control plane, for `GAAP_CONTROL_PLANE` of another process. It goes with the control plane.
    pub fn folder(&self) -> &Path {
        &self.description.folder
    }

    /// A kubeconfig of an administrator (group `system:masters`).
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.description.kubeconfig
    }

    /// For example `https://127.0.0.1:23456`. It stays the same over restarts of the API server.
    pub fn server_url(&self) -> &str {
        &self.description.server_url
    }

    /// The certificate of the authority that signed the server's, in PEM.
    pub fn ca_file(&self) -> &Path {
        &self.description.ca_file
    }

    /// The programs that are used.
    pub fn binaries(&self) -> &Binaries {
        &self.description.binaries
    }

    /// The audit log. A `get` of a GaapProxy holds the object that was read, a patch its body and result.
    pub fn audit(&self) -> AuditLog {
        AuditLog::new(&self.description.audit_log)
    }

    /// The audit entries after `since`, complete for every request that was answered before this call.
    ///
    /// # Errors
    /// When the API server does not answer, or the log cannot be read.
    pub async fn settled_audit(&self, since: Position) -> Result<Vec<serde_json::Value>> {
        let mark = format!("settled-{}", random::hexadecimal::<8>()?);
        self.api.mark(&mark).await?;
        let limit = Duration::from_secs(10);
        let is_mark = |entry: &serde_json::Value| entry.get("auditID").is_some_and(|id| id == mark.as_str());
        self.audit().wait_for("our own request", since, limit, is_mark).await?;
        self.audit().entries(since)
    }

    /// A token of a ServiceAccount that exists, from the TokenRequest API.
    ///
    /// # Errors
    /// When the API server refuses, for example because there is no such ServiceAccount, or a lifetime below 10 min.
    pub async fn service_account_token(&self, namespace: &str, name: &str, lifetime: Duration) -> Result<String> {
        self.api.service_account_token(namespace, name, lifetime).await
    }

    /// A new kubeconfig with a token of this ServiceAccount, good for 24 h, and its namespace as the default one.
    ///
    /// # Errors
    /// As [`ControlPlane::service_account_token`].
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let token = self.service_account_token(namespace, name, TOKEN_LIFETIME).await?;
        let file = format!("{namespace}-{name}-{}", random::hexadecimal::<4>()?);
        let path = self.description.folder.join("kubeconfigs").join(file);
        let Description { server_url, ca_file, .. } = &self.description;
        write_kubeconfig(&path, server_url, ca_file, &format!("{namespace}:{name}"), &token, namespace)?;
        Ok(path)
    }

    /// kubectl as the administrator, shut off from the settings and caches of the user.
    pub fn kubectl(&self) -> Command {
        self.client(&self.description.binaries.kubectl)
    }

    /// helm as the administrator, shut off from the settings and caches of the user.
    pub fn helm(&self) -> Command {
        self.client(&self.description.binaries.helm)
    }

    fn client(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| steers_a_client(name)) {
            command.env_remove(name);
        }
        // Their caches and settings are below HOME when nothing else is set.
        command.env("HOME", self.description.folder.join("home")).env("KUBECONFIG", self.admin_kubeconfig());
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Ends the API server; etcd, and with it every object, stays. Does nothing when it is not running.
    ///
    /// # Errors
    /// When the control plane is a shared one.
    pub async fn stop_api_server(&self, how: Stop) -> Result<()> {
        let own = self.own.as_ref().ok_or(Error::Attached { what: "stopping the API server" })?;
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
        let own = self.own.as_ref().ok_or(Error::Attached { what: "starting the API server" })?;
        let mut servers = own.servers.lock().await;
        if servers.api_server.is_some() {
            return Ok(());
        }
        self.audit().mend()?;
        let start = Instant::now();
        loop {
            let mut server = own.api_server.start(&own.guard)?;
            match server.wait_until_ready(&serving(&self.api)).await {
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
        let Some(Own { servers, guard, .. }) = self.own else { return Ok(()) };
        let Servers { controller_manager, api_server, etcd } = servers.into_inner();
        // Killed: their data goes in the next moment, and the API server would take seconds for its farewells.
        for server in [controller_manager, api_server, Some(etcd)].into_iter().flatten() {
            server.stop(&guard, Stop::Kill).await?;
        }
        guard.end().await
    }
}

/// Starts the API server on a port that nobody else takes.
async fn start_api_server(
    guard: &Guard,
    binaries: Binaries,
    places: &Places,
    credentials: &Credentials,
) -> Result<(Description, Api, Server, Launch)> {
    let token = read(&credentials.admin_token)?;
    let mut tries = 1;
    loop {
        let port = port::choose()?;
        let server_url = format!("https://127.0.0.1:{port}");
        let api = Api::new(&server_url, &credentials.ca_file, token.clone())?;
        let launch = api_server(&binaries, places, credentials, port)?;
        let mut server = launch.start(guard)?;
        match server.wait_until_ready(&serving(&api)).await {
            Ok(()) => {
                let kubeconfig = places.admin_kubeconfig();
                write_kubeconfig(&kubeconfig, &server_url, &credentials.ca_file, "admin", &token, "default")?;
                let description = Description {
                    folder: places.folder.clone(),
                    server_url,
                    kubeconfig,
                    ca_file: credentials.ca_file.clone(),
                    token_file: credentials.admin_token.clone(),
                    audit_log: places.audit_log(),
                    binaries,
                };
                return Ok((description, api, server, launch));
            }
            Err(_) if server.lost_its_port() && tries < PORT_TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Ready is what the API server says of itself; the namespace `default` is made an instant later.
fn serving(api: &Api) -> Answers<'_> {
    Answers { api, paths: &["/readyz", "/api/v1/namespaces/default"] }
}

/// The default ServiceAccount is one of its works, so its being there shows that the controllers run.
async fn start_controllers(launch: Launch, guard: &Guard, api: &Api) -> Result<Server> {
    let mut server = launch.start(guard)?;
    let paths = &["/api/v1/namespaces/default/serviceaccounts/default"];
    server.wait_until_ready(&Answers { api, paths }).await?;
    Ok(server)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Error::file("read", path, error))
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
