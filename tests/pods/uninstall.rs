//! Uninstalling with resources left, in either order, and coming back.

use crate::install::{Install, proxy};

#[tokio::test]
async fn resources_deleted_before_the_uninstall_wait_and_go_on_after_the_next_install() {
    let Some(install) = Install::ready("undone", 4).await else { return };
    install.create(1..=2).await;
    install.available().await;
    // Held by the cloud, so that the deletion is under way when the operator goes.
    let hold =
        gaap_simulator::Fault::new(gaap_simulator::Kind::Throttle).on("DestroyProxies").for_id(proxy(1)).times(0);
    let hold = install.cloud.fault(hold).await;
    install.delete(&["edge-1"]).await;
    install.cloud.fault_hits(hold).await;
    install.uninstall().await;
    install.cloud.clear_faults().await;
    assert!(install.resources().get_opt("edge-1").await.unwrap().is_some(), "it waits for an operator");
    assert!(install.resources().get_opt("edge-2").await.unwrap().is_some());
    assert_eq!(install.cloud.accepted(&proxy(1)).await, 0, "uninstalling destroys nothing");
    install.helm_install(&["--wait"]).await;
    install.gone("edge-1").await;
    install.destroyed_once(1..=1).await;
    assert!(install.cloud.destroys(&proxy(2)).await.is_empty());
    install.finish().await;
}

#[tokio::test]
async fn resources_deleted_after_the_uninstall_wait_and_go_on_after_the_next_install() {
    let Some(install) = Install::ready("redone", 4).await else { return };
    install.create(1..=2).await;
    install.available().await;
    install.uninstall().await;
    let asked = install.cloud.requests().await.len();
    install.delete(&["edge-1"]).await;
    assert!(install.resources().get_opt("edge-1").await.unwrap().is_some(), "it waits for an operator");
    assert_eq!(install.cloud.requests().await.len(), asked, "nobody is there to ask");
    install.helm_install(&["--wait"]).await;
    install.gone("edge-1").await;
    install.destroyed_once(1..=1).await;
    install.finish().await;
}
