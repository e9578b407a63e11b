//! Pods run, are reached, and can be hurt from outside.

use std::net::Ipv4Addr;

use control_plane::node::{resident_memory, wanted};
use control_plane::{ControlPlane, Image, Options, Position, Stop};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use crate::processes::{program, runs, send};
use crate::{PROBE, apply, kubectl, node, pod, probe_image, ready, start};

/// Waits until `kubectl` prints this last. It may fail until then: a container that has begun to run is one that the kubelet
/// has yet to hear of.
async fn until_it_prints(plane: &ControlPlane, arguments: &[&str], wanted: &str) {
    let begun = Instant::now();
    loop {
        let output = plane.kubectl().args(arguments).output().await.unwrap();
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        if output.status.success() && printed.trim().lines().last() == Some(wanted) {
            return;
        }
        assert!(begun.elapsed().as_secs() < 60, "kubectl {arguments:?} prints {printed} and not {wanted}");
        sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// The same pod, whose container is not started again when it ends.
fn once(mut pod: Value) -> Value {
    pod["spec"]["restartPolicy"] = json!("Never");
    pod
}

#[tokio::test]
async fn a_pod_under_the_restricted_standard_runs_from_an_imported_image() {
    if !wanted() {
        return;
    }
    let plane = start().await;
    probe_image(&plane).await;
    let label = "pod-security.kubernetes.io/enforce=restricted";
    kubectl(&plane, &["label", "namespace", "default", label]).await;
    apply(&plane, &pod("server", &["serve", "8080"])).await;
    ready(&plane, "server").await;
    until_it_prints(&plane, &["logs", "server"], "serving as server").await;

    let pid = node(&plane).container_pid("default", "server", "probe").await.unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for line in ["Uid:\t65532\t65532", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    let memory = resident_memory(pid).unwrap();
    assert!((100_000..100_000_000).contains(&memory), "{memory}");

    // A program with shared libraries, as those of this workspace are.
    let archive = plane.folder().join("program.tar");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_gaap-control-plane"));
    let image = Image::new("localhost/program:1").program(program, "/program").unwrap();
    image.entrypoint(&["/program"]).write(&archive).unwrap();
    node(&plane).import_image(&archive).await.unwrap();
    let mut version = once(pod("version", &["--version"]));
    version["spec"]["containers"][0]["image"] = json!("localhost/program:1");
    apply(&plane, &version).await;
    until_it_prints(&plane, &["get", "pod", "version", "-o", "jsonpath={.status.phase}"], "Succeeded").await;
    let printed = kubectl(&plane, &["logs", "version"]).await;
    assert!(printed.trim().ends_with(env!("CARGO_PKG_VERSION")), "{printed}");

    let refused = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "open"},
        "spec": {"containers": [{"name": "probe", "image": PROBE}]}});
    let path = plane.folder().join("open.json");
    std::fs::write(&path, refused.to_string()).unwrap();
    let output = plane.kubectl().arg("apply").arg("-f").arg(&path).output().await.unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("violates PodSecurity"), "{output:?}");
    plane.stop().await.unwrap();
}

#[tokio::test]
async fn a_container_that_is_killed_from_outside_is_started_again() {
    if !wanted() {
        return;
    }
    let plane = start().await;
    probe_image(&plane).await;
    apply(&plane, &pod("server", &["serve", "8080"])).await;
    ready(&plane, "server").await;
    let before = node(&plane).container_pid("default", "server", "probe").await.unwrap();
    send(before, Signal::KILL);
    let restarts = "jsonpath={.status.containerStatuses[0].restartCount}";
    until_it_prints(&plane, &["get", "pod", "server", "-o", restarts], "1").await;
    ready(&plane, "server").await;
    let after = node(&plane).container_pid("default", "server", "probe").await.unwrap();
    assert_ne!(before, after);
    assert!(runs(after) && !runs(before));
    let error = node(&plane).container_pid("default", "server", "other").await.unwrap_err().to_string();
    assert!(error.contains("default/server/other"), "{error}");
    plane.stop().await.unwrap();
}

#[tokio::test]
async fn services_are_reached_from_pods_and_from_outside_and_pods_reach_a_listener_of_the_test() {
    if !wanted() {
        return;
    }
    let plane = start().await;
    probe_image(&plane).await;
    apply(&plane, &pod("server", &["serve", "8080"])).await;
    kubectl(&plane, &["expose", "pod", "server", "--port=80", "--target-port=8080"]).await;
    let address = kubectl(&plane, &["get", "service", "server", "-o", "jsonpath={.spec.clusterIP}"]).await;
    let address: Ipv4Addr = address.parse().unwrap();
    apply(&plane, &once(pod("client", &["ask", &format!("{address}:80")]))).await;
    until_it_prints(&plane, &["get", "pod", "client", "-o", "jsonpath={.status.phase}"], "Succeeded").await;
    assert!(kubectl(&plane, &["logs", "client"]).await.contains("server"));

    let relay = node(&plane).reach((address, 80).into()).unwrap();
    let mut answer = String::new();
    TcpStream::connect(relay.address()).await.unwrap().read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "server");

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let relay = node(&plane).expose(listener.local_addr().unwrap()).unwrap();
    apply(&plane, &once(pod("guest", &["ask", &relay.address().to_string()]))).await;
    // As often as the guest comes: it gives an answer that is slow up, and asks again.
    let server = tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let _ = connection.write_all(b"from the test").await;
        }
    });
    until_it_prints(&plane, &["logs", "guest"], "from the test").await;
    server.abort();
    plane.stop().await.unwrap();
}

#[tokio::test]
async fn a_kubelet_that_is_restarted_leaves_pods_running_and_takes_new_ones() {
    if !wanted() {
        return;
    }
    let plane = start().await;
    probe_image(&plane).await;
    apply(&plane, &pod("server", &["serve", "8080"])).await;
    ready(&plane, "server").await;
    let before = node(&plane).container_pid("default", "server", "probe").await.unwrap();
    for how in [Stop::Kill, Stop::Gracefully] {
        let begun = Instant::now();
        node(&plane).restart_kubelet(how).await.unwrap();
        println!("{how:?}: back after {:.1} s", begun.elapsed().as_secs_f64());
    }
    assert_eq!(node(&plane).container_pid("default", "server", "probe").await.unwrap(), before);
    apply(&plane, &pod("later", &["serve", "8080"])).await;
    ready(&plane, "later").await;
    kubectl(&plane, &["delete", "pod", "server", "--timeout=30s"]).await;
    assert!(!runs(before));
    plane.stop().await.unwrap();
}

#[tokio::test]
async fn an_api_server_of_a_node_comes_back_and_its_pods_went_on() {
    if !wanted() {
        return;
    }
    let plane = start().await;
    probe_image(&plane).await;
    apply(&plane, &pod("server", &["serve", "8080"])).await;
    ready(&plane, "server").await;
    let before = node(&plane).container_pid("default", "server", "probe").await.unwrap();
    for how in [Stop::Kill, Stop::Gracefully] {
        plane.restart_api_server(how).await.unwrap();
    }
    assert_eq!(node(&plane).container_pid("default", "server", "probe").await.unwrap(), before);
    plane.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "is run by the test below, with GAAP_CONTROL_PLANE set"]
async fn inside_a_shared_node() {
    let plane = ControlPlane::attach_or_start(Options { node: true, ..Options::default() }).await.unwrap();
    assert_eq!(plane.folder().as_os_str(), std::env::var_os(control_plane::SHARED).unwrap());
    probe_image(&plane).await;
    apply(&plane, &pod("server", &["serve", "8080"])).await;
    ready(&plane, "server").await;
    let pid = node(&plane).container_pid("default", "server", "probe").await.unwrap();
    assert!(runs(pid));
    node(&plane).restart_kubelet(Stop::Kill).await.unwrap();
    assert!(!plane.settled_audit(Position::default()).await.unwrap().is_empty());
    plane.service_account_kubeconfig("default", "default").await.unwrap();
}

#[tokio::test]
async fn another_process_uses_a_shared_node_in_the_same_way() {
    if !wanted() {
        return;
    }
    let mut command = program();
    command.args(["run", "--node", "--"]).arg(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "pods::inside_a_shared_node", "--nocapture"]);
    let output = command.output().await.unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
