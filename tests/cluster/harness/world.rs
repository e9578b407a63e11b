//! One test's world: a namespace, a cloud, an operator.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use control_plane::Position;
use futures::future::join_all;
use gaap_simulator::{
    AbsentAnswer, Config, Control, Credential, DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY, DEFAULT_UIN, Settings, Simulator,
};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::gate::Gate;
use super::operator::{Launch, Operator, Release, last_lines, write_credentials};
use super::shared::{Cluster, RELEASE, SYSTEM, guard, on_services, turn};
use super::sight::Sight;

/// A proxy that is in every world's cloud: RUNNING, an hour old.
pub const PROXY: &str = "link-sim00001";
/// Another one.
pub const OTHER: &str = "link-sim00002";

/// Both answers that a cloud may give of an absent id (GAAP's own is not documented): left out, or ResourceNotFound.
pub const BOTH: [AbsentAnswer; 2] = [AbsentAnswer::Omit, AbsentAnswer::Error];

/// Times short enough for a test. A flag given by a test replaces the one of the same name.
pub const FLAGS: &[(&str, &str)] = &[
    ("--destroy-poll", "300ms"),
    ("--absence-spacing", "300ms"),
    ("--settle-time", "3s"),
    ("--request-timeout", "3s"),
    ("--minimum-age", "120s"),
];

/// Another key of the same account.
pub const SECOND_KEY: (&str, &str) = ("AKIDSIMULATOR00000000000000000000002", "simulatorsimulatorsimulator00002");

static NUMBER: AtomicUsize = AtomicUsize::new(0);
static AT_WORK: AtomicUsize = AtomicUsize::new(0);

/// How many worlds are there now, in all tests of this run.
pub fn worlds_at_work() -> usize {
    AT_WORK.load(Ordering::SeqCst)
}

/// A namespace, a cloud of its own with proxies [`PROXY`], [`OTHER`] …, and an operator that watches the namespace.
///
/// Ended by [`World::finish`]; a test that forgets it fails.
pub struct World {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) namespaces: Vec<String>,
    pub(super) watched: Vec<String>,
    pub(super) cluster: Arc<Cluster>,
    pub(super) client: Client,
    pub(super) sight: Sight,
    pub(super) operator: Operator,
    /// The other replica, for a world built with `.replicas()`.
    pub(super) second: Option<Operator>,
    pub(super) flags: Vec<(String, String)>,
    pub(super) since: Position,
    pub(super) finished: bool,
    pub(super) excused: Mutex<Vec<(String, String)>>,
    /// Both operators act.
    pub(super) twins: bool,
    credentials: PathBuf,
    simulator: Simulator,
    gate: Option<Gate>,
    watches: [JoinHandle<()>; 2],
    _turn: OwnedSemaphorePermit,
}

/// How a world is to be. Made by [`World::build`].
pub struct Build {
    name: String,
    cluster: Option<Arc<Cluster>>,
    flags: Vec<(String, String)>,
    switches: Vec<String>,
    environment: Vec<(String, String)>,
    settings: Settings,
    proxies: u32,
    second_namespace: bool,
    watch_all: bool,
    credentials: bool,
    gate: bool,
    https: bool,
    replicas: bool,
    twins: bool,
    alone: bool,
    start: bool,
}

impl World {
    /// A world with a ready operator.
    pub async fn new(name: &str) -> Self {
        Self::build(name).start().await
    }

    /// A world to be set up first. `name` is for messages.
    pub fn build(name: &str) -> Build {
        Build {
            name: name.to_owned(),
            cluster: None,
            flags: FLAGS.iter().map(|(flag, value)| ((*flag).to_owned(), (*value).to_owned())).collect(),
            switches: Vec::new(),
            environment: Vec::new(),
            settings: Settings { destroy_duration_ms: 700, ..Settings::default() },
            proxies: 4,
            second_namespace: false,
            watch_all: false,
            credentials: true,
            gate: false,
            https: false,
            replicas: false,
            twins: false,
            alone: false,
            start: true,
        }
    }

    /// For messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The second namespace, for a world built with one.
    pub fn second_namespace(&self) -> &str {
        self.namespaces.get(1).expect("a world built with .second_namespace()")
    }

    /// Its control plane.
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// A client of the administrator.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Starts every operator that is not running, and waits until it is ready.
    pub async fn start_all(&self) {
        for operator in self.operators().filter(|operator| !operator.is_running()) {
            operator.start().await;
        }
    }

    /// Every operator process of this world.
    pub(super) fn operators(&self) -> impl Iterator<Item = &Operator> {
        [&self.operator].into_iter().chain(&self.second)
    }

    /// The operator process.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The cloud: proxies, faults, settings, and the log of what was received.
    pub fn cloud(&self) -> Control {
        self.simulator.control()
    }

    /// URL of the cloud.
    pub fn cloud_url(&self) -> String {
        self.simulator.url()
    }

    /// The gate to the API server, for a world built with one.
    pub fn gate(&self) -> &Gate {
        self.gate.as_ref().expect("a world built with .gate()")
    }

    /// The folder with the operator's credentials.
    pub fn credentials(&self) -> &std::path::Path {
        &self.credentials
    }

    /// Writes the operator's credentials; it takes them up by itself.
    pub fn write_credentials(&self, secret_id: &str, secret_key: &str) {
        write_credentials(&self.credentials, secret_id, secret_key);
    }

    /// Writes the credentials that the cloud knows.
    pub fn write_good_credentials(&self) {
        self.write_credentials(DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY);
    }
}

impl Build {
    /// On this control plane and not the shared one.
    pub fn on(mut self, cluster: &Arc<Cluster>) -> Self {
        self.cluster = Some(cluster.clone());
        self
    }

    /// Sets a flag with a value.
    pub fn flag(mut self, flag: &str, value: &str) -> Self {
        self.flags.retain(|(name, _)| name != flag);
        self.flags.push((flag.to_owned(), value.to_owned()));
        self
    }

    /// Sets a variable of the operator's environment.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How the cloud speaks of an id that is not there.
    pub fn absent(mut self, answer: AbsentAnswer) -> Self {
        self.settings.absent_in_describe = answer;
        self
    }

    /// Changes how the cloud behaves.
    pub fn cloud(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// So many proxies in the cloud.
    pub fn proxies(mut self, count: u32) -> Self {
        self.proxies = count;
        self
    }

    /// A second namespace, which the operator watches too. The helpers of [`World`] speak of the first.
    pub fn second_namespace(mut self) -> Self {
        self.second_namespace = true;
        self
    }

    /// The operator watches all namespaces. Only on a control plane of one's own: it would act in other worlds.
    pub fn watch_all(mut self) -> Self {
        self.watch_all = true;
        self
    }

    /// The credentials folder is empty at first.
    pub fn without_credentials(mut self) -> Self {
        self.credentials = false;
        self
    }

    /// The operator reaches the API server through a [`Gate`].
    pub fn gate(mut self) -> Self {
        self.gate = true;
        self
    }

    /// The operator is told an https URL of the cloud, which speaks plain http: the handshake fails.
    pub fn https(mut self) -> Self {
        self.https = true;
        self
    }

    /// Two operators that elect a leader (see `replicas.rs`). Their Lease is in the world's namespace.
    pub fn replicas(mut self) -> Self {
        self.replicas = true;
        self
    }

    /// Two operators that know nothing of each other and act at the same time. The second signs with
    /// [`SECOND_KEY`], so that the cloud's log tells who sent what.
    pub fn twins(mut self) -> Self {
        self.twins = true;
        self
    }

    /// No other world is at work meanwhile: for a test that measures times.
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// The operator is not started yet.
    pub fn operator_stopped(mut self) -> Self {
        self.start = false;
        self
    }

    /// Makes the world. With an operator, this waits until it is ready.
    pub async fn start(self) -> World {
        let turn = turn(self.alone).await;
        assert!(
            !self.watch_all || self.cluster.is_some(),
            "an operator for all namespaces needs a control plane of its own"
        );
        let cluster = match &self.cluster {
            Some(cluster) => cluster.clone(),
            None => Cluster::shared().await,
        };
        let name = format!("{}-{}", slug(&self.name), NUMBER.fetch_add(1, Ordering::Relaxed));
        let namespace = format!("{name}-{:04x}", std::process::id() % 0x10000);
        let since = cluster.plane().audit().position().unwrap();
        let mut namespaces = vec![namespace.clone()];
        if self.second_namespace {
            namespaces.push(format!("{namespace}-b"));
        }
        for namespace in &namespaces {
            cluster.kubectl(&["create", "namespace", namespace]).await;
        }

        let mut config = Config { proxies: self.proxies, settings: self.settings.clone(), ..Config::default() };
        if self.twins {
            config.credentials.push(Credential::new(SECOND_KEY.0, SECOND_KEY.1, DEFAULT_UIN));
        }
        let simulator = on_services(async { Simulator::start(config).await.unwrap() }).await;
        let folder = guard().await.folder().join(&name);
        let credentials = folder.join("credentials");
        std::fs::create_dir_all(&credentials).unwrap();
        if self.credentials {
            write_credentials(&credentials, DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY);
        }
        let mut kubeconfig = cluster.plane().service_account_kubeconfig(SYSTEM, RELEASE).await.unwrap();
        let gate = match self.gate {
            true => {
                let real = kubeconfig;
                let gate = on_services(async move { Gate::open(&real).await }).await;
                kubeconfig = folder.join("kubeconfig");
                std::fs::write(&kubeconfig, plain_kubeconfig(&gate.url())).unwrap();
                Some(gate)
            }
            false => None,
        };
        let watched = if self.watch_all { Vec::new() } else { namespaces.clone() };
        let mut arguments: Vec<String> =
            watched.iter().map(|namespace| format!("--watch-namespace={namespace}")).collect();
        let scheme = if self.https { "https" } else { "http" };
        arguments.push(format!("--gaap-endpoint={}", simulator.url().replacen("http", scheme, 1)));
        arguments.push("--allow-insecure-endpoint".to_owned());
        arguments.extend(self.flags.iter().map(|(flag, value)| format!("{flag}={value}")));
        arguments.extend(self.switches);
        if self.replicas {
            arguments.extend(["--leader-elect".to_owned(), format!("--leader-election-namespace={namespace}")]);
            allow_leases(&cluster, &namespace).await;
        }
        let replica = |place: &str, credentials: &Path| {
            let credentials = format!("--credentials-dir={}", credentials.display());
            Operator::new(Launch {
                name: format!("{name}-{place}"),
                release: Release::Present,
                kubeconfig: kubeconfig.clone(),
                flags: arguments.iter().cloned().chain([credentials]).collect(),
                // Of the pod; the identity in the Lease begins with it.
                environment: [("HOSTNAME".to_owned(), place.to_owned())]
                    .into_iter()
                    .chain(self.environment.clone())
                    .collect(),
                log: folder.join(format!("{place}.log")),
            })
        };
        let operator = replica("first", &credentials);
        let second = if self.twins {
            let own = folder.join("second-credentials");
            write_credentials(&own, SECOND_KEY.0, SECOND_KEY.1);
            Some(replica("second", &own))
        } else {
            self.replicas.then(|| replica("second", &credentials))
        };
        let client = admin(&cluster).await;
        let (sight, watches) = Sight::begin(&client, &namespace);
        AT_WORK.fetch_add(1, Ordering::SeqCst);
        let world = World {
            name: self.name,
            namespaces,
            namespace,
            watched,
            cluster,
            client,
            sight,
            operator,
            second,
            flags: self.flags,
            since,
            finished: false,
            excused: Mutex::default(),
            twins: self.twins,
            credentials,
            simulator,
            gate,
            watches,
            _turn: turn,
        };
        if self.start {
            world.start_all().await;
        }
        world
    }
}

/// Runs a test in a world of each kind, side by side: absent ids left out, and answered with an error.
pub async fn in_both_modes(name: &str, test: impl AsyncFn(World)) {
    let test = &test;
    let run = async |absent: AbsentAnswer| {
        let world = World::build(&format!("{name} {absent:?}")).absent(absent);
        test(world.start().await).await;
    };
    join_all(BOTH.map(run)).await;
}

/// The Role that the chart grants in its own namespace, in this one too: each world has a Lease of its own.
async fn allow_leases(cluster: &Cluster, namespace: &str) {
    let role = format!("{RELEASE}-leader-election");
    for kind in ["role", "rolebinding"] {
        let granted = cluster.kubectl(&["get", kind, &role, "--namespace", SYSTEM, "--output", "json"]).await;
        let mut granted: serde_json::Value = serde_json::from_str(&granted).unwrap();
        granted["metadata"] = serde_json::json!({"name": role, "namespace": namespace});
        cluster.kubectl_with(&["create"], &granted.to_string()).await;
    }
}

async fn admin(cluster: &Cluster) -> Client {
    // The operator under test chooses for itself; two providers are linked into no binary of this repository.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = Kubeconfig::read_from(cluster.plane().admin_kubeconfig()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

fn plain_kubeconfig(server: &str) -> String {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "gate",
        "clusters": [{"name": "gate", "cluster": {"server": server}}],
        "users": [{"name": "gate", "user": {}}],
        "contexts": [{"name": "gate", "context": {"cluster": "gate", "user": "gate"}}],
    })
    .to_string()
}

/// A name for a namespace.
fn slug(name: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(plain).take(40).collect();
    name.trim_matches('-').to_owned()
}

impl Drop for World {
    fn drop(&mut self) {
        AT_WORK.fetch_sub(1, Ordering::SeqCst);
        for watch in &self.watches {
            watch.abort();
        }
        if std::thread::panicking() {
            let log: Vec<String> = self.cloud().requests(0).iter().map(|entry| format!("{entry:?}")).collect();
            eprintln!(
                "=== {} (namespace {}): what the cloud received\n{}",
                self.name,
                self.namespace,
                last_lines(&log.join("\n"), 30)
            );
            for operator in self.operators() {
                eprintln!("=== the end of an operator's log\n{}\n===", last_lines(&operator.log(), 60));
            }
        } else {
            assert!(self.finished, "{}: a test ends with world.finish().await", self.name);
        }
    }
}
