//! What is measured, each in a file of its own.

mod deletions;
mod idle;
mod latency;
mod memory;
mod program;

pub use deletions::deletions;
pub use memory::memory;
pub use program::program;

use clap::ValueEnum;

/// A measure that can be asked for alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// Size and start-up time of the program.
    Program,
    /// Calls, writes, reads, events and makespan of N deletions at once.
    Deletions,
    /// Resident memory with N resources; start-up time with them.
    Memory,
    /// Latency of one deletion under many idle resources.
    Latency,
    /// Processor and requests of a time in which nothing happens.
    Idle,
}

/// How much of everything.
#[derive(Clone, Debug)]
pub struct Extent {
    /// What is measured.
    pub measures: Vec<Measure>,
    /// Numbers of deletions at once.
    pub deletions: Vec<usize>,
    /// Numbers of resources for the memory; latency and idle time are measured with [`Extent::crowd`] of them.
    pub resources: Vec<usize>,
    /// The most resources that are deleted at once for `after_deletion`.
    pub mass_deletion: usize,
    /// Single deletions for the latency.
    pub latencies: usize,
    /// Length of the idle time, seconds.
    pub idle_seconds: u64,
    /// Starts of the program without resources.
    pub starts: usize,
    /// The operator takes the resources in by itself; else they are prepared as an earlier operator leaves them.
    pub adopt: bool,
}

impl Extent {
    /// The whole benchmark: at most 45 minutes on two cores.
    pub fn whole() -> Self {
        Self {
            measures: Measure::value_variants().to_vec(),
            deletions: vec![1, 50, 300, 1_000],
            resources: vec![0, 1_000, 10_000, 50_000],
            mass_deletion: 1_000,
            latencies: 100,
            idle_seconds: 600,
            starts: 10,
            adopt: false,
        }
    }

    /// The same form in at most 5 minutes.
    pub fn quick() -> Self {
        Self {
            deletions: vec![1, 300],
            resources: vec![0, 1_000, 10_000],
            mass_deletion: 300,
            latencies: 10,
            idle_seconds: 10,
            starts: 3,
            ..Self::whole()
        }
    }

    /// Whether this is to be measured.
    pub fn wants(&self, measure: Measure) -> bool {
        self.measures.contains(&measure)
    }

    /// The number of resources for latency and idle time: ten thousand where there are so many.
    pub fn crowd(&self) -> Option<usize> {
        self.resources.iter().copied().find(|count| *count == 10_000).or_else(|| self.resources.iter().copied().max())
    }
}
