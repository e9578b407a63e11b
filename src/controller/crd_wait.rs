//! Waiting until the API server serves our resource.
//!
//! Asked by discovery, which every authenticated user may read: watching CustomResourceDefinitions would need a
//! permission for nothing else. A kube `Controller` started without the resource never ends its first list, and then
//! hangs at shutdown.

use std::time::Duration;

use crate::controller::kube_call::kube_call;
use crate::crd::{GROUP, VERSION};
use crate::process::readiness::Readiness;

/// Name of the readiness condition.
pub const CRD: &str = "custom resource definition";

const POLL: Duration = Duration::from_secs(2);

/// Returns once `gaapproxies` is served. What is missing stands in the readiness and, once per change, in the log.
pub async fn wait_for_crd(client: &kube::Client, readiness: &Readiness) {
    let mut told = String::new();
    loop {
        let Err(missing) = crd_served(client).await else {
            readiness.set_ready(CRD);
            return;
        };
        if told != missing {
            tracing::warn!(missing, "waiting for the custom resource definition");
            told.clone_from(&missing);
        }
        readiness.set_waiting(CRD, missing);
        tokio::time::sleep(POLL).await;
    }
}

/// Asks once.
///
/// # Errors
/// What is missing, as a sentence that says what to do.
pub async fn crd_served(client: &kube::Client) -> Result<(), String> {
    let group = format!("{GROUP}/{VERSION}");
    let missing = || {
        Err(format!(
            "the API server does not serve gaapproxies.{group}: install the CustomResourceDefinition \
             (crds/gaapproxies.yaml, or the chart with crds.enabled=true)"
        ))
    };
    match kube_call("asking for the served resources", client.list_api_group_resources(&group)).await {
        Ok(list) if list.resources.iter().any(|resource| resource.name == "gaapproxies") => Ok(()),
        Ok(_) => missing(),
        Err(error) if error.is_unserved() => missing(),
        Err(error) if error.is_forbidden() => {
            Err(format!("{error}. The ServiceAccount must be allowed to read discovery (ClusterRole system:discovery)"))
        }
        Err(error) => Err(error.to_string()),
    }
}
