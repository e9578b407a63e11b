//! What a node runs besides the control plane, and where each program comes from.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::binaries::Sources;
use crate::cache::Cache;
use crate::debian::{NFT, RUNC, Unpacked};
use crate::error::Result;
use crate::recipe::{
    CNI_HOST_LOCAL, CNI_LOOPBACK, CNI_PTP, CONTAINERD, CTR, KUBE_PROXY, KUBE_SCHEDULER, KUBELET, PAUSE, RUNC_SHIM,
    Recipe,
};

/// The programs of a node, as absolute paths.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeBinaries {
    /// Runs the pods.
    pub kubelet: PathBuf,
    /// Gives pods their node.
    pub kube_scheduler: PathBuf,
    /// Makes the ClusterIP of a Service lead to its pods.
    pub kube_proxy: PathBuf,
    /// containerd; its shim and `ctr` are beside it.
    pub containerd: PathBuf,
    /// The client of containerd.
    pub ctr: PathBuf,
    /// The folder of the network plugins.
    pub network_plugins: PathBuf,
    /// The program of the sandbox container.
    pub pause: PathBuf,
    /// Starts containers.
    pub runc: Unpacked,
    /// What kube-proxy writes its rules with.
    pub nft: Unpacked,
}

impl NodeBinaries {
    /// Those of the Kubernetes module.
    pub(crate) const KUBERNETES: [&'static Recipe; 3] = [&KUBELET, &KUBE_SCHEDULER, &KUBE_PROXY];

    /// runc and nft.
    pub(crate) async fn packaged(cache: &Cache) -> Result<(Unpacked, Unpacked)> {
        Ok((RUNC.find_or_fetch(cache).await?, NFT.find_or_fetch(cache).await?))
    }

    pub(crate) async fn find_or_build(sources: &Sources, (runc, nft): (Unpacked, Unpacked)) -> Result<Self> {
        let containerd = sources.cache.find_or_build_all(&[&CONTAINERD, &RUNC_SHIM, &CTR]).await?;
        Ok(Self {
            kubelet: sources.asset_or_build(&KUBELET).await?,
            kube_scheduler: sources.asset_or_build(&KUBE_SCHEDULER).await?,
            kube_proxy: sources.asset_or_build(&KUBE_PROXY).await?,
            containerd: containerd.join(CONTAINERD.binary),
            ctr: containerd.join(CTR.binary),
            network_plugins: sources.cache.find_or_build_all(&[&CNI_PTP, &CNI_LOOPBACK, &CNI_HOST_LOCAL]).await?,
            pause: sources.cache.find_or_build(&PAUSE).await?,
            runc,
            nft,
        })
    }

    /// Each program with its name.
    pub(crate) fn list(&self) -> Vec<(&'static str, &Path)> {
        vec![
            (KUBELET.binary, &self.kubelet),
            (KUBE_SCHEDULER.binary, &self.kube_scheduler),
            (KUBE_PROXY.binary, &self.kube_proxy),
            (CONTAINERD.binary, &self.containerd),
            (CTR.binary, &self.ctr),
            ("network-plugins", &self.network_plugins),
            (PAUSE.binary, &self.pause),
            (RUNC.program, &self.runc.program),
            (NFT.program, &self.nft.program),
        ]
    }
}
