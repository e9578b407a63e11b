//! Series of the controller (names of design §4). Labels come from closed sets only: states that the cloud may add
//! are counted as `other`, names and error texts are never labels.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::controller::reasons::Reason;
use crate::controller::tables::give_back;
use crate::gaap::ProxyStatus;
use crate::process::clock::Clock;
use crate::process::leader::Leadership;

const CONTROLLER: &str = "gaapproxy";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabel {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    controller: &'static str,
    result: &'static str,
}

const LABEL: ControllerLabel = ControllerLabel { controller: CONTROLLER };

/// What is shown of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    state: &'static str,
    /// Boxed, for most resources are not being deleted.
    deletion: Option<Box<Deletion>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Deletion {
    step: &'static str,
    /// deletionTimestamp, seconds since 1970.
    since: i64,
}

/// The series of this room.
pub struct ControllerMetrics {
    reconciles: Family<ResultLabel, Counter>,
    errors: Family<ControllerLabel, Counter>,
    seconds: Family<ControllerLabel, Histogram>,
    workers: Family<ControllerLabel, Gauge>,
    deletion_seconds: Histogram,
    /// By uid. Bounded by the resources there are.
    facts: Mutex<HashMap<Arc<str>, Facts>>,
    clock: Arc<dyn Clock>,
    leadership: Leadership,
}

impl ControllerMetrics {
    /// Registers the series. A process that stands by shows no resources: a sum over the replicas would count each of
    /// them once more, and as unseen.
    pub fn new(registry: &mut Registry, concurrency: u16, clock: Arc<dyn Clock>, leadership: Leadership) -> Arc<Self> {
        let metrics = Arc::new(ControllerMetrics {
            reconciles: Family::default(),
            errors: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.5, 12))),
            workers: Family::default(),
            deletion_seconds: Histogram::new([
                5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 86400.0,
            ]),
            facts: Mutex::default(),
            clock,
            leadership,
        });
        let maximum = Family::<ControllerLabel, Gauge>::default();
        maximum.get_or_create(&LABEL).set(i64::from(concurrency));
        metrics.errors.get_or_create(&LABEL).inc_by(0);
        metrics.workers.get_or_create(&LABEL).set(0);
        for result in ["success", "error", "requeue_after"] {
            metrics.reconciles.get_or_create(&ResultLabel { controller: CONTROLLER, result }).inc_by(0);
        }
        let name = "controller_runtime_reconcile";
        registry.register(name, "Reconciles by result", metrics.reconciles.clone());
        registry.register(format!("{name}_errors"), "Reconciles that failed", metrics.errors.clone());
        registry.register(format!("{name}_time_seconds"), "Time of a reconcile", metrics.seconds.clone());
        registry.register("controller_runtime_active_workers", "Reconciles running now", metrics.workers.clone());
        registry.register("controller_runtime_max_concurrent_reconciles", "Setting --concurrency", maximum);
        registry.register(
            "gaap_deletion_duration_seconds",
            "From kubectl delete to the proved end of the proxy",
            metrics.deletion_seconds.clone(),
        );
        registry.register_collector(Box::new(Gauges(metrics.clone())));
        metrics
    }

    /// Counts a reconcile as running.
    pub fn reconcile_begins(self: &Arc<Self>) -> Running {
        self.workers.get_or_create(&LABEL).inc();
        Running(self.clone())
    }

    /// A deletion has come to its end after so many seconds.
    pub fn deletion_ended(&self, seconds: i64) {
        #[expect(clippy::cast_precision_loss, reason = "seconds of a deletion are far below 2^52")]
        self.deletion_seconds.observe(seconds.max(0) as f64);
    }

    /// An object that cannot be read.
    pub fn malformed(&self) {
        self.errors.get_or_create(&LABEL).inc();
    }

    /// A resource that was listed or made. Only the watch begins and ends what is shown of one.
    pub fn meet(&self, uid: &Arc<str>) {
        let unseen = Facts { state: state_label(None), deletion: None };
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).entry(uid.clone()).or_insert(unseen);
    }

    /// Takes in what a reconcile found.
    pub fn observe(&self, uid: &str, state: Option<&str>, step: Option<Reason>, deleted: Option<i64>, finished: bool) {
        let mut all = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if finished {
            all.remove(uid);
        } else if let Some(facts) = all.get_mut(uid) {
            let step = step.unwrap_or(Reason::Requesting).as_str();
            let deletion = deleted.map(|since| Box::new(Deletion { step, since }));
            *facts = Facts { state: state_label(state), deletion };
        }
    }

    /// A resource is gone.
    pub fn forget(&self, uid: &str) {
        let mut all = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(uid);
        give_back(&mut all);
    }
}

fn state_label(state: Option<&str>) -> &'static str {
    let Some(state) = state else { return "unseen" };
    match ProxyStatus::from(state) {
        ProxyStatus::Running => "RUNNING",
        ProxyStatus::Closed => "CLOSED",
        ProxyStatus::Isolated => "ISOLATED",
        ProxyStatus::CreateFailed => "CREATE_FAILED",
        ProxyStatus::Creating => "CREATING",
        ProxyStatus::Opening => "OPENING",
        ProxyStatus::Closing => "CLOSING",
        ProxyStatus::Adjusting => "ADJUSTING",
        ProxyStatus::Cloning => "CLONING",
        ProxyStatus::Moving => "MOVING",
        ProxyStatus::Recovering => "RECOVERING",
        ProxyStatus::Isolating => "ISOLATING",
        ProxyStatus::Destroying => "DESTROYING",
        ProxyStatus::Unknown(_) => "other",
    }
}

/// A reconcile that is counted as running until this is dropped, also when it is cut off.
pub struct Running(Arc<ControllerMetrics>);

impl Running {
    /// The reconcile came to its end.
    pub fn ends(self, failed: bool, requeued: bool, took: Duration) {
        let result = match (failed, requeued) {
            (true, _) => "error",
            (false, true) => "requeue_after",
            (false, false) => "success",
        };
        self.0.reconciles.get_or_create(&ResultLabel { controller: CONTROLLER, result }).inc();
        if failed {
            self.0.errors.get_or_create(&LABEL).inc();
        }
        self.0.seconds.get_or_create(&LABEL).observe(took.as_secs_f64());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.workers.get_or_create(&LABEL).dec();
    }
}

/// Gauges that are counted when somebody asks: nothing has to be kept in step.
struct Gauges(Arc<ControllerMetrics>);

impl std::fmt::Debug for Gauges {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Gauges")
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut states = BTreeMap::<&str, i64>::new();
        let mut steps = BTreeMap::<&str, i64>::new();
        let mut oldest: Option<i64> = None;
        let now = self.0.clock.now();
        let facts = self.0.facts.lock().unwrap_or_else(PoisonError::into_inner);
        for facts in facts.values().filter(|_| self.0.leadership.acts(now.monotonic)) {
            *states.entry(facts.state).or_default() += 1;
            if let Some(deletion) = &facts.deletion {
                *steps.entry(deletion.step).or_default() += 1;
                oldest = oldest.into_iter().chain([deletion.since]).min();
            }
        }
        drop(facts);
        let now = i64::try_from(now.unix.as_secs()).unwrap_or_default();
        let pending = oldest.map_or(0, |deleted| now.saturating_sub(deleted).max(0));
        for (name, help, label, counts) in [
            ("gaap_proxies", "Resources by state of their proxy", "state", states),
            ("gaap_deletions_in_progress", "Deletions by step", "step", steps),
        ] {
            let gauge_type = prometheus_client::metrics::MetricType::Gauge;
            let mut family = encoder.encode_descriptor(name, help, None, gauge_type)?;
            for (value, count) in counts {
                ConstGauge::new(count).encode(family.encode_family(&[(label, value)])?)?;
            }
        }
        let help = "Age of the oldest deletion that has not come to its end";
        let gauge = ConstGauge::new(pending);
        gauge.encode(encoder.encode_descriptor(
            "gaap_oldest_pending_deletion_seconds",
            help,
            None,
            prometheus_client::metrics::MetricType::Gauge,
        )?)
    }
}
