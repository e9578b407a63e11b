//! What a user of the control plane relies on, tried with the real servers, and with a builder that is made up.

// clippy.toml allows these in test functions only, and a helper of tests is none.
#![allow(clippy::unwrap_used, clippy::panic, clippy::unwrap_in_result)]

mod building;
mod ending;
mod serving;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Waits until `condition` holds; fails the test when it does not within 30 s.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(30), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what} within 30 s");
}

/// Whether a process runs. One that has ended and was not yet collected by its parent (a zombie) does not.
fn runs(pid: u32) -> bool {
    let output = std::process::Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8_lossy(&output.stdout);
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// The processes of a guarded folder, by name.
fn pids(folder: &Path) -> Vec<(String, u32)> {
    let entries = std::fs::read_dir(folder.join("pids")).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = std::fs::read_to_string(entry.path()).ok()?.trim().parse().ok()?;
            Some((entry.file_name().to_string_lossy().into_owned(), pid))
        })
        .collect()
}

/// What is in a folder, sorted.
fn contents(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The program under test.
fn program() -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_gaap-control-plane"));
    command.kill_on_drop(true).stdin(std::process::Stdio::null());
    command
}
