//! `gaap-bench`, what `make bench` runs: what the operator costs on a real API server, with a simulated cloud.
//!
//! `bed` is what is measured on, `resources` makes many of them, `measures` are the measures, `witness` counts in the
//! logs of the API server and of the cloud, `report` keeps file and table. Everything that is started has a guard
//! (crate `control-plane`) and ends with this program, whatever its end is.

mod arithmetic;
mod bed;
mod error;
mod goals;
mod machine;
mod measures;
mod operator;
mod patience;
mod report;
mod resources;
mod witness;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use crate::bed::{Bed, FLAGS, REQUESTS_PER_SECOND};
use crate::error::{Error, Result};
use crate::measures::{Extent, Measure};
use crate::report::{Report, progress};

/// Measures gaap-operator on a real Kubernetes API server and a simulated cloud.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Smaller numbers, at most 5 minutes.
    #[arg(long)]
    quick: bool,
    /// Only these measures.
    #[arg(long, value_delimiter = ',', value_name = "MEASURE")]
    only: Vec<Measure>,
    /// Other numbers of resources for memory, latency and idle time.
    #[arg(long, value_delimiter = ',', value_name = "N")]
    resources: Vec<usize>,
    /// Other numbers of deletions at once.
    #[arg(long, value_delimiter = ',', value_name = "N")]
    deletions: Vec<usize>,
    /// Another length of the idle time.
    #[arg(long, value_name = "SECONDS")]
    idle_seconds: Option<u64>,
    /// The operator takes the resources of the memory measure in by itself, from nothing.
    #[arg(long)]
    adopt: bool,
    /// Where the figures go.
    #[arg(long, default_value = "target/bench.json", value_name = "FILE")]
    output: PathBuf,
    /// The operator [default: gaap-operator beside this program].
    #[arg(long, value_name = "PROGRAM")]
    operator: Option<PathBuf>,
}

impl Arguments {
    fn extent(&self) -> Extent {
        let mut extent = if self.quick { Extent::quick() } else { Extent::whole() };
        extent.adopt = self.adopt;
        for (given, value) in [(&self.resources, &mut extent.resources), (&self.deletions, &mut extent.deletions)] {
            if !given.is_empty() {
                value.clone_from(given);
                value.sort_unstable();
            }
        }
        if !self.only.is_empty() {
            extent.measures.clone_from(&self.only);
        }
        extent.idle_seconds = self.idle_seconds.unwrap_or(extent.idle_seconds);
        extent
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            progress(&format!("gaap-bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let chart = Path::new("deploy/helm/gaap-operator/Chart.yaml");
    if !chart.exists() {
        let chart = chart.display();
        return Err(Error::Unusable(format!("{chart} is not here: run `make bench` in the folder of the repository")));
    }
    // kube leaves the choice to the process; a second one is linked into no program of this repository.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let operator = match &arguments.operator {
        Some(operator) => operator.clone(),
        None => {
            let own = std::env::current_exe().map_err(Error::file("find", Path::new("gaap-bench")))?;
            own.with_file_name("gaap-operator")
        }
    };
    let extent = arguments.extent();
    let machine = machine::machine();
    progress("starting etcd, kube-apiserver and the simulated cloud");
    let mut bed = Bed::make(&operator).await?;
    let mut report = Report::new(&arguments.output, machine::versions(&bed).await?, machine, settings(&extent));
    let measured = measure(&mut bed, &mut report, &operator, &extent).await;
    bed.end().await?;
    measured?;
    println!("{}", report.table());
    progress(&format!("written to {}", arguments.output.display()));
    let missed = report.missed();
    for row in &missed {
        progress(&format!("{} with {} is above its goal", row.measure, row.n));
    }
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(bed: &mut Bed, report: &mut Report, operator: &Path, extent: &Extent) -> Result<()> {
    if extent.wants(Measure::Program) {
        measures::program(bed, report, operator, extent.starts).await?;
    }
    if extent.wants(Measure::Deletions) {
        measures::deletions(bed, report, &extent.deletions).await?;
    }
    if [Measure::Memory, Measure::Latency, Measure::Idle].into_iter().any(|measure| extent.wants(measure)) {
        measures::memory(bed, report, extent).await?;
    }
    Ok(())
}

/// What the figures depend on and the reader cannot see in them.
fn settings(extent: &Extent) -> serde_json::Value {
    json!({
        "operatorFlags": FLAGS,
        "requestsPerSecond": REQUESTS_PER_SECOND,
        "destroySeconds": {"deletions": 3, "latency": 0, "massDeletion": 3},
        "cloudRateLimitPerSecond": 20,
        "idleSeconds": extent.idle_seconds,
        "latencySamples": extent.latencies,
        "massDeletion": extent.mass_deletion,
        "resourcesTakenInBy": if extent.adopt { "the operator measured" } else { "an earlier operator (prepared)" },
        "etcd": "without waiting for the disk",
        "megabyte": "10^6 bytes",
    })
}
