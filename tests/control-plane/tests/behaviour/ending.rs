//! Nothing is left behind, whatever the end of the owner is.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use control_plane::{ControlPlane, Options};
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use crate::{contents, end_all_working_in, pids, program, runs, send, until, working_in};

/// `gaap-control-plane` with a temporary folder of its own, so that everything it leaves would be seen.
struct Owner {
    temporary: tempfile::TempDir,
    child: Child,
}

impl Owner {
    fn start(arguments: &[&str]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = program();
        command.args(arguments).env("TMPDIR", temporary.path()).stdout(Stdio::piped()).stderr(Stdio::null());
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
        timeout(Duration::from_secs(120), stdout.read_line(&mut line)).await.unwrap().unwrap();
        line
    }

    /// The folder of the plane and its processes, once this one is among them.
    async fn plane_with(&self, server: &str) -> (PathBuf, Vec<(String, u32)>) {
        let find = || {
            let folder = contents(self.temporary.path()).into_iter().next()?;
            let pids = pids(&folder);
            pids.iter().any(|(name, _)| name == server).then_some((folder, pids))
        };
        until(server, || find().is_some()).await;
        find().unwrap()
    }

    async fn leaves_nothing(&self, servers: &[(String, u32)]) {
        until("the servers end", || !servers.iter().any(|(_, pid)| runs(*pid))).await;
        until("the folder goes", || contents(self.temporary.path()).is_empty()).await;
        // The watchdog is the last to go.
        until("the watchdog ends", || working_in(self.temporary.path()).is_empty()).await;
        assert!(contents(self.temporary.path()).is_empty(), "nothing came back");
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        end_all_working_in(self.temporary.path());
    }
}

#[tokio::test]
async fn an_owner_that_is_killed_leaves_nothing() {
    let mut owner = Owner::start(&["up", "--controllers"]);
    let line = owner.first_line().await;
    let (folder, servers) = owner.plane_with("kube-controller-manager").await;
    assert_eq!(line, format!("export KUBECONFIG={}\n", folder.join("admin.kubeconfig").display()));
    assert_eq!(servers.len(), 3);
    assert_ne!(working_in(&folder), [], "the look at the process table sees them");
    send(owner.pid(), Signal::KILL);
    owner.leaves_nothing(&servers).await;
}

#[tokio::test]
async fn an_owner_that_is_killed_while_it_starts_leaves_nothing() {
    for server in ["etcd", "kube-apiserver"] {
        let owner = Owner::start(&["up"]);
        let (_, servers) = owner.plane_with(server).await;
        send(owner.pid(), Signal::KILL);
        owner.leaves_nothing(&servers).await;
    }
}

#[tokio::test]
async fn control_c_in_a_terminal_and_sigterm_end_it_in_order() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut owner = Owner::start(&["up"]);
        owner.first_line().await;
        let (_, servers) = owner.plane_with("kube-apiserver").await;
        let group = rustix::process::Pid::from_raw(i32::try_from(owner.pid()).unwrap()).unwrap();
        rustix::process::kill_process_group(group, signal).unwrap();
        let status = timeout(Duration::from_secs(30), owner.child.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(0));
        assert!(contents(owner.temporary.path()).is_empty(), "nothing is left when it says that it has ended");
        owner.leaves_nothing(&servers).await;
    }
}

#[tokio::test]
async fn a_panic_of_the_owner_leaves_nothing() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let panicking = tokio::spawn(async move {
        let plane = ControlPlane::start(Options::default()).await.unwrap();
        sender.send((plane.folder().to_owned(), pids(plane.folder()))).unwrap();
        panic!("as a test that fails does");
    });
    assert!(panicking.await.unwrap_err().is_panic());
    let (folder, servers) = receiver.await.unwrap();
    assert_eq!(servers.len(), 2);
    until("the servers end", || !servers.iter().any(|(_, pid)| runs(*pid))).await;
    until("the folder goes", || !folder.exists() && !folder.with_extension("ending").exists()).await;
}

#[tokio::test]
async fn run_exits_with_the_status_of_its_command() {
    let mut owner =
        Owner::start(&["run", "--", "sh", "-c", "test -s \"$GAAP_CONTROL_PLANE/admin.kubeconfig\" && exit 7"]);
    let status = timeout(Duration::from_secs(120), owner.child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(7));
    owner.leaves_nothing(&[]).await;
}

#[tokio::test]
async fn a_signal_to_run_reaches_its_command_and_all_of_it_ends() {
    let mut owner = Owner::start(&["run", "--", "sh", "-c", "echo $$; exec sleep 300"]);
    let command: u32 = owner.first_line().await.trim().parse().unwrap();
    let (_, servers) = owner.plane_with("kube-apiserver").await;
    send(owner.pid(), Signal::TERM);
    let status = timeout(Duration::from_secs(30), owner.child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(128 + 15));
    assert!(!runs(command));
    owner.leaves_nothing(&servers).await;
}
