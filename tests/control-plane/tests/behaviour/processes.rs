//! What is there: processes and files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Waits until `condition` holds; fails the test when it does not within 90 s.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    until_within(Duration::from_secs(90), what, condition).await;
}

/// The same within a limit.
pub async fn until_within(limit: Duration, what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(limit, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what} within {limit:?}");
}

/// Whether a process runs. One that has ended and was not yet collected by its parent (a zombie) does not.
pub fn runs(pid: u32) -> bool {
    processes().iter().any(|(candidate, _)| *candidate == pid)
}

/// The number and command line of every running process.
pub fn processes() -> Vec<(u32, String)> {
    let Ok(entries) =
        std::fs::read_dir("/proc").and_then(|entries| std::fs::metadata("/proc/self/cmdline").map(|_| entries))
    else {
        return processes_by_ps();
    };
    let process = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        // A zombie has no command line.
        let line = std::fs::read(entry.path().join("cmdline")).ok().filter(|line| !line.is_empty())?;
        Some((pid, String::from_utf8_lossy(&line).replace('\0', " ")))
    };
    entries.flatten().filter_map(process).collect()
}

/// The running processes whose command line names this folder.
pub fn working_in(folder: &Path) -> Vec<(u32, String)> {
    let mut processes = processes();
    processes.retain(|(_, line)| line.contains(folder.to_str().unwrap()));
    processes
}

/// Ends what a failed test would leave: there is something only when the program under test did not do its work.
pub fn end_all_working_in(folder: &Path) {
    for (pid, _) in working_in(folder) {
        // One that ended meanwhile is as good.
        let _ = Pid::from_raw(i32::try_from(pid).unwrap()).map(|pid| kill_process(pid, Signal::KILL));
    }
}

/// For systems without /proc.
fn processes_by_ps() -> Vec<(u32, String)> {
    let output = std::process::Command::new("ps").args(["-e", "-ww", "-o", "pid=,stat=,args="]).output().unwrap();
    let process = |line: &str| {
        let (pid, rest) = line.trim().split_once(' ')?;
        let (state, line) = rest.trim().split_once(' ')?;
        (!state.starts_with('Z')).then_some((pid.parse().ok()?, line.to_owned()))
    };
    String::from_utf8_lossy(&output.stdout).lines().filter_map(process).collect()
}

pub fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// The processes of a guarded folder, by name.
pub fn pids(folder: &Path) -> Vec<(String, u32)> {
    let entries = std::fs::read_dir(folder.join("pids")).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = std::fs::read_to_string(entry.path()).ok()?.trim().parse().ok()?;
            Some((entry.file_name().to_string_lossy().into_owned(), pid))
        })
        .collect()
}

/// What is in a folder, sorted.
pub fn contents(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The program under test.
pub fn program() -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_gaap-control-plane"));
    command.kill_on_drop(true).stdin(std::process::Stdio::null());
    command
}
