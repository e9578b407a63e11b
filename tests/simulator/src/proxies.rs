//! The proxies and how they move by themselves from one state to the next.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;

/// Statuses the simulator itself gives. The set is open: control calls and faults may set any other text.
pub mod status {
    /// In service.
    pub const RUNNING: &str = "RUNNING";
    /// Switched off.
    pub const CLOSED: &str = "CLOSED";
    /// Being made.
    pub const CREATING: &str = "CREATING";
    /// Being switched on.
    pub const OPENING: &str = "OPENING";
    /// Being switched off.
    pub const CLOSING: &str = "CLOSING";
    /// Being destroyed.
    pub const DESTROYING: &str = "DESTROYING";
    /// Suspended because the account is overdue.
    pub const ISOLATED: &str = "ISOLATED";
}

/// A tag of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tag {
    /// Tag key.
    pub key: String,
    /// Tag value.
    #[serde(default)]
    pub value: String,
}

/// One proxy, as the control API shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proxy {
    /// `link-…`
    pub id: String,
    /// The account that owns it.
    pub account: String,
    /// State, see [`status`].
    pub status: String,
    /// Unix seconds. Together with the id it names one incarnation.
    pub create_time: i64,
    /// Whether origin servers are bound, which Force=0 respects.
    pub bound: bool,
    /// Group, if it belongs to one.
    pub group_id: Option<String>,
    /// Name shown in the console.
    pub name: String,
    /// Project, 0 is the default one.
    pub project_id: i64,
    /// Entry region.
    pub access_region: String,
    /// Origin region.
    pub real_server_region: String,
    /// Mbps.
    pub bandwidth: i64,
    /// Tens of thousands of connections.
    pub concurrent: i64,
    /// `IPv4` or `IPv6`.
    #[serde(rename = "ipAddressVersion")]
    pub ip_address_version: String,
    /// `Thunder`, `Accelerator` or `CrossBorder`.
    pub package_type: String,
    /// Tags.
    pub tags: Vec<Tag>,
    /// Destroys that took effect on this incarnation.
    pub accepted_destroys: u32,
    #[serde(skip)]
    pub(crate) before_destroy: Option<String>,
    #[serde(skip)]
    pub(crate) next: Option<Change>,
}

/// What happens to a proxy by itself, and when.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub at: UnixTime,
    pub to: Next,
}

/// The outcome of a [`Change`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Status(String),
    Gone,
    /// It vanishes and another proxy stands under the same id at once.
    Replaced,
}

impl Proxy {
    /// A standalone, unbound, RUNNING proxy between Singapore and Frankfurt.
    pub fn new(id: impl Into<String>, account: impl Into<String>, create_time: i64) -> Self {
        let id = id.into();
        Self {
            name: format!("simulated {id}"),
            id,
            account: account.into(),
            status: status::RUNNING.to_owned(),
            create_time,
            bound: false,
            group_id: None,
            project_id: 0,
            access_region: "Singapore".to_owned(),
            real_server_region: "Frankfurt".to_owned(),
            bandwidth: 10,
            concurrent: 2,
            ip_address_version: "IPv4".to_owned(),
            package_type: "Thunder".to_owned(),
            tags: Vec::new(),
            accepted_destroys: 0,
            before_destroy: None,
            next: None,
        }
    }

    /// Seconds since creation, as the service counts them: createTime has no fraction.
    pub fn age_seconds(&self, now: UnixTime) -> i64 {
        now.seconds() - self.create_time
    }

    /// Whether a destroy of it has been accepted and not taken back.
    pub fn is_doomed(&self) -> bool {
        self.status == status::DESTROYING
    }

    /// Sets a state at once, and what follows after `then`, if anything.
    pub(crate) fn enter(&mut self, status: &str, next: Option<Change>) {
        status.clone_into(&mut self.status);
        self.next = next;
    }
}

/// All proxies of all accounts.
#[derive(Debug, Default)]
pub struct Proxies {
    living: BTreeMap<String, Proxy>,
    // The last record of those that vanished, for answers from a lagging replica.
    gone: HashMap<String, Proxy>,
    gone_order: VecDeque<String>,
    earliest: Option<UnixTime>,
    made: u64,
}

/// More proxies than any test needs; a bound, so that a runaway client cannot fill the memory.
pub const MAXIMUM_PROXIES: usize = 200_000;
const MAXIMUM_GONE: usize = 10_000;

impl Proxies {
    /// Puts a proxy in, replacing one of the same id. `false` when there are too many.
    pub fn put(&mut self, proxy: Proxy) -> bool {
        if self.living.len() >= MAXIMUM_PROXIES && !self.living.contains_key(&proxy.id) {
            return false;
        }
        self.note(proxy.next.as_ref());
        self.living.insert(proxy.id.clone(), proxy);
        true
    }

    /// Takes a proxy away without a trace.
    pub fn remove(&mut self, id: &str) -> Option<Proxy> {
        self.gone.remove(id);
        self.living.remove(id)
    }

    /// A proxy of any account.
    pub fn get(&self, id: &str) -> Option<&Proxy> {
        self.living.get(id)
    }

    /// A proxy as its owner sees it.
    pub fn of_account(&self, account: &str, id: &str) -> Option<&Proxy> {
        self.living.get(id).filter(|proxy| proxy.account == account)
    }

    /// The last record of a proxy that vanished by itself.
    pub fn last_record(&self, account: &str, id: &str) -> Option<&Proxy> {
        self.gone.get(id).filter(|proxy| proxy.account == account)
    }

    /// Whether a destroy of this account's proxy was accepted and not taken back; it may be gone already.
    pub fn is_doomed(&self, account: &str, id: &str) -> bool {
        match self.of_account(account, id) {
            Some(proxy) => proxy.is_doomed(),
            None => self.last_record(account, id).is_some_and(|proxy| proxy.accepted_destroys > 0),
        }
    }

    /// Everything there is, by id.
    pub fn all(&self) -> impl Iterator<Item = &Proxy> {
        self.living.values()
    }

    /// Changes a proxy; whether it was there.
    pub fn change(&mut self, id: &str, change: impl FnOnce(&mut Proxy)) -> bool {
        let Some(proxy) = self.living.get_mut(id) else { return false };
        change(proxy);
        let next = proxy.next.clone();
        self.note(next.as_ref());
        true
    }

    /// An id nobody has had before.
    pub fn fresh_id(&mut self) -> String {
        loop {
            self.made += 1;
            let id = format!("link-new{:05}", self.made);
            if !self.living.contains_key(&id) && !self.gone.contains_key(&id) {
                return id;
            }
        }
    }

    /// Lets everything happen that is due by `now`.
    pub fn settle(&mut self, now: UnixTime) {
        while self.earliest.is_some_and(|earliest| earliest <= now) {
            let is_due = |proxy: &&Proxy| proxy.next.as_ref().is_some_and(|next| next.at <= now);
            let due: Vec<String> = self.living.values().filter(is_due).map(|proxy| proxy.id.clone()).collect();
            for id in due {
                self.happen(&id);
            }
            self.earliest = self.living.values().filter_map(|proxy| proxy.next.as_ref()).map(|next| next.at).min();
        }
    }

    fn happen(&mut self, id: &str) {
        let Some(proxy) = self.living.get_mut(id) else { return };
        let Some(Change { at, to }) = proxy.next.take() else { return };
        match to {
            Next::Status(status) => {
                // A destroy that was taken back leaves no trace of being doomed.
                proxy.before_destroy = None;
                proxy.status = status;
            }
            Next::Gone => self.bury(id),
            Next::Replaced => {
                let successor =
                    Proxy { name: "of someone else".to_owned(), ..Proxy::new(id, &proxy.account, at.seconds()) };
                self.bury(id);
                self.living.insert(id.to_owned(), successor);
            }
        }
    }

    fn bury(&mut self, id: &str) {
        let Some(proxy) = self.living.remove(id) else { return };
        if self.gone.insert(id.to_owned(), proxy).is_none() {
            self.gone_order.push_back(id.to_owned());
        }
        while self.gone_order.len() > MAXIMUM_GONE {
            if let Some(oldest) = self.gone_order.pop_front() {
                self.gone.remove(&oldest);
            }
        }
    }

    fn note(&mut self, next: Option<&Change>) {
        if let Some(next) = next {
            self.earliest = Some(self.earliest.map_or(next.at, |earliest| earliest.min(next.at)));
        }
    }
}

/// When something happens that begins now and lasts `milliseconds`.
pub(crate) fn after(now: UnixTime, milliseconds: u64, to: Next) -> Change {
    Change { at: now.plus(Duration::from_millis(milliseconds)), to }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(seconds)
    }

    fn doomed(to: Next) -> Proxies {
        let mut proxies = Proxies::default();
        proxies.put(Proxy::new("link-a", "1", 0));
        proxies.change("link-a", |proxy| proxy.enter(status::DESTROYING, Some(after(now(1_000), 3_000, to))));
        proxies
    }

    #[test]
    fn a_destroyed_proxy_vanishes_after_its_time_and_not_before() {
        let mut proxies = doomed(Next::Gone);
        proxies.settle(UnixTime(now(1_003).0 - 1));
        assert_eq!(proxies.get("link-a").map(|proxy| proxy.status.as_str()), Some(status::DESTROYING));
        proxies.settle(now(1_003));
        assert!(proxies.get("link-a").is_none());
        assert!(proxies.last_record("1", "link-a").is_some(), "a lagging replica still knows it");
        assert!(proxies.last_record("2", "link-a").is_none(), "but no other account does");
    }

    #[test]
    fn a_replaced_proxy_has_the_same_id_and_another_create_time() {
        let mut proxies = doomed(Next::Replaced);
        proxies.settle(now(1_003));
        let successor = proxies.get("link-a").expect("someone else's proxy");
        assert_eq!((successor.status.as_str(), successor.create_time), (status::RUNNING, 1_003));
    }

    #[test]
    fn the_dead_that_are_remembered_are_bounded() {
        let mut proxies = Proxies::default();
        for index in 0..=MAXIMUM_GONE {
            let id = format!("link-{index:06}");
            let mut proxy = Proxy::new(&id, "1", 0);
            proxy.enter(status::DESTROYING, Some(Change { at: now(1), to: Next::Gone }));
            proxies.put(proxy);
        }
        proxies.settle(now(1));
        assert_eq!(proxies.gone.len(), MAXIMUM_GONE);
    }
}
