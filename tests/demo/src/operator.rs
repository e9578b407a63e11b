//! The operator: the real program, outside the cluster, with nothing but what its ServiceAccount may do.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use control_plane::{ControlPlane, Guard};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::patience::until;
use crate::simulator::{SECRET_ID, SECRET_KEY, client};
use crate::terminal::link;

const READY_LIMIT: Duration = Duration::from_secs(60);

/// SIGTERM ends the operator within 2 s; a machine under load gets some more.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A running operator.
#[derive(Debug)]
pub struct Operator {
    process: Mutex<Child>,
    ready_url: String,
}

/// The files of the operator, in the folder of the guard.
#[derive(Debug)]
pub struct Files {
    /// kubeconfig with a token of the ServiceAccount.
    pub kubeconfig: PathBuf,
    /// The folder with `secretId` and `secretKey`.
    pub credentials: PathBuf,
    /// Where it logs to.
    pub log: PathBuf,
}

impl Files {
    /// Where they are, made or not.
    pub fn of(guard: &Guard) -> Self {
        let inside = |name| guard.folder().join(name);
        Self {
            kubeconfig: inside("operator.kubeconfig"),
            credentials: inside("credentials"),
            log: inside("gaap-operator.log"),
        }
    }

    /// Writes the credentials for the cloud.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_credentials(&self) -> Result<()> {
        std::fs::create_dir(&self.credentials).map_err(Error::file("make", &self.credentials))?;
        for (name, value) in [("secretId", SECRET_ID), ("secretKey", SECRET_KEY)] {
            let path = self.credentials.join(name);
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            file.and_then(|mut file| file.write_all(value.as_bytes())).map_err(Error::file("write", &path))?;
        }
        Ok(())
    }

    /// Asks the TokenRequest API for a token of the ServiceAccount and writes it into the kubeconfig.
    ///
    /// # Errors
    /// When the API server gives no token, or the file cannot be written.
    pub async fn write_kubeconfig(&self, plane: &ControlPlane, namespace: &str, account: &str) -> Result<()> {
        let kubeconfig = plane.service_account_kubeconfig(namespace, account).await?;
        // Under a name that is short enough to be shown. A copy has the rights of the original.
        std::fs::copy(&kubeconfig, &self.kubeconfig).map(drop).map_err(Error::file("copy", &kubeconfig))
    }
}

impl Operator {
    /// Starts the operator with these flags and waits until it is ready, which it tells at the address `health`.
    ///
    /// # Errors
    /// When it ends, or says for too long that it is not ready.
    pub async fn start(guard: &Guard, program: &Path, files: &Files, flags: &[String], health: &str) -> Result<Self> {
        let mut command = guard.command("gaap-operator", &link(guard, "gaap-operator", program)?);
        // Nothing of the user's environment: credentials or settings in it would change what is shown.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("KUBECONFIG", &files.kubeconfig);
        command.arg("run").args(flags);

        let log = File::create(&files.log).map_err(Error::file("write", &files.log))?;
        command.stdout(log.try_clone().map_err(Error::file("write", &files.log))?).stderr(log);
        let cannot = |source| Error::Start { program: program.display().to_string(), source };
        let operator = Self {
            process: Mutex::new(command.spawn().map_err(cannot)?),
            ready_url: format!("http://{health}/readyz"),
        };
        operator.wait_until_ready().await?;
        Ok(operator)
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let client = client()?;
        until("The operator's readiness", READY_LIMIT, async || {
            if let Ok(Some(status)) = self.process.lock().await.try_wait() {
                return Err(Error::Ended { program: "gaap-operator", status: status.to_string() });
            }
            let answer = match client.get(&self.ready_url).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(Ok(())),
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            Ok(Err(answer.trim().to_owned()))
        })
        .await
    }

    /// Sends SIGTERM and waits until it has ended.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(&self) -> Result<ExitStatus> {
        let mut process = self.process.lock().await;
        let pid = process.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        // No pid means that it has ended, and the status then tells how.
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        match timeout(STOP_LIMIT, process.wait()).await {
            Ok(status) => status.map_err(|source| Error::Start { program: "gaap-operator".to_owned(), source }),
            Err(_) => Err(Error::Late {
                what: "The operator's end after SIGTERM".to_owned(),
                seconds: STOP_LIMIT.as_secs(),
                last: String::new(),
            }),
        }
    }
}
