//! Installing, deleting, asking: what the first hour of a cluster admin looks like.

use control_plane::node::resident_memory;

use crate::cloud::PROXY;
use crate::install::{Install, RELEASE, proxy};

#[tokio::test]
async fn helm_install_brings_two_replicas_up_and_kubectl_delete_destroys_the_proxy_once() {
    let Some(install) = Install::ready("life", 4).await else { return };
    install.all_ready(2).await;
    let leader = install.leader().await;
    assert!(install.pods().await.iter().any(|pod| pod.name == leader), "the Lease names the pod");

    // What `helm test` asks for as the operator's account is there.
    let tested = install.helm(&["test", RELEASE, "--logs"]).await;
    assert!(tested.contains("Succeeded") && !tested.contains("FAILED"), "{tested}");

    install.create(1..=2).await;
    install.available().await;
    install.kubectl(&["delete", "gaap", "edge-1", "--timeout=60s"]).await;
    assert!(install.resources().get_opt("edge-1").await.unwrap().is_none());
    install.destroyed_once(1..=1).await;
    assert!(install.cloud.destroys(&proxy(2)).await.is_empty());

    if let Some(node) = install.bed.plane.node() {
        let pid = node.container_pid(&install.namespace, &leader, "operator").await.unwrap();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        for line in ["Uid:\t65532\t65532", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
            assert!(status.contains(line), "{line} is not in\n{status}");
        }
        let megabytes = resident_memory(pid).unwrap() / 1_000_000;
        eprintln!("memory of the leading pod with 1 resource: {megabytes} MB");
    }
    install.finish().await;
}

#[tokio::test]
async fn every_pod_serves_metrics_through_the_service_and_only_the_leader_counts_resources() {
    let Some(install) = Install::ready("metrics", 4).await else { return };
    install.create(1..=1).await;
    install.available().await;
    let leader = install.leader().await;
    for pod in install.pods().await {
        let path = format!("/api/v1/namespaces/{}/pods/{}:8080/proxy/metrics", install.namespace, pod.name);
        let metrics = install.bed.kubectl(&["get", "--raw", &path]).await;
        assert!(metrics.contains("controller_runtime_reconcile_total"), "{metrics}");
        let counts = metrics.lines().any(|line| line.starts_with("gaap_proxies{"));
        assert_eq!(counts, pod.name == leader, "{}: {metrics}", pod.name);
    }
    let path = format!("/api/v1/namespaces/{}/services/{RELEASE}-metrics:metrics/proxy/metrics", install.namespace);
    assert!(install.bed.kubectl(&["get", "--raw", &path]).await.contains("# EOF"));
    install.delete(&["edge-1"]).await;
    install.gone("edge-1").await;
    assert_eq!(install.cloud.accepted(PROXY).await, 1);
    install.finish().await;
}
