//! Permissions that are missing stand in the readiness, from the first refusal by the API server until all are there.
//!
//! Not asked for at every start: `gaap-operator check` does that, and what is not refused costs no question. The watch alone
//! would not tell: one that is open goes on without the permission, and one that begins again says nothing until an
//! object changes.

use tokio::sync::Notify;

use crate::controller::backoff::of_permissions;
use crate::controller::context::Context;
use crate::controller::kube_call::KubeError;
use crate::controller::rights::{Right, needed};
use crate::process::readiness::Readiness;

/// Name of the readiness condition.
pub const PERMISSIONS: &str = "permissions";

/// What makes somebody ask: the API server refused something. Any number of refusals is one question.
#[derive(Debug, Default)]
pub struct Refusals(Notify);

impl Refusals {
    /// Something was forbidden.
    pub fn note(&self) {
        self.0.notify_one();
    }
}

/// Keeps the readiness true. Never ends.
pub async fn tell(context: &Context, namespaces: &[String], readiness: &Readiness) {
    // Those on the Lease are told by the election, and events on its own pod are no work.
    let needed = needed(namespaces, None, None);
    let mut pauses = of_permissions();
    loop {
        context.refusals.0.notified().await;
        let mut missing: Option<Vec<Right>> = None;
        // What makes it ask once more, each time later: a permission that is missing still, no answer, or refusals that
        // no permission would end. Of many namespaces only what was missing is asked for again.
        for pause in pauses.by_ref() {
            tokio::time::sleep(pause).await;
            match lacking(&context.kube, missing.as_deref().unwrap_or(&needed)).await {
                Ok((rights, words)) if !rights.is_empty() => {
                    readiness.set_waiting(PERMISSIONS, advised(&words));
                    missing = Some(rights);
                }
                Err(error) if !error.is_forbidden() => {
                    tracing::warn!(%error, "permissions cannot be asked for; it is tried again");
                }
                // Every user may ask, unless somebody took that away: then nobody can tell what is missing.
                Err(error) => {
                    tracing::warn!(%error, "permissions cannot be asked for");
                    break;
                }
                // All there; or it was refused for another reason, as by an admission webhook.
                Ok(_) => break,
            }
        }
        readiness.set_ready(PERMISSIONS);
        if missing.is_some() {
            pauses = of_permissions();
        }
    }
}

/// What of this is not granted, and that in words.
async fn lacking(kube: &kube::Client, needed: &[Right]) -> Result<(Vec<Right>, Vec<String>), KubeError> {
    let (mut rights, mut words) = (Vec::new(), Vec::new());
    for right in needed {
        let verbs = right.lacking(kube).await?;
        if !verbs.is_empty() {
            rights.push(right.clone());
            words.push(format!("{} on {right}", verbs.join(", ")));
        }
    }
    Ok((rights, words))
}

fn advised(lacking: &[String]) -> String {
    format!(
        "the ServiceAccount may not {}; grant it, as the chart does (templates/rbac.yaml), or take a namespace that is gone out \
         of --watch-namespace",
        lacking.join(", nor ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_permission_is_named_with_what_to_do() {
        let lacking = ["patch on gaapproxies/status (gaap-operator.io) in namespace shop".to_owned(), "b".to_owned()];
        assert_eq!(
            advised(&lacking),
            "the ServiceAccount may not patch on gaapproxies/status (gaap-operator.io) in namespace shop, nor b; \
             grant it, as the chart does (templates/rbac.yaml), or take a namespace that is gone out of --watch-namespace"
        );
    }
}
