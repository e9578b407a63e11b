//! Where and with what was measured.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::bed::Bed;
use crate::error::{Error, Result};

/// Versions of everything that has a part in the figures.
///
/// # Errors
/// When the API server does not tell its own.
pub async fn versions(bed: &Bed) -> Result<BTreeMap<&'static str, String>> {
    let server = bed.client.apiserver_version().await.map_err(Error::kube("the API server's version"))?;
    Ok(BTreeMap::from([
        ("gaap-operator", env!("CARGO_PKG_VERSION").to_owned()),
        ("commit", said("git", &["describe", "--always", "--dirty", "--exclude=*"]).await),
        ("kubernetes", server.git_version),
        ("rustc", said("rustc", &["--version"]).await),
    ]))
}

/// The first line that a program prints; empty where there is no such program, as in a copy without git.
async fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).kill_on_drop(true).output().await;
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

/// The machine, as Linux describes it.
pub fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
        line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    json!({
        "processor": field(&read("/proc/cpuinfo"), "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "loadBefore": read("/proc/loadavg").split_whitespace().next().unwrap_or_default(),
    })
}
