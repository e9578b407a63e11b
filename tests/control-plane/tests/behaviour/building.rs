//! How the binaries come into the cache, tried with a `go` that only pretends.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::Signal;
use tokio::process::Command;

use crate::{contents, end_all_working_in, program, runs, send, until};

/// Answers `go env`, and for `go build` notes what is built and writes a program. With a file `hang` beside it the
/// build stops halfway for ever, with a file `fail` it fails.
const GO: &str = r#"#!/bin/sh
here=$(dirname "$0")
if [ "$1" = env ]; then printf 'go1.26.8\nlinux\namd64\n'; exit; fi
while [ "$1" != -o ]; do shift; done
basename "$2" >>"$here/built"
echo internal/cpu >&2
printf '#!/bin/sh\n' >"$2"
if [ -e "$here/fail" ]; then echo 'main.go:1:1: it does not compile' >&2; exit 2; fi
if [ -e "$here/hang" ]; then tail -f "$2" & echo "$$ $!" >"$here/hanging"; wait; fi
echo "echo whole" >>"$2"
chmod +x "$2"
"#;

struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["bin", "cache"] {
            std::fs::create_dir(machine.path(folder)).unwrap();
        }
        machine.install(
            "kubectl",
            r#"#!/bin/sh
echo '{"clientVersion": {"gitVersion": "v1.36.4"}}'"#,
        );
        machine.install("helm", "#!/bin/sh\necho v3.16.4");
        machine.install("go", GO);
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn install(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// `gaap-control-plane binaries` on this machine.
    fn binaries(&self) -> Command {
        let mut command = program();
        command.arg("binaries").env_clear();
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()));
        command.env("XDG_CACHE_HOME", self.path("cache")).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn built(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("bin/built")).unwrap_or_default();
        let mut built: Vec<_> = text.lines().map(String::from).collect();
        built.sort();
        built
    }

    /// What is in the cache, as paths below it.
    fn cached(&self) -> Vec<String> {
        let cache = self.path("cache/gaap-operator/control-plane");
        let below = |path: &Path| path.strip_prefix(&cache).unwrap().display().to_string();
        let mut cached = Vec::new();
        for path in contents(&cache) {
            cached.extend(if path.is_dir() { contents(&path) } else { vec![path] });
        }
        cached.iter().map(|path| below(path)).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        end_all_working_in(self.folder.path());
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn two_builds_at_once_build_each_binary_once_and_clients_that_fit_are_not_built() {
    let machine = Machine::new();
    let (first, second) = tokio::join!(machine.binaries().output(), machine.binaries().output());
    let (first, second) = (first.unwrap(), second.unwrap());
    assert!(first.status.success(), "{}", text(&first.stderr));
    assert!(second.status.success(), "{}", text(&second.stderr));
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(machine.built(), ["etcd", "helm", "kube-apiserver"], "kubectl 1.36 fits, helm 3.16 does not");

    let output = text(&first.stdout);
    assert!(output.contains(&format!("kubectl {}", machine.path("bin/kubectl").display())), "{output}");
    for line in output.lines().filter(|line| !line.starts_with("kubectl ")) {
        let (_, path) = line.split_once(' ').unwrap();
        assert_eq!(text(&Command::new(path).output().await.unwrap().stdout), "whole\n", "{line}");
    }
    let again = machine.binaries().output().await.unwrap();
    assert_eq!(text(&again.stderr), "", "nothing is to be told when everything is there");
    assert_eq!(machine.built().len(), 3);
}

#[tokio::test]
async fn a_build_whose_owner_is_killed_ends_and_its_half_result_is_never_taken() {
    let machine = Machine::new();
    let hang = machine.path("bin/hang");
    std::fs::write(&hang, "").unwrap();
    let owner = machine.binaries().spawn().unwrap();
    let hanging = machine.path("bin/hanging");
    let read = || std::fs::read_to_string(&hanging).unwrap_or_default();
    until("the build is under way", || read().ends_with('\n')).await;
    let processes: Vec<u32> = read().split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert!(processes.len() == 2 && processes.iter().all(|pid| runs(*pid)));

    send(owner.id().unwrap(), Signal::KILL);
    until("go and its child end", || !processes.iter().any(|pid| runs(*pid))).await;
    until("only the lock is left", || machine.cached() == ["lock"]).await;

    std::fs::remove_file(&hang).unwrap();
    let output = machine.binaries().output().await.unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let server = machine.cached().into_iter().find(|path| path.ends_with("/kube-apiserver")).unwrap();
    let server = machine.path("cache/gaap-operator/control-plane").join(server);
    assert_eq!(text(&Command::new(server).output().await.unwrap().stdout), "whole\n");
}

#[tokio::test]
async fn a_build_says_what_it_does_and_how_long_it_took_last_time() {
    let machine = Machine::new();
    let output = machine.binaries().output().await.unwrap();
    let told = text(&output.stderr);
    assert!(
        told.contains("building kube-apiserver v1.37.2 from its Go module with go1.26.8 linux/amd64; never built here"),
        "{told}"
    );
    assert!(told.contains("built kube-apiserver in 0 s, 1 packages compiled"), "{told}");
    let cache = machine.path("cache/gaap-operator/control-plane");
    let folder = contents(&cache).into_iter().find(|path| path.display().to_string().contains("/kubernetes-")).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    let output = machine.binaries().output().await.unwrap();
    let told = text(&output.stderr);
    assert!(told.contains("the last build took 0 s, 1 packages compiled"), "{told}");
}

#[tokio::test]
async fn a_build_that_fails_shows_its_errors_and_leaves_no_binary() {
    let machine = Machine::new();
    std::fs::write(machine.path("bin/fail"), "").unwrap();
    let output = machine.binaries().output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains("building kube-apiserver failed (exit status: 2)"), "{told}");
    assert!(told.contains("it does not compile"), "{told}");
    until("only the lock is left", || machine.cached() == ["lock"]).await;
}

#[tokio::test]
async fn without_go_a_sentence_says_what_to_install() {
    let machine = Machine::new();
    let output = machine.binaries().env("PATH", machine.path("cache")).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains("Go is needed to build kube-apiserver") && told.contains("install Go 1.26"), "{told}");
}

#[tokio::test]
async fn with_kubebuilder_assets_no_server_is_built() {
    let machine = Machine::new();
    let assets = machine.path("assets");
    std::fs::create_dir(&assets).unwrap();
    std::fs::write(assets.join("kube-apiserver"), "").unwrap();
    let told = machine.binaries().env("KUBEBUILDER_ASSETS", &assets).output().await.unwrap();
    let told = text(&told.stderr);
    assert!(told.contains(&format!("KUBEBUILDER_ASSETS is {}, which has no etcd", assets.display())), "{told}");

    std::fs::write(assets.join("etcd"), "").unwrap();
    let output = machine.binaries().env("KUBEBUILDER_ASSETS", &assets).output().await.unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let listed = text(&output.stdout);
    assert!(listed.contains(&format!("kube-apiserver {}\n", assets.join("kube-apiserver").display())), "{listed}");
    assert!(listed.contains(&format!("etcd {}\n", assets.join("etcd").display())), "{listed}");
    assert_eq!(machine.built(), ["helm"]);
}
