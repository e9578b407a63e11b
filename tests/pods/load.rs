//! The limits of the chart hold.

use std::time::{Duration, Instant};

use control_plane::node::resident_memory;
use futures::StreamExt;
use kube::api::PostParams;
use serde_json::json;

use crate::bed::own_node;
use crate::install::{Install, proxy};
use crate::patience::until;

const RESOURCES: u32 = 10_000;
/// 40 000 writes, which an API server on two cores does in four minutes beside other tests.
const MIRRORED: Duration = Duration::from_secs(1_200);

#[tokio::test]
async fn ten_thousand_resources_fit_into_the_default_memory_limit() {
    let Some(()) = own_node() else { return };
    let Some(install) = Install::ready("load", RESOURCES).await else { return };
    let node = install.bed.plane.node().expect("a node of our own");
    let memory = async || {
        let mut all = Vec::new();
        for pod in install.pods().await {
            let pid = node.container_pid(&install.namespace, &pod.name, "operator").await.unwrap();
            all.push(resident_memory(pid).unwrap() / 1_000_000);
        }
        all
    };
    eprintln!("memory of the pods with 0 resources: {:?} MB", memory().await);
    let begun = Instant::now();
    let api = install.resources();
    futures::stream::iter(1..=RESOURCES)
        .for_each_concurrent(32, async |number| {
            let object = json!({"apiVersion": "gaap-operator.io/v1alpha1", "kind": "GaapProxy",
                "metadata": {"name": format!("edge-{number}")}, "spec": {"proxyId": proxy(number)}});
            api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        })
        .await;
    let path = format!("/api/v1/namespaces/{}/pods", install.namespace);
    until("every resource to be seen in the cloud", MIRRORED, async || {
        // The mirroring is what is waited for, and it needs the processor.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let leader = install.leader().await;
        let request = http::Request::get(format!("{path}/{leader}:8080/proxy/metrics")).body(Vec::new()).unwrap();
        let asked = tokio::time::timeout(Duration::from_secs(10), install.bed.client.request_text(request)).await;
        let metrics = asked.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let running = metrics.lines().find_map(|line| line.strip_prefix("gaap_proxies{state=\"RUNNING\"} "));
        if running == Some(&RESOURCES.to_string()) { Ok(()) } else { Err(format!("{running:?}")) }
    })
    .await;
    eprintln!(
        "memory of the pods with {RESOURCES} resources: {:?} MB; all were mirrored {} s after the first was made",
        memory().await,
        begun.elapsed().as_secs()
    );
    install.all_ready(2).await;
    // Beyond its memory it would be killed.
    install.went_on().await;
    // The resources go with the namespace; their proxies live, since nobody is there to destroy them.
    install.finish().await;
}
