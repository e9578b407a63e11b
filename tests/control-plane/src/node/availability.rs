//! Whether this machine can run a node.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::cgroups;
use crate::debian::{NFT, Packaged, RUNC};
use crate::namespaces::NSENTER;
use crate::node::settings::HIDDEN;
use crate::path::{on_path, search_path};
use crate::random;

/// With this set to 1 a test that needs a node fails where there can be none.
pub const REQUIRED: &str = "REQUIRE_NODE";

/// A first process with the mounts and the network of a node, `$0` being a folder for what is written; it ends at once.
const TRIAL: &str = r#"set -e
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
ip link add gaap0 type bridge
mkdir "$0/written" "$0/work"
mount -t overlay -o "lowerdir=/var/lib,upperdir=$0/written,workdir=$0/work" overlay /var/lib"#;

/// Whether a node can run here; the error says in one sentence why not.
///
/// # Errors
/// When the system, the rights, a program or the control groups that it takes are not there.
pub fn availability() -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("a node needs Linux".to_owned());
    }
    if !is_root() {
        return Err("a node needs root, for namespaces, mounts and control groups".to_owned());
    }
    for (program, package) in
        [("unshare", "util-linux"), (NSENTER, "util-linux"), ("mount", "mount"), ("ip", "iproute2")]
    {
        if on_path(program).is_empty() {
            return Err(format!("a node needs {program}: the package '{package}'"));
        }
    }
    for Packaged { program, package, .. } in [&RUNC, &NFT] {
        if on_path(program).is_empty() && !Packaged::could_be_fetched() {
            return Err(format!(
                "a node needs {program}: the package '{package}' (it is fetched only on Debian and its kin)"
            ));
        }
    }
    control_groups()?;
    trial()
}

/// Whether a test that needs a node is to run. If not, one line on standard error says why; where a node is required
/// (`REQUIRE_NODE=1`), it panics instead, so that a machine meant to run these tests cannot skip them unseen.
#[expect(clippy::panic, reason = "for tests, whose way to fail this is")]
pub fn wanted() -> bool {
    let Err(reason) = availability() else { return true };
    if std::env::var_os(REQUIRED).is_some_and(|value| value == "1") {
        panic!("{REQUIRED}=1, but {reason}");
    }
    eprintln!("skipped: {reason}");
    false
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn control_groups() -> Result<(), String> {
    let hierarchies = cgroups::hierarchies().map_err(|error| error.to_string())?;
    let has = |controller: &str| hierarchies.iter().any(|hierarchy| offers(hierarchy, controller));
    for controller in ["cpu", "cpuset", "memory", "pids"] {
        if !has(controller) {
            return Err(format!("a node needs the control group controller {controller} mounted and delegated"));
        }
    }
    // Read-only in most containers.
    for hierarchy in hierarchies {
        let trial = hierarchy.join(unique()?);
        let made = std::fs::create_dir(&trial).and_then(|()| std::fs::remove_dir(&trial));
        made.map_err(|error| {
            format!("a node needs control groups of its own: cannot make {}: {error}", trial.display())
        })?;
    }
    Ok(())
}

/// Whether a group made at the top of this hierarchy has the controller.
fn offers(hierarchy: &Path, controller: &str) -> bool {
    match std::fs::read_to_string(hierarchy.join("cgroup.subtree_control")) {
        Ok(delegated) => delegated.split_whitespace().any(|word| word == controller),
        // Version 1: one mount for each, named after it, or after several with commas between.
        Err(_) => {
            hierarchy.file_name().is_some_and(|name| name.to_string_lossy().split(',').any(|word| word == controller))
        }
    }
}

/// Rights cannot be told from a list: containers and security modules refuse some of this to root as well, and not
/// every file system can be below an overlay, which the images of containers are.
fn trial() -> Result<(), String> {
    let temporary = std::env::temp_dir();
    let real = std::fs::canonicalize(&temporary).unwrap_or(temporary);
    if HIDDEN.iter().any(|hidden| real.starts_with(hidden)) {
        return Err(format!("a node cannot work in {}, where it has folders of its own: set TMPDIR", real.display()));
    }
    let folder = real.join(unique()?);
    std::fs::create_dir(&folder).map_err(|error| format!("a node needs room in {}: {error}", folder.display()))?;
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--propagation",
        "private",
        "sh",
        "-c",
        TRIAL,
    ]);
    command.arg(&folder).env("PATH", search_path()).stdin(Stdio::null());
    let output = command.output();
    // What stays is an empty folder of a machine that has other troubles.
    let _ = std::fs::remove_dir_all(&folder);
    let output = output.map_err(|error| format!("a node needs unshare, which cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Err(format!("a node needs mounts and a network of its own, which this machine refuses: {said}"))
}

/// Several tests of one process may ask at once.
fn unique() -> Result<String, String> {
    random::hexadecimal::<4>().map(|letters| format!("gaap-trial-{letters}")).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_is_offered_by_its_own_mount_or_by_delegation() {
        let root = tempfile::tempdir().unwrap();
        for name in ["memory", "cpu,cpuacct", "unified"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        std::fs::write(root.path().join("unified/cgroup.subtree_control"), "io pids\n").unwrap();
        let offers = |name: &str, controller| offers(&root.path().join(name), controller);
        assert!(offers("memory", "memory") && offers("cpu,cpuacct", "cpu") && offers("unified", "pids"));
        assert!(!offers("memory", "cpu") && !offers("unified", "memory"));
    }
}
