//! How a world is made.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use gaap_simulator::{
    AbsentAnswer, Config, Credential, DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY, DEFAULT_UIN, Settings, Simulator,
};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use secrecy::ExposeSecret;

use super::gate::Gate;
use super::operator::{Launch, Operator, Release, write_credentials};
use super::rights::until_allowed;
use super::shared::{Cluster, RELEASE, SYSTEM, guard, on_services, turn};
use super::sight::Sight;
use super::world::{AT_WORK, FLAGS, SECOND_KEY, World};

static NUMBER: AtomicUsize = AtomicUsize::new(0);

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
    processes: Processes,
    alone: bool,
    start: bool,
}

/// How many operators there are, and which of them acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Processes {
    One,
    /// Two, of which the leader acts.
    Elected,
    /// Two that act at once, as when somebody installs it twice: nobody elects anybody.
    Both,
}

impl World {
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
            processes: Processes::One,
            alone: false,
            start: true,
        }
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

    /// Each operator reaches the API server through a [`Gate`] of its own.
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
        self.processes = Processes::Elected;
        self
    }

    /// Two operators that know nothing of each other and act at once.
    pub fn both_at_once(mut self) -> Self {
        self.processes = Processes::Both;
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

        let client = admin(&cluster).await;
        let config = Config { proxies: self.proxies, settings: self.settings.clone(), ..Config::default() };
        let simulator = on_services(async { Simulator::start(config).await.unwrap() }).await;
        let folder = guard().await.folder().join(&name);
        let credentials = folder.join("credentials");
        std::fs::create_dir_all(&credentials).unwrap();
        if self.credentials {
            write_credentials(&credentials, DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY);
        }
        let watched = if self.watch_all { Vec::new() } else { namespaces.clone() };
        let mut arguments: Vec<String> =
            watched.iter().map(|namespace| format!("--watch-namespace={namespace}")).collect();
        let scheme = if self.https { "https" } else { "http" };
        arguments.push(format!("--gaap-endpoint={}", simulator.url().replacen("http", scheme, 1)));
        arguments.push("--allow-insecure-endpoint".to_owned());
        arguments.extend(self.flags.iter().map(|(flag, value)| format!("{flag}={value}")));
        arguments.extend(self.switches);
        if self.processes == Processes::Elected {
            arguments.extend(["--leader-elect".to_owned(), format!("--leader-election-namespace={namespace}")]);
            allow_leases(&cluster, &client, &namespace).await;
        }
        let mut gates = Vec::new();
        let mut replica = async |place: &str, credentials: &Path| {
            let mut kubeconfig = cluster.plane().service_account_kubeconfig(SYSTEM, RELEASE).await.unwrap();
            let credential = credential_id(&kubeconfig);
            if self.gate {
                let real = kubeconfig;
                let gate = on_services(async move { Gate::open(&real).await }).await;
                kubeconfig = folder.join(format!("kubeconfig-{place}"));
                std::fs::write(&kubeconfig, plain_kubeconfig(&gate.url())).unwrap();
                gates.push(gate);
            }
            let own = format!("--credentials-dir={}", credentials.display());
            Operator::new(Launch {
                name: format!("{name}-{place}"),
                release: Release::Present,
                kubeconfig,
                credential,
                flags: arguments.iter().cloned().chain([own]).collect(),
                // Of the pod; the identity in the Lease begins with it.
                environment: [("HOSTNAME".to_owned(), place.to_owned())]
                    .into_iter()
                    .chain(self.environment.clone())
                    .collect(),
                log: folder.join(format!("{place}.log")),
            })
        };
        let operator = replica("first", &credentials).await;
        let second = match self.processes {
            Processes::One => None,
            Processes::Elected | Processes::Both => {
                // A key of its own, of the same account: the cloud's log tells which of the two sent what.
                let folder = folder.join("credentials-second");
                write_credentials(&folder, SECOND_KEY.0, SECOND_KEY.1);
                simulator.control().put_credential(Credential::new(SECOND_KEY.0, SECOND_KEY.1, DEFAULT_UIN));
                Some(replica("second", &folder).await)
            }
        };
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
            credentials,
            simulator,
            gates,
            watches,
            _turn: turn,
        };
        if self.start {
            world.start_all().await;
        }
        world
    }
}

/// The Role that the chart grants in its own namespace, in this one too: each world has a Lease of its own.
async fn allow_leases(cluster: &Cluster, client: &Client, namespace: &str) {
    let role = format!("{RELEASE}-leader-election");
    for kind in ["role", "rolebinding"] {
        let granted = cluster.kubectl(&["get", kind, &role, "--namespace", SYSTEM, "--output", "json"]).await;
        let mut granted: serde_json::Value = serde_json::from_str(&granted).unwrap();
        granted["metadata"] = serde_json::json!({"name": role, "namespace": namespace});
        cluster.kubectl_with(&["create"], &granted.to_string()).await;
    }
    // A denial of the operator fails the test.
    until_allowed(client, "create", ("coordination.k8s.io", "leases"), namespace, true).await;
}

/// A client of the administrator.
pub(super) async fn admin(cluster: &Cluster) -> Client {
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

/// The id of the token in a kubeconfig, as the audit log of the API server tells it.
fn credential_id(kubeconfig: &Path) -> String {
    let config = Kubeconfig::read_from(kubeconfig).unwrap();
    let user = config.auth_infos.iter().find_map(|named| named.auth_info.as_ref()).expect("a user");
    let token = user.token.as_ref().expect("a token").expose_secret();
    let claims = token.split('.').nth(1).expect("the claims of a token");
    let claims = data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    format!("JTI={}", claims["jti"].as_str().expect("the id of a token"))
}

/// A name for a namespace.
fn slug(name: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(plain).take(40).collect();
    name.trim_matches('-').to_owned()
}
