//! `make demo NODE=1`: the same promises with pods, and the leader is killed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use control_plane::node::wanted;
use rustix::process::{Signal, kill_process_group};

use super::{Demo, MACHINE, PROGRAM, Stopwatch, Turn, until};

impl Demo {
    fn start_with_a_node() -> Self {
        let turn = Turn::Alone(MACHINE.write().unwrap_or_else(PoisonError::into_inner));
        Self::start_in(turn, Path::new(PROGRAM), &["--node"], |_| {})
    }

    /// The control groups of its node, which can be removed only when every process of every pod is gone.
    fn control_groups(&self) -> Vec<PathBuf> {
        let folders = std::fs::read_dir(self.temporary.path()).unwrap().map(|entry| entry.unwrap().path());
        let lists = folders.filter_map(|folder| std::fs::read_to_string(folder.join("cgroups")).ok());
        lists.flat_map(|list| list.lines().map(PathBuf::from).collect::<Vec<_>>()).collect()
    }
}

#[tokio::test]
async fn on_a_node_a_killed_leader_is_succeeded_and_its_deletion_ends_with_one_destruction() {
    if !wanted() {
        return;
    }
    let mut demo = Demo::start_with_a_node();
    let stopwatch = Stopwatch::start();
    demo.until_it_says("[  2/9]").await;
    let groups = demo.control_groups();
    assert!(!groups.is_empty() && groups.iter().all(|group| group.is_dir()), "{groups:?}");
    let (status, errors) = demo.finish().await;
    let told = demo.seen.join("\n");
    assert!(status.success(), "{told}\n{errors}");
    stopwatch.stop(&told);
    assert_eq!(demo.left_behind(), [""; 0], "nothing is left when it says that it has ended");
    assert!(!groups.iter().any(|group| group.exists()), "{groups:?}");
    assert!(told.contains("nothing is left running"), "{told}");

    let before = |mark: &str| told.split_once(mark).unwrap_or_else(|| panic!("{mark:?} is not in\n{told}")).0;
    let former = before(" leads; the other stands by").rsplit(' ').next().unwrap();
    let successor = before(" s after the kill").rsplit_once(" leads, ").unwrap().0.rsplit(' ').next().unwrap();
    assert!(former.starts_with("gaap-operator-") && successor.starts_with("gaap-operator-"), "{former} {successor}");
    assert_ne!(former, successor, "the one that stood by takes over");
    let killed = told.split_once("$ kill -9").unwrap().1;
    let restarted = killed.lines().find(|line| line.trim_start().starts_with(former)).unwrap();
    assert_eq!(restarted.split_whitespace().nth(3), Some("1"), "RESTARTS: {restarted}");

    for id in ["link-sim00001", "link-sim00004"] {
        let sent = demo.received("DestroyProxies", id);
        let accepted = sent.iter().filter(|row| row[5].starts_with("accepted")).count();
        let tokens: BTreeSet<&str> = sent.iter().map(|row| row[4]).collect();
        assert!(accepted == 1 && tokens.len() == 1, "{id} is destroyed once: {sent:?}");
    }
    let repeated = demo.received("DestroyProxies", "link-sim00004");
    assert!(repeated[0][5].contains("the answer was lost"), "{repeated:?}");
    assert!(repeated[1][5].contains("DuplicatedRequest"), "the successor sends the same token: {repeated:?}");
    let (_, uninstalled) = told.split_once("$ helm uninstall").unwrap();
    for id in ["link-sim00002", "link-sim00003"] {
        assert!(uninstalled.contains(&format!("{id}   RUNNING   none      0")), "{uninstalled}");
    }
}

#[tokio::test]
async fn control_c_ends_a_demo_on_a_node_with_its_pods() {
    if !wanted() {
        return;
    }
    let mut demo = Demo::start_with_a_node();
    demo.until_it_says("$ kubectl delete gaap edge-sg").await;
    let groups = demo.control_groups();
    assert!(!groups.is_empty());
    kill_process_group(demo.pid(), Signal::INT).unwrap();
    let (status, errors) = demo.finish().await;
    assert_eq!(status.code(), Some(130), "{errors}");
    demo.leaves_nothing().await;
    until("the control groups go", || !groups.iter().any(|group| group.exists())).await;
}

#[tokio::test]
async fn where_no_node_can_be_one_sentence_says_why_and_what_needs_none() {
    let mut demo = Demo::start_with(&["--node", "--check"], |command| {
        // A node has a /run of its own, so it cannot be there; without root it cannot be anywhere.
        command.env("TMPDIR", "/run");
    });
    let (status, errors) = demo.finish().await;
    assert_eq!(status.code(), Some(1));
    assert!(errors.contains("no node can run here: a node ") && errors.contains("plain `make demo`"), "{errors}");
    assert_eq!(errors.trim().lines().count(), 1, "{errors}");
    assert!(demo.seen.is_empty(), "{:?}", demo.seen);
}
