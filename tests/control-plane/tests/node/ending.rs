//! Nothing of a node is left behind: processes, mounts, control groups, network interfaces, folders.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use control_plane::node::wanted;
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use crate::processes::{contents, end_all_working_in, pids, program, runs, send, until, until_within, working_in};
use crate::{apply, pod, probe_image, ready, start};

/// All that came from this process, by its numbers outside, pods included.
fn descendants(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children: Vec<u32> = children.split_whitespace().map(|child| child.parse().unwrap()).collect();
    children.iter().flat_map(|&child| descendants(child)).chain(children.iter().copied()).collect()
}

/// What there is of the node in this folder.
struct Traces {
    folder: PathBuf,
    processes: Vec<u32>,
    groups: Vec<PathBuf>,
}

impl Traces {
    fn of(folder: &Path) -> Self {
        let mut processes: Vec<u32> = pids(folder).into_iter().map(|(_, pid)| pid).collect();
        processes.extend(processes.clone().into_iter().flat_map(descendants));
        let groups = std::fs::read_to_string(folder.join("cgroups")).unwrap_or_default();
        let traces = Self { folder: folder.to_owned(), processes, groups: groups.lines().map(PathBuf::from).collect() };
        assert!(!traces.groups.is_empty() && traces.groups.iter().all(|group| group.is_dir()));
        traces
    }

    fn left(&self) -> Vec<String> {
        let mut left: Vec<String> =
            self.processes.iter().filter(|pid| runs(**pid)).map(|pid| format!("process {pid}")).collect();
        left.extend(working_in(&self.folder).into_iter().map(|process| format!("{process:?}")));
        left.extend(self.groups.iter().filter(|group| group.exists()).map(|group| group.display().to_string()));
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let name = self.folder.file_name().unwrap().to_str().unwrap();
        left.extend(mounts.lines().filter(|line| line.contains(name)).map(String::from));
        left.extend(self.folder.exists().then(|| self.folder.display().to_string()));
        let links = contents(Path::new("/sys/class/net"));
        left.extend(links.iter().filter(|link| link.ends_with("node0")).map(|link| link.display().to_string()));
        left
    }
}

/// Folders of the machine that programs of a node make by default.
const DEFAULTS: [&str; 7] = [
    "/etc/cni",
    "/opt/containerd",
    "/run/containerd",
    "/usr/libexec/kubernetes",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/kubelet",
];

#[tokio::test]
async fn a_node_that_is_stopped_leaves_nothing() {
    if !wanted() {
        return;
    }
    // A machine may have some of them for its own purposes.
    let there = || DEFAULTS.map(|folder| std::fs::read_dir(folder).map(|entries| entries.count()).ok());
    let before = there();
    let plane = start().await;
    probe_image(&plane).await;
    apply(&plane, &pod("server", &["serve", "8080"])).await;
    ready(&plane, "server").await;
    let traces = Traces::of(plane.folder());
    assert!(traces.processes.len() > 15, "servers, shims and pods: {:?}", traces.processes);
    let begun = tokio::time::Instant::now();
    plane.stop().await.unwrap();
    println!("stopped in {:.1} s", begun.elapsed().as_secs_f64());
    // The watchdog is the last to go, an instant later.
    until("nothing is left", || traces.left().is_empty()).await;
    assert_eq!(there(), before, "{DEFAULTS:?}");
}

#[tokio::test]
async fn a_node_that_is_dropped_leaves_nothing() {
    if !wanted() {
        return;
    }
    let plane = start().await;
    let traces = Traces::of(plane.folder());
    drop(plane);
    until("nothing is left", || traces.left().is_empty()).await;
}

/// A server of a node starts when those before it are ready, beside another node on the same machine.
const STARTED: Duration = Duration::from_secs(120);

/// `gaap-control-plane up --node` with a temporary folder of its own.
struct Owner {
    temporary: tempfile::TempDir,
    child: Child,
}

impl Owner {
    fn start() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = program();
        command.args(["up", "--node"]).env("TMPDIR", temporary.path()).stdout(Stdio::piped()).stderr(Stdio::null());
        // A group of its own stands for the foreground group of a terminal.
        let child = command.process_group(0).spawn().unwrap();
        Self { temporary, child }
    }

    fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    async fn first_line(&mut self) -> String {
        let mut line = String::new();
        let mut stdout = BufReader::new(self.child.stdout.as_mut().unwrap());
        timeout(STARTED, stdout.read_line(&mut line)).await.unwrap().unwrap();
        line
    }

    fn folder(&self) -> Option<PathBuf> {
        contents(self.temporary.path()).into_iter().next()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        end_all_working_in(self.temporary.path());
    }
}

#[tokio::test]
async fn an_owner_that_is_killed_leaves_nothing_of_its_node() {
    if !wanted() {
        return;
    }
    let mut owner = Owner::start();
    assert!(owner.first_line().await.starts_with("export KUBECONFIG="));
    let traces = Traces::of(&owner.folder().unwrap());
    send(owner.pid(), Signal::KILL);
    until("nothing is left", || traces.left().is_empty()).await;
    until("the folder goes", || contents(owner.temporary.path()).is_empty()).await;
}

#[tokio::test]
async fn an_owner_that_is_killed_while_its_node_starts_leaves_nothing() {
    if !wanted() {
        return;
    }
    for server in ["node", "containerd", "kubelet"] {
        let owner = Owner::start();
        let there = || owner.folder().is_some_and(|folder| pids(&folder).iter().any(|(name, _)| name == server));
        until_within(STARTED, server, there).await;
        let traces = Traces::of(&owner.folder().unwrap());
        send(owner.pid(), Signal::KILL);
        until("nothing is left", || traces.left().is_empty()).await;
        until("the folder goes", || contents(owner.temporary.path()).is_empty()).await;
    }
}

#[tokio::test]
async fn control_c_and_sigterm_end_a_node_in_order() {
    if !wanted() {
        return;
    }
    for signal in [Signal::INT, Signal::TERM] {
        let mut owner = Owner::start();
        owner.first_line().await;
        let traces = Traces::of(&owner.folder().unwrap());
        let group = rustix::process::Pid::from_raw(i32::try_from(owner.pid()).unwrap()).unwrap();
        rustix::process::kill_process_group(group, signal).unwrap();
        let status = timeout(Duration::from_secs(30), owner.child.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(0));
        assert!(contents(owner.temporary.path()).is_empty(), "nothing is left when it says that it has ended");
        until("nothing is left", || traces.left().is_empty()).await;
    }
}
