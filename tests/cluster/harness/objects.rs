//! What a user does with resources, and what they show.

use std::time::Duration;

use futures::StreamExt;
use gaap_operator::crd::GaapProxy;
use kube::api::{Api, DeleteParams, DynamicObject};
use serde_json::{Value, json};

use super::patience::{LIMIT, until};
use super::sight::{Event, condition, headline};
use super::world::World;

/// Requests of a test that are under way at the same time.
pub const WIDE: usize = 32;

impl World {
    /// A resource for this proxy, by `kubectl apply`.
    pub async fn create(&self, name: &str, proxy: &str) {
        self.create_with(name, proxy, json!({})).await;
    }

    /// The same with more of its spec, such as `{"force": true}`.
    pub async fn create_with(&self, name: &str, proxy: &str, spec: Value) {
        self.apply(&manifest(name, proxy, spec)).await;
        self.seen(name).await;
    }

    /// `kubectl apply` of any manifest, or a list of them.
    pub async fn apply(&self, manifest: &Value) -> String {
        self.cluster.kubectl_with(&["apply", "-n", &self.namespace], &manifest.to_string()).await
    }

    /// The same without kubectl's own look at the schema.
    pub async fn apply_unchecked(&self, manifest: &Value) -> String {
        self.cluster.kubectl_with(&["apply", "-n", &self.namespace, "--validate=false"], &manifest.to_string()).await
    }

    /// `kubectl apply`, which must be refused: what the user is told.
    pub async fn apply_refused(&self, manifest: &Value) -> String {
        let text = manifest.to_string();
        self.cluster.kubectl_fails(&["apply", "-n", &self.namespace, "-f", "-"], Some(&text)).await
    }

    /// `kubectl ARGUMENTS` in the namespace.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        self.cluster.kubectl(&[&["-n", &self.namespace], arguments].concat()).await
    }

    /// Changes the spec by `kubectl patch`.
    pub async fn change_spec(&self, name: &str, spec: Value) {
        let patch = json!({ "spec": spec }).to_string();
        self.kubectl(&["patch", "gaap", name, "--type=merge", "-p", &patch]).await;
    }

    /// `kubectl delete --wait=false`.
    pub async fn delete(&self, name: &str) {
        self.kubectl(&["delete", "gaap", name, "--wait=false"]).await;
    }

    /// Deletes them through the API, all at the same time: kubectl deletes one after the other.
    pub async fn delete_at_once(&self, namespace: &str, names: &[String]) {
        let api: Api<GaapProxy> = Api::namespaced(self.client.clone(), namespace);
        futures::stream::iter(names)
            .for_each_concurrent(WIDE, async |name| {
                let _ = api.delete(name, &DeleteParams::default()).await.unwrap();
            })
            .await;
    }

    /// Waits until our own watch shows the resource.
    pub async fn seen(&self, name: &str) -> Value {
        until(&format!("the sight of {name}"), LIMIT, async || self.sight.now(name).ok_or("not there".into())).await
    }

    /// The resource as it is now.
    pub fn object(&self, name: &str) -> Option<Value> {
        self.sight.now(name)
    }

    /// Every state that the resource was in, as a watch shows them.
    pub fn history(&self, name: &str) -> Vec<Value> {
        self.sight.history(name)
    }

    /// Reasons that a condition had, in order, without repeats.
    pub fn reasons(&self, name: &str, type_: &str) -> Vec<String> {
        let mut reasons: Vec<String> =
            self.history(name).iter().filter_map(|object| Some(condition(object, type_)?.1)).collect();
        reasons.dedup();
        reasons
    }

    /// Waits until a condition has this reason; its message.
    pub async fn condition(&self, name: &str, type_: &str, reason: &str) -> String {
        self.condition_within(name, type_, reason, LIMIT).await
    }

    /// The same within a limit.
    pub async fn condition_within(&self, name: &str, type_: &str, reason: &str, limit: Duration) -> String {
        until(&format!("{name}: {type_} {reason}"), limit, async || {
            let object = self.sight.now(name).ok_or("it is not there")?;
            match condition(&object, type_) {
                Some((_, have, message)) if have == reason => Ok(message),
                _ => Err(headline(&object)),
            }
        })
        .await
    }

    /// Waits until any state of the resource, past or present, is as `wanted` says.
    pub async fn was(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(&format!("{name}: {what}"), LIMIT, async || {
            let found = self.history(name).into_iter().find(|object| wanted(object));
            found.ok_or_else(|| self.sight.now(name).map_or("it is gone".into(), |object| headline(&object)))
        })
        .await
    }

    /// Waits until the resource has a state as `wanted` says.
    pub async fn is(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(&format!("{name}: {what}"), LIMIT, async || {
            let object = self.sight.now(name).ok_or("it is not there")?;
            if wanted(&object) { Ok(object) } else { Err(format!("{} in {object}", headline(&object))) }
        })
        .await
    }

    /// Waits until Ready has this reason, status True.
    pub async fn available(&self, name: &str) {
        self.condition(name, "Ready", "Available").await;
    }

    /// Waits until the resource is gone from the API server.
    pub async fn gone(&self, name: &str) {
        self.gone_within(name, LIMIT).await;
    }

    /// The same within a limit.
    pub async fn gone_within(&self, name: &str, limit: Duration) {
        let api: Api<GaapProxy> = Api::namespaced(self.client.clone(), &self.namespace);
        until(&format!("{name} gone"), limit, async || {
            if let Some(object) = self.sight.now(name) {
                return Err(headline(&object));
            }
            // Our watch may not know a new resource yet.
            match api.get_opt(name).await {
                Ok(None) => Ok(()),
                Ok(Some(_)) => Err("it is there".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    /// The resource as the API server has it, whatever it is like.
    pub async fn get(&self, name: &str) -> Option<Value> {
        let resource = kube::api::ApiResource::erase::<GaapProxy>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        api.get_opt(name).await.unwrap().map(|object| serde_json::to_value(object).unwrap())
    }

    /// Waits for an event about the resource with this reason.
    pub async fn event(&self, name: &str, reason: &str) -> Event {
        until(&format!("an event {reason} about {name}"), LIMIT, async || {
            let events = self.sight.events(name);
            let found = events.iter().find(|event| event.reason == reason).cloned();
            found.ok_or_else(|| format!("{:?}", events.iter().map(|event| &event.reason).collect::<Vec<_>>()))
        })
        .await
    }

    /// All events of the namespace as the API server has them.
    pub fn raw_events(&self) -> Vec<Value> {
        self.sight.raw_events()
    }

    /// The events about the resource so far.
    pub fn events(&self, name: &str) -> Vec<Event> {
        self.sight.events(name)
    }
}

/// A GaapProxy for this proxy with more of its spec.
pub fn manifest(name: &str, proxy: &str, spec: Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "gaap-operator.io/v1alpha1",
        "kind": "GaapProxy",
        "metadata": { "name": name },
        "spec": { "proxyId": proxy },
    });
    for (key, value) in spec.as_object().unwrap() {
        manifest["spec"][key] = value.clone();
    }
    manifest
}
