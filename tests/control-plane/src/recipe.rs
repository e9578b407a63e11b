//! How each binary is built from its Go module, and what determines the result.

use std::ffi::OsString;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// A Go module of the folder `go`, without Go source: it only pins what to build.
///
/// The files are part of this program, so that a moved or changed source folder cannot change a build.
#[derive(Debug)]
pub(crate) struct Module {
    /// The folder below `go`.
    pub(crate) name: &'static str,
    pub(crate) go_mod: &'static str,
    pub(crate) go_sum: &'static str,
    /// The one source file of a module that is a program itself.
    pub(crate) source: Option<&'static str>,
    /// The requirement whose version is the version of the binaries.
    ///
    /// Empty for a program of our own, which has no other version than this source tree.
    requirement: &'static str,
    version_flags: fn(&Version<'_>) -> String,
}

static KUBERNETES: Module = Module {
    name: "kubernetes",
    go_mod: include_str!("../go/kubernetes/go.mod"),
    go_sum: include_str!("../go/kubernetes/go.sum"),
    source: None,
    requirement: "k8s.io/kubernetes",
    // Without it the server reports v0.0.0-master, and helm judges charts by that.
    version_flags: |version| {
        let package = "k8s.io/component-base/version";
        let Version { full, major, minor } = version;
        format!("-X {package}.gitVersion={full} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}")
    },
};

static ETCD: Module = Module {
    name: "etcd",
    go_mod: include_str!("../go/etcd/go.mod"),
    go_sum: include_str!("../go/etcd/go.sum"),
    source: None,
    requirement: "go.etcd.io/etcd/server/v3",
    // etcd carries its version in its source.
    version_flags: |_| String::new(),
};

static HELM: Module = Module {
    name: "helm",
    go_mod: include_str!("../go/helm/go.mod"),
    go_sum: include_str!("../go/helm/go.sum"),
    source: None,
    requirement: "helm.sh/helm/v4",
    version_flags: |version| format!("-X helm.sh/helm/v4/internal/version.version={}", version.full),
};

static CONTAINERD_MODULE: Module = Module {
    name: "containerd",
    go_mod: include_str!("../go/containerd/go.mod"),
    go_sum: include_str!("../go/containerd/go.sum"),
    source: None,
    requirement: "github.com/containerd/containerd/v2",
    version_flags: |version| format!("-X github.com/containerd/containerd/v2/version.Version={}", version.full),
};

static CNI: Module = Module {
    name: "cni",
    go_mod: include_str!("../go/cni/go.mod"),
    go_sum: include_str!("../go/cni/go.sum"),
    source: None,
    requirement: "github.com/containernetworking/plugins",
    version_flags: |version| {
        format!("-X github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion={}", version.full)
    },
};

static PAUSE_MODULE: Module = Module {
    name: "pause",
    go_mod: include_str!("../go/pause/go.mod"),
    go_sum: "",
    source: Some(include_str!("../go/pause/main.go")),
    requirement: "",
    version_flags: |_| String::new(),
};

/// A version as Go writes it, for example `v1.37.2`.
struct Version<'a> {
    full: &'a str,
    major: &'a str,
    minor: &'a str,
}

/// One binary.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) binary: &'static str,
    pub(crate) module: &'static Module,
    package: &'static str,
    /// What a build without any build cache took on two cores, in minutes: measured on 2026-11-24, only to tell a
    /// new user how long to wait.
    pub(crate) first_build_minutes: u32,
}

pub(crate) static KUBE_APISERVER: Recipe = Recipe {
    binary: "kube-apiserver",
    module: &KUBERNETES,
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    first_build_minutes: 5,
};

pub(crate) static KUBE_CONTROLLER_MANAGER: Recipe = Recipe {
    binary: "kube-controller-manager",
    module: &KUBERNETES,
    package: "k8s.io/kubernetes/cmd/kube-controller-manager",
    first_build_minutes: 2,
};

pub(crate) static KUBECTL: Recipe =
    Recipe { binary: "kubectl", module: &KUBERNETES, package: "k8s.io/kubernetes/cmd/kubectl", first_build_minutes: 1 };

/// etcd's server module has the etcd program at its root.
pub(crate) static ETCD_SERVER: Recipe =
    Recipe { binary: "etcd", module: &ETCD, package: "go.etcd.io/etcd/server/v3", first_build_minutes: 1 };

pub(crate) static HELM_CLIENT: Recipe =
    Recipe { binary: "helm", module: &HELM, package: "helm.sh/helm/v4/cmd/helm", first_build_minutes: 2 };

const fn kubernetes(binary: &'static str, package: &'static str, first_build_minutes: u32) -> Recipe {
    Recipe { binary, module: &KUBERNETES, package, first_build_minutes }
}

pub(crate) static KUBELET: Recipe = kubernetes("kubelet", "k8s.io/kubernetes/cmd/kubelet", 2);
pub(crate) static KUBE_SCHEDULER: Recipe = kubernetes("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", 1);
pub(crate) static KUBE_PROXY: Recipe = kubernetes("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy", 1);

const fn containerd(binary: &'static str, package: &'static str, first_build_minutes: u32) -> Recipe {
    Recipe { binary, module: &CONTAINERD_MODULE, package, first_build_minutes }
}

pub(crate) static CONTAINERD: Recipe =
    containerd("containerd", "github.com/containerd/containerd/v2/cmd/containerd", 2);
pub(crate) static RUNC_SHIM: Recipe =
    containerd("containerd-shim-runc-v2", "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2", 1);
pub(crate) static CTR: Recipe = containerd("ctr", "github.com/containerd/containerd/v2/cmd/ctr", 1);

/// All three are built within seconds.
const fn cni(binary: &'static str, package: &'static str) -> Recipe {
    Recipe { binary, module: &CNI, package, first_build_minutes: 0 }
}

pub(crate) static CNI_PTP: Recipe = cni("ptp", "github.com/containernetworking/plugins/plugins/main/ptp");
pub(crate) static CNI_LOOPBACK: Recipe =
    cni("loopback", "github.com/containernetworking/plugins/plugins/main/loopback");
pub(crate) static CNI_HOST_LOCAL: Recipe =
    cni("host-local", "github.com/containernetworking/plugins/plugins/ipam/host-local");

pub(crate) static PAUSE: Recipe =
    Recipe { binary: "pause", module: &PAUSE_MODULE, package: ".", first_build_minutes: 1 };

impl Module {
    /// The version of the binaries, as the go.mod pins it.
    pub(crate) fn version(&self) -> Result<&'static str> {
        if self.requirement.is_empty() {
            return Ok("v1");
        }
        self.go_mod
            .lines()
            .filter_map(|line| line.trim().trim_start_matches("require ").strip_prefix(self.requirement))
            .find_map(|rest| rest.split_whitespace().next().filter(|word| word.starts_with('v')))
            .ok_or(Error::Module { module: self.name, requirement: self.requirement })
    }

    fn linker_flags(&self) -> Result<String> {
        let full = self.version()?;
        let mut numbers = full.trim_start_matches('v').split('.');
        let version =
            Version { full, major: numbers.next().unwrap_or_default(), minor: numbers.next().unwrap_or_default() };
        Ok(format!("-s -w {}", (self.version_flags)(&version)).trim_end().to_owned())
    }

    /// A name for the folder that holds this module's binaries: another one whenever they may differ.
    ///
    /// `toolchain` is the version and the target of the Go toolchain.
    pub(crate) fn key(&self, toolchain: &str) -> Result<String> {
        let mut hash = Sha256::new();
        let flags = self.linker_flags()?;
        let build_flags = BUILD_FLAGS.join(" ");
        let parts = [self.go_mod, self.go_sum, &flags, &build_flags, toolchain];
        for part in parts.into_iter().chain(self.source) {
            // The length keeps two parts from being taken for two others with the same letters.
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let mut key = hex::encode(hash.finalize());
        key.truncate(16);
        Ok(format!("{}-{key}", self.name))
    }
}

/// The same binary whatever the user's own Go settings and folders are.
const BUILD_FLAGS: [&str; 4] = ["-v", "-mod=readonly", "-trimpath", "-buildvcs=false"];

/// The environment of every use of Go; `None` takes a variable away.
///
/// A static program needs no C compiler, and GOFLAGS, GOWORK and a foreign target of the user would change what is built.
pub(crate) const GO_ENVIRONMENT: [(&str, Option<&str>); 5] =
    [("CGO_ENABLED", Some("0")), ("GOWORK", Some("off")), ("GOFLAGS", None), ("GOOS", None), ("GOARCH", None)];

/// The arguments of `go` that build these binaries, all of one module, into the folder `output`.
///
/// One run for all of them: what they share is compiled once in any case, but each run of its own would load and
/// check the whole module again, and the packages of one program could not be compiled while another is linked.
pub(crate) fn arguments(recipes: &[&Recipe], output: &Path) -> Result<Vec<OsString>> {
    let mut arguments = vec![OsString::from("build")];
    arguments.extend(BUILD_FLAGS.map(OsString::from));
    if let [first, others @ ..] = recipes {
        arguments.push("-ldflags".into());
        arguments.push(first.module.linker_flags()?.into());
        arguments.push("-o".into());
        // A package at the root of its module would be named after the module.
        arguments.push(if others.is_empty() { output.join(first.binary).into() } else { output.into() });
    }
    arguments.extend(recipes.iter().map(|recipe| recipe.package.into()));
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_go_mod_files_and_reach_the_linker() {
        let flags = KUBERNETES.linker_flags().unwrap();
        let version = KUBERNETES.version().unwrap();
        assert!(version.starts_with("v1."), "{version}");
        assert!(flags.contains(&format!("gitVersion={version}")), "{flags}");
        assert!(flags.contains("gitMajor=1 "), "{flags}");
        assert!(HELM.linker_flags().unwrap().contains(HELM.version().unwrap()));
        assert!(ETCD.version().unwrap().starts_with("v3."));
    }

    #[test]
    fn every_binary_is_a_tool_of_its_module_so_that_its_sums_are_there() {
        let plain = [&KUBE_APISERVER, &KUBE_CONTROLLER_MANAGER, &KUBECTL, &ETCD_SERVER, &HELM_CLIENT];
        let node = [&KUBELET, &KUBE_SCHEDULER, &KUBE_PROXY, &CONTAINERD, &RUNC_SHIM, &CTR];
        let plugins = [&CNI_PTP, &CNI_LOOPBACK, &CNI_HOST_LOCAL];
        for recipe in plain.iter().chain(&node).chain(&plugins) {
            let tools: Vec<&str> =
                recipe.module.go_mod.lines().map(|line| line.trim().trim_start_matches("tool ")).collect();
            assert!(tools.contains(&recipe.package), "{}", recipe.package);
        }
    }

    #[test]
    fn several_binaries_of_a_module_are_built_in_one_run_into_a_folder_and_one_under_its_own_name() {
        let last = |recipes: &[&Recipe]| {
            let arguments = arguments(recipes, Path::new("/out")).unwrap();
            let output = arguments.iter().position(|argument| argument == "-o").unwrap();
            arguments[output + 1..].to_vec()
        };
        assert_eq!(last(&[&ETCD_SERVER]), ["/out/etcd", "go.etcd.io/etcd/server/v3"]);
        assert_eq!(last(&[&CTR, &CONTAINERD])[0], "/out");
        for recipe in [&KUBELET, &KUBE_SCHEDULER, &CONTAINERD, &RUNC_SHIM, &CTR, &CNI_PTP, &CNI_HOST_LOCAL] {
            assert!(recipe.package.ends_with(&format!("/{}", recipe.binary)), "go names it {}", recipe.binary);
        }
    }

    #[test]
    fn another_toolchain_and_another_module_have_another_key() {
        let key = KUBERNETES.key("go1.26.8 linux/amd64").unwrap();
        assert_eq!(key, KUBERNETES.key("go1.26.8 linux/amd64").unwrap());
        assert_ne!(key, KUBERNETES.key("go1.26.9 linux/amd64").unwrap());
        assert_ne!(key, HELM.key("go1.26.8 linux/amd64").unwrap());
        assert_eq!(key.len(), "kubernetes-".len() + 16);
    }
}
