//! The cluster that all tests of a run share, with the images and the CustomResourceDefinition on it.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, OnceLock};

use control_plane::node::wanted;
use control_plane::{ControlPlane, Options};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::patience::succeeded;

/// The chart of this repository.
pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/helm/gaap-operator");
/// The chart as it was before replicas could elect a leader.
pub const PREVIOUS_CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pods/gaap-operator-0.1.0.tgz");
const CRD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/gaapproxies.yaml");

static SHARED: OnceCell<Option<Arc<ControlPlane>>> = OnceCell::const_new();
static SERVICES: OnceLock<Runtime> = OnceLock::new();

/// A cluster that runs pods.
pub struct Bed {
    pub plane: Arc<ControlPlane>,
    /// Of this test alone: the connections of a client live on the runtime of the test that first used them, and would end
    /// with it under the others.
    pub client: kube::Client,
}

impl Bed {
    /// The one of this run; none where there can be no node, which is said in one line (and is a failure with
    /// `REQUIRE_NODE=1`).
    pub async fn shared() -> Option<Arc<Self>> {
        let make = || async {
            let plane = plane(false).await?;
            let bed = Self { client: client(&plane), plane };
            bed.kubectl(&["apply", "-f", CRD]).await;
            bed.kubectl(&["wait", "--for=condition=Established", "crd/gaapproxies.gaap-operator.io"]).await;
            Some(bed.plane)
        };
        let plane = SHARED.get_or_init(make).await.clone()?;
        Some(Arc::new(Self { client: client(&plane), plane }))
    }

    /// One of its own, with nothing installed, for a test that would disturb the others. None where there can be no node,
    /// and on somebody else's cluster.
    pub async fn own() -> Option<Self> {
        if is_foreign() {
            eprintln!("skipped: this test changes the whole cluster, and that is somebody else's");
            return None;
        }
        let plane = plane(true).await?;
        Some(Self { client: client(&plane), plane })
    }

    /// Runs kubectl as the administrator and returns what it printed.
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

    /// Runs helm as the administrator and returns what it printed.
    pub async fn helm(&self, arguments: &[&str]) -> String {
        let mut command = self.plane.helm();
        command.args(arguments);
        succeed(command, None).await
    }

    /// Ends a cluster of one's own.
    pub async fn end(self) {
        let plane = Arc::into_inner(self.plane).expect("nobody else uses it");
        on_services(async move { plane.stop().await.unwrap() }).await;
    }
}

/// A cluster with the images on it.
async fn plane(own: bool) -> Option<Arc<ControlPlane>> {
    if !is_foreign() && !wanted() {
        return None;
    }
    // The control plane lives on the runtime that started it, and that of a test ends with the test.
    let plane = on_services(async move {
        let options = Options { controllers: true, node: true, ..Options::default() };
        let plane = match own {
            true => ControlPlane::start(options).await,
            false => ControlPlane::attach_or_start(options).await,
        };
        plane.unwrap_or_else(|error| panic!("{error}"))
    })
    .await;
    if let Some(node) = plane.node() {
        for name in ["gaap-operator", "gaap-simulator"] {
            let archive = images().join(format!("{name}.tar"));
            assert!(archive.exists(), "{} is not there: run make image", archive.display());
            node.import_image(&archive).await.unwrap();
        }
    }
    Some(Arc::new(plane))
}

/// Somebody else's cluster is used.
pub fn is_foreign() -> bool {
    std::env::var_os(control_plane::TEST_CLUSTER).is_some_and(|value| !value.is_empty())
}

/// None, and one line that says why, on somebody else's cluster: for a test that stops or kills what is in a pod from
/// outside, or measures it there.
pub fn own_node() -> Option<()> {
    if is_foreign() {
        eprintln!("skipped: only on a node of our own can a process in a pod be stopped, killed or measured");
        return None;
    }
    Some(())
}

/// Repository and tag of an image, as the chart wants them.
pub fn image(name: &str) -> (String, String) {
    let variable = format!("{}_IMAGE", name.replace('-', "_").to_uppercase());
    let reference = std::env::var(variable).unwrap_or_else(|_| format!("{name}:{}", env!("CARGO_PKG_VERSION")));
    let (repository, tag) = reference.rsplit_once(':').expect("an image with a tag");
    (repository.to_owned(), tag.to_owned())
}

fn images() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(target).join("image")
}

fn client(plane: &ControlPlane) -> kube::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = Kubeconfig::read_from(plane.admin_kubeconfig()).unwrap();
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(config, &options);
    let mut config = futures::executor::block_on(config).unwrap();
    // A /readyz that says 503 is an answer, and kube would ask again for minutes.
    config.default_retry = false;
    kube::Client::try_from(config).unwrap()
}

/// Runs a future where servers live that serve more than one test.
pub async fn on_services<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let make = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match SERVICES.get_or_init(make).spawn(future).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
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

async fn succeed(command: Command, input: Option<&str>) -> String {
    let shown = format!("{:?}", command.as_std());
    let (good, said) = run(command, input).await;
    succeeded(&shown, good, &said);
    said
}
