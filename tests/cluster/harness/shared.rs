//! What all worlds share: one control plane with the chart installed, a folder that is removed whatever happens, and
//! turns, so that a loaded machine does not make every wait long.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, LazyLock, OnceLock};

use control_plane::{ControlPlane, Guard, Options, Position};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::build::admin;
use super::patience::succeeded;
use super::rights::until_allowed;

/// The release, and by it the ServiceAccount of the operator.
pub const RELEASE: &str = "gaap-operator";
/// The namespace of the release.
pub const SYSTEM: &str = "gaap-system";

/// The chart of this repository.
pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/helm/gaap-operator");

static TURN: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(crate::WORLDS_AT_ONCE as usize)));
static SHARED: OnceCell<Arc<Cluster>> = OnceCell::const_new();
static GUARD: OnceCell<Guard> = OnceCell::const_new();
static PREVIOUS: OnceCell<()> = OnceCell::const_new();
static SERVICES: OnceLock<Runtime> = OnceLock::new();

/// A control plane with the chart of this repository installed.
pub struct Cluster {
    plane: ControlPlane,
    start: Position,
}

impl Cluster {
    /// The one that all worlds share (`GAAP_CONTROL_PLANE`, or one that ends with this process).
    pub async fn shared() -> Arc<Self> {
        SHARED.get_or_init(|| Self::make(false, true)).await.clone()
    }

    /// One of its own, for a test that would disturb the others.
    pub async fn own() -> Arc<Self> {
        Self::make(true, true).await
    }

    /// One of its own on which nothing is installed.
    pub async fn bare() -> Arc<Self> {
        Self::make(true, false).await
    }

    async fn make(own: bool, install: bool) -> Arc<Self> {
        // An API server takes seconds of both processors to start, which a world that measures would see.
        let _turn = if own { Some(turn(false).await) } else { None };
        // The control plane lives on the runtime that started it, and that of a test ends with the test.
        let cluster = on_services(async move {
            let options = Options { controllers: !own, ..Options::default() };
            let plane = match own {
                true => ControlPlane::start(options).await,
                false => ControlPlane::attach_or_start(options).await,
            };
            let plane = plane.unwrap_or_else(|error| panic!("{error}"));
            let start = plane.audit().position().unwrap();
            let cluster = Self { plane, start };
            if install {
                cluster.install().await;
            }
            Arc::new(cluster)
        })
        .await;
        if install {
            cluster.rights_are_known().await;
        }
        cluster
    }

    /// Installs CRD, ServiceAccount and RBAC as a user does. No pod: the operators are processes of the tests.
    async fn install(&self) {
        let options = ["--namespace", SYSTEM, "--create-namespace", "--set", "replicaCount=0"];
        self.helm(&[&["upgrade", "--install", RELEASE, CHART], options.as_slice()].concat()).await;
        self.established().await;
    }

    /// Waits until the API server has read the rules that were just installed.
    pub async fn rights_are_known(&self) {
        until_allowed(&admin(self).await, "patch", ("gaap-operator.io", "gaapproxies"), "default", true).await;
    }

    /// Waits until the API server serves the resource.
    pub async fn established(&self) {
        self.kubectl(&["wait", "--for=condition=Established", "crd/gaapproxies.gaap-operator.io", "--timeout=30s"])
            .await;
    }

    /// The control plane.
    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// Where the audit log stood before the chart was installed.
    pub fn start(&self) -> Position {
        self.start
    }

    /// Runs kubectl as the administrator and returns what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        let mut command = self.plane.kubectl();
        command.args(arguments);
        succeed(command, None).await
    }

    /// `kubectl ARGUMENTS -f -` with this text.
    pub async fn kubectl_with(&self, arguments: &[&str], text: &str) -> String {
        let mut command = self.plane.kubectl();
        command.args(arguments).args(["-f", "-"]);
        succeed(command, Some(text)).await
    }

    /// Runs kubectl, which must fail, and returns what it complained about.
    pub async fn kubectl_fails(&self, arguments: &[&str], text: Option<&str>) -> String {
        let mut command = self.plane.kubectl();
        command.args(arguments);
        let (succeeded, said) = run(command, text).await;
        assert!(!succeeded, "kubectl {arguments:?} was to fail, but said: {said}");
        said
    }

    /// Runs helm as the administrator and returns what it printed.
    pub async fn helm(&self, arguments: &[&str]) -> String {
        let mut command = self.plane.helm();
        command.args(arguments);
        succeed(command, None).await
    }
}

async fn succeed(command: Command, input: Option<&str>) -> String {
    let shown = format!("{:?}", command.as_std());
    let (good, said) = run(command, input).await;
    succeeded(&shown, good, &said);
    said
}

/// Runs a command to its end: whether it succeeded, and everything it printed.
pub async fn run(mut command: Command, input: Option<&str>) -> (bool, String) {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    if let (Some(mut stdin), Some(text)) = (child.stdin.take(), input) {
        stdin.write_all(text.as_bytes()).await.unwrap();
    }
    let output = child.wait_with_output().await.unwrap();
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

/// A turn: as many worlds as there are turns are at work. A world that measures takes all of them: beside others it
/// would measure what they do to the machine.
pub async fn turn(alone: bool) -> OwnedSemaphorePermit {
    TURN.clone().acquire_many_owned(if alone { crate::WORLDS_AT_ONCE } else { 1 }).await.unwrap()
}

/// The folder of this test run and its watchdog: what is started through it ends with this process, also when that
/// one is killed.
pub async fn guard() -> &'static Guard {
    let make =
        || async { on_services(async { Guard::new(&std::env::temp_dir(), "gaap-cluster").await.unwrap() }).await };
    GUARD.get_or_init(make).await
}

/// Where servers live that serve more than one test, or must answer while a test computes.
pub fn services() -> &'static Runtime {
    SERVICES.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

/// Runs a future there.
pub async fn on_services<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    match services().spawn(future).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The operator of this commit.
pub async fn operator_program() -> PathBuf {
    link("gaap-operator", Path::new(env!("CARGO_BIN_EXE_gaap-operator"))).await
}

/// The earlier operator; built when it is not there yet, which takes half a minute on two cores (see tests/upgrade).
pub async fn previous_program() -> PathBuf {
    PREVIOUS.get_or_init(build_previous).await;
    link("gaap-operator-previous", &beside_the_operator("gaap-operator-previous")).await
}

async fn build_previous() {
    let mut cargo = Command::new(env!("CARGO"));
    // As scripts/test.sh does it: then its dependencies are those that are compiled already.
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["test", "--workspace", "--locked", "--quiet", "--no-run"]);
    cargo.args(["--features", "previous-operator/program", "--test", "previous"]);
    // <target>/debug/gaap-operator
    cargo.arg("--target-dir").arg(beside_the_operator("..")).stdin(Stdio::null());
    succeed(cargo, None).await;
}

fn beside_the_operator(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_gaap-operator")).with_file_name(name)
}

/// A link to a program inside the folder: the watchdog tells our processes from strangers by a path in there.
async fn link(name: &str, program: &Path) -> PathBuf {
    let link = guard().await.folder().join(name);
    if let Err(error) = std::os::unix::fs::symlink(program, &link) {
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists, "{error}");
    }
    link
}
