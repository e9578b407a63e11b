//! What is missing is said in readiness, log and event, and it goes on by itself once it is there.

use std::sync::Arc;
use std::time::Duration;

use gaap_simulator::{DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY};
use k8s_openapi::api::events::v1::Event;
use kube::api::Api;

use crate::bed::Bed;
use crate::install::{Install, PATIENCE, RELEASE};
use crate::patience::until;

/// The kubelet renews a mounted Secret once a minute or so.
const RENEWAL: Duration = Duration::from_secs(180);

impl Install {
    /// Waits until a pod says these words in `/readyz`, in its log, and in an event about itself.
    async fn says(&self, words: &[&str]) {
        let pod = until("a pod", PATIENCE, async || self.pods().await.pop().ok_or_else(|| "none".to_owned())).await;
        let has = |text: &str| words.iter().all(|word| text.contains(word));
        until(&format!("/readyz of {} with {words:?}", pod.name), PATIENCE, async || {
            let said = self.readyz(&pod.name).await;
            if has(&said) { Ok(()) } else { Err(said) }
        })
        .await;
        until(&format!("the log of {} with {words:?}", pod.name), PATIENCE, async || {
            let log = self.log(&pod.name).await;
            if log.lines().any(has) { Ok(()) } else { Err(log) }
        })
        .await;
        let events: Api<Event> = Api::namespaced(self.bed.client.clone(), &self.namespace);
        until(&format!("an event about {} with {words:?}", pod.name), PATIENCE, async || {
            let events = events.list(&Default::default()).await.map_err(|error| error.to_string())?;
            let about = |event: &&Event| {
                event.regarding.as_ref().is_some_and(|about| about.name.as_deref() == Some(&pod.name))
                    && event.reason.as_deref() == Some("NotReady")
            };
            let notes: Vec<String> = events.items.iter().filter(about).filter_map(|event| event.note.clone()).collect();
            if notes.iter().any(|note| has(note)) { Ok(()) } else { Err(format!("{notes:?}")) }
        })
        .await;
        assert!(self.pods().await.iter().all(|pod| !pod.ready && pod.restarts == 0), "not ready, and not restarted");
    }

    /// What `/readyz` of a pod says; of one that is not ready the API server makes an error with the text in it.
    async fn readyz(&self, pod: &str) -> String {
        let path = format!("/api/v1/namespaces/{}/pods/{pod}:8081/proxy/readyz", self.namespace);
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        match tokio::time::timeout(Duration::from_secs(10), self.bed.client.request_text(request)).await {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in 10 s".to_owned(),
        }
    }

    /// Makes the kubelet look after the pods now: their volumes are renewed then, and not within a minute or two.
    async fn touch_pods(&self) {
        self.kubectl(&["annotate", "pod", "-l", "app.kubernetes.io/name=gaap-operator", "touched=yes", "--overwrite"])
            .await;
    }

    async fn works(self) {
        self.create(1..=1).await;
        self.available().await;
        self.delete(&["edge-1"]).await;
        self.gone("edge-1").await;
        self.destroyed_once(1..=1).await;
        self.finish().await;
    }

    async fn all_ready_within(&self, limit: Duration) {
        until("two ready pods", limit, async || {
            let pods = self.pods().await;
            if pods.iter().filter(|pod| pod.ready).count() == 2 { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_missing_secret_is_named_and_the_pods_get_ready_once_it_is_made() {
    let Some(install) = Install::bare("no-secret", 4).await else { return };
    install.helm_install(&[]).await;
    install.says(&["credentials", "secretId"]).await;
    install.make_secret(DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY).await;
    install.touch_pods().await;
    install.all_ready_within(RENEWAL).await;
    install.works().await;
}

#[tokio::test]
async fn a_wrong_secret_is_named_with_the_clouds_code_and_the_pods_get_ready_once_it_is_right() {
    let Some(install) = Install::bare("wrong-secret", 4).await else { return };
    install.make_secret("AKIDSIMULATOR00000000000000000nobody", DEFAULT_SECRET_KEY).await;
    install.helm_install(&[]).await;
    install.says(&["credentials", "AuthFailure.SecretIdNotFound"]).await;
    install.make_secret(DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY).await;
    install.touch_pods().await;
    install.all_ready_within(RENEWAL).await;
    install.works().await;
}

#[tokio::test]
async fn a_missing_permission_is_named_and_the_pods_get_ready_once_it_is_granted() {
    let Some(mut install) = Install::bare("no-rights", 4).await else { return };
    install.expects_denials = true;
    install.make_secret(DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY).await;
    install.helm_install(&["--set", "replicaCount=0"]).await;
    // The first rule is the one for gaapproxies; the one for events stays.
    let patch = r#"[{"op": "remove", "path": "/rules/0"}]"#;
    install.kubectl(&["patch", "role", RELEASE, "--type=json", "-p", patch]).await;
    install.kubectl(&["scale", "deployment", RELEASE, "--replicas=2"]).await;
    install.says(&["first list", "gaapproxies", "forbidden"]).await;
    install.helm_install(&["--force-conflicts"]).await;
    install.all_ready_within(PATIENCE).await;
    install.works().await;
}

/// And what the chart does with the definition: made, kept by an uninstall with everything of its kind, taken up again.
#[tokio::test]
async fn a_missing_definition_is_named_and_one_that_the_chart_made_outlives_the_release() {
    let Some(bed) = Bed::own().await else { return };
    let bed = Arc::new(bed);
    let install = Install::on(bed.clone(), "no-crd", 4).await;
    install.make_secret(DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY).await;
    install.helm_install(&[]).await;
    install.says(&["custom resource definition", "gaapproxies.gaap-operator.io/v1alpha1"]).await;
    install.helm_install(&["--set", "crds.enabled=true"]).await;
    install.all_ready_within(PATIENCE).await;
    install.create(1..=1).await;
    install.available().await;
    install.uninstall().await;
    assert!(install.resources().get_opt("edge-1").await.unwrap().is_some(), "definition and resource are kept");
    install.helm_install(&["--set", "crds.enabled=true", "--wait"]).await;
    install.works().await;
    Arc::into_inner(bed).expect("nobody else uses it").end().await;
}
