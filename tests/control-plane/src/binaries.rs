//! Which programs a control plane runs and is used with, and where each one comes from.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::node::binaries::NodeBinaries;
use crate::path::on_path;
use crate::recipe::{ETCD_SERVER, HELM_CLIENT, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, KUBECTL, Recipe};

/// A client that does not answer this soon is not used.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// The programs to use a cluster with, as absolute paths.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Clients {
    /// The Kubernetes client.
    pub kubectl: PathBuf,
    /// The chart client.
    pub helm: PathBuf,
}

/// All programs, as absolute paths.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Binaries {
    /// The API server.
    pub kube_apiserver: PathBuf,
    /// Its store.
    pub etcd: PathBuf,
    /// Namespace deletion, garbage collection and default ServiceAccounts; only when it was asked for.
    pub kube_controller_manager: Option<PathBuf>,
    /// kubectl and helm.
    pub clients: Clients,
    /// What a node runs; only when one was asked for.
    pub node: Option<NodeBinaries>,
}

impl Binaries {
    /// Finds the programs, and builds from their Go modules what is not there.
    ///
    /// `KUBEBUILDER_ASSETS`, the convention of the field, names a folder with kube-apiserver and etcd, perhaps also
    /// kubectl and kube-controller-manager. Without it these come from the cache of the user. kubectl and helm of
    /// the machine are used when their version fits.
    ///
    /// # Errors
    /// When something has to be built and Go is missing or the build fails, or when `KUBEBUILDER_ASSETS` lacks a server.
    pub async fn find_or_build(controllers: bool) -> Result<Self> {
        Self::collect(&Sources::of_the_user()?, controllers).await
    }

    /// As [`Binaries::find_or_build`], with kube-controller-manager and everything else that a node needs: from their
    /// Go modules, and runc and nft from the machine or else from packages of its distribution, which are unpacked into
    /// the cache and not installed.
    ///
    /// # Errors
    /// As [`Binaries::find_or_build`]; also when runc or nft can be neither found nor fetched.
    pub async fn find_or_build_for_node() -> Result<Self> {
        let sources = Sources::of_the_user()?;
        // First, because it is what can fail at once.
        let packaged = NodeBinaries::packaged(&sources.cache).await?;
        let mut kubernetes = NodeBinaries::KUBERNETES.to_vec();
        if sources.assets.is_none() {
            kubernetes.extend([&KUBE_APISERVER]);
        }
        kubernetes.push(&KUBE_CONTROLLER_MANAGER);
        kubernetes.retain(|recipe| sources.asset(recipe.binary).is_none());
        // All that is missing in one run, which takes far less than one after the other.
        sources.cache.find_or_build_all(&kubernetes).await?;
        let mut binaries = Self::collect(&sources, true).await?;
        binaries.node = Some(NodeBinaries::find_or_build(&sources, packaged).await?);
        Ok(binaries)
    }

    async fn collect(sources: &Sources, controllers: bool) -> Result<Self> {
        Ok(Self {
            kube_apiserver: sources.server(&KUBE_APISERVER).await?,
            etcd: sources.server(&ETCD_SERVER).await?,
            clients: sources.clients().await?,
            kube_controller_manager: match (controllers, sources.asset(KUBE_CONTROLLER_MANAGER.binary)) {
                (false, _) => None,
                (true, Some(found)) => Some(found),
                (true, None) => Some(sources.cache.find_or_build(&KUBE_CONTROLLER_MANAGER).await?),
            },
            node: None,
        })
    }

    /// Each program with its name, for people and scripts.
    pub fn list(&self) -> Vec<(&'static str, &Path)> {
        let mut list = vec![
            (KUBE_APISERVER.binary, self.kube_apiserver.as_path()),
            (ETCD_SERVER.binary, self.etcd.as_path()),
            (KUBECTL.binary, self.clients.kubectl.as_path()),
            (HELM_CLIENT.binary, self.clients.helm.as_path()),
        ];
        list.extend(self.kube_controller_manager.as_deref().map(|path| (KUBE_CONTROLLER_MANAGER.binary, path)));
        list.extend(self.node.iter().flat_map(NodeBinaries::list));
        list
    }
}

impl Clients {
    /// Finds kubectl and helm alone, and builds what is not there.
    pub(crate) async fn find_or_build() -> Result<Self> {
        Sources::of_the_user()?.clients().await
    }
}

/// Where programs come from.
pub(crate) struct Sources {
    assets: Option<PathBuf>,
    pub(crate) cache: Cache,
}

impl Sources {
    fn of_the_user() -> Result<Self> {
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").filter(|value| !value.is_empty()).map(PathBuf::from);
        Ok(Self { assets, cache: Cache::of_the_user()? })
    }

    /// The program in `KUBEBUILDER_ASSETS`, or the one of the cache.
    pub(crate) async fn asset_or_build(&self, recipe: &Recipe) -> Result<PathBuf> {
        match self.asset(recipe.binary) {
            Some(found) => Ok(found),
            None => self.cache.find_or_build(recipe).await,
        }
    }

    fn asset(&self, program: &str) -> Option<PathBuf> {
        let path = std::path::absolute(self.assets.as_ref()?.join(program)).ok()?;
        path.is_file().then_some(path)
    }

    /// A server that has to be in `KUBEBUILDER_ASSETS` once that is set: who sets it wants no build.
    async fn server(&self, recipe: &Recipe) -> Result<PathBuf> {
        match (&self.assets, self.asset(recipe.binary)) {
            (_, Some(found)) => Ok(found),
            (Some(folder), None) => Err(Error::Assets { folder: folder.clone(), program: recipe.binary }),
            (None, None) => self.cache.find_or_build(recipe).await,
        }
    }

    async fn clients(&self) -> Result<Clients> {
        Ok(Clients {
            kubectl: match self.asset(KUBECTL.binary) {
                Some(kubectl) => kubectl,
                None => self.client(&KUBECTL, &["version", "--client", "--output=json"], kubectl_fits).await?,
            },
            helm: self.client(&HELM_CLIENT, &["version", "--template={{.Version}}"], helm_fits).await?,
        })
    }

    async fn client(&self, recipe: &Recipe, question: &[&str], fits: fn(&str) -> bool) -> Result<PathBuf> {
        for candidate in on_path(recipe.binary) {
            if answer(&candidate, question).await.is_some_and(|answer| fits(&answer)) {
                return Ok(candidate);
            }
        }
        self.cache.find_or_build(recipe).await
    }
}

async fn answer(program: &Path, question: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(question).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = timeout(VERSION_LIMIT, command.output()).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// kubectl supports servers one minor version older and newer than itself; the server here is 1.37.
/// <https://kubernetes.io/releases/version-skew-policy/#kubectl>
fn kubectl_fits(answer: &str) -> bool {
    let version = serde_json::from_str::<serde_json::Value>(answer).unwrap_or_default();
    let git_version = version.pointer("/clientVersion/gitVersion").and_then(|value| value.as_str());
    let server = KUBECTL.module.version().ok().and_then(major_minor);
    match (git_version.and_then(major_minor), server) {
        (Some((major, minor)), Some((server_major, server_minor))) => {
            major == server_major && minor.abs_diff(server_minor) <= 1
        }
        _ => false,
    }
}

/// Charts of the kind used here are read by helm 3.17 and later and by helm 4.
fn helm_fits(answer: &str) -> bool {
    matches!(major_minor(answer.trim()), Some((3, 17..) | (4, _)))
}

/// `v1.37.2` or `v1.32.4-vendor` as numbers.
fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubectl(version: &str) -> String {
        serde_json::json!({"clientVersion": {"gitVersion": version}}).to_string()
    }

    #[test]
    fn kubectl_is_used_within_one_minor_version_of_the_server() {
        for (version, fits) in [
            ("v1.35.9", false),
            ("v1.36.0", true),
            ("v1.37.2", true),
            ("v1.38.1", true),
            ("v1.39.0", false),
            ("v1.32.4-dispatcher", false),
            ("v2.37.0", false),
            ("master", false),
        ] {
            assert_eq!(kubectl_fits(&kubectl(version)), fits, "{version}");
        }
        assert!(!kubectl_fits("no JSON"));
    }

    #[test]
    fn helm_is_used_from_3_17_on() {
        for (version, fits) in [
            ("v2.17.0", false),
            ("v3.16.4", false),
            ("v3.17.0\n", true),
            ("v4.3.1", true),
            ("v5.0.0", false),
            ("", false),
        ] {
            assert_eq!(helm_fits(version), fits, "{version}");
        }
    }

    #[tokio::test]
    async fn a_client_that_fails_has_no_answer() {
        assert_eq!(answer(Path::new("/bin/sh"), &["-c", "echo v4.0.0; exit 1"]).await, None);
        assert_eq!(answer(Path::new("/bin/sh"), &["-c", "echo v4.0.0"]).await.as_deref(), Some("v4.0.0\n"));
    }
}
