//! Permissions that are missing stand in the readiness, from the first refusal by the API server until all are there.
//!
//! Not asked for at every start: `gaap-operator check` does that, and what is not refused costs no question. The watch alone
//! would not tell: one that is open goes on without the permission, and one that begins again says nothing until an
//! object changes.

use std::time::Duration;

use tokio::sync::Notify;

use crate::controller::context::Context;
use crate::controller::kube_call::KubeError;
use crate::controller::rights::{Right, needed};
use crate::process::readiness::Readiness;

/// Name of the readiness condition.
pub const PERMISSIONS: &str = "permissions";

/// From a refusal to the question, and between questions. An API server that has just started refuses everything until it
/// has read its own rules; that has passed by then.
const PAUSE: Duration = Duration::from_secs(5);

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
    // Those on the Lease are told by the election, and without events on its own pod the operator does all its work.
    let needed = needed(namespaces, None, None);
    loop {
        context.refusals.0.notified().await;
        loop {
            tokio::time::sleep(PAUSE).await;
            match lacking(&context.kube, &needed).await {
                // A refusal with another reason: a namespace that is being deleted, an admission webhook.
                Ok(lacking) if lacking.is_empty() => break readiness.set_ready(PERMISSIONS),
                Ok(lacking) => readiness.set_waiting(PERMISSIONS, advised(&lacking)),
                Err(error) => tracing::warn!(%error, "permissions cannot be asked for; it is tried again"),
            }
        }
    }
}

async fn lacking(kube: &kube::Client, needed: &[Right]) -> Result<Vec<String>, KubeError> {
    let mut lacking = Vec::new();
    for right in needed {
        let verbs = right.lacking(kube).await?;
        if !verbs.is_empty() {
            lacking.push(format!("{} on {right}", verbs.join(", ")));
        }
    }
    Ok(lacking)
}

fn advised(lacking: &[String]) -> String {
    format!("the ServiceAccount may not {}; grant it, as the chart does (templates/rbac.yaml)", lacking.join(", nor "))
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
             grant it, as the chart does (templates/rbac.yaml)"
        );
    }
}
