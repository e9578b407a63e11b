//! What this process waits for, in its log and in events on its own Pod: what keeps it from working stands where an administrator looks first, in
//! `kubectl describe pod`. The kubelet's own event says only that a probe failed, and no resource may be there to carry
//! a condition.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Recorder, Reporter};

use crate::controller::report;
use crate::process::readiness::Readiness;

/// What is missing for a shorter time than this is the ordinary course of a start.
const PATIENCE: Duration = Duration::from_secs(5);

/// The Pod as the downward API told it to this process (`POD_NAME`, `POD_NAMESPACE`, `POD_UID`); none elsewhere.
pub fn from_environment() -> Option<ObjectReference> {
    let text = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Some(ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(text("POD_NAME")?),
        namespace: Some(text("POD_NAMESPACE")?),
        uid: Some(text("POD_UID")?),
        ..ObjectReference::default()
    })
}

/// Logs what is missing, each time that changes, and when nothing is any more; with a Pod it is an event too. Never ends.
pub async fn tell(kube: &kube::Client, reporter: Reporter, readiness: &Readiness, pod: Option<ObjectReference>) {
    let mut changes = readiness.changes();
    let mut told = Vec::new();
    loop {
        tokio::time::sleep(PATIENCE).await;
        let missing = readiness.missing();
        if missing != told {
            let (reason, note, warning) = match missing.is_empty() {
                true => ("Ready", "Everything that was missing is there.".to_owned(), false),
                false => ("NotReady", format!("This replica waits for what is missing. {}", missing.join("; ")), true),
            };
            match warning {
                true => tracing::warn!(reason, "{note}"),
                false => tracing::info!(reason, "{note}"),
            }
            if let Some(pod) = &pod {
                // A recorder of its own for each: one that lives on would fold them into the first, with its text.
                let recorder = Recorder::new(kube.clone(), reporter.clone());
                // Without events it does all its work, so that this one is missing is no more than logged.
                let _ = report::publish(&recorder, pod, reason, &note, warning).await;
            }
            told = missing;
        }
        if changes.next().await.is_none() {
            return std::future::pending().await;
        }
    }
}
