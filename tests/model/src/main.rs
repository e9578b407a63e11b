//! `gaap-model`: explores the deletion protocol and prints what it came to.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use gaap_model::{Exploration, FAULTS, Outcome, Protocol, SCENARIOS, Scenario, explore};

/// Explores the deletion protocol of gaap-operator with faults. Exit status 1: a promise is broken; the shortest way
/// there is printed.
#[derive(Debug, Parser)]
#[command(name = "gaap-model", version)]
struct Arguments {
    /// How much of it.
    extent: Extent,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Only scenarios whose name holds this text.
    #[arg(long, default_value = "")]
    scenario: String,
    /// Faults on one path, in the place of those that the extent asks for.
    #[arg(long)]
    faults: Option<u8>,
}

impl Arguments {
    /// Faults on one path of this scenario; none: it is left out.
    fn faults_of(&self, scenario: &Scenario) -> Option<u8> {
        let faults = match self.extent {
            Extent::Bounded => scenario.bounded,
            Extent::Full => Some(scenario.full),
        };
        faults.filter(|_| scenario.name.contains(&self.scenario)).map(|faults| self.faults.unwrap_or(faults))
    }
}

/// How much is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Extent {
    /// Every single fault with one resource, and two resources without faults.
    Bounded,
    /// Pairs of faults with one resource as well, every single fault with two, and three resources without faults.
    Full,
}

/// A line of progress at most so often.
const EVERY: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut total = (0, 0, Duration::ZERO);
    let mut kept = true;
    println!("{:<40} {:>6} {:>10} {:>11} {:>5} {:>9}", "scenario", "faults", "states", "steps", "depth", "seconds");
    for scenario in &SCENARIOS {
        let Some(faults) = arguments.faults_of(scenario) else { continue };
        let (mut said, mut took) = (Duration::ZERO, Duration::ZERO);
        let exploration = Exploration::new(Protocol::shipped(), scenario, faults);
        let outcome = explore(exploration, arguments.threads, |states, depth, so_far| {
            took = so_far;
            if so_far > said + EVERY {
                said = so_far;
                eprintln!("  {}: {states} states so far, {depth} steps deep, {} s", scenario.name, so_far.as_secs());
            }
        });
        let Outcome { states, steps, depth, .. } = outcome;
        println!("{:<40} {faults:>6} {states:>10} {steps:>11} {depth:>5} {:>9.1}", scenario.name, took.as_secs_f64());
        if faults > 1 {
            println!("  {} ordered pairs of the {} kinds of faults were met", outcome.pairs, FAULTS.len());
        }
        for finding in &outcome.findings {
            kept = false;
            println!("BROKEN: {}", finding.property);
            finding.trace.iter().enumerate().for_each(|(step, action)| println!("  {:>3} {action:?}", step + 1));
        }
        total = (total.0 + states, total.1 + steps, total.2 + took);
    }
    println!("{} states, {} steps from one to another, {:.0} s", total.0, total.1, total.2.as_secs_f64());
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
