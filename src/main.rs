//! The front door: settings in, rooms wired, signals obeyed.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use gaap_operator::check::{self, Finding};
use gaap_operator::controller::context::{CloudHandle, Context, OPEN_LOOKS};
use gaap_operator::controller::crd_wait::CRD;
use gaap_operator::controller::lease::{self, Election, LeaseLost};
use gaap_operator::controller::memories::Memories;
use gaap_operator::controller::metrics::ControllerMetrics;
use gaap_operator::controller::observation::Timing;
use gaap_operator::controller::own_pod;
use gaap_operator::controller::publisher::Publisher;
use gaap_operator::controller::rights;
use gaap_operator::controller::run::{CREDENTIALS, DRAIN, FIRST_LIST, run};
use gaap_operator::process::clock::{Clock, SystemClock};
use gaap_operator::process::leader::{Leadership, LeadershipSender};
use gaap_operator::process::readiness::Readiness;
use gaap_operator::process::{server, shutdown, telemetry};
use gaap_operator::settings::{CommandLine, Settings, Task};
use gaap_operator::{crd, gaap};
use kube::runtime::events::Reporter;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let result = match CommandLine::parse().task() {
        Task::Crd => print_crd(),
        Task::Run(settings) => operate(*settings),
        Task::Check(settings) => block_on(check_needs(*settings)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gaap-operator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_crd() -> Result<(), Failure> {
    print!("{}", crd::yaml()?);
    Ok(())
}

fn operate(settings: Settings) -> Result<(), Failure> {
    settings.check()?;
    telemetry::start(settings.log_format)?;
    block_on(serve(settings))
}

fn block_on(task: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    // kube leaves the choice to the process; without it its first TLS connection panics.
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "another TLS provider was installed before ring")?;
    // One thread: the operator waits for others nearly all of its time, and every thread more, of which there would be one
    // for each core, has free memory of its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(task);
    // Tasks that still wait for an answer are dropped: what they wait for is looked at again after a restart.
    runtime.shutdown_background();
    result
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let shutdown = shutdown::on_signal()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let mut registry = Registry::default();
    let (candidacy, leadership) = candidacy(settings.leader_elect);
    let metrics = ControllerMetrics::new(&mut registry, settings.concurrency, clock.clone(), leadership.clone());
    let cloud = cloud(&settings, &mut registry, &clock, &shutdown)?;
    let readiness = Readiness::waiting_for(&[CRD, FIRST_LIST, CREDENTIALS]);
    server::serve_health(settings.health_probe_bind_address, readiness.clone(), shutdown.clone()).await?;
    server::serve_metrics(settings.metrics_bind_address, Arc::new(registry), shutdown.clone()).await?;

    let kube = kube_client().await?;
    let mut election = candidacy.map(|sender| {
        let namespace = settings.leader_election_namespace.as_deref().unwrap_or(kube.default_namespace());
        let identity = lease::identity(std::env::var("HOSTNAME").ok());
        Election::new(kube.clone(), namespace, identity, sender, readiness.clone(), clock.clone(), shutdown.clone())
    });
    let context = context(&settings, kube.clone(), cloud, metrics, leadership, clock, shutdown.clone());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), endpoint = %settings.gaap_endpoint, "gaap-operator starts");
    let mut lost_it = false;
    let namespaces = settings.namespaces();
    let result = tokio::select! {
        () = run(context.clone(), &namespaces, settings.concurrency, readiness.clone()) => Ok(()),
        () = own_pod::tell(&kube, reporter(), &readiness, own_pod::from_environment()) => Ok(()),
        () = drained(&shutdown) => {
            tracing::warn!("reconciles that did not end in time are left; they go on after a restart");
            Ok(())
        }
        lost = campaign(election.as_mut(), &context) => {
            lost_it = true;
            Err(lost.into())
        }
    };
    shutdown.cancel();
    // Last, when nothing acts any more: from here on another replica may.
    if let Some(election) = election.filter(|_| !lost_it) {
        election.release().await;
    }
    result
}

fn reporter() -> Reporter {
    Reporter { controller: "gaap-operator".to_owned(), instance: std::env::var("HOSTNAME").ok() }
}

fn candidacy(elect: bool) -> (Option<LeadershipSender>, Leadership) {
    if !elect {
        return (None, Leadership::without_election());
    }
    let (sender, leadership) = Leadership::by_election();
    (Some(sender), leadership)
}

fn context(
    settings: &Settings,
    kube: kube::Client,
    cloud: CloudHandle,
    metrics: Arc<ControllerMetrics>,
    leadership: Leadership,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> Arc<Context> {
    Arc::new(Context {
        publisher: Publisher::new(kube.clone(), reporter()),
        kube,
        cloud,
        claims: Default::default(),
        memories: if settings.leader_elect { Memories::of_a_standby() } else { Memories::default() },
        wakes: Default::default(),
        agenda: Default::default(),
        open_looks: Arc::new(Semaphore::new(OPEN_LOOKS)),
        open_requests: Arc::new(Semaphore::new(usize::from(settings.concurrency / 2).max(1))),
        refusals: Default::default(),
        queue: Default::default(),
        clock,
        leadership,
        timing: Timing {
            destroy_poll: settings.destroy_poll,
            resync: settings.resync,
            minimum_age: settings.minimum_age,
            absence_spacing: settings.absence_spacing,
            settle_time: settings.settle_time,
        },
        requests_per_second: settings.requests_per_second,
        request_timeout: settings.request_timeout,
        waiting_inside: u64::from(settings.concurrency / 4).max(1),
        metrics,
        shutdown,
    })
}

/// Without an election there is nothing to lose.
async fn campaign(election: Option<&mut Election>, context: &Context) -> LeaseLost {
    match election {
        Some(election) => election.campaign(|| context.begin_leadership()).await,
        None => std::future::pending().await,
    }
}

/// Without logs: the findings say all, and stand alone on standard output.
async fn check_needs(settings: Settings) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let cloud = cloud(&settings, &mut Registry::default(), &clock, &CancellationToken::new())?;
    let client = kube_client().await.map_err(|error| error.to_string());
    let home = client.as_ref().map(kube::Client::default_namespace).unwrap_or_default();
    let lease = settings.leader_elect.then(|| settings.leader_election_namespace.as_deref().unwrap_or(home));
    let pod = own_pod::from_environment().and_then(|pod| pod.namespace);
    let needed = rights::needed(&settings.namespaces(), pod.as_deref(), lease);
    // Told as they come: a cloud that does not answer takes its time.
    let mut findings = tell(check::cluster(client, &needed).await);
    findings.extend(tell(check::cloud(&cloud).await));
    println!("        DestroyProxies is not tried, for it would destroy: a deletion says if the key may not do it");
    match findings.iter().filter(|finding| finding.outcome.is_err()).count() {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} checks failed", findings.len()).into()),
    }
}

fn tell(findings: Vec<Finding>) -> Vec<Finding> {
    for finding in &findings {
        println!("{finding}");
    }
    findings
}

/// Some time after the signal: kube's graceful end waits for the first list, which may never come.
async fn drained(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(DRAIN).await;
}

fn cloud(
    settings: &Settings,
    registry: &mut Registry,
    clock: &Arc<dyn Clock>,
    shutdown: &CancellationToken,
) -> Result<CloudHandle, Failure> {
    let ca_bundle = match &settings.ca_bundle {
        Some(file) => {
            Some(std::fs::read(file).map_err(|error| format!("--ca-bundle: cannot read {}: {error}", file.display()))?)
        }
        None => None,
    };
    let config = gaap::ClientConfig {
        endpoint: settings.gaap_endpoint.clone(),
        sts_endpoint: settings.sts_endpoint(),
        allow_insecure_endpoint: settings.allow_insecure_endpoint,
        ca_bundle,
        language: settings.language.clone(),
        request_timeout: settings.request_timeout,
        requests_per_second: settings.requests_per_second,
        proxy_from_environment: true,
    };
    let client = gaap::Client::new(config, clock.clone(), Arc::new(gaap::ApiMetrics::new(registry)))?;
    let source = match &settings.credentials_dir {
        Some(folder) => gaap::CredentialsSource::Directory(folder.clone()),
        None => gaap::CredentialsSource::environment(),
    };
    let identity = gaap::Identity::spawn(client.clone(), source, clock.clone(), shutdown.clone());
    let sweep =
        gaap::Sweep::spawn(client.clone(), identity.clone(), clock.clone(), settings.destroy_poll, shutdown.clone());
    Ok(CloudHandle { client, identity, sweep })
}

async fn kube_client() -> Result<kube::Client, Failure> {
    let mut config = kube::Config::infer().await?;
    // kube's own retries would hold one call for minutes; ours are per resource and show in the status.
    config.default_retry = false;
    // A watch whose server never begins to answer has no other limit; one that works ends before this.
    config.read_timeout = Some(std::time::Duration::from_secs(60));
    Ok(kube::Client::try_from(config)?)
}
