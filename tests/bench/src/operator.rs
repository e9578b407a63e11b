//! The operator: the release program, with nothing but what the chart's ServiceAccount may do, and what the kernel
//! says it took.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use control_plane::{Guard, free_port, http_get, tail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::time::{Instant, timeout};

use crate::arithmetic::megabytes;
use crate::error::{Error, Result};
use crate::patience::until;

const READY_LIMIT: Duration = Duration::from_secs(120);
/// SIGTERM ends the operator within 2 s; a machine under load gets some more.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// What a process is started with.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// With a token of the ServiceAccount.
    pub kubeconfig: PathBuf,
    /// Its flags, addresses aside.
    pub flags: Vec<String>,
    /// Both outputs are appended to it.
    pub log: PathBuf,
}

/// A running operator.
#[derive(Debug)]
pub struct Operator {
    process: Child,
    pid: u32,
    health: SocketAddr,
    metrics: SocketAddr,
    log: PathBuf,
    /// From the start of the process until `/readyz` said 200.
    pub startup: Duration,
}

impl Operator {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it ends, or says for too long that it is not ready.
    pub async fn start(guard: &Guard, name: &str, launch: &Launch) -> Result<Self> {
        let cannot = |source| Error::Start { program: launch.program.display().to_string(), source };
        let log = OpenOptions::new().create(true).append(true).open(&launch.log);
        let log = log.map_err(Error::file("write", &launch.log))?;
        let [health, metrics] = [free_port()?, free_port()?].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut command = guard.command(name, &launch.program);
        // Nothing of the user's environment: credentials or settings in it would change what is measured.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("KUBECONFIG", &launch.kubeconfig).arg("run").args(&launch.flags);
        command.args([format!("--health-probe-bind-address={health}"), format!("--metrics-bind-address={metrics}")]);
        command.stdout(log.try_clone().map_err(cannot)?).stderr(log);
        let begun = Instant::now();
        let process = command.spawn().map_err(cannot)?;
        let pid = process.id().ok_or_else(|| Error::Unusable("the operator has no process id".to_owned()))?;
        let mut operator = Self { process, pid, health, metrics, log: launch.log.clone(), startup: Duration::ZERO };
        until("The operator's readiness", READY_LIMIT, Duration::from_millis(5), async || {
            operator.check()?;
            Ok(match http_get(operator.health, "/readyz").await {
                Ok((200, _)) => Ok(()),
                Ok((status, said)) => Err(format!("{status} {said}")),
                Err(error) => Err(error),
            })
        })
        .await?;
        operator.startup = begun.elapsed();
        Ok(operator)
    }

    /// Fails when it has ended.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn check(&mut self) -> Result<()> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Error::Ended { status: status.to_string(), log: self.last_lines() }),
            Err(source) => Err(Error::Start { program: "gaap-operator".to_owned(), source }),
        }
    }

    /// Memory that is resident, in MB, and the most that ever was.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident(&self) -> Result<(f64, f64)> {
        let text = self.proc("status")?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next()?.parse().ok());
            number.ok_or_else(|| Error::Unusable(format!("/proc does not tell {name}")))
        };
        Ok((megabytes(field("VmRSS")?), megabytes(field("VmHWM")?)))
    }

    /// Processor seconds so far, of all threads.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let text = self.proc("stat")?;
        // The name, in parentheses, may hold anything; after it come state and numbers, utime being the twelfth.
        let numbers = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 =
            numbers.split_whitespace().skip(11).take(2).filter_map(|number| number.parse::<u64>().ok()).sum();
        #[expect(clippy::cast_precision_loss, reason = "ticks of a run are far below 2^52")]
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// How many resources it shows as RUNNING. A sign to go on by; no figure comes from it.
    pub async fn mirrored(&self) -> Result<usize, String> {
        let (_, text) = http_get(self.metrics, "/metrics").await?;
        let value = text.lines().find_map(|line| line.strip_prefix("gaap_proxies{state=\"RUNNING\"} "));
        Ok(value.and_then(|value| value.trim().parse().ok()).unwrap_or(0))
    }

    /// Waits until it uses next to no processor: what it had to do is done.
    ///
    /// # Errors
    /// When it has ended, or never rests.
    pub async fn rest(&mut self, limit: Duration) -> Result<()> {
        let mut before = self.cpu_seconds()?;
        until("The operator's rest", limit, Duration::from_secs(2), async || {
            self.check()?;
            let now = self.cpu_seconds()?;
            let used = now - std::mem::replace(&mut before, now);
            Ok(if used > 0.0 && used < 0.05 { Ok(()) } else { Err(format!("{used:.2} s of processor in 2 s")) })
        })
        .await
    }

    /// Sends SIGTERM and waits until it has ended.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(mut self) -> Result<()> {
        // No pid means that it has ended.
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        match timeout(STOP_LIMIT, self.process.wait()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Late {
                what: "The operator's end after SIGTERM".to_owned(),
                seconds: STOP_LIMIT.as_secs(),
                last: self.last_lines(),
            }),
        }
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = Path::new("/proc").join(self.pid.to_string()).join(file);
        std::fs::read_to_string(&path).map_err(Error::file("read", &path))
    }

    fn last_lines(&self) -> String {
        let read = || {
            let mut file = std::fs::File::open(&self.log)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(8_192)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        // A log that cannot be read has nothing to add to the error that it is read for.
        tail(&String::from_utf8_lossy(&read().unwrap_or_default()))
    }
}
