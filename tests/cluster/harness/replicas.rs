//! Two operators that elect a leader.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::operator::Operator;
use super::patience::{LIMIT, in_time, until};
use super::world::World;

/// How long a lease that is not renewed keeps others away.
pub const LEASE: Duration = Duration::from_secs(15);

impl World {
    /// Who holds the Lease, as it is stored: `HOSTNAME_…`; empty when nobody does.
    pub async fn holder(&self) -> String {
        self.lease().await["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }

    /// The version of the Lease: another one after every renewal.
    pub async fn lease_version(&self) -> String {
        self.lease().await["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()
    }

    /// Null when there is none.
    async fn lease(&self) -> Value {
        let arguments = ["get", "lease", "gaap-operator", "--ignore-not-found", "-o", "json"];
        serde_json::from_str(&self.kubectl(&arguments).await).unwrap_or_default()
    }

    /// The replica that leads, and the one that stands by.
    pub async fn leader_and_standby(&self) -> (&Operator, &Operator) {
        let holder = until("a leader", LIMIT, async || match self.holder().await {
            holder if holder.is_empty() => Err("nobody holds the Lease".to_owned()),
            holder => Ok(holder),
        })
        .await;
        match holder.split_once('_').expect("an identity of ours").0 {
            "first" => (&self.operator, self.second()),
            _ => (self.second(), &self.operator),
        }
    }

    /// Waits until this replica leads.
    pub async fn leads(&self, replica: &Operator, limit: Duration) {
        let host = format!("{}_", replica.host());
        until(&format!("{host} to lead"), limit, async || match self.holder().await {
            holder if holder.starts_with(&host) => Ok(()),
            other => Err(other),
        })
        .await;
    }

    /// Waits until this standby has written itself into the Lease; how long after `since` the API server received that.
    /// By the audit log: a kubectl would measure itself.
    pub async fn took_over(&self, standby: &Operator, since: Timestamp) -> Duration {
        let host = format!("{}_", standby.host());
        let takes = |entry: &Value| {
            let holder = entry["requestObject"]["spec"]["holderIdentity"].as_str();
            entry["objectRef"]["resource"] == "leases"
                && entry["objectRef"]["namespace"] == self.namespace.as_str()
                && holder.is_some_and(|holder| holder.starts_with(&host))
                && entry["responseStatus"]["code"].as_u64().is_some_and(|code| (200..300).contains(&code))
        };
        let audit = self.cluster.plane().audit();
        let write = audit.wait_for(&format!("{host} to lead"), self.since, LIMIT, takes).await;
        in_time(write.is_ok(), format_args!("{write:?}"));
        let received: Timestamp = write.unwrap()["requestReceivedTimestamp"].as_str().unwrap().parse().unwrap();
        received.duration_since(since).try_into().expect("a write after that")
    }
}
