//! `make soak`: a thousand deletions under faults on both wires, with processes that are killed, stopped and replaced,
//! and an API server that restarts. `SOAK` is the number of deletions, `SOAK_SEED` the seed of the faults.
//!
//! Two replicas with an election, a control plane of their own. Faults of requests come all the time, a few at once;
//! something happens to a process twice a minute or so, for a replaced leader costs a lease (15 s).

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use control_plane::Stop;
use fastrand::Rng;
use futures::future::{FutureExt, join_all};
use gaap_simulator::{Fault, Kind};
use k8s_openapi::jiff::Timestamp;
use tokio::sync::RwLock;
use tokio::time::{sleep, timeout};

use crate::calls::{create, name, world};
use crate::harness::{Cluster, World};
use crate::script::{Place, Strike, What, is_rare, kill, request, stop};
use crate::strikes::Fire;

/// Deletions that a worker has under way at once, and how many workers there are.
const BATCH: usize = 5;
const WORKERS: usize = 16;
/// Faults that wait for their requests, on each wire.
const WAITING: usize = 8;
/// A fault of the cloud that holds a request for ever is taken away after this time.
const HELD: Duration = Duration::from_secs(8);
/// No deletion may take longer. Every fault is over within a minute, and they do not all strike at one.
const LONGEST: Duration = Duration::from_secs(300);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[tokio::test]
#[ignore = "takes about ten minutes: make soak"]
async fn a_thousand_deletions_under_fire_lose_nothing_and_destroy_nothing_twice() {
    let count = setting("SOAK", 1_000);
    let seed = setting("SOAK_SEED", fastrand::u64(..1_000_000));
    println!("soak: {count} deletions under the faults of seed {seed}");
    let run = AssertUnwindSafe(run(usize::try_from(count).unwrap(), seed)).catch_unwind().await;
    if let Err(failure) = run {
        println!("repeat it: SOAK={count} SOAK_SEED={seed} make soak");
        std::panic::resume_unwind(failure);
    }
}

async fn run(count: usize, seed: u64) {
    let cluster = Cluster::own().await;
    let build = world("soak").on(&cluster).replicas().cloud(|cloud| cloud.destroy_duration_ms = 1_500);
    let world = build.start().await;
    let soak = Soak {
        world: &world,
        fire: Fire::new(&world, true),
        cluster,
        count,
        begun: Instant::now(),
        next: Cell::new(0),
        took: RefCell::default(),
        tally: Tally::default(),
        clients: RwLock::new(()),
    };
    let mut random = Rng::with_seed(seed);
    let (requests, processes) = (random.fork(), random.fork());
    tokio::select! {
        biased;
        _ = join_all((0..WORKERS).map(|_| soak.deletions())) => {}
        never = async { futures::join!(soak.faults(requests), soak.trouble(processes), soak.fire.keep_running()) } => {
            match never.0 {}
        }
    }
    soak.fire.wake().await;
    world.gates().for_each(crate::harness::Gate::clear_faults);
    soak.report();
    world.finish().await;
}

struct Soak<'a> {
    world: &'a World,
    fire: Fire<'a>,
    cluster: Arc<Cluster>,
    count: usize,
    begun: Instant,
    /// Number of the next resource.
    next: Cell<usize>,
    /// How long each deletion took.
    took: RefCell<Vec<Duration>>,
    tally: Tally,
    /// Whoever uses kubectl reads; whoever takes the API server away writes.
    clients: RwLock<()>,
}

/// What was done to processes and watches. What hit requests is known to the gates and to the cloud.
#[derive(Default)]
struct Tally {
    /// Hits of faults of the cloud that were taken away already.
    cloud: Cell<u64>,
    watches: Cell<u64>,
    kills: Cell<u64>,
    stops: Cell<u64>,
    handovers: Cell<u64>,
    api_servers: Cell<u64>,
}

fn count_one(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

impl Soak<'_> {
    /// One worker: batch after batch until all are done.
    async fn deletions(&self) {
        loop {
            let first = self.next.get();
            let batch = first..self.count.min(first + BATCH);
            if batch.is_empty() {
                return;
            }
            self.next.set(batch.end);
            {
                let _api_server = self.clients.read().await;
                create(self.world, batch.clone()).await;
            }
            for place in batch.clone() {
                self.world.condition_within(&name(place), "Ready", "Available", LONGEST).await;
            }
            let names: Vec<String> = batch.clone().map(name).collect();
            let deleted = {
                let _api_server = self.clients.read().await;
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.world.kubectl(&[&["delete", "gaap", "--wait=false"], names.as_slice()].concat()).await;
                Instant::now()
            };
            join_all(names.iter().map(async |name| {
                self.world.gone_within(name, LONGEST).await;
                self.ended(deleted.elapsed());
            }))
            .await;
        }
    }

    fn ended(&self, took: Duration) {
        let mut all = self.took.borrow_mut();
        all.push(took);
        if all.len().is_multiple_of(50) {
            println!("soak: {} of {} after {} s, {} faults", all.len(), self.count, self.seconds(), self.faults_met());
        }
    }

    fn under_way(&self) -> usize {
        self.next.get() - self.took.borrow().len()
    }

    fn seconds(&self) -> u64 {
        self.begun.elapsed().as_secs()
    }

    fn faults_met(&self) -> u64 {
        let Tally { cloud, watches, kills, stops, handovers, api_servers } = &self.tally;
        let gates: usize = self.world.gates().map(crate::harness::Gate::hits).sum();
        let at_work: u64 = self.world.cloud().faults().iter().map(|fault| fault.hits).sum();
        let told = [cloud, watches, kills, stops, handovers, api_servers];
        u64::try_from(gates).unwrap() + at_work + told.iter().map(|cell| cell.get()).sum::<u64>()
    }

    /// Faults of requests, a few at a time.
    async fn faults(&self, mut random: Rng) -> std::convert::Infallible {
        let mut at_work: Vec<(u64, Instant)> = Vec::new();
        loop {
            // So many for each deletion under way: the last one shall not be met by the faults of fifty.
            let share = (BATCH * WORKERS / self.under_way().max(1)).clamp(1, 50);
            sleep(Duration::from_millis(random.u64(40..300)) * u32::try_from(share).unwrap()).await;
            let what = request(&mut random);
            self.take_away(&mut at_work);
            // A fault of a watch is met when the one before has ended the watch: with one always there, nobody would ever
            // be told anything.
            let seldom = match &what {
                What::Kube(call, _) => is_rare(Place::Kube(*call)),
                What::Watches(_) => true,
                _ => false,
            };
            if seldom && random.u8(..15) > 0 {
                continue;
            }
            match what {
                What::Kube(call, kind) => {
                    for gate in self.world.gates().filter(|gate| gate.waiting_faults() < WAITING) {
                        gate.fault(crate::harness::WireFault::new(kind, call));
                    }
                }
                // Two wrong clocks within a minute are a person's task (30 min), for the operator believes one of them.
                What::Cloud(fault) if at_work.len() < WAITING && fault.kind != Kind::ClockSkew => {
                    at_work.push((self.world.fault(*fault), Instant::now()));
                }
                What::Watches(kind) => {
                    self.world.gates().for_each(|gate| gate.open_watches(kind));
                    count_one(&self.tally.watches);
                }
                _ => {}
            }
        }
    }

    /// Faults of the cloud that are over, or were there for long enough.
    fn take_away(&self, at_work: &mut Vec<(u64, Instant)>) {
        let reports = self.world.cloud().faults();
        at_work.retain(|(number, since)| {
            let Some(report) = reports.iter().find(|report| report.id == *number) else { return false };
            let passing = report.hits > 0 && !holds(&report.fault);
            let over = passing || since.elapsed() > HELD;
            if over {
                self.tally.cloud.set(self.tally.cloud.get() + report.hits);
                self.world.cloud().remove_fault(*number);
            }
            !over
        });
    }

    /// What happens to processes.
    async fn trouble(&self, mut random: Rng) {
        loop {
            sleep(Duration::from_millis(random.u64(15_000..35_000))).await;
            match random.u8(..20) {
                0..7 => self.process(kill(&mut random), &self.tally.kills).await,
                7..12 => self.process(stop(&mut random), &self.tally.stops).await,
                12..17 => {
                    self.fire.hand_over().await;
                    count_one(&self.tally.handovers);
                }
                _ => self.restart_api_server().await,
            }
        }
    }

    async fn process(&self, what: What, tally: &Cell<u64>) {
        if matches!(&what, What::Kill(place, _) | What::Stop(place, ..) if is_rare(*place)) {
            // Asked at the start of a process, so nothing would happen for a minute.
            return;
        }
        // A place may not come up for long: the removal of a finalizer, for one.
        if timeout(Duration::from_secs(60), self.fire.strike(&Strike { skip: 0, what })).await.is_ok() {
            count_one(tally);
        }
        // A fault that nobody waits for any more would hold a request for nothing.
        self.world.gates().for_each(crate::harness::Gate::clear_faults);
        self.fire.wake().await;
    }

    async fn restart_api_server(&self) {
        let _alone = self.clients.write().await;
        let from = Timestamp::now();
        self.cluster.plane().restart_api_server(Stop::Kill).await.unwrap();
        sleep(Duration::from_secs(3)).await;
        self.world.excuse_denials_since(from);
        count_one(&self.tally.api_servers);
    }

    /// What it came to; every proxy was destroyed, and none twice.
    fn report(&self) {
        let requests = self.world.requests();
        let sent: Vec<_> =
            requests.iter().filter(|entry| entry.action == "DestroyProxies" && entry.duplicate_of.is_none()).collect();
        let tokens: BTreeSet<_> = sent.iter().map(|entry| &entry.client_token).collect();
        let accepted: Vec<&String> = requests.iter().flat_map(|entry| &entry.accepted_ids).collect();
        let destroyed: BTreeSet<&String> = accepted.iter().copied().collect();
        let left = self.world.cloud().proxies().len();
        let mut took = self.took.borrow().clone();
        took.sort();
        let at = |share: usize| took.get((took.len() - 1) * share / 100).map_or(0.0, Duration::as_secs_f64);
        let Tally { watches, kills, stops, handovers, api_servers, .. } = &self.tally;
        println!("soak: {} deletions in {} s", took.len(), self.seconds());
        println!(
            "soak: {} faults injected; among them {} kill -9, {} SIGSTOP, {} hand-overs, {} restarts of the API server, \
             {} times all watches",
            self.faults_met(),
            kills.get(),
            stops.get(),
            handovers.get(),
            api_servers.get(),
            watches.get(),
        );
        println!(
            "soak: {} calls of the cloud, {} requests to destroy, of which {} were resends and {} followed a raised \
             attempt; {} processes were started",
            requests.len(),
            sent.len(),
            sent.len() - tokens.len(),
            tokens.len() - destroyed.len(),
            self.world.operators().map(|operator| operator.starts().len()).sum::<usize>(),
        );
        println!(
            "soak: a deletion took {:.1} s (median), {:.1} s (99 of 100), {:.1} s (the longest)",
            at(50),
            at(99),
            at(100)
        );
        println!("soak: {} lost, {} destroyed twice", left, accepted.len() - destroyed.len());
        assert_eq!((took.len(), left), (self.count, 0), "every deletion ended, and every proxy is gone");
        assert_eq!((destroyed.len(), accepted.len()), (self.count, self.count), "each by one accepted request");
    }
}

/// Whether a fault is over with its hit, or holds what it hit.
fn holds(fault: &Fault) -> bool {
    fault.kind == Kind::Hang
}
