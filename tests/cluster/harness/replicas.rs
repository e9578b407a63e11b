//! Two operators that elect a leader.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::operator::Operator;
use super::patience::{LIMIT, until};
use super::world::World;

/// How long a lease that is not renewed keeps others away.
pub const LEASE: Duration = Duration::from_secs(15);

impl World {
    /// Who holds the Lease, as it is stored: `HOSTNAME_…`; empty when nobody does.
    pub async fn holder(&self) -> String {
        let arguments = ["get", "lease", "gaap-operator", "--ignore-not-found", "-o", "json"];
        let lease = self.kubectl(&arguments).await;
        let lease: Value = serde_json::from_str(&lease).unwrap_or_default();
        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }

    /// The replica that leads, and the one that stands by.
    pub async fn leader_and_standby(&self) -> (&Operator, &Operator) {
        let holder = until("a leader", LIMIT, async || match self.holder().await {
            holder if holder.is_empty() => Err("nobody holds the Lease".to_owned()),
            holder => Ok(holder),
        })
        .await;
        let second = self.second.as_ref().expect("a world built with .replicas()");
        match holder.split_once('_').expect("an identity of ours").0 {
            "first" => (&self.operator, second),
            _ => (second, &self.operator),
        }
    }

    /// Waits until this replica leads; how long that took.
    pub async fn leads(&self, replica: &Operator, limit: Duration) -> Duration {
        let asked = Instant::now();
        let host = format!("{}_", replica.host());
        until(&format!("{host} to lead"), limit, async || match self.holder().await {
            holder if holder.starts_with(&host) => Ok(()),
            other => Err(other),
        })
        .await;
        asked.elapsed()
    }
}
