//! One server process: how it is started, watched and ended.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use crate::error::{Error, Result, tail};
use crate::guard::Guard;
use crate::namespaces::{NSENTER, Namespaces, first_child};
use crate::path::search_path;
use crate::sign::Sign;

/// How long a server may take to become ready. It takes about five seconds on an idle machine; a loaded one with two
/// cores, where a build runs beside it, has been seen to take ten times that.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// How long a server may take to end by itself before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// How often a condition is looked at: often enough not to lengthen a start that takes seconds.
const POLL: Duration = Duration::from_millis(50);

/// How a server is ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// SIGTERM, as a node that is drained does; SIGKILL only if it does not end within 30 s.
    Gracefully,
    /// SIGKILL, as a machine that fails does.
    Kill,
}

/// Everything that is needed to start a server, and to start it again.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) log: PathBuf,
    /// Beside PATH, which is all that a server inherits.
    pub(crate) environment: Vec<(&'static str, OsString)>,
    /// Where it runs; `None` is where we are.
    pub(crate) inside: Option<Namespaces>,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    inside: bool,
    log: PathBuf,
    /// Where the log of this run begins: a restarted server writes on in the same file.
    log_start: u64,
}

impl Launch {
    /// One that runs where we are, with no environment of its own.
    pub(crate) fn new(name: &'static str, program: &Path, arguments: Vec<OsString>, log: PathBuf) -> Self {
        Self { name, program: program.to_owned(), arguments, log, environment: Vec::new(), inside: None }
    }

    /// The same in the namespaces of a node, if there is one.
    pub(crate) fn inside(self, namespaces: Option<Namespaces>) -> Self {
        Self { inside: namespaces, ..self }
    }

    pub(crate) fn start(&self, guard: &Guard) -> Result<Server> {
        let failed = |error| Error::file("write", &self.log, error);
        let log = OpenOptions::new().create(true).append(true).open(&self.log).map_err(failed)?;
        let log_start = log.metadata().map_err(failed)?.len();
        let mut command = match self.inside {
            None => guard.command(self.name, &self.program),
            Some(namespaces) => {
                let mut command = guard.command(self.name, Path::new(NSENTER));
                command.args(namespaces.arguments()).arg(&self.program);
                command
            }
        };
        // Without the user's environment: etcd takes settings from it, and both would use a proxy from it.
        command.env_clear().env("PATH", search_path()).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(&self.arguments).current_dir(guard.folder());
        command.stdout(log.try_clone().map_err(failed)?).stderr(log);
        let child = command.spawn().map_err(|source| Error::Start { program: self.program.clone(), source })?;
        let inside = self.inside.is_some();
        Ok(Server { name: self.name, child, inside, log: self.log.clone(), log_start })
    }
}

impl Server {
    /// Waits for the sign that the server is ready, and gives up when the server ends or the limit is over.
    pub(crate) async fn wait_until_ready(&mut self, sign: &(impl Sign + Sync)) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.error(format!("ended before it was ready ({status})")));
            }
            let Err(missing) = sign.look().await else { return Ok(()) };
            if start.elapsed() >= READY_LIMIT {
                let limit = READY_LIMIT.as_secs();
                return Err(self.error(format!("was not ready within {limit} s (last: {missing})")));
            }
            sleep(POLL).await;
        }
    }

    /// Whether this run ended because somebody else had its port.
    pub(crate) fn lost_its_port(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_))) && self.output().contains("address already in use")
    }

    /// Ends the server and waits until it has ended.
    pub(crate) async fn stop(mut self, guard: &Guard, how: Stop) -> Result<ExitStatus> {
        let cannot_wait = |source| Error::Start { program: self.name.into(), source };
        if how == Stop::Gracefully {
            self.send(Signal::TERM);
            if let Ok(status) = timeout(STOP_LIMIT, self.child.wait()).await {
                guard.forget(self.name);
                return status.map_err(cannot_wait);
            }
        }
        self.send(Signal::KILL);
        let status = self.child.wait().await.map_err(cannot_wait)?;
        guard.forget(self.name);
        Ok(status)
    }

    fn send(&self, signal: Signal) {
        let Some(child) = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) else {
            // It has ended, which is what is wanted.
            return;
        };
        // nsenter passes no signal on to the server, its child, and ends as that one does.
        let server = if self.inside { first_child(child) } else { None };
        let _ = match (self.inside, server) {
            (_, Some(server)) => kill_process(server, signal),
            (true, None) => kill_process_group(child, signal),
            (false, None) => kill_process(child, signal),
        };
    }

    fn output(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let start = usize::try_from(self.log_start).unwrap_or_default();
        String::from_utf8_lossy(text.get(start..).unwrap_or_default()).into_owned()
    }

    fn error(&self, what: String) -> Error {
        Error::Server { server: self.name, what, tail: tail(&self.output()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(guard: &Guard, script: &str) -> Launch {
        let arguments = ["-c", script, "sh"].map(OsString::from).to_vec();
        let mut launch = Launch::new("server", Path::new("/bin/sh"), arguments, guard.folder().join("server.log"));
        launch.arguments.push(guard.folder().into());
        launch
    }

    struct Never;

    impl Sign for Never {
        async fn look(&self) -> Result<(), String> {
            Err("not yet".to_owned())
        }
    }

    /// The log is longer than it was.
    struct Writes(PathBuf, u64);

    impl Sign for Writes {
        async fn look(&self) -> Result<(), String> {
            match std::fs::metadata(&self.0) {
                Ok(metadata) if metadata.len() > self.1 => Ok(()),
                _ => Err("quiet".to_owned()),
            }
        }
    }

    #[tokio::test]
    async fn a_server_that_ends_at_once_is_reported_with_the_end_of_its_log() {
        let parent = tempfile::tempdir().unwrap();
        let guard = Guard::new(parent.path(), "server").await.unwrap();
        let mut server = launch(&guard, "echo bind: address already in use >&2; exit 3").start(&guard).unwrap();
        let error = server.wait_until_ready(&Never).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("address already in use"), "{error}");
        assert!(server.lost_its_port());
        guard.end().await.unwrap();
    }

    #[tokio::test]
    async fn the_log_of_an_earlier_run_is_not_taken_for_this_one() {
        let parent = tempfile::tempdir().unwrap();
        let guard = Guard::new(parent.path(), "server").await.unwrap();
        let first = launch(&guard, "echo bind: address already in use");
        let mut server = first.start(&guard).unwrap();
        server.child.wait().await.unwrap();
        let mut server = launch(&guard, "echo something else").start(&guard).unwrap();
        server.child.wait().await.unwrap();
        assert!(!server.lost_its_port());
        guard.end().await.unwrap();
    }

    #[tokio::test]
    async fn a_graceful_stop_lets_the_server_end_by_itself_and_a_kill_does_not() {
        let parent = tempfile::tempdir().unwrap();
        let guard = Guard::new(parent.path(), "server").await.unwrap();
        let script = "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done";
        for (how, code) in [(Stop::Gracefully, Some(7)), (Stop::Kill, None)] {
            let mut server = launch(&guard, script).start(&guard).unwrap();
            let writes = Writes(server.log.clone(), server.log_start);
            server.wait_until_ready(&writes).await.unwrap();
            assert_eq!(server.stop(&guard, how).await.unwrap().code(), code);
            assert!(!guard.folder().join("pids/server").exists());
        }
        guard.end().await.unwrap();
    }
}
