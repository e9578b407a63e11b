//! What a user of a node relies on, tried with real pods.

// clippy.toml allows these in test functions only, and a helper of tests is none.
#![allow(clippy::unwrap_used, clippy::panic, clippy::unwrap_in_result, clippy::indexing_slicing)]

mod ending;
mod pods;
#[path = "../behaviour/processes.rs"]
#[allow(dead_code, reason = "shared with the tests of the plain control plane, which use more of it")]
mod processes;

use std::path::Path;
use std::process::Stdio;

use control_plane::{ControlPlane, Image, Node, Options};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

/// The image of [`probe_image`].
const PROBE: &str = "localhost/probe:1";

async fn start() -> ControlPlane {
    let begun = tokio::time::Instant::now();
    let plane = ControlPlane::start(Options { node: true, ..Options::default() }).await.unwrap();
    println!("ready in {:.1} s", begun.elapsed().as_secs_f64());
    plane
}

fn node(plane: &ControlPlane) -> &Node {
    plane.node().unwrap()
}

/// A static program in an image of its own, known to the node.
async fn probe_image(plane: &ControlPlane) {
    let folder = tempfile::tempdir().unwrap();
    let (program, archive) = (folder.path().join("probe"), folder.path().join("probe.tar"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/probe.go");
    let mut go = tokio::process::Command::new("go");
    go.args(["build", "-trimpath", "-o"]).arg(&program).arg(source).current_dir(folder.path());
    let output = go.env("CGO_ENABLED", "0").env("GOWORK", "off").env("GOFLAGS", "").output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Image::new(PROBE).file(&program, "/probe").entrypoint(&["/probe"]).write(&archive).unwrap();
    node(plane).import_image(&archive).await.unwrap();
}

/// A pod that the Pod Security Standard `restricted` accepts.
fn pod(name: &str, arguments: &[&str]) -> Value {
    let container = json!({
        "name": "probe",
        "image": PROBE,
        "imagePullPolicy": "Never",
        "args": arguments,
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
    });
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": {
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "terminationGracePeriodSeconds": 1,
        },
    })
}

async fn kubectl(plane: &ControlPlane, arguments: &[&str]) -> String {
    let output = plane.kubectl().args(arguments).output().await.unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(output.status.success(), "kubectl {arguments:?}: {text}");
    text
}

async fn apply(plane: &ControlPlane, object: &Value) {
    let mut command = plane.kubectl();
    command.args(["apply", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(object.to_string().as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Waits until the pod is ready; if it does not become so, the test fails with what the cluster says about it.
async fn ready(plane: &ControlPlane, name: &str) {
    let pod = format!("pod/{name}");
    let output = plane.kubectl().args(["wait", "--for=condition=Ready", &pod, "--timeout=60s"]).output().await.unwrap();
    if !output.status.success() {
        panic!("{}", kubectl(plane, &["describe", &pod]).await);
    }
}
