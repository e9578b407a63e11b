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
    /// The requirement whose version is the version of the binaries.
    requirement: &'static str,
    version_flags: fn(&Version<'_>) -> String,
}

static KUBERNETES: Module = Module {
    name: "kubernetes",
    go_mod: include_str!("../go/kubernetes/go.mod"),
    go_sum: include_str!("../go/kubernetes/go.sum"),
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
    requirement: "go.etcd.io/etcd/server/v3",
    // etcd carries its version in its source.
    version_flags: |_| String::new(),
};

static HELM: Module = Module {
    name: "helm",
    go_mod: include_str!("../go/helm/go.mod"),
    go_sum: include_str!("../go/helm/go.sum"),
    requirement: "helm.sh/helm/v4",
    version_flags: |version| format!("-X helm.sh/helm/v4/internal/version.version={}", version.full),
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

impl Module {
    /// The version of the binaries, as the go.mod pins it.
    pub(crate) fn version(&self) -> Result<&'static str> {
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
        for part in [self.go_mod, self.go_sum, &flags, &BUILD_FLAGS.join(" "), toolchain] {
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

impl Recipe {
    /// The arguments of `go` that build this binary into `output`.
    pub(crate) fn arguments(&self, output: &Path) -> Result<Vec<OsString>> {
        let mut arguments = vec![OsString::from("build")];
        arguments.extend(BUILD_FLAGS.map(OsString::from));
        arguments.push("-ldflags".into());
        arguments.push(self.module.linker_flags()?.into());
        arguments.push("-o".into());
        arguments.push(output.into());
        arguments.push(self.package.into());
        Ok(arguments)
    }
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
        for recipe in [&KUBE_APISERVER, &KUBE_CONTROLLER_MANAGER, &KUBECTL, &ETCD_SERVER, &HELM_CLIENT] {
            let tools: Vec<&str> =
                recipe.module.go_mod.lines().map(|line| line.trim().trim_start_matches("tool ")).collect();
            assert!(tools.contains(&recipe.package), "{}", recipe.package);
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
