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
