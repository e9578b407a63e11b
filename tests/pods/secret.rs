//! Another key in the mounted Secret.

use std::time::Duration;

use gaap_simulator::DEFAULT_UIN;
use serde_json::Value;

use crate::install::{Install, proxy};
use crate::patience::until;

/// Another key of the same account.
const NEW_ID: &str = "AKIDSIMULATOR00000000000000000000009";
const NEW_KEY: &str = "simulatorsimulatorsimulator00009";

/// The kubelet renews a mounted Secret once a minute or so.
const RENEWAL: Duration = Duration::from_secs(180);

#[tokio::test]
async fn a_rotated_secret_is_used_without_a_restart_and_no_resource_notices() {
    let Some(install) = Install::ready("rotation", 4).await else { return };
    install.create(1..=2).await;
    install.available().await;
    let conditions = async || -> Vec<Value> {
        let all = install.resources().list(&Default::default()).await.unwrap();
        all.items
            .iter()
            .map(|one| serde_json::to_value(one.status.as_ref().map(|status| &status.conditions)).unwrap())
            .collect()
    };
    let before = conditions().await;
    // Both keys are good for a while, as in the console; only the new one can have signed what comes later.
    install.cloud.add_key(NEW_ID, NEW_KEY, DEFAULT_UIN).await;
    let asked = install.cloud.requests().await.len();
    install.make_secret(NEW_ID, NEW_KEY).await;
    until("both replicas to ask for the account of the new key", RENEWAL, async || {
        let later: Vec<Value> = install.cloud.requests().await.split_off(asked);
        let told = |entry: &&Value| {
            entry["action"] == "GetCallerIdentity" && entry["secretId"] == NEW_ID && entry["delivered"] == true
        };
        let identities = later.iter().filter(told).count();
        if identities >= 2 { Ok(()) } else { Err(format!("{identities} have asked")) }
    })
    .await;
    install.cloud.call("DELETE", &format!("/credentials/{}", gaap_simulator::DEFAULT_SECRET_ID), None).await;
    assert_eq!(conditions().await, before, "no resource changed its state");
    install.delete(&["edge-1"]).await;
    install.gone("edge-1").await;
    install.destroyed_once(1..=1).await;
    assert!(install.cloud.destroys(&proxy(2)).await.is_empty());
    install.all_ready(2).await;
    install.went_on().await;
    install.finish().await;
}
