//! `gaap-demo`, what `make demo` runs: the main job on a real API server, shown and checked step by step.
//!
//! `programs` finds or builds what runs, `story` tells it, `node_story` tells it with pods on a node, `scenes` is what
//! both have, `received` judges what the cloud saw. Everything that is started has a guard (crate `control-plane`) and
//! ends with this program, whatever its end is.

mod error;
mod memory;
mod node_story;
mod operator;
mod patience;
mod programs;
mod received;
mod rights;
mod scenes;
mod screen;
mod simulator;
mod story;
mod terminal;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use control_plane::{ControlPlane, Guard, Options, tail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::operator::Files;
use crate::programs::{Images, Programs};
use crate::screen::{Screen, complain};
use crate::simulator::Simulator;
use crate::terminal::Terminal;

/// Shows what gaap-operator does, on a real Kubernetes API server and a simulated cloud.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Leave everything running at the end, to play with, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Tell it on a node that runs pods, with the images of `make image`. Needs root.
    #[arg(long)]
    node: bool,
    /// Only say whether it can be told on this machine.
    #[arg(long)]
    check: bool,
    /// Use gaap-operator and gaap-simulator as they are beside this program, and do not run Cargo.
    #[arg(long)]
    no_build: bool,
}

/// A signal to a whole group reaches all its processes within less.
const MOMENT: Duration = Duration::from_millis(200);

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

/// What is needed for the one story or the other.
enum Parts {
    Plain(Programs),
    Node(Images),
}

/// Who plays in it.
enum Cast {
    Plain(Box<story::Cast>),
    Node(Box<Simulator>),
}

impl Parts {
    async fn gather(arguments: &Arguments) -> Result<Self> {
        match arguments.node {
            false => Programs::find_or_build(!arguments.no_build).await.map(Self::Plain),
            true => Images::find().await.map(Self::Node),
        }
    }

    fn screen(&self) -> Screen {
        match self {
            Self::Plain(_) => Screen::new(story::STEPS),
            Self::Node(_) => Screen::new(node_story::STEPS),
        }
    }

    fn open(&self, screen: &Screen) -> Result<()> {
        match self {
            Self::Plain(_) => story::open(screen),
            Self::Node(_) => node_story::open(screen),
        }
    }

    async fn tell(&self, terminal: &Terminal<'_>) -> Result<Cast> {
        match self {
            Self::Plain(programs) => story::tell(terminal, programs).await.map(Box::new).map(Cast::Plain),
            Self::Node(images) => node_story::tell(terminal, images).await.map(Box::new).map(Cast::Node),
        }
    }

    async fn last_words(&self, terminal: &Terminal<'_>) -> Option<String> {
        match self {
            Self::Plain(_) => {
                let log = std::fs::read_to_string(Files::of(terminal.guard).log).ok()?;
                Some(format!("The operator's last lines:\n{}", tail(&log)))
            }
            Self::Node(_) => node_story::last_words(terminal).await,
        }
    }
}

impl Cast {
    fn invite(&self, terminal: &Terminal<'_>) -> Result<()> {
        match self {
            Self::Plain(cast) => story::invite(terminal, cast),
            Self::Node(simulator) => node_story::invite(terminal, simulator),
        }
    }

    async fn curtain(self, terminal: &Terminal<'_>) -> Result<()> {
        match self {
            Self::Plain(cast) => story::curtain(terminal, *cast).await,
            Self::Node(simulator) => node_story::curtain(terminal, *simulator).await,
        }
    }
}

async fn run(arguments: &Arguments) -> Result<ExitCode> {
    for place in ["deploy/helm/gaap-operator/Chart.yaml", "deploy/samples"] {
        if !Path::new(place).exists() {
            return Err(Error::Place { path: place.into() });
        }
    }
    if arguments.node {
        // Before a build of many minutes.
        control_plane::node::availability().map_err(Error::NoNode)?;
    }
    if arguments.check {
        return Ok(ExitCode::SUCCESS);
    }
    // Signals are not caught yet: one ends us at once, and the guards end the builds.
    let parts = Parts::gather(arguments).await?;
    let mut signals = Signals::catch()?;
    let screen = parts.screen();
    parts.open(&screen)?;
    let options = Options { controllers: arguments.node, node: arguments.node, ..Options::default() };
    let plane = async { ControlPlane::start(options).await.map_err(Error::from) };
    let Some(plane) = signals.unless_one_comes(plane).await? else { return Ok(interrupted()) };
    let guard = Guard::new(&std::env::temp_dir(), "gaap-demo").await?;
    let terminal = Terminal::new(&screen, &plane, &guard);
    let told = tell(arguments, &parts, &terminal, &mut signals).await;
    if told.is_err()
        && let Some(words) = parts.last_words(&terminal).await
    {
        complain(&words);
    }
    guard.end().await?;
    plane.stop().await?;
    let code = told?;
    if code == ExitCode::SUCCESS {
        scenes::close(&screen, arguments.keep)?;
    }
    Ok(code)
}

/// The whole story, unless a signal ends it before its end.
async fn tell(
    arguments: &Arguments,
    parts: &Parts,
    terminal: &Terminal<'_>,
    signals: &mut Signals,
) -> Result<ExitCode> {
    let Some(cast) = signals.unless_one_comes(parts.tell(terminal)).await? else { return Ok(interrupted()) };
    if arguments.keep {
        cast.invite(terminal)?;
        signals.next().await;
        return Ok(ExitCode::SUCCESS);
    }
    let ended = signals.unless_one_comes(cast.curtain(terminal)).await?;
    Ok(ended.map_or_else(interrupted, |()| ExitCode::SUCCESS))
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

    /// What comes of this work; `None` when a signal comes first, and the work is given up.
    async fn unless_one_comes<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
        let done = tokio::select! {
            done = work => done,
            () = self.next() => return Ok(None),
        };
        // Ctrl-C also ends programs that we have asked something, which may be noticed before the signal is.
        if done.is_err() && timeout(MOMENT, self.next()).await.is_ok() {
            return Ok(None);
        }
        done.map(Some)
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
