//! A control plane from the command line: to play with, or to share among the processes of a test run.

use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use control_plane::{Binaries, ControlPlane, Error, Options, Result, SHARED};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout};

/// Starts a real etcd and kube-apiserver on loopback, and leaves nothing behind.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the programs that are missing, and print where each one is.
    Binaries {
        /// Also kube-controller-manager.
        #[arg(long)]
        controllers: bool,
        /// Also everything that a node runs.
        #[arg(long)]
        node: bool,
    },
    /// Start a control plane, print its KUBECONFIG and keep it until Ctrl-C.
    Up(PlaneArguments),
    /// Run a command with GAAP_CONTROL_PLANE set to a control plane of its own, and exit with its status.
    Run {
        #[command(flatten)]
        plane: PlaneArguments,
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

#[derive(Args)]
struct PlaneArguments {
    /// Also kube-controller-manager: namespace deletion, garbage collection, Deployments.
    #[arg(long)]
    controllers: bool,
    /// Also a node that runs pods, with all it takes. Needs root.
    #[arg(long)]
    node: bool,
    /// Write the logs of the servers and the audit log to this folder, and leave them there.
    #[arg(long, value_name = "FOLDER")]
    keep_logs: Option<PathBuf>,
}

/// How long the command may take to end after a signal before it is killed.
const FAREWELL_LIMIT: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Binaries { controllers, node } => print_binaries(controllers, node).await,
        Task::Up(plane) => up(plane).await,
        Task::Run { plane, command } => run(plane, command).await,
    };
    result.unwrap_or_else(|error| {
        eprintln!("gaap-control-plane: {error}");
        ExitCode::FAILURE
    })
}

async fn binaries(controllers: bool, node: bool) -> Result<Binaries> {
    if !node {
        return Binaries::find_or_build(controllers).await;
    }
    // Before a build of many minutes.
    control_plane::node::availability().map_err(|reason| Error::NoNode { reason })?;
    Binaries::find_or_build_for_node().await
}

async fn print_binaries(controllers: bool, node: bool) -> Result<ExitCode> {
    for (name, path) in binaries(controllers, node).await?.list() {
        println!("{name} {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

async fn start(arguments: PlaneArguments) -> Result<ControlPlane> {
    let PlaneArguments { controllers, node, keep_logs } = arguments;
    binaries(controllers, node).await?;
    // From here on, so that the figure tells of the servers and not of a build.
    let begun = Instant::now();
    let plane = ControlPlane::start(Options { controllers, node, keep_logs }).await?;
    eprintln!("gaap-control-plane: {} ready in {:.1} s", plane.server_url(), begun.elapsed().as_secs_f64());
    Ok(plane)
}

async fn up(arguments: PlaneArguments) -> Result<ExitCode> {
    let plane = start(arguments).await?;
    let mut signals = Signals::new()?;
    println!("export KUBECONFIG={}", plane.admin_kubeconfig().display());
    eprintln!("gaap-control-plane: kubectl is {}; Ctrl-C ends it all", plane.binaries().kubectl.display());
    signals.next().await;
    plane.stop().await?;
    Ok(ExitCode::SUCCESS)
}

async fn run(arguments: PlaneArguments, command: Vec<String>) -> Result<ExitCode> {
    let plane = start(arguments).await?;
    let mut signals = Signals::new()?;
    let mut words = command.iter();
    let program = words.next().map(String::as_str).unwrap_or_default();
    let cannot = |source| Error::Start { program: program.into(), source };
    let mut child =
        Command::new(program).args(words).env(SHARED, plane.folder()).kill_on_drop(true).spawn().map_err(cannot)?;
    let status = tokio::select! {
        status = child.wait() => status.map_err(cannot)?,
        signal = signals.next() => {
            // From a terminal the command has it already; sent to us alone, it has to be passed on.
            let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
            let _ = pid.map(|pid| kill_process(pid, signal));
            match timeout(FAREWELL_LIMIT, child.wait()).await {
                Ok(status) => status.map_err(cannot)?,
                Err(_) => {
                    let _ = child.start_kill();
                    child.wait().await.map_err(cannot)?
                }
            }
        }
    };
    plane.stop().await?;
    Ok(exit_code(status))
}

/// The status as a shell tells it: 128 and the number of the signal for a command that was killed.
fn exit_code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// The signals that ask a program to end. Before they are caught they end it at once, which is just as clean here.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let catch = |kind| signal(kind).map_err(|source| Error::Start { program: "signal handler".into(), source });
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hang_up: catch(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hang_up.recv() => Signal::HUP,
        }
    }
}
