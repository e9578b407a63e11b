//! What a user would see who watches: every state of every resource, and every event, in order.
//!
//! A watch and not polling: nothing that was shown for a moment is missed, and the audit log stays small.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::task::JoinHandle;

/// The back-off of the watches that tests see with. kube's own grows to a minute while an API server starts, and a test
/// would wait for its own eyes.
pub struct Soon;

impl Iterator for Soon {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(200))
    }
}

impl Backoff for Soon {
    fn reset(&mut self) {}
}

/// One namespace as it was seen so far.
#[derive(Clone, Default)]
pub struct Sight {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    now: BTreeMap<String, Value>,
    history: Vec<Value>,
    events: BTreeMap<String, Value>,
}

/// An event as a user reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The resource it speaks of.
    pub about: String,
    /// Its uid.
    pub uid: String,
    pub reason: String,
    pub note: String,
    /// Normal or Warning.
    pub kind: String,
}

impl Sight {
    /// Begins to watch; ends with the handles.
    pub fn begin(client: &Client, namespace: &str) -> (Self, [JoinHandle<()>; 2]) {
        let sight = Self::default();
        let proxies = ApiResource {
            group: "gaap-operator.io".into(),
            version: "v1alpha1".into(),
            api_version: "gaap-operator.io/v1alpha1".into(),
            kind: "GaapProxy".into(),
            plural: "gaapproxies".into(),
        };
        let events = ApiResource {
            group: "events.k8s.io".into(),
            version: "v1".into(),
            api_version: "events.k8s.io/v1".into(),
            kind: "Event".into(),
            plural: "events".into(),
        };
        let watch = |resource: &ApiResource, take: fn(&mut Seen, watcher::Event<DynamicObject>)| {
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, resource);
            let sight = sight.clone();
            tokio::spawn(async move {
                let mut stream = watcher(api, watcher::Config::default()).backoff(Soon).boxed();
                while let Some(event) = stream.next().await {
                    // An API server that restarts ends the watch; the watcher begins a new one.
                    if let Ok(event) = event {
                        take(&mut sight.lock(), event);
                    }
                }
            })
        };
        let handles = [watch(&proxies, Seen::take_resource), watch(&events, Seen::take_event)];
        (sight, handles)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A resource as it was seen last; none when it is gone.
    pub fn now(&self, name: &str) -> Option<Value> {
        self.lock().now.get(name).cloned()
    }

    /// Every state of a resource, in order, over all incarnations.
    pub fn history(&self, name: &str) -> Vec<Value> {
        self.lock().history.iter().filter(|object| object["metadata"]["name"] == name).cloned().collect()
    }

    /// The events about a resource, in the order of their names' making.
    pub fn events(&self, name: &str) -> Vec<Event> {
        let seen = self.lock();
        let mut events: Vec<&Value> = seen.events.values().filter(|event| event["regarding"]["name"] == name).collect();
        events.sort_by_key(|event| event["eventTime"].as_str().unwrap_or_default().to_owned());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let read = |event: &&Value| Event {
            about: text(&event["regarding"]["name"]),
            uid: text(&event["regarding"]["uid"]),
            reason: text(&event["reason"]),
            note: text(&event["note"]),
            kind: text(&event["type"]),
        };
        events.iter().map(read).collect()
    }

    /// The events as the API server has them.
    pub fn raw_events(&self) -> Vec<Value> {
        self.lock().events.values().cloned().collect()
    }
}

impl Seen {
    fn take_resource(&mut self, event: watcher::Event<DynamicObject>) {
        match event {
            watcher::Event::Init => self.now.clear(),
            watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
                let name = object.name_any();
                let object = serde_json::to_value(object).unwrap();
                // A relist tells again what is known.
                if self.history.last() != Some(&object) {
                    self.history.push(object.clone());
                }
                self.now.insert(name, object);
            }
            watcher::Event::Delete(object) => {
                self.now.remove(&object.name_any());
            }
            watcher::Event::InitDone => {}
        }
    }

    fn take_event(&mut self, event: watcher::Event<DynamicObject>) {
        if let watcher::Event::InitApply(event) | watcher::Event::Apply(event) = event {
            self.events.insert(event.name_any(), serde_json::to_value(event).unwrap());
        }
    }
}

/// A condition of a resource as it was seen: status, reason, message.
pub fn condition(object: &Value, type_: &str) -> Option<(String, String, String)> {
    let conditions = object["status"]["conditions"].as_array()?;
    let entry = conditions.iter().find(|entry| entry["type"] == type_)?;
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    Some((text("status"), text("reason"), text("message")))
}

/// The conditions in one line, for a message.
pub fn headline(object: &Value) -> String {
    let none = Vec::new();
    let conditions = object["status"]["conditions"].as_array().unwrap_or(&none);
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let shown = conditions.iter().map(|entry| {
        format!(
            "{}={} {} ({})",
            text(entry, "type"),
            text(entry, "status"),
            text(entry, "reason"),
            text(entry, "message")
        )
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { "no conditions".to_owned() } else { shown.join("; ") }
}
