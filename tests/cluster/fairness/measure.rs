//! Many resources, and how long their deletions take.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use gaap_operator::crd::{FINALIZER, GaapProxy};
use gaap_simulator::{Entry, ProxySpec};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, ListParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::harness::{Soon, WIDE, World, in_time, until};

/// Far above what a small machine needs for some hundred deletions.
pub const LONG: Duration = Duration::from_secs(150);

/// A row of figures to the terminal, whatever becomes of the test: the test harness shows what tests print only when
/// they fail.
pub fn tell(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// `PREFIX-0`, `PREFIX-1` …
pub fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|place| format!("{prefix}-{place}")).collect()
}

/// The proxy of the resource of this name.
pub fn proxy_of(name: &str) -> String {
    format!("link-{}", name.replace('-', "x"))
}

/// How resources are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// As a user makes them.
    New,
    /// With the finalizer in place, and deleted.
    Deleted,
}

/// Makes proxies and resources for them, through the API: kubectl takes one after the other.
pub async fn make(world: &World, namespace: &str, names: &[String], how: Make) {
    for name in names {
        world.cloud().add_proxy(&ProxySpec::named(proxy_of(name))).unwrap();
    }
    make_without_proxies(world, namespace, names, how).await;
}

/// The same for proxies that are not there.
pub async fn make_without_proxies(world: &World, namespace: &str, names: &[String], how: Make) {
    let api: Api<GaapProxy> = Api::namespaced(world.client(), namespace);
    let finalizers = if how == Make::New { json!([]) } else { json!([FINALIZER]) };
    let create = async |name: &String| {
        let object = json!({
            "apiVersion": "gaap-operator.io/v1alpha1", "kind": "GaapProxy",
            "metadata": {"name": name, "finalizers": finalizers}, "spec": {"proxyId": proxy_of(name)},
        });
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    };
    futures::stream::iter(names).for_each_concurrent(WIDE, create).await;
    if how == Make::Deleted {
        world.delete_at_once(namespace, names).await;
    }
}

/// Waits until the operator has seen the proxies of so many resources, all that there are.
pub async fn adopted(world: &World, count: usize) {
    until(&format!("{count} resources to be seen"), LONG, async || {
        let metrics = world.operator().metrics().await;
        let seen = metrics.value("gaap_proxies", &[("state", "RUNNING")]);
        if seen >= count as f64 { Ok(()) } else { Err(format!("{seen} are")) }
    })
    .await;
    // Seen is not written yet: writes of the adoption would weigh on what is measured next.
    let api: Api<GaapProxy> = Api::namespaced(world.client(), world.namespace());
    until("every status to be written", LONG, async || {
        let objects = api.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let ready = objects.iter().filter(|object| object.status.as_ref().is_some_and(|status| status.proxy.is_some()));
        let (ready, all) = (ready.count(), objects.items.len());
        if ready == all { Ok(()) } else { Err(format!("{ready} of {all} are")) }
    })
    .await;
}

#[derive(Clone, Copy, Debug, Default)]
struct Lap {
    begun: Option<Instant>,
    ended: Option<Instant>,
}

/// When deletions begin and end, as a watch shows it.
pub struct Stopwatch {
    laps: Arc<Mutex<BTreeMap<String, Lap>>>,
    watches: Vec<JoinHandle<()>>,
}

impl Stopwatch {
    /// Watches these namespaces. Names must differ between them.
    pub fn start(world: &World, namespaces: &[&str]) -> Self {
        let laps: Arc<Mutex<BTreeMap<String, Lap>>> = Arc::default();
        let watch = |namespace: &&str| {
            let api: Api<PartialObjectMeta<GaapProxy>> = Api::namespaced(world.client(), namespace);
            let laps = laps.clone();
            tokio::spawn(async move {
                let mut events = watcher(api, watcher::Config::default()).backoff(Soon).boxed();
                while let Some(event) = events.next().await {
                    let mut laps = laps.lock().unwrap_or_else(PoisonError::into_inner);
                    match event {
                        Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                            if object.metadata.deletion_timestamp.is_some() {
                                laps.entry(object.name_any()).or_default().begun.get_or_insert_with(Instant::now);
                            }
                        }
                        Ok(watcher::Event::Delete(object)) => {
                            laps.entry(object.name_any()).or_default().ended = Some(Instant::now());
                        }
                        Ok(watcher::Event::Init | watcher::Event::InitDone) | Err(_) => {}
                    }
                }
            })
        };
        let watches = namespaces.iter().map(watch).collect();
        Self { laps, watches }
    }

    /// Waits until all of these are gone; how long each deletion took.
    pub async fn times(&self, names: &[String]) -> Times {
        let mut times = until(&format!("the end of {} deletions", names.len()), LONG, async || {
            let laps = self.laps.lock().unwrap_or_else(PoisonError::into_inner);
            let took = |name: &String| {
                let lap = laps.get(name)?;
                Some(lap.ended? - lap.begun?)
            };
            let times: Vec<Duration> = names.iter().filter_map(took).collect();
            let left: Vec<&String> = names.iter().filter(|name| took(name).is_none()).take(3).collect();
            if left.is_empty() { Ok(times) } else { Err(format!("{} ended; {left:?} … did not", times.len())) }
        })
        .await;
        times.sort_unstable();
        Times(times)
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        self.watches.iter().for_each(JoinHandle::abort);
    }
}

/// How long deletions took, ascending.
pub struct Times(Vec<Duration>);

impl Times {
    fn at(&self, share: f64) -> Duration {
        // The nearest rank.
        let rank = (self.0.len() as f64 * share).ceil() as usize;
        self.0[rank.clamp(1, self.0.len()) - 1]
    }

    pub fn median(&self) -> Duration {
        self.at(0.5)
    }

    pub fn p95(&self) -> Duration {
        self.at(0.95)
    }

    /// Prints the row of a case, and holds it against the demand.
    ///
    /// # Panics
    /// When the deletions took more than twice their time.
    pub fn within_twice(&self, alone: &Times, case: &str) {
        tell(&format!(
            "fairness | {case:<58} | alone {:>5.2} s {:>5.2} s | with it {:>5.2} s {:>5.2} s | ratio {:.2} {:.2}",
            alone.median().as_secs_f64(),
            alone.p95().as_secs_f64(),
            self.median().as_secs_f64(),
            self.p95().as_secs_f64(),
            self.median().as_secs_f64() / alone.median().as_secs_f64(),
            self.p95().as_secs_f64() / alone.p95().as_secs_f64(),
        ));
        in_time(self.median() <= 2 * alone.median(), format_args!("{case}: more than twice their time (median)"));
        // Of a handful the 95th percentile is the slowest one, which a single hiccup of the machine can make.
        let times = if self.0.len() < 10 { 3 } else { 2 };
        in_time(self.p95() <= times * alone.p95(), format_args!("{case}: more than {times} times their time (p95)"));
    }
}

/// When the cloud received each request to destroy, in seconds since 1970.
pub fn received(requests: &[Entry], action: &str) -> Vec<f64> {
    requests.iter().filter(|entry| entry.action == action).map(at).collect()
}

/// When the cloud received a request, in seconds since 1970.
pub fn at(entry: &Entry) -> f64 {
    seconds(entry.time.parse().unwrap())
}

/// Seconds since 1970.
pub fn seconds(time: Timestamp) -> f64 {
    time.as_microsecond() as f64 / 1e6
}

/// How many of these came in a time that begins with `from` and is `long`.
pub fn count(times: &[f64], from: f64, long: f64) -> usize {
    times.iter().filter(|time| (from..from + long).contains(*time)).count()
}

/// The most in any second, both ends not counted.
pub fn densest(times: &[f64]) -> usize {
    times.iter().map(|from| count(times, *from, 1.0)).max().unwrap_or(0)
}
