//! What `make demo` promises: it tells the whole story, checks it, and leaves nothing behind, whatever its end is.

// clippy.toml allows these in test functions only, and a helper of tests is none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod node;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

/// What `make demo` may take when everything is built, and what a loaded machine may make of it.
const LIMIT: Duration = Duration::from_secs(60);
const LIMIT_UNDER_LOAD: Duration = Duration::from_secs(180);

const PROGRAM: &str = env!("CARGO_BIN_EXE_gaap-demo");

/// One with a node takes the whole machine, and how long it takes is told for a machine that does nothing else.
static MACHINE: RwLock<()> = RwLock::new(());

#[expect(dead_code, reason = "they are only held")]
enum Turn {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

/// A demo with a temporary folder of its own, so that everything it leaves would be seen.
struct Demo {
    _turn: Turn,
    temporary: tempfile::TempDir,
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
    seen: Vec<String>,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, |_| {})
    }

    fn start_with(arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Self {
        Self::start_program(Path::new(PROGRAM), arguments, prepare)
    }

    fn start_program(program: &Path, arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Self {
        // Every test has a thread of its own, which may wait.
        let turn = Turn::Shared(MACHINE.read().unwrap_or_else(PoisonError::into_inner));
        Self::start_in(turn, program, arguments, prepare)
    }

    fn start_in(turn: Turn, program: &Path, arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        command.args(arguments).current_dir(root()).env("TMPDIR", temporary.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        prepare(&mut command);
        // A group of its own stands for the foreground group of a terminal.
        let mut child = command.process_group(0).spawn().unwrap();
        let lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        Self { _turn: turn, temporary, child, lines, seen: Vec::new() }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap()
    }

    /// Reads on until a line holds this.
    async fn until_it_says(&mut self, wanted: &str) -> String {
        let reading = async {
            while let Some(line) = self.lines.as_mut().unwrap().next_line().await.unwrap() {
                self.seen.push(line.clone());
                if line.contains(wanted) {
                    return Some(line);
                }
            }
            None
        };
        let found = timeout(LIMIT_UNDER_LOAD, reading).await.unwrap_or(None);
        found.unwrap_or_else(|| panic!("it never said {wanted:?}:\n{}", self.seen.join("\n")))
    }

    /// Reads on to the end: the status, and what it said on standard error.
    async fn finish(&mut self) -> (ExitStatus, String) {
        let mut errors = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        let ending = async {
            if let Some(lines) = &mut self.lines {
                while let Some(line) = lines.next_line().await.unwrap() {
                    self.seen.push(line);
                }
            }
            stderr.read_to_string(&mut errors).await.unwrap();
            self.child.wait().await.unwrap()
        };
        let status = timeout(LIMIT_UNDER_LOAD, ending).await.expect("it ends");
        (status, errors)
    }

    /// Processes that work in its folder, and what is in there.
    fn left_behind(&self) -> Vec<String> {
        let folder = self.temporary.path();
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().display().to_string());
        files.chain(processes().into_iter().filter(|line| line.contains(folder.to_str().unwrap()))).collect()
    }

    async fn leaves_nothing(&self) {
        until("everything is gone", || self.left_behind().is_empty()).await;
    }

    /// The rows of the tables that tell what the cloud received, each as its cells.
    fn received(&self, action: &str, id: &str) -> Vec<Vec<&str>> {
        let cells = |line: &'_ str| line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).count();
        let rows = self.seen.iter().filter(|line| cells(line) == 6);
        rows.map(|line| line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>())
            .filter(|row| row[1] == action && row[2] == id)
            .collect()
    }
}

/// Whether a demo ends within a minute on a machine that has nothing else to do.
struct Stopwatch {
    begun: Instant,
    worked: f64,
}

impl Stopwatch {
    /// A demo keeps processors busy for half a minute, together.
    const OF_A_DEMO: f64 = 60.0;

    fn start() -> Self {
        Self { begun: Instant::now(), worked: Self::worked() }
    }

    fn stop(&self, told: &str) {
        let (took, worked) = (self.begun.elapsed(), Self::worked() - self.worked);
        if took >= LIMIT && worked > Self::OF_A_DEMO {
            println!("not judged: {took:.0?}, with processors busy for {worked:.0} s, mostly for others");
            return;
        }
        assert!(took < LIMIT, "it took {took:?}:\n{told}");
        println!("done in {took:.0?}, with processors busy for {worked:.0} s");
    }

    /// Seconds that all processors have worked for anybody, `steal` included. Linux only, as the node is; elsewhere 0.
    fn worked() -> f64 {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let figures = text.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
        // user, nice, system, idle, iowait, irq, softirq, steal, in hundredths.
        let busy = figures.enumerate().filter(|(column, _)| ![3, 4].contains(column));
        busy.map(|(_, figure)| figure.parse::<f64>().unwrap() / 100.0).sum()
    }
}

/// Waits until `condition` holds; fails the test when it does not within 90 s.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(Duration::from_secs(90), waiting).await.is_ok(), "{what} within 90 s");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// The command line of every running process. Linux only, as the demo's own test of memory is; elsewhere it is empty
/// and the folder alone is looked at.
fn processes() -> Vec<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}

#[tokio::test]
async fn the_demo_tells_the_whole_story_within_a_minute_and_leaves_nothing() {
    let mut demo = Demo::start(&["--no-build"]);
    let stopwatch = Stopwatch::start();
    let (status, errors) = demo.finish().await;
    let told = demo.seen.join("\n");
    assert!(status.success(), "{told}\n{errors}");
    stopwatch.stop(&told);
    assert_eq!(demo.left_behind(), [""; 0], "nothing is left when it says that it has ended");
    assert!(told.contains("nothing is left running"), "{told}");
    assert!(!told.contains('\x1b'), "no colour outside a terminal");

    for (id, force) in [("link-sim00001", "0"), ("link-sim00002", "1"), ("link-sim00004", "0")] {
        let sent = demo.received("DestroyProxies", id);
        let accepted = sent.iter().filter(|row| row[5].starts_with("accepted")).count();
        assert_eq!(accepted, 1, "{id} is destroyed once: {sent:?}");
        let tokens: BTreeSet<&str> = sent.iter().map(|row| row[4]).collect();
        assert!(tokens.len() == 1 && tokens.iter().all(|token| token.starts_with("gaap1-")), "{sent:?}");
        assert!(sent.iter().all(|row| row[3] == force), "{sent:?}");
    }
    let lost = demo.received("DestroyProxies", "link-sim00002");
    assert!(lost[0][5].contains("the answer was lost"), "{lost:?}");
    let repeated = demo.received("DestroyProxies", "link-sim00004");
    assert!(repeated.len() >= 2 && repeated[0][5].contains("the answer was lost"), "{repeated:?}");
    assert!(repeated[1][5].contains("DuplicatedRequest"), "the same token came again: {repeated:?}");
    let (_, retained) = told.split_once("deletionPolicy: Retain").unwrap();
    assert!(retained.contains("link-sim00003   RUNNING   none      0"), "{retained}");
    assert!(demo.received("DestroyProxies", "link-sim00003").is_empty());
}

#[tokio::test]
async fn control_c_at_any_moment_ends_everything() {
    // While the API server starts, and while kubectl waits for a deletion.
    for moment in ["[ 1/10]", "$ kubectl delete gaapproxy edge-sg"] {
        let mut demo = Demo::start(&["--no-build"]);
        demo.until_it_says(moment).await;
        kill_process_group(demo.pid(), Signal::INT).unwrap();
        let (status, errors) = demo.finish().await;
        assert_eq!(status.code(), Some(130), "{moment}: {errors}");
        demo.leaves_nothing().await;
    }
}

#[tokio::test]
async fn a_demo_that_is_killed_leaves_nothing() {
    let mut demo = Demo::start(&["--no-build"]);
    demo.until_it_says("$ kubectl delete gaapproxy edge-sg").await;
    let running = demo.left_behind().join("\n");
    for program in ["etcd", "kube-apiserver", "gaap-simulator", "gaap-operator"] {
        assert!(running.contains(program), "the look at the process table sees {program}: {running}");
    }
    kill_process(demo.pid(), Signal::KILL).unwrap();
    demo.leaves_nothing().await;
}

#[tokio::test]
async fn a_kept_demo_can_be_played_with_until_control_c() {
    let mut demo = Demo::start(&["--no-build", "--keep"]);
    let line = demo.until_it_says("$ export KUBECONFIG=").await;
    let (_, kubeconfig) = line.split_once("KUBECONFIG=").unwrap();
    let kubeconfig = kubeconfig.to_owned();
    let line = demo.until_it_says("$ export PATH=").await;
    let (folder, _) = line.split_once("PATH=").unwrap().1.split_once(':').unwrap();
    let kubectl = Path::new(folder).join("kubectl");
    demo.until_it_says("Ctrl-C").await;
    let mut kubectl = Command::new(kubectl);
    let output = kubectl.args(["get", "gaapproxies"]).env("KUBECONFIG", kubeconfig).output().await.unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("No resources found"));
    kill_process_group(demo.pid(), Signal::INT).unwrap();
    let (status, errors) = demo.finish().await;
    assert!(status.success(), "{errors}");
    assert_eq!(demo.left_behind(), [""; 0]);
}

#[tokio::test]
async fn a_reader_who_goes_away_ends_the_demo() {
    let mut demo = Demo::start(&["--no-build"]);
    demo.until_it_says("[ 2/10]").await;
    // As `make demo | head` does.
    demo.lines = None;
    let (status, errors) = demo.finish().await;
    assert_eq!(status.code(), Some(1));
    assert!(errors.contains("cannot write the output"), "{errors}");
    demo.leaves_nothing().await;
}

#[tokio::test]
async fn outside_the_repository_it_says_where_to_start_it() {
    let mut demo = Demo::start_with(&["--no-build"], |command| {
        command.current_dir("/");
    });
    let (status, errors) = demo.finish().await;
    assert_eq!(status.code(), Some(1));
    assert!(errors.contains("in the folder of the repository"), "{errors}");
}

fn install(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn an_operator_that_fails_is_told_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("gaap-demo");
    std::fs::copy(PROGRAM, &program).unwrap();
    let mut demo = Demo::start_program(&program, &["--no-build"], |_| {});
    let (status, errors) = demo.finish().await;
    assert_eq!(status.code(), Some(1));
    assert!(errors.contains("gaap-operator is not there: build it with"), "{errors}");
    // Its turn: one who waits to be alone would let nobody in before.
    drop(demo);

    let simulator = Path::new(PROGRAM).with_file_name("gaap-simulator");
    std::os::unix::fs::symlink(simulator, folder.path().join("gaap-simulator")).unwrap();
    install(folder.path(), "gaap-operator", "echo 'no such flag' >&2; exit 3");
    let mut demo = Demo::start_program(&program, &["--no-build"], |_| {});
    let (status, errors) = demo.finish().await;
    assert_eq!(status.code(), Some(1));
    assert!(errors.contains("no such flag"), "{errors}");
    assert!(errors.contains("gaap-operator ended by itself (exit status: 3)"), "{errors}");
    assert_eq!(demo.left_behind(), [""; 0]);
}

/// A machine on which nothing but this Cargo runs: the servers and clients only pretend to be there.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new(cargo: &str) -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        machine.install("cargo", cargo);
        for server in ["kube-apiserver", "etcd", "kubectl"] {
            machine.install(server, "exit 1");
        }
        machine.install("helm", "echo v4.3.1");
        machine
    }

    fn install(&self, name: &str, script: &str) {
        install(self.folder.path(), name, script);
    }

    fn demo(&self) -> Demo {
        Demo::start_with(&[], |command| {
            let path = format!("{}:/usr/bin:/bin", self.folder.path().display());
            command.env("PATH", path).env("KUBEBUILDER_ASSETS", self.folder.path());
        })
    }
}

#[tokio::test]
async fn a_build_that_fails_shows_its_errors_and_nothing_is_started() {
    let machine = Machine::new("echo 'error[E0432]: unresolved import' >&2; exit 101");
    let mut demo = machine.demo();
    let (status, errors) = demo.finish().await;
    assert_eq!(status.code(), Some(1));
    assert!(errors.contains("gaap-operator and gaap-simulator failed (exit status: 101)"), "{errors}");
    assert!(errors.contains("error[E0432]: unresolved import"), "{errors}");
    assert!(demo.seen.is_empty(), "{:?}", demo.seen);
    demo.leaves_nothing().await;
}

#[tokio::test]
async fn a_build_that_is_interrupted_ends_with_its_compilers() {
    for signal in [Signal::INT, Signal::KILL] {
        let machine = Machine::new("");
        let mark = machine.folder.path().join("compiler");
        // The compiler is a child of Cargo: only the group of both tells that it is ours.
        machine.install("cargo", &format!("sh -c 'echo $$ >{}; exec sleep 300' & wait", mark.display()));
        let demo = machine.demo();
        let read = || std::fs::read_to_string(&mark).unwrap_or_default();
        until("the build is under way", || read().ends_with('\n')).await;
        let compiler = PathBuf::from(format!("/proc/{}/cmdline", read().trim()));
        // A process that has ended and was not yet collected has an empty command line, as one has for an instant while
        // it becomes another program.
        let runs = || std::fs::read(&compiler).is_ok_and(|line| line.starts_with(b"sleep"));
        until("the compiler runs", runs).await;
        kill_process_group(demo.pid(), signal).unwrap();
        until("the compiler ends", || !runs()).await;
        demo.leaves_nothing().await;
    }
}
