//! A folder and the processes that work in it, both of which end with their owner, however that one ends.
//!
//! The owner holds one end of a pipe; a watchdog, a small shell script, reads the other. The kernel closes the pipe
//! for any end of the owner, `kill -9` included, and the watchdog then ends the processes and removes the folder.
//! A death signal from the kernel (`PR_SET_PDEATHSIG`) was turned down: it is bound to the thread that started the
//! process, exists on Linux only and needs unsafe code.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use crate::cgroups;
use crate::error::{Error, Result};
use crate::random;

const WATCHDOG: &str = include_str!("watchdog.sh");

/// Writes the pid of the process before it becomes the program, and gives up if the folder went away meanwhile.
const LAUNCHER: &str = r#"echo "$$" >"$0" && [ -e "$0" ] && exec "$@""#;

/// How long the watchdog may take to make the folder, and to end everything: both are moments on an idle machine.
const WATCHDOG_LIMIT: Duration = Duration::from_secs(20);

/// A folder of this process, with the watchdog that outlives us to remove it.
///
/// Dropping the guard begins the removal and does not wait for it; [`Guard::end`] does.
#[derive(Debug)]
pub struct Guard {
    folder: PathBuf,
    watchdog: Child,
    lifeline: Option<ChildStdin>,
}

impl Guard {
    /// Makes a new folder, readable by this user only, named `prefix` and some random letters inside `parent`.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub async fn new(parent: &Path, prefix: &str) -> Result<Self> {
        let parent = std::path::absolute(parent).map_err(|error| Error::file("find", parent, error))?;
        let folder = parent.join(format!("{prefix}-{}", random::hexadecimal::<4>()?));
        let mut watchdog = Command::new("sh")
            .args([OsStr::new("-c"), OsStr::new(WATCHDOG), OsStr::new("gaap-watchdog"), folder.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Not ours: a reader of our own output would wait for the watchdog, too.
            .stderr(Stdio::null())
            .current_dir("/")
            // Out of the terminal's foreground group, so that Ctrl-C ends the owner and not the one who tidies up.
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Start { program: "sh".into(), source })?;
        let lifeline = watchdog.stdin.take();
        let mut ready = String::new();
        if let Some(stdout) = watchdog.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            // An error leaves the line empty, which is told just below.
            let _ = timeout(WATCHDOG_LIMIT, stdout.read_line(&mut ready)).await;
        }
        if ready.trim() != "ready" {
            return Err(Error::Folder { folder });
        }
        Ok(Self { folder, watchdog, lifeline })
    }

    /// The folder, an absolute path.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command for a process that ends with this guard.
    ///
    /// `name` is unique among the guard's processes. One argument must name a path inside the folder: the watchdog
    /// tells our processes from strangers by it.
    pub fn command(&self, name: &str, program: &Path) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(LAUNCHER).arg(self.pid_file(name)).arg(program);
        command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
        command
    }

    /// Forgets a process that has ended, so that its number means nothing any more.
    pub fn forget(&self, name: &str) {
        // A file that stays only costs the watchdog a look at the process table.
        let _ = std::fs::remove_file(self.pid_file(name));
    }

    fn pid_file(&self, name: &str) -> PathBuf {
        self.folder.join("pids").join(name)
    }

    /// Ends the processes, removes the folder and waits for both.
    ///
    /// # Errors
    /// When the folder, or a control group that was listed in it, is still there after some time.
    pub async fn end(mut self) -> Result<()> {
        let groups = cgroups::listed(&self.folder);
        drop(self.lifeline.take());
        let waited = timeout(WATCHDOG_LIMIT, self.watchdog.wait()).await;
        if waited.is_err() || self.folder.exists() || self.folder.with_extension("ending").exists() {
            return Err(Error::Leftover { folder: self.folder.clone() });
        }
        if let Some(group) = groups.into_iter().find(|group| group.exists()) {
            return Err(Error::Leftover { folder: group });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_gone(folder: &Path) -> bool {
        for _ in 0..200 {
            if !folder.exists() && !folder.with_extension("ending").exists() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    #[tokio::test]
    async fn dropping_a_guard_ends_its_process_and_removes_its_folder() {
        let parent = tempfile::tempdir().unwrap();
        let guard = Guard::new(parent.path(), "guard").await.unwrap();
        let folder = guard.folder().to_owned();
        let mut process = guard.command("sleeper", Path::new("sh"));
        // A shell with a child, as a Go build has: the child has to go as well.
        let mut process = process
            .args(["-c", "sleep 300 & wait", "sh"])
            .arg(folder.join("mark"))
            .kill_on_drop(false)
            .spawn()
            .unwrap();
        while std::fs::read_to_string(folder.join("pids/sleeper")).unwrap_or_default().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(guard);
        let status = timeout(Duration::from_secs(10), process.wait()).await.unwrap().unwrap();
        assert!(!status.success(), "it was killed, not left to finish");
        assert!(is_gone(&folder).await);
    }

    #[tokio::test]
    async fn a_folder_that_a_process_makes_again_before_it_is_ended_goes_as_well() {
        // As etcd does with its data folder. With one try the move and the end seldom meet it.
        for _ in 0..5 {
            let parent = tempfile::tempdir().unwrap();
            let guard = Guard::new(parent.path(), "guard").await.unwrap();
            let made = guard.folder().join("data");
            let mut maker = guard.command("maker", Path::new("sh"));
            let script = r#"while :; do mkdir -p "$1" 2>/dev/null; done"#;
            let mut maker = maker.args(["-c", script, "sh"]).arg(&made).kill_on_drop(false).spawn().unwrap();
            while !made.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            guard.end().await.unwrap();
            timeout(Duration::from_secs(10), maker.wait()).await.unwrap().unwrap();
            assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
        }
    }

    #[tokio::test]
    async fn a_process_started_after_the_end_gives_up_before_its_program_runs() {
        let parent = tempfile::tempdir().unwrap();
        let guard = Guard::new(parent.path(), "guard").await.unwrap();
        let mut late = guard.command("late", Path::new("touch"));
        let mark = parent.path().join("mark");
        late.arg(&mark).stderr(Stdio::null());
        guard.end().await.unwrap();
        assert!(!late.status().await.unwrap().success());
        assert!(!mark.exists());
    }

    #[tokio::test]
    async fn the_watchdog_spares_a_stranger_who_has_the_number_of_an_ended_process() {
        let parent = tempfile::tempdir().unwrap();
        let guard = Guard::new(parent.path(), "guard").await.unwrap();
        let mut stranger = Command::new("sleep").arg("300").process_group(0).kill_on_drop(true).spawn().unwrap();
        std::fs::write(guard.folder().join("pids/former"), format!("{}\n", stranger.id().unwrap())).unwrap();
        guard.end().await.unwrap();
        assert!(stranger.try_wait().unwrap().is_none(), "the stranger lives");
        stranger.kill().await.unwrap();
    }

    #[tokio::test]
    async fn a_guard_whose_parent_folder_is_missing_says_so() {
        let error = Guard::new(Path::new("/nonexistent"), "guard").await.unwrap_err();
        assert!(error.to_string().contains("/nonexistent/guard-"), "{error}");
    }
}
