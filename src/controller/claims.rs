//! Which resources claim which proxy: an index over every object that was delivered, kept beside the cache.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::runtime::reflector::ObjectRef;

use crate::controller::object::{WatchedProxy, reference};
use crate::controller::observation::{Claim, Claims};
use crate::controller::tables::give_back;

/// What is kept of one resource.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    proxy_id: Arc<str>,
    /// `namespace/name`.
    key: Arc<str>,
    created: i64,
    deleting: bool,
}

#[derive(Debug, Default)]
struct Inner {
    by_uid: HashMap<Arc<str>, Entry>,
    /// Uids; nearly always one.
    by_proxy: HashMap<Arc<str>, Vec<Arc<str>>>,
    complete: bool,
}

/// The index. Bounded by the resources there are.
#[derive(Debug, Default)]
pub struct ClaimsIndex {
    inner: Mutex<Inner>,
}

impl ClaimsIndex {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in an object that was listed, made or changed. Returns the other claimants that a change concerns.
    pub fn put(&self, object: &WatchedProxy) -> Vec<ObjectRef<WatchedProxy>> {
        let (Some(uid), Some(proxy_id)) = (object.uid.clone(), object.claimed.clone()) else { return Vec::new() };
        let entry = Entry {
            proxy_id: proxy_id.clone(),
            key: object.key.clone(),
            created: object.created,
            deleting: object.deleting,
        };
        let mut inner = self.lock();
        if inner.by_uid.get(&uid) == Some(&entry) {
            return Vec::new();
        }
        let mut concerned = inner.others(&proxy_id, &uid);
        if let Some(before) = inner.by_uid.insert(uid.clone(), entry)
            && before.proxy_id != proxy_id
        {
            concerned.extend(inner.drop_claim(&before.proxy_id, &uid));
        }
        // One entry and not the four that a vector begins with.
        let claimants = inner.by_proxy.entry(proxy_id).or_insert_with(|| Vec::with_capacity(1));
        if !claimants.contains(&uid) {
            claimants.push(uid);
        }
        concerned
    }

    /// Takes out an object that is gone. Returns the other claimants of its proxy.
    pub fn remove(&self, uid: &str) -> Vec<ObjectRef<WatchedProxy>> {
        let mut inner = self.lock();
        let Some(entry) = inner.by_uid.remove(uid) else { return Vec::new() };
        let concerned = inner.drop_claim(&entry.proxy_id, uid);
        give_back(&mut inner.by_uid);
        give_back(&mut inner.by_proxy);
        concerned
    }

    /// The first list is complete.
    pub fn is_complete(&self) -> bool {
        self.lock().complete
    }

    /// From now on the first list is complete.
    pub fn set_complete(&self) {
        self.lock().complete = true;
    }

    /// The claims on a proxy beside that of `uid`.
    pub fn beside(&self, proxy_id: &str, uid: &str) -> Claims {
        let inner = self.lock();
        let others = inner
            .by_proxy
            .get(proxy_id)
            .into_iter()
            .flatten()
            .filter(|other| other.as_ref() != uid)
            .filter_map(|other| inner.by_uid.get_key_value(other))
            .map(|(uid, entry)| Claim {
                key: entry.key.as_ref().to_owned(),
                uid: uid.as_ref().to_owned(),
                created: entry.created,
                deleting: entry.deleting,
            })
            .collect();
        Claims { complete: inner.complete, others }
    }
}

impl Inner {
    fn others(&self, proxy_id: &str, uid: &str) -> Vec<ObjectRef<WatchedProxy>> {
        let claimants = self.by_proxy.get(proxy_id).into_iter().flatten();
        claimants
            .filter(|other| other.as_ref() != uid)
            .filter_map(|other| self.by_uid.get(other))
            .map(|entry| reference(&entry.key))
            .collect()
    }

    fn drop_claim(&mut self, proxy_id: &str, uid: &str) -> Vec<ObjectRef<WatchedProxy>> {
        if let Some(claimants) = self.by_proxy.get_mut(proxy_id) {
            claimants.retain(|claimant| claimant.as_ref() != uid);
            if claimants.is_empty() {
                self.by_proxy.remove(proxy_id);
            }
        }
        self.others(proxy_id, uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(name: &str, proxy_id: &str, deleting: bool) -> WatchedProxy {
        let mut metadata = json!({"name": name, "namespace": "a", "uid": format!("uid-{name}"),
            "creationTimestamp": "2026-01-01T00:00:00Z"});
        if deleting {
            metadata["deletionTimestamp"] = json!("2026-01-02T00:00:00Z");
        }
        serde_json::from_value(json!({"apiVersion": "gaap-operator.io/v1alpha1", "kind": "GaapProxy",
            "metadata": metadata, "spec": {"proxyId": proxy_id}}))
        .unwrap()
    }

    #[test]
    fn two_resources_with_one_id_see_each_other_and_wake_each_other() {
        let index = ClaimsIndex::default();
        assert_eq!(index.put(&object("one", "link-1111", false)), []);
        assert_eq!(index.put(&object("two", "link-1111", false)).len(), 1);
        assert_eq!(index.put(&object("two", "link-1111", false)), [], "nothing changed");
        assert_eq!(index.put(&object("two", "link-1111", true)).len(), 1, "deletion concerns the other");
        let claims = index.beside("link-1111", "uid-one");
        assert_eq!(claims.others.iter().map(|claim| claim.key.as_str()).collect::<Vec<_>>(), ["a/two"]);
        assert!(claims.others[0].deleting && !claims.complete);
        assert_eq!(index.remove("uid-two").len(), 1);
        assert_eq!(index.beside("link-1111", "uid-one").others, []);
    }

    #[test]
    fn nothing_is_kept_of_what_is_gone() {
        let index = ClaimsIndex::default();
        index.put(&object("one", "link-1111", false));
        index.put(&object("one", "link-2222", false));
        index.remove("uid-one");
        let inner = index.lock();
        assert!(inner.by_uid.is_empty() && inner.by_proxy.is_empty());
    }
}
