//! `gaap-demo`, what `make demo` runs: the main job on a real API server, shown and checked step by step.
//!
//! `programs` finds or builds what runs, `story` tells it, `received` judges what the cloud saw. Everything that is
//! started has a guard (crate `control-plane`) and ends with this program, whatever its end is.

mod error;
mod memory;
mod operator;
mod patience;
mod programs;
mod received;
mod rights;
mod screen;
mod simulator;
mod story;
mod terminal;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use control_plane::{ControlPlane, Guard, Options, tail};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, Result};
use crate::operator::Files;
use crate::programs::Programs;
use crate::screen::{Screen, complain};
use crate::story::STEPS;
use crate::terminal::Terminal;

/// Shows what gaap-operator does, on a real Kubernetes API server and a simulated cloud.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Leave everything running at the end, to play with, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Use gaap-operator and gaap-simulator as they are beside this program, and do not run Cargo.
    #[arg(long)]
    no_build: bool,
}

/// As a shell tells of a program that ended by SIGINT.
const INTERRUPTED: u8 = 130;

fn interrupted() -> ExitCode {
    complain("gaap-demo: interrupted; ending what it started");
    ExitCode::from(INTERRUPTED)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("gaap-demo: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<ExitCode> {
    for place in ["deploy/helm/gaap-operator/Chart.yaml", "deploy/samples"] {
        if !Path::new(place).exists() {
            return Err(Error::Place { path: place.into() });
        }
    }
    // Signals are not caught yet: one ends us at once, and the guards end the builds.
    let programs = Programs::find_or_build(!arguments.no_build).await?;
    let mut signals = Signals::catch()?;
    let screen = Screen::new(STEPS);
    story::open(&screen)?;
    let plane = tokio::select! {
        plane = ControlPlane::start(Options::default()) => plane?,
        () = signals.next() => return Ok(interrupted()),
    };
    let guard = Guard::new(&std::env::temp_dir(), "gaap-demo").await?;
    let told = tell(arguments, &programs, &Terminal::new(&screen, &plane, &guard), &mut signals).await;
    if told.is_err()
        && let Ok(log) = std::fs::read_to_string(Files::of(&guard).log)
    {
        complain(&format!("The operator's last lines:\n{}", tail(&log)));
    }
    guard.end().await?;
    plane.stop().await?;
    let code = told?;
    if code == ExitCode::SUCCESS {
        story::close(&screen, arguments.keep)?;
    }
    Ok(code)
}

/// The whole story, unless a signal ends it before its end.
async fn tell(
    arguments: &Arguments,
    programs: &Programs,
    terminal: &Terminal<'_>,
    signals: &mut Signals,
) -> Result<ExitCode> {
    let cast = tokio::select! {
        cast = story::tell(terminal, programs) => cast?,
        () = signals.next() => return Ok(interrupted()),
    };
    if arguments.keep {
        story::invite(terminal, &cast)?;
        signals.next().await;
    } else {
        story::curtain(terminal, cast).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The signals that ask a program to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn catch() -> Result<Self> {
        let catch = |kind| signal(kind).map_err(|source| Error::Start { program: "signal handler".to_owned(), source });
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hang_up: catch(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
