//! The operator process: the real program, ended by its own pid.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use control_plane::http_get;
use rustix::process::{Pid, kill_process};
use tokio::process::Child;

use super::patience::{LIMIT, until};
use super::serving::Metrics;
use super::shared::{guard, operator_program, previous_program};

pub use rustix::process::Signal;

/// Which operator a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// The one of this commit.
    Present,
    /// The one of tests/upgrade/previous.tar.gz.
    Previous,
}

/// What a process is started with.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Unique in this test run.
    pub name: String,
    pub release: Release,
    pub kubeconfig: PathBuf,
    /// Its token at the API server, also where the kubeconfig leads through a gate.
    pub credential: String,
    pub flags: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// Both outputs are appended to it, over all starts.
    pub log: PathBuf,
}

/// An operator that can be started, killed, and started again.
pub struct Operator {
    launch: Mutex<Launch>,
    running: Mutex<Option<Running>>,
    starts: Mutex<Vec<String>>,
}

struct Running {
    name: String,
    child: Child,
    /// Where its log begins.
    offset: u64,
}

impl Operator {
    pub(super) fn new(launch: Launch) -> Self {
        Self { launch: Mutex::new(launch), running: Mutex::default(), starts: Mutex::default() }
    }

    /// Starts it, and does not wait for anything.
    pub async fn spawn(&self) {
        assert!(self.running.lock().unwrap().is_none(), "one process at a time");
        let Launch { name, release, kubeconfig, flags, environment, log, .. } = &self.launch.lock().unwrap().clone();
        let program = match release {
            Release::Present => operator_program().await,
            Release::Previous => previous_program().await,
        };
        let guard = guard().await;
        let number = self.starts.lock().unwrap().len();
        let name = format!("{name}-{number}");
        let file = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let offset = file.metadata().unwrap().len();
        let mut command = guard.command(&name, &program);
        // Nothing of the environment of whoever runs the tests: credentials or settings in it would change the test.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("KUBECONFIG", kubeconfig).envs(environment.iter().map(|(name, value)| (name, value)));
        command.arg("run").args(flags);
        command.args(["--metrics-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0"]);
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let started = k8s_openapi::jiff::Timestamp::now().to_string();
        let child = command.spawn().unwrap();
        self.starts.lock().unwrap().push(started);
        *self.running.lock().unwrap() = Some(Running { name, child, offset });
    }

    /// Starts it and waits until it is ready.
    pub async fn start(&self) {
        self.spawn().await;
        self.ready().await;
    }

    /// Its name: what its identity in the Lease begins with.
    pub fn host(&self) -> String {
        let launch = self.launch.lock().unwrap();
        let host = launch.environment.iter().find(|(name, _)| name == "HOSTNAME");
        host.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// The id of its token, as the audit log tells it.
    pub fn credential(&self) -> String {
        self.launch.lock().unwrap().credential.clone()
    }

    /// The next start is of this operator.
    pub fn use_release(&self, release: Release) {
        self.launch.lock().unwrap().release = release;
    }

    /// The next start is with this kubeconfig.
    pub fn use_kubeconfig(&self, kubeconfig: PathBuf) {
        self.launch.lock().unwrap().kubeconfig = kubeconfig;
    }

    /// The kubeconfig it is started with.
    pub fn kubeconfig(&self) -> PathBuf {
        self.launch.lock().unwrap().kubeconfig.clone()
    }

    /// Waits until `/readyz` answers 200.
    pub async fn ready(&self) {
        until("the operator's readiness", LIMIT, async || match self.readyz().await? {
            (200, _) => Ok(()),
            (status, said) => Err(format!("{status} {said}")),
        })
        .await;
    }

    /// `kill -9`, and waits for its end.
    pub async fn kill(&self) {
        self.signal(Signal::KILL);
        self.ended(LIMIT).await;
    }

    /// `kill -9` and a new start.
    pub async fn crash_and_restart(&self) {
        self.kill().await;
        self.start().await;
    }

    /// Sends SIGTERM and waits for its end; how long that took.
    pub async fn terminate(&self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        self.signal(Signal::TERM);
        let status = self.ended(LIMIT).await;
        (status, asked.elapsed())
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        let running = self.running.lock().unwrap();
        running.as_ref().and_then(|running| running.child.id()).expect("the operator is running")
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        let pid = self.pid();
        kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
    }

    /// Waits for its end without asking for it.
    pub async fn ended(&self, limit: Duration) -> ExitStatus {
        let status = until("the operator's end", limit, async || {
            let mut running = self.running.lock().unwrap();
            let running = running.as_mut().expect("the operator is running");
            running.child.try_wait().unwrap().ok_or_else(|| "it runs".to_owned())
        })
        .await;
        let ended = self.running.lock().unwrap().take();
        if let Some(ended) = ended {
            services_forget(&ended.name).await;
        }
        status
    }

    /// Whether the process runs.
    pub fn is_running(&self) -> bool {
        let mut running = self.running.lock().unwrap();
        running.as_mut().is_some_and(|running| running.child.try_wait().unwrap().is_none())
    }

    /// Status and text of `/readyz`. An error while it does not listen yet, or any more.
    pub async fn readyz(&self) -> Result<(u16, String), String> {
        http_get(self.address("--health-probe-bind-address")?, "/readyz").await
    }

    /// Waits until `/readyz` answers 503 with these words.
    pub async fn waits_for(&self, words: &[&str]) {
        until(&format!("/readyz with {words:?}"), LIMIT, async || match self.readyz().await? {
            (503, said) if words.iter().all(|word| said.contains(word)) => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }

    /// Status and text of `/healthz`.
    pub async fn healthz(&self) -> Result<(u16, String), String> {
        http_get(self.address("--health-probe-bind-address")?, "/healthz").await
    }

    /// What `/metrics` says now.
    pub async fn metrics(&self) -> Metrics {
        let text = until("/metrics", LIMIT, async || {
            match http_get(self.address("--metrics-bind-address")?, "/metrics").await? {
                (200, text) => Ok(text),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        Metrics::read(&text)
    }

    /// Waits until this series (with at least these labels) has this value; what `/metrics` said then. For what is
    /// counted after the effect that a test has seen, such as the end of a deletion.
    pub async fn metrics_with(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Metrics {
        until(&format!("{name}{labels:?} = {value}"), LIMIT, async || {
            let metrics = self.metrics().await;
            let found = metrics.value(name, labels);
            if (found - value).abs() < f64::EPSILON { Ok(metrics) } else { Err(format!("{found} in {}", metrics.text)) }
        })
        .await
    }

    /// Everything it printed, over all starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.launch.lock().unwrap().log).unwrap_or_default()
    }

    /// Waits until the present process has printed this.
    pub async fn logged(&self, text: &str) {
        until(&format!("'{text}' in the log"), LIMIT, async || {
            let log = self.log_of_this_process()?;
            if log.contains(text) { Ok(()) } else { Err(last_lines(&log, 3)) }
        })
        .await;
    }

    /// When each process was started (RFC 3339).
    pub fn starts(&self) -> Vec<String> {
        self.starts.lock().unwrap().clone()
    }

    fn log_of_this_process(&self) -> Result<String, String> {
        let offset = self.running.lock().unwrap().as_ref().ok_or("the operator is not running")?.offset;
        let log = self.log();
        Ok(log.get(usize::try_from(offset).unwrap()..).unwrap_or_default().to_owned())
    }

    /// The address it chose, as it logged it.
    fn address(&self, flag: &str) -> Result<SocketAddr, String> {
        if !self.is_running() {
            return Err(format!("the operator ended: {}", last_lines(&self.log(), 5)));
        }
        let log = self.log_of_this_process()?;
        let line = log.lines().find(|line| line.contains("listening") && line.contains(flag)).ok_or("not listening")?;
        let host = line.find("127.0.0.1:").and_then(|place| line.get(place..)).ok_or("no address")?;
        let end = host.find(|letter: char| !letter.is_ascii_digit() && !".:".contains(letter)).unwrap_or(host.len());
        host.get(..end).unwrap_or_default().parse().map_err(|error| format!("{line}: {error}"))
    }
}

async fn services_forget(name: &str) {
    guard().await.forget(name);
}

/// The end of a text, for a message.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Writes the credentials files as a mounted Secret has them.
pub fn write_credentials(folder: &Path, secret_id: &str, secret_key: &str) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, value) in [("secretId", secret_id), ("secretKey", secret_key)] {
        // Written aside and moved, as a mounted Secret is exchanged: never half a file.
        let aside = folder.join(format!(".{name}"));
        std::fs::write(&aside, value).unwrap();
        std::fs::rename(&aside, folder.join(name)).unwrap();
    }
}
