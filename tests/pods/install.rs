//! One installation of the chart: what a cluster admin does, and what a user of it sees.

use std::sync::Arc;
use std::time::Duration;

use control_plane::Position;
use futures::future::join_all;
use gaap_operator::crd::GaapProxy;
use gaap_simulator::{DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY, DEFAULT_UIN};
use k8s_openapi::jiff::Timestamp;
use kube::api::Api;
use oracle::{Account, Context, Secret};
use serde_json::{Value, json};

use crate::bed::{Bed, CHART, image, is_foreign, run};
use crate::cloud::Cloud;
use crate::patience::until;

/// The release: Deployment and ServiceAccount have its name.
pub const RELEASE: &str = "gaap-operator";
/// The Secret with the API key.
pub const SECRET: &str = "gaap-credentials";
/// A pod starts, pulls nothing, and is ready within seconds; on a loaded machine it takes its time.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Times short enough for a test, as the oracle is told them.
const POLL: Duration = Duration::from_millis(300);
const SETTLE: Duration = Duration::from_secs(3);

/// A namespace that enforces the restricted standard, with a cloud, a Secret and a release.
pub struct Install {
    pub bed: Arc<Bed>,
    pub namespace: String,
    pub cloud: Cloud,
    /// A permission is taken away in this test.
    pub expects_denials: bool,
    since: Option<Position>,
    /// From when to when the release was uninstalled. Its permissions go before its pods, which may then be refused to give
    /// the Lease back: a reinstall waits for its expiry.
    uninstalled: std::sync::Mutex<Vec<(Timestamp, Timestamp)>>,
    logs: std::sync::Mutex<Vec<String>>,
}

impl Install {
    /// A namespace with a cloud, and nothing installed. None where no pods can run.
    pub async fn bare(name: &str, proxies: u32) -> Option<Self> {
        let bed = Bed::shared().await?;
        Some(Self::on(bed, name, proxies).await)
    }

    /// The same on this cluster.
    pub async fn on(bed: Arc<Bed>, name: &str, proxies: u32) -> Self {
        let namespace = format!("{name}-{:04x}", std::process::id() % 0x10000);
        let since = bed.plane.node().map(|_| bed.plane.audit().position().unwrap());
        bed.kubectl(&["create", "namespace", &namespace]).await;
        let standard = "pod-security.kubernetes.io/enforce=restricted";
        bed.kubectl(&["label", "namespace", &namespace, standard]).await;
        let cloud = Cloud::start(&bed, &namespace, proxies).await;
        Self {
            bed,
            namespace,
            cloud,
            expects_denials: false,
            since,
            uninstalled: std::sync::Mutex::default(),
            logs: std::sync::Mutex::default(),
        }
    }

    /// With the Secret and a release of two ready replicas.
    pub async fn ready(name: &str, proxies: u32) -> Option<Self> {
        let install = Self::bare(name, proxies).await?;
        install.make_secret(DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY).await;
        install.helm_install(&["--wait"]).await;
        Some(install)
    }

    /// Makes the Secret, or gives it this key.
    pub async fn make_secret(&self, secret_id: &str, secret_key: &str) {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET},
                            "stringData": {"secretId": secret_id, "secretKey": secret_key}});
        self.bed.kubectl_with(&["apply", "-n", &self.namespace], &secret.to_string()).await;
    }

    /// `helm upgrade --install` of this repository's chart.
    pub async fn helm_install(&self, more: &[&str]) -> String {
        self.helm_install_chart(CHART, more).await
    }

    /// The same of any chart.
    pub async fn helm_install_chart(&self, chart: &str, more: &[&str]) -> String {
        self.helm_install_polling(chart, "300ms", more).await
    }

    /// The same with this `--destroy-poll`.
    pub async fn helm_install_polling(&self, chart: &str, poll: &str, more: &[&str]) -> String {
        let (repository, tag) = image("gaap-operator");
        let flags = format!("{{--destroy-poll={poll},--absence-spacing=300ms,--settle-time=3s,--request-timeout=10s}}");
        let values = [
            format!("image.repository={repository}"),
            format!("image.tag={tag}"),
            "image.pullPolicy=IfNotPresent".to_owned(),
            format!("credentials.existingSecret={SECRET}"),
            format!("cloud.endpoint={}", self.cloud.url),
            "cloud.allowInsecureEndpoint=true".to_owned(),
            format!("watchNamespaces={{{}}}", self.namespace),
            "crds.enabled=false".to_owned(),
            format!("extraArgs={flags}"),
        ];
        let mut arguments = vec!["upgrade", "--install", RELEASE, chart, "-n", &self.namespace, "--timeout", "120s"];
        for value in &values {
            arguments.extend(["--set", value]);
        }
        arguments.extend(more);
        self.bed.helm(&arguments).await
    }

    /// `helm` in the namespace.
    pub async fn helm(&self, arguments: &[&str]) -> String {
        self.bed.helm(&[arguments, &["-n", &self.namespace, "--timeout", "120s"]].concat()).await
    }

    /// `helm uninstall`, after the logs of the pods were read.
    pub async fn uninstall(&self) {
        self.keep_logs().await;
        let from = Timestamp::now();
        self.helm(&["uninstall", RELEASE, "--wait"]).await;
        // Helm waits for what it made: the pods, which a controller made, may still be ending and ask for a while.
        until("the end of every pod", PATIENCE, async || {
            let pods = self.pods().await;
            if pods.is_empty() { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await;
        self.uninstalled.lock().unwrap().push((from, Timestamp::now()));
    }

    /// `kubectl` in the namespace.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        self.bed.kubectl(&[&["-n", &self.namespace], arguments].concat()).await
    }

    /// A resource for each proxy: `edge-1` for `link-sim00001`, and so on.
    pub async fn create(&self, numbers: std::ops::RangeInclusive<u32>) {
        let one = |number: u32| {
            json!({"apiVersion": "gaap-operator.io/v1alpha1", "kind": "GaapProxy",
                   "metadata": {"name": format!("edge-{number}")}, "spec": {"proxyId": proxy(number)}})
        };
        let list = json!({"apiVersion": "v1", "kind": "List", "items": numbers.map(one).collect::<Vec<_>>()});
        self.bed.kubectl_with(&["apply", "-n", &self.namespace], &list.to_string()).await;
    }

    /// Waits until all resources are Ready.
    pub async fn available(&self) {
        self.kubectl(&["wait", "--for=condition=Ready", "gaapproxies", "--all", "--timeout=120s"]).await;
    }

    /// `kubectl delete --wait=false`.
    pub async fn delete(&self, names: &[&str]) {
        self.kubectl(&[&["delete", "gaap", "--wait=false"], names].concat()).await;
    }

    /// Waits until a resource is gone.
    pub async fn gone(&self, name: &str) {
        until(&format!("{name} gone"), PATIENCE, async || match self.resources().get_opt(name).await {
            Ok(None) => Ok(()),
            Ok(Some(object)) => Err(serde_json::to_string(&object.status).unwrap()),
            Err(error) => Err(error.to_string()),
        })
        .await;
    }

    pub fn resources(&self) -> Api<GaapProxy> {
        Api::namespaced(self.bed.client.clone(), &self.namespace)
    }

    /// Each of these proxies was destroyed by one accepted request, and every request for it was the same.
    pub async fn destroyed_once(&self, numbers: std::ops::RangeInclusive<u32>) {
        let requests = self.cloud.requests().await;
        for id in numbers.map(proxy) {
            let sent: Vec<&Value> = requests
                .iter()
                .filter(|entry| entry["action"] == "DestroyProxies" && entry["ids"] == json!([id]))
                .collect();
            let accepted = sent.iter().filter(|entry| entry["acceptedIds"] == json!([id])).count();
            assert_eq!(accepted, 1, "{id}: {sent:?}");
            assert!(sent.iter().all(|entry| entry["clientToken"] == sent[0]["clientToken"]), "{id}: {sent:?}");
        }
    }

    /// Uninstalls the release and judges the promises. On somebody else's cluster there is no audit log: then what the
    /// cloud received is all there is to judge by, and one line says so.
    pub async fn finish(self) {
        let (_, listed) = run(self.helm_list(), None).await;
        if listed.contains(RELEASE) {
            if is_foreign() {
                // Or their finalizers would hold the namespace for ever. Our own node ends with everything on it.
                self.kubectl(&["delete", "gaap", "--all", "--timeout=120s"]).await;
            }
            self.uninstall().await;
        }
        self.cloud.clear_faults().await;
        until("the end of every request at the cloud", PATIENCE, async || {
            let open = self.cloud.requests().await.iter().filter(|entry| entry["completed"] == false).count();
            if open == 0 { Ok(()) } else { Err(format!("{open} open")) }
        })
        .await;
        self.judge().await;
        self.kubectl(&["delete", "namespace", &self.namespace, "--wait=false"]).await;
    }

    fn helm_list(&self) -> tokio::process::Command {
        let mut command = self.bed.plane.helm();
        command.args(["list", "-a", "-q", "-n", &self.namespace]);
        command
    }

    /// Remembers what the pods have logged so far: it goes with them, and no secret may be in it.
    pub async fn keep_logs(&self) {
        let pods = self.pods().await;
        let logs = join_all(pods.iter().map(async |pod| self.log(&pod.name).await)).await;
        self.logs.lock().unwrap().extend(logs);
    }

    async fn judge(&self) {
        let Some(since) = self.since else {
            eprintln!("{}: no audit log here, so only what the cloud received was looked at", self.namespace);
            return;
        };
        let user = format!("system:serviceaccount:{}:{RELEASE}", self.namespace);
        let audit = self.bed.plane.settled_audit(since).await.unwrap();
        let uninstalled = self.uninstalled.lock().unwrap().clone();
        let mut denied = oracle::denied(&audit, &user);
        denied.retain(|entry| {
            let time = entry["requestReceivedTimestamp"].as_str().unwrap_or_default().parse::<Timestamp>().unwrap();
            !uninstalled.iter().any(|(from, to)| *from <= time && time <= *to)
        });
        assert!(
            denied.is_empty() != self.expects_denials,
            "{}: RBAC denied requests of the operator:\n{denied:#?}",
            self.namespace
        );
        let events: Api<k8s_openapi::api::events::v1::Event> =
            Api::namespaced(self.bed.client.clone(), &self.namespace);
        let events = events.list(&Default::default()).await.unwrap();
        let context = Context {
            operator_users: vec![user],
            namespaces: vec![self.namespace.clone()],
            watched_namespaces: vec![self.namespace.clone()],
            lease_namespace: Some(self.namespace.clone()),
            absence_spacing: POLL,
            settle_time: SETTLE,
            accounts: vec![Account { id: DEFAULT_UIN.to_owned(), endpoint: self.cloud.url.clone() }],
            secrets: [DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY].map(Secret::from).into(),
            events: events.items.iter().map(|event| serde_json::to_value(event).unwrap()).collect(),
            texts: self.logs.lock().unwrap().iter().map(|log| ("log of a pod".to_owned(), log.clone())).collect(),
            ..Context::default()
        };
        let verdict = oracle::judge(&audit, &self.cloud.requests().await, &context);
        println!("{}: {verdict}", self.namespace);
        assert!(verdict.is_clean(), "{}: the oracle says\n{verdict}", self.namespace);
    }
}

/// The id of a proxy of the cloud.
pub fn proxy(number: u32) -> String {
    format!("link-sim{number:05}")
}
