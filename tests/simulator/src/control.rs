//! What a test may do to the simulator, in process; the routes below `/_sim/` do the same over HTTP.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::accounts::Credential;
use crate::clock::UnixTime;
use crate::fault::Fault;
use crate::kinds::Kind;
use crate::log::Entry;
use crate::proxies::{MAXIMUM_PROXIES, Next, Proxy, Tag, after};
use crate::server::advice;
use crate::settings::Settings;
use crate::shared::Shared;

const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// A handle on a running simulator. Clones act on the same one.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

/// A proxy to be made, or what is to change about one. Members that are left out keep their (default) value.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxySpec {
    /// `link-…`; a fresh one when making a proxy without.
    pub id: Option<String>,
    /// How many to make, with fresh ids. Only when making.
    pub count: Option<usize>,
    /// Owner; the account of the first key when making.
    pub account: Option<String>,
    /// Any status text. Setting one stops whatever was going to happen to the proxy by itself.
    pub status: Option<String>,
    /// Unix seconds; an hour ago when making.
    pub create_time: Option<i64>,
    /// In place of createTime: seconds before now.
    pub age_seconds: Option<i64>,
    /// Whether origin servers are bound.
    pub bound: Option<bool>,
    /// Group; null takes it out of its group.
    #[serde(deserialize_with = "present")]
    pub group_id: Option<Option<String>>,
    /// Name.
    pub name: Option<String>,
    /// Project.
    pub project_id: Option<i64>,
    /// Entry region.
    pub access_region: Option<String>,
    /// Origin region.
    pub real_server_region: Option<String>,
    /// Mbps.
    pub bandwidth: Option<i64>,
    /// Tens of thousands of connections.
    pub concurrent: Option<i64>,
    /// Tags, replacing all.
    pub tags: Option<Vec<Tag>>,
    /// The proxy vanishes by itself after so many milliseconds.
    pub vanish_in_ms: Option<u64>,
    /// The status it takes by itself after `afterMs`.
    pub then_status: Option<String>,
    /// See `thenStatus`.
    pub after_ms: Option<u64>,
}

/// Tells a null from a member that is not there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl ProxySpec {
    /// A proxy of this id, otherwise as by default: RUNNING, an hour old, standalone, unbound.
    pub fn named(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }

    /// The same in another status.
    #[must_use]
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = Some(status.into());
        self
    }

    fn apply(&self, proxy: &mut Proxy, now: UnixTime) {
        fn set<T: Clone>(place: &mut T, value: Option<&T>) {
            if let Some(value) = value {
                place.clone_from(value);
            }
        }
        set(&mut proxy.account, self.account.as_ref());
        set(&mut proxy.create_time, self.create_time.as_ref());
        set(&mut proxy.create_time, self.age_seconds.map(|age| now.seconds() - age).as_ref());
        set(&mut proxy.bound, self.bound.as_ref());
        set(&mut proxy.group_id, self.group_id.as_ref());
        set(&mut proxy.name, self.name.as_ref());
        set(&mut proxy.project_id, self.project_id.as_ref());
        set(&mut proxy.access_region, self.access_region.as_ref());
        set(&mut proxy.real_server_region, self.real_server_region.as_ref());
        set(&mut proxy.bandwidth, self.bandwidth.as_ref());
        set(&mut proxy.concurrent, self.concurrent.as_ref());
        set(&mut proxy.tags, self.tags.as_ref());
        if let Some(status) = &self.status {
            proxy.enter(status, None);
        }
        if let Some(milliseconds) = self.vanish_in_ms {
            proxy.next = Some(after(now, milliseconds, Next::Gone));
        } else if let Some(status) = &self.then_status {
            proxy.next = Some(after(now, self.after_ms.unwrap_or(0), Next::Status(status.clone())));
        }
    }
}

/// A fault that was posted, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultReport {
    /// Number.
    pub id: u64,
    /// What was posted.
    #[serde(flatten)]
    pub fault: Fault,
    /// Requests that matched.
    pub seen: u64,
    /// Requests that it hit.
    pub hits: u64,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Makes one proxy, or `count` of them.
    ///
    /// # Errors
    /// A sentence when the id is impossible or taken, the account unknown, or there are too many proxies.
    pub fn add_proxies(&self, spec: &ProxySpec) -> Result<Vec<Proxy>, String> {
        let now = self.shared.now();
        let mut world = self.shared.world();
        world.proxies.settle(now);
        let account = spec.account.clone().or_else(|| world.accounts.first_uin()).unwrap_or_default();
        if !world.accounts.knows(&account) {
            return Err(format!("there is no account {account:?}"));
        }
        if let (Some(id), Some(_)) = (&spec.id, spec.count) {
            return Err(format!("{id}: an id cannot go with a count"));
        }
        let count = spec.count.unwrap_or(1);
        if world.proxies.all().count().saturating_add(count) > MAXIMUM_PROXIES {
            return Err(format!("there can be at most {MAXIMUM_PROXIES} proxies"));
        }
        let mut made = Vec::new();
        for _ in 0..count {
            let id = spec.id.clone().unwrap_or_else(|| world.proxies.fresh_id());
            if id.strip_prefix("link-").is_none_or(str::is_empty) {
                return Err(format!("{id:?} is not the id of a proxy: it begins with link-"));
            }
            if world.proxies.get(&id).is_some() {
                return Err(format!("{id} is there already; PATCH changes it"));
            }
            let mut proxy = Proxy::new(id, &account, now.seconds() - 3_600);
            spec.apply(&mut proxy, now);
            world.proxies.put(proxy.clone());
            made.push(proxy);
        }
        Ok(made)
    }

    /// Makes one proxy.
    ///
    /// # Errors
    /// As [`Control::add_proxies`].
    pub fn add_proxy(&self, spec: &ProxySpec) -> Result<Proxy, String> {
        self.add_proxies(spec)?.pop().ok_or_else(|| "count is 0".to_owned())
    }

    /// Changes a proxy.
    ///
    /// # Errors
    /// A sentence when there is none of this id.
    pub fn change_proxy(&self, id: &str, spec: &ProxySpec) -> Result<Proxy, String> {
        let now = self.shared.now();
        let mut world = self.shared.world();
        world.proxies.settle(now);
        world.proxies.change(id, |proxy| spec.apply(proxy, now));
        world.proxies.get(id).cloned().ok_or_else(|| format!("there is no proxy {id}"))
    }

    /// Takes a proxy away at once and without a trace; whether it was there.
    pub fn remove_proxy(&self, id: &str) -> bool {
        let mut world = self.shared.world();
        world.proxies.settle(self.shared.now());
        world.proxies.remove(id).is_some()
    }

    /// A proxy as it is now, whatever callers are told.
    pub fn proxy(&self, id: &str) -> Option<Proxy> {
        let mut world = self.shared.world();
        world.proxies.settle(self.shared.now());
        world.proxies.get(id).cloned()
    }

    /// All proxies of all accounts, by id.
    pub fn proxies(&self) -> Vec<Proxy> {
        let mut world = self.shared.world();
        world.proxies.settle(self.shared.now());
        world.proxies.all().cloned().collect()
    }

    /// The log entries with a number above `after`.
    pub fn requests(&self, after: u64) -> Vec<Entry> {
        self.shared.world().log.after(after).cloned().collect()
    }

    /// The first log entry above `after` that is as wanted, as soon as there is one; `None` when there is none within
    /// `limit`. A request that is held by a fault can be waited for in this way.
    pub async fn wait_for_request(
        &self,
        after: u64,
        limit: Duration,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Option<Entry> {
        let wait = async {
            loop {
                if let Some(entry) = self.shared.world().log.after(after).find(|entry| wanted(entry)).cloned() {
                    return entry;
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        tokio::time::timeout(limit, wait).await.ok()
    }

    /// How many entries have fallen out of the log because it was full.
    pub fn dropped_requests(&self) -> u64 {
        self.shared.world().log.dropped()
    }

    /// Puts a fault in force and gives its number. `connection-refused` without an action acts at once.
    ///
    /// # Errors
    /// A sentence when it cannot be one.
    pub fn add_fault(&self, fault: Fault) -> Result<u64, String> {
        if let Some(advice) = advice(fault.kind) {
            return Err(advice.to_owned());
        }
        if let Some(closed_for) = refusal(&fault) {
            self.refuse_connections(closed_for);
            return Ok(0);
        }
        self.shared.world().faults.add(fault)
    }

    /// Closes the listener, resets every connection, and opens the listener again after a time.
    pub fn refuse_connections(&self, closed_for: Duration) {
        // Nobody receives once the simulator has ended, and then nothing accepts connections either.
        let _ = self.shared.refuse.send(closed_for);
    }

    /// Ends a fault and lets go what it held; whether it was there.
    pub fn remove_fault(&self, id: u64) -> bool {
        let removed = self.shared.world().faults.remove(id);
        self.shared.faults_changed.send_modify(|version| *version += 1);
        removed
    }

    /// Ends all faults and lets go what they held.
    pub fn clear_faults(&self) {
        self.shared.world().faults.clear();
        self.shared.faults_changed.send_modify(|version| *version += 1);
    }

    /// All faults that were posted and not deleted.
    pub fn faults(&self) -> Vec<FaultReport> {
        let world = self.shared.world();
        let report = |active: &crate::faults::Active| FaultReport {
            id: active.id,
            fault: active.fault.clone(),
            seen: active.seen,
            hits: active.hits,
        };
        world.faults.all().iter().map(report).collect()
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        self.shared.world().settings.clone()
    }

    /// Changes settings.
    pub fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.world().settings);
    }

    /// Changes the settings named in a JSON object.
    ///
    /// # Errors
    /// A sentence that names what is not a setting.
    pub fn merge_settings(&self, changes: &Value) -> Result<Settings, String> {
        let mut world = self.shared.world();
        world.settings = world.settings.merged(changes)?;
        Ok(world.settings.clone())
    }

    /// Adds a key, or replaces the one of the same id.
    pub fn put_credential(&self, credential: Credential) {
        self.shared.world().accounts.put(credential);
    }

    /// Takes a key out of service; whether it was there.
    pub fn remove_credential(&self, secret_id: &str) -> bool {
        self.shared.world().accounts.remove(secret_id)
    }

    /// All keys; their secrets are not serialised.
    pub fn credentials(&self) -> Vec<Credential> {
        self.shared.world().accounts.all().to_vec()
    }
}

/// For how long a fault closes the listener at once, if it does.
pub(crate) fn refusal(fault: &Fault) -> Option<Duration> {
    (fault.kind == Kind::ConnectionRefused && fault.action.is_none())
        .then(|| Duration::from_millis(fault.parameters.duration_ms.unwrap_or(1_000)))
}
