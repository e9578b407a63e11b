//! What is measured on: a real API server with the chart installed, a simulated cloud, and the operator's settings.

use std::path::{Path, PathBuf};

use control_plane::{ControlPlane, Guard, Options, Position};
use gaap_simulator::{Config, Control, DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY, Simulator};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::process::Command;

use crate::error::{Error, Result};
use crate::operator::{Launch, Operator};

/// The release, and by it the ServiceAccount of the operator.
const RELEASE: &str = "gaap-operator";
/// The namespace of the release.
const SYSTEM: &str = "gaap-system";
/// Where the resources are.
pub const NAMESPACE: &str = "bench";
const CHART: &str = "deploy/helm/gaap-operator";

/// Entries that the cloud's log keeps: more than any measure makes.
const LOG_CAPACITY: usize = 2_000_000;

/// Settings of the operator that differ from its defaults.
pub const FLAGS: [&str; 2] = ["--destroy-poll=1s", "--absence-spacing=1s"];
/// `--destroy-poll` of [`FLAGS`], seconds.
pub const POLL_SECONDS: f64 = 1.0;
/// `--absence-spacing` of [`FLAGS`], seconds.
pub const SPACING_SECONDS: f64 = 1.0;
/// `--requests-per-second`, which is not changed.
pub const REQUESTS_PER_SECOND: f64 = 18.0;

/// Everything but the operator.
pub struct Bed {
    /// The API server.
    pub plane: ControlPlane,
    /// An administrator.
    pub client: Client,
    guard: Guard,
    simulator: Simulator,
    launch: Launch,
    starts: usize,
}

impl Bed {
    /// Starts the servers and installs the chart. No pod: the operator is a process of ours, so that it is the
    /// program alone that is measured.
    ///
    /// # Errors
    /// When a server does not start, or the chart cannot be installed.
    pub async fn make(program: &Path) -> Result<Self> {
        let plane = ControlPlane::start(Options::default()).await?;
        let guard = Guard::new(&std::env::temp_dir(), "gaap-bench").await?;
        let mut install = plane.helm();
        install.args(["upgrade", "--install", RELEASE, CHART, "--namespace", SYSTEM, "--create-namespace"]);
        succeed(install.args(["--set", "replicaCount=0", "--hide-notes"])).await?;
        let mut served = plane.kubectl();
        served.args(["wait", "--for=condition=Established", "crd/gaapproxies.gaap-operator.io", "--timeout=60s"]);
        succeed(&mut served).await?;
        succeed(plane.kubectl().args(["create", "namespace", NAMESPACE])).await?;
        let config = Config { log_capacity: LOG_CAPACITY, ..Config::default() };
        let simulator = Simulator::start(config).await.map_err(|error| Error::Cloud(error.to_string()))?;
        let credentials = guard.folder().join("credentials");
        std::fs::create_dir(&credentials).map_err(Error::file("make", &credentials))?;
        for (name, value) in [("secretId", DEFAULT_SECRET_ID), ("secretKey", DEFAULT_SECRET_KEY)] {
            let path = credentials.join(name);
            std::fs::write(&path, value).map_err(Error::file("write", &path))?;
        }
        let mut flags = vec![
            format!("--gaap-endpoint={}", simulator.url()),
            "--allow-insecure-endpoint".to_owned(),
            format!("--credentials-dir={}", credentials.display()),
            // As the chart has it.
            "--leader-elect".to_owned(),
            format!("--leader-election-namespace={SYSTEM}"),
        ];
        flags.extend(FLAGS.map(str::to_owned));
        let launch = Launch {
            program: link(&guard, program)?,
            kubeconfig: plane.service_account_kubeconfig(SYSTEM, RELEASE).await?,
            flags,
            log: guard.folder().join("gaap-operator.log"),
        };
        let client = administrator(plane.admin_kubeconfig()).await?;
        Ok(Self { plane, client, guard, simulator, launch, starts: 0 })
    }

    /// Starts an operator, of which there is one at a time.
    ///
    /// # Errors
    /// As [`Operator::start`].
    pub async fn start_operator(&mut self) -> Result<Operator> {
        self.starts += 1;
        Operator::start(&self.guard, &format!("operator-{}", self.starts), &self.launch).await
    }

    /// The name by which the audit log knows the operator.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{SYSTEM}:{RELEASE}")
    }

    /// The cloud.
    pub fn cloud(&self) -> Control {
        self.simulator.control()
    }

    /// Where the cloud listens.
    pub fn cloud_url(&self) -> String {
        self.simulator.url()
    }

    /// A place in both logs, to count from.
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub fn mark(&self) -> Result<Mark> {
        let received = self.cloud().requests(0);
        Ok(Mark { audit: self.plane.audit().position()?, cloud: received.last().map_or(0, |last| last.seq) })
    }

    /// The audit entries since then, complete for every request that was answered.
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub async fn audit_since(&self, mark: Mark) -> Result<Vec<Value>> {
        Ok(self.plane.settled_audit(mark.audit).await?)
    }

    /// Ends everything and waits for it.
    ///
    /// # Errors
    /// When something is still there after some time.
    pub async fn end(self) -> Result<()> {
        self.guard.end().await?;
        self.simulator.stop().await;
        self.plane.stop().await?;
        Ok(())
    }
}

/// A place in both logs.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// In the audit log.
    pub audit: Position,
    /// The last request of the cloud's.
    pub cloud: u64,
}

/// A link inside the guard's folder: the watchdog tells our processes from strangers by a path in there.
fn link(guard: &Guard, program: &Path) -> Result<PathBuf> {
    let link = guard.folder().join("gaap-operator");
    let program = std::path::absolute(program).map_err(Error::file("find", program))?;
    if !program.is_file() {
        return Err(Error::Unusable(format!("{} is not there: `make bench` builds it", program.display())));
    }
    std::os::unix::fs::symlink(program, &link).map_err(Error::file("make", &link))?;
    Ok(link)
}

async fn succeed(command: &mut Command) -> Result<()> {
    let shown = format!("{:?}", command.as_std());
    let output = command.output().await.map_err(|source| Error::Start { program: shown.clone(), source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Unusable(format!("{shown} failed: {}", String::from_utf8_lossy(&output.stderr))))
}

async fn administrator(kubeconfig: &Path) -> Result<Client> {
    let failed = |error: String| Error::Unusable(format!("{}: {error}", kubeconfig.display()));
    let config = Kubeconfig::read_from(kubeconfig).map_err(|error| failed(error.to_string()))?;
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(config, &options).await;
    let config = config.map_err(|error| failed(error.to_string()))?;
    Client::try_from(config).map_err(|error| failed(error.to_string()))
}
