//! One test's world: a namespace, a cloud, an operator.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use control_plane::Position;
use futures::future::join_all;
use gaap_simulator::{AbsentAnswer, Control, DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY, Simulator};
use kube::Client;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::gate::Gate;
use super::operator::{Operator, last_lines, write_credentials};
use super::shared::Cluster;
use super::sight::Sight;

/// A proxy that is in every world's cloud: RUNNING, an hour old.
pub const PROXY: &str = "link-sim00001";
/// Another one.
pub const OTHER: &str = "link-sim00002";

/// The key of the second operator, where there are two: of the same account as the first one's.
pub const SECOND_KEY: (&str, &str) = ("AKIDSIMULATOR00000000000000000000002", "simulatorsimulatorsimulator00002");

/// Both answers that a cloud may give of an absent id (GAAP's own is not documented): left out, or ResourceNotFound.
pub const BOTH: [AbsentAnswer; 2] = [AbsentAnswer::Omit, AbsentAnswer::Error];

/// Times short enough for a test. A flag given by a test replaces the one of the same name.
pub const FLAGS: &[(&str, &str)] = &[
    ("--destroy-poll", "300ms"),
    ("--absence-spacing", "300ms"),
    ("--settle-time", "3s"),
    // Not shorter: a busy machine would make good answers late, and with an election it may not be longer.
    ("--request-timeout", "10s"),
    ("--minimum-age", "120s"),
];

pub(super) static AT_WORK: AtomicUsize = AtomicUsize::new(0);

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
    pub(super) credentials: PathBuf,
    pub(super) simulator: Simulator,
    /// One for each operator, in a world built with `.gate()`.
    pub(super) gates: Vec<Gate>,
    pub(super) watches: [JoinHandle<()>; 2],
    pub(super) _turn: OwnedSemaphorePermit,
}

impl World {
    /// A world with a ready operator.
    pub async fn new(name: &str) -> Self {
        Self::build(name).start().await
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

    /// For messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A client of the administrator.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Starts every operator that is not running, all at once, and waits until they are ready.
    pub async fn start_all(&self) {
        let idle: Vec<&Operator> = self.operators().filter(|operator| !operator.is_running()).collect();
        for operator in &idle {
            operator.spawn().await;
        }
        for operator in &idle {
            operator.ready().await;
        }
    }

    /// Every operator process of this world.
    pub fn operators(&self) -> impl Iterator<Item = &Operator> {
        [&self.operator].into_iter().chain(&self.second)
    }

    /// The operator process.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The other operator, for a world built with two.
    pub fn second(&self) -> &Operator {
        self.second.as_ref().expect("a world built with .replicas() or .both_at_once()")
    }

    /// The cloud: proxies, faults, settings, and the log of what was received.
    pub fn cloud(&self) -> Control {
        self.simulator.control()
    }

    /// URL of the cloud.
    pub fn cloud_url(&self) -> String {
        self.simulator.url()
    }

    /// The gate to the API server of the first operator, for a world built with gates.
    pub fn gate(&self) -> &Gate {
        self.gates.first().expect("a world built with .gate()")
    }

    /// The gates of all operators.
    pub fn gates(&self) -> impl Iterator<Item = &Gate> {
        self.gates.iter()
    }

    /// The gate of this operator.
    pub fn gate_of(&self, operator: &Operator) -> &Gate {
        let place = self.operators().position(|own| own.host() == operator.host()).expect("an operator of this world");
        self.gates.get(place).expect("a world built with .gate()")
    }

    /// The folder with the operator's credentials.
    pub fn credentials(&self) -> &Path {
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

/// Runs a test in a world of each kind, side by side: absent ids left out, and answered with an error.
pub async fn in_both_modes(name: &str, test: impl AsyncFn(World)) {
    let test = &test;
    let run = async |absent: AbsentAnswer| {
        let world = World::build(&format!("{name} {absent:?}")).absent(absent);
        test(world.start().await).await;
    };
    join_all(BOTH.map(run)).await;
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
            if let Some(broken) = self.broken() {
                eprintln!("broken promise: {}: {broken}", self.name);
            }
        } else {
            assert!(self.finished, "{}: a test ends with world.finish().await", self.name);
        }
    }
}
