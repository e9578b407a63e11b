//! The simulated cloud in a pod, reached through the API server, as it would be on anybody's cluster.

use std::time::Duration;

use gaap_simulator::Fault;
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::patience::{LIMIT, in_time, until};

/// A proxy of every cloud: RUNNING, an hour old.
pub const PROXY: &str = "link-sim00001";

/// The cloud of one namespace.
pub struct Cloud {
    client: kube::Client,
    base: String,
    /// The URL by which pods reach it.
    pub url: String,
}

/// Deployment and Service of the simulator, under the restricted standard.
fn manifest(namespace: &str, image: &str, proxies: u32) -> Value {
    let labels = json!({"app": "gaap-simulator"});
    let closed =
        json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
    let container = json!({
        "name": "simulator", "image": image, "imagePullPolicy": "IfNotPresent", "securityContext": closed,
        "args": ["--listen=0.0.0.0:8080", format!("--proxies={proxies}"), "--destroy-duration=700ms"],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/_sim/faults", "port": "http"}, "periodSeconds": 1},
    });
    let pod = json!({
        "automountServiceAccountToken": false, "enableServiceLinks": false, "containers": [container],
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "gaap-simulator", "namespace": namespace},
         "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "gaap-simulator", "namespace": namespace},
         "spec": {"selector": labels, "ports": [{"name": "http", "port": 8080, "targetPort": "http"}]}},
    ]})
}

impl Cloud {
    /// Starts one in this namespace and waits until it answers.
    pub async fn start(bed: &Bed, namespace: &str, proxies: u32) -> Self {
        let (repository, tag) = crate::bed::image("gaap-simulator");
        let manifest = manifest(namespace, &format!("{repository}:{tag}"), proxies);
        bed.kubectl_with(&["apply"], &manifest.to_string()).await;
        bed.kubectl(&["rollout", "status", "-n", namespace, "deployment/gaap-simulator", "--timeout=90s"]).await;
        let service = ["get", "service", "-n", namespace, "gaap-simulator", "-o", "jsonpath={.spec.clusterIP}"];
        // The address and not the name: a test node has no DNS.
        let address = bed.kubectl(&service).await;
        let base = format!("/api/v1/namespaces/{namespace}/services/gaap-simulator:http/proxy/_sim");
        let cloud = Self { client: bed.client.clone(), base, url: format!("http://{address}:8080") };
        until("the cloud", LIMIT, async || cloud.ask("GET", "/faults", None).await).await;
        cloud
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("Content-Type", "application/json")
            .body(body)
            .unwrap();
        let asked = tokio::time::timeout(Duration::from_secs(10), self.client.request_text(request));
        let text = asked.await.map_err(|_| "no answer in 10 s".to_owned())?.map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
    }

    /// A call of the control API that must succeed.
    ///
    /// A busy node takes the simulator out of its Service at times. So it is tried again: where once and twice are the
    /// same, and where it did not arrive.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        until(&format!("{method} {path}"), LIMIT, async || match self.ask(method, path, body.clone()).await {
            Err(error) if method == "POST" && !error.contains("no endpoints available") => {
                in_time(!error.contains("no answer in"), format_args!("{method} {path}: {error}"));
                panic!("{method} {path}: {error}")
            }
            answer => answer,
        })
        .await
    }

    /// Scripts a fault; returns its number.
    pub async fn fault(&self, fault: Fault) -> u64 {
        let made = self.call("POST", "/faults", Some(serde_json::to_value(fault).unwrap())).await;
        made["id"].as_u64().unwrap_or_else(|| panic!("a number in {made}"))
    }

    /// Waits until this fault has hit a request.
    pub async fn fault_hits(&self, fault: u64) {
        until(&format!("fault {fault}"), LIMIT, async || {
            let faults = self.ask("GET", "/faults", None).await?;
            let hit = |entry: &Value| entry["id"] == fault && entry["hits"].as_u64().unwrap_or_default() > 0;
            if faults.as_array().is_some_and(|all| all.iter().any(hit)) { Ok(()) } else { Err(faults.to_string()) }
        })
        .await;
    }

    /// Ends all faults, which lets go what they hold.
    pub async fn clear_faults(&self) {
        self.call("DELETE", "/faults", None).await;
    }

    /// Everything it has received.
    pub async fn requests(&self) -> Vec<Value> {
        let get = async || self.ask("GET", "/requests?after=0", None).await;
        until("the requests at the cloud", LIMIT, get).await.as_array().unwrap().clone()
    }

    /// The requests to destroy this proxy.
    pub async fn destroys(&self, proxy: &str) -> Vec<Value> {
        let mut requests = self.requests().await;
        requests.retain(|entry| {
            entry["action"] == "DestroyProxies"
                && entry["ids"].as_array().is_some_and(|ids| ids.contains(&json!(proxy)))
        });
        requests
    }

    /// How many requests to destroy this proxy it has accepted.
    pub async fn accepted(&self, proxy: &str) -> usize {
        let destroys = self.destroys(proxy).await;
        destroys.iter().filter(|entry| entry["acceptedIds"].as_array().unwrap().contains(&json!(proxy))).count()
    }

    /// Adds a key of an account.
    pub async fn add_key(&self, secret_id: &str, secret_key: &str, uin: &str) {
        let key = json!({"secretId": secret_id, "secretKey": secret_key, "uin": uin});
        self.call("POST", "/credentials", Some(key)).await;
    }
}
