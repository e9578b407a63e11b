//! New versions in the middle of many deletions.

use crate::bed::{CHART, PREVIOUS_CHART};
use gaap_simulator::{DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY, Fault, Kind};
use serde_json::json;

use crate::install::{Install, PATIENCE, RELEASE, proxy};
use crate::patience::until;

async fn all_gone(install: &Install) {
    install.kubectl(&["wait", "--for=delete", "gaapproxies", "--all", "--timeout=120s"]).await;
}

#[tokio::test]
async fn a_rolling_update_and_a_rollback_in_the_middle_of_fifty_deletions_lose_nothing() {
    let Some(install) = Install::ready("rollout", 50).await else { return };
    install.create(1..=50).await;
    install.available().await;
    install.keep_logs().await;
    install.kubectl(&["delete", "gaap", "--all", "--wait=false"]).await;
    install.helm_install(&["--set", "podAnnotations.round=two", "--wait"]).await;
    install.keep_logs().await;
    install.helm(&["rollback", RELEASE, "1", "--wait"]).await;
    all_gone(&install).await;
    install.all_ready(2).await;
    install.destroyed_once(1..=50).await;
    install.finish().await;
}

#[tokio::test]
async fn an_upgrade_from_the_previous_chart_goes_on_with_its_deletions() {
    let Some(install) = Install::bare("upgrade", 12).await else { return };
    install.make_secret(DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY).await;
    // Two that know nothing of each other keep the rate limit each for itself, and nobody can promise more (S14). Which of
    // them asks does not stand in the cloud's log, so both together ask less than what is allowed to one: twelve looks in
    // two seconds each, if none of them shares a call.
    let slowly = "2s";
    install.helm_install_polling(PREVIOUS_CHART, slowly, &["--wait"]).await;
    assert_eq!(install.pods().await.len(), 1, "the previous chart has one replica");
    install.create(1..=12).await;
    install.available().await;
    install.keep_logs().await;
    // The one replica before has no Lease and acts until it ends, beside the first of the new ones. So that it is known
    // who does what, no proxy is gone before it has ended.
    install.cloud.fault(Fault::new(Kind::StuckDestroying).on("DestroyProxies").times(0)).await;
    install.kubectl(&["delete", "gaap", "--all", "--wait=false"]).await;
    until("every request to be accepted", PATIENCE, async || {
        let mut accepted = 0;
        for number in 1..=12 {
            accepted += install.cloud.accepted(&proxy(number)).await;
        }
        if accepted == 12 { Ok(()) } else { Err(format!("{accepted} are")) }
    })
    .await;
    install.helm_install_polling(CHART, slowly, &["--wait"]).await;
    install.all_ready(2).await;
    for number in 1..=12 {
        install.cloud.call("PATCH", &format!("/proxies/{}", proxy(number)), Some(json!({"vanishInMs": 0}))).await;
    }
    all_gone(&install).await;
    install.destroyed_once(1..=12).await;
    install.finish().await;
}
