//! What this process remembers of all resources.
//!
//! Most resources rest: nothing is under way, and all there is to remember is the last look, of which the resource
//! itself holds a copy (`status.proxy`). Of these only times and a digest are kept. Kept whole, the memories were the
//! largest part of what the process holds: 1.4 kB for each resource.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::controller::memory::{LookRecord, Memory, Seen};
use crate::controller::observation::Resource;
use crate::controller::tables::give_back;
use crate::gaap::{Account, Proxy, ProxyStatus};

/// The memories of all resources. Bounded by the resources there are: a memory goes when its resource goes.
#[derive(Debug, Default)]
pub struct Memories {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_uid: HashMap<Arc<str>, Kept>,
    /// A deletion that is met before this moment may have been acted on by another process: this one stands by, or has
    /// led for so short a time that its caches may be behind what that other one saw.
    behind_until: Duration,
    /// The account of the last resource that came to rest: nearly always that of all others.
    account: Option<Arc<Account>>,
    hasher: RandomState,
}

/// What is kept of one resource.
#[derive(Debug)]
enum Kept {
    /// Met, and nothing is known yet.
    Met {
        since: Duration,
        met_deleting: bool,
    },
    Whole(Box<Memory>),
    Resting(Resting),
}

/// A memory of nothing but a look that showed what the stored status shows.
#[derive(Debug)]
struct Resting {
    since: Duration,
    asked: Duration,
    answered: Duration,
    account: Arc<Account>,
    /// Of the proxy as it was seen. A status that shows anything else, whoever wrote it, is no copy of the look.
    digest: u64,
    met_deleting: bool,
}

/// How far behind a cache can be: a dead watch is noticed within this time (L5).
const CACHE_LAG: Duration = Duration::from_secs(60);

impl Memories {
    /// The memories of a process that stands by until [`Memories::start_anew`].
    pub fn of_a_standby() -> Self {
        let inner = Inner { behind_until: Duration::MAX, ..Inner::default() };
        Memories { inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock was held cannot leave a memory that breaks a promise (it may be lost at any time).
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins every memory anew, as after a restart: this process leads from now on, and what others did meanwhile it
    /// does not know.
    pub fn start_anew(&self, now: Duration) {
        let mut inner = self.lock();
        inner.behind_until = now + CACHE_LAG;
        for kept in inner.by_uid.values_mut() {
            let met_deleting = match kept {
                Kept::Met { met_deleting, .. } => *met_deleting,
                Kept::Whole(memory) => memory.met_deleting,
                Kept::Resting(resting) => resting.met_deleting,
            };
            *kept = Kept::Met { since: now, met_deleting };
        }
    }

    /// Begins a memory of a resource that was listed or made. Only the watch begins and ends memories: a reconcile
    /// that runs on after its resource is gone would begin one that nobody ends.
    pub fn meet(&self, uid: &Arc<str>, now: Duration, deleting: bool) {
        let mut inner = self.lock();
        let behind = now < inner.behind_until;
        match inner.by_uid.get_mut(uid.as_ref()) {
            Some(Kept::Whole(memory)) => memory.met_again(deleting, behind),
            Some(Kept::Resting(Resting { met_deleting, .. }) | Kept::Met { met_deleting, .. })
                if behind && deleting =>
            {
                *met_deleting = true;
            }
            Some(_) => {}
            None => {
                inner.by_uid.insert(uid.clone(), Kept::Met { since: now, met_deleting: deleting });
            }
        }
    }

    /// What is remembered of this resource; an empty memory that begins now when the resource is gone.
    pub fn get(&self, resource: &Resource, now: Duration) -> Memory {
        let inner = self.lock();
        let kept = inner.by_uid.get(resource.uid.as_str());
        kept.map_or_else(|| Memory::begin(now, false), |kept| kept.whole(resource, &inner.hasher))
    }

    /// The resource is there, as far as the watch has told.
    pub fn knows(&self, uid: &str) -> bool {
        self.lock().by_uid.contains_key(uid)
    }

    /// Changes what is remembered, unless the resource has been forgotten meanwhile.
    pub fn update(&self, resource: &Resource, change: impl FnOnce(&mut Memory)) {
        let mut inner = self.lock();
        let Inner { by_uid, hasher, .. } = &mut *inner;
        let Some(kept) = by_uid.get_mut(resource.uid.as_str()) else { return };
        if let Kept::Whole(memory) = kept {
            return change(memory);
        }
        let mut whole = Box::new(kept.whole(resource, hasher));
        change(&mut whole);
        *kept = Kept::Whole(whole);
    }

    /// The same for a resource that has asked for a look: it does not rest, so its status is not needed.
    pub fn update_asking(&self, uid: &str, change: impl FnOnce(&mut Memory)) {
        if let Some(Kept::Whole(memory)) = self.lock().by_uid.get_mut(uid) {
            change(memory);
        }
    }

    /// Nothing is under way, and the status of the resource in the cache says all there is to say: keeps no more than is
    /// needed to find the look in it again. Only for a resource of the cache, which moves on to newer versions; before
    /// that one shows the status, the look would seem lost. Does nothing when there is more to remember.
    pub fn rest(&self, resource: &Resource) {
        let mut inner = self.lock();
        let Inner { by_uid, account, hasher, .. } = &mut *inner;
        let Some(kept @ Kept::Whole(_)) = by_uid.get_mut(resource.uid.as_str()) else { return };
        let Kept::Whole(memory) = kept else { return };
        let Some(LookRecord { asked, answered, account: Some(asked_as), seen: Seen::Present(proxy) }) = &memory.look
        else {
            return;
        };
        let nothing_else = Memory { look: memory.look.clone(), ..Memory::begin(memory.since, memory.met_deleting) };
        if **memory != nothing_else || mirrored(resource).as_ref() != Some(proxy.as_ref()) {
            return;
        }
        let shared = match account {
            Some(shared) if **shared == *asked_as => shared.clone(),
            _ => account.insert(Arc::new(asked_as.clone())).clone(),
        };
        *kept = Kept::Resting(Resting {
            since: memory.since,
            asked: *asked,
            answered: *answered,
            account: shared,
            digest: hasher.hash_one(proxy.as_ref()),
            met_deleting: memory.met_deleting,
        });
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, uid: &str) {
        let mut inner = self.lock();
        inner.by_uid.remove(uid);
        give_back(&mut inner.by_uid);
    }

    /// Ends the holds that wait for a person: called when the credentials changed. Who rests has none.
    pub fn lift_holds(&self) {
        for kept in self.lock().by_uid.values_mut() {
            if let Kept::Whole(memory) = kept {
                memory.lift_holds();
            }
        }
    }
}

impl Kept {
    /// All that is remembered.
    fn whole(&self, resource: &Resource, hasher: &RandomState) -> Memory {
        match self {
            Kept::Whole(memory) => memory.as_ref().clone(),
            Kept::Resting(resting) => resting.whole(resource, hasher),
            Kept::Met { since, met_deleting } => Memory::begin(*since, *met_deleting),
        }
    }
}

impl Resting {
    /// The whole memory; without the look when the status shows anything else than was seen, which costs a look.
    fn whole(&self, resource: &Resource, hasher: &RandomState) -> Memory {
        let seen = mirrored(resource).filter(|proxy| hasher.hash_one(proxy) == self.digest);
        let look = seen.map(|proxy| LookRecord {
            asked: self.asked,
            answered: self.answered,
            account: Some(self.account.as_ref().clone()),
            seen: Seen::Present(Box::new(proxy)),
        });
        Memory { look, ..Memory::begin(self.since, self.met_deleting) }
    }
}

/// The proxy that the status of a resource shows: what `mirror` of `decide` made it from.
fn mirrored(resource: &Resource) -> Option<Proxy> {
    let mirror = resource.status.proxy.clone()?;
    Some(Proxy {
        id: resource.proxy_id.clone(),
        status: ProxyStatus::from(mirror.status.as_deref()?),
        name: mirror.name,
        access_region: mirror.access_region,
        real_server_region: mirror.real_server_region,
        ip: mirror.ip,
        domain: mirror.domain,
        bandwidth_mbps: mirror.bandwidth_mbps,
        concurrent_connections: mirror.concurrent_connections,
        group_id: mirror.group_id,
        create_time: mirror.create_time,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::{account, resource};
    use crate::crd::ProxyMirror;

    fn named(uid: &str) -> Resource {
        Resource { uid: uid.into(), ..resource() }
    }

    /// A resource whose status shows its proxy running.
    fn shown() -> Resource {
        let mut resource = resource();
        let mirror = ProxyMirror { status: Some("RUNNING".into()), create_time: Some(900), ..ProxyMirror::default() };
        resource.status.proxy = Some(mirror);
        resource
    }

    /// The memory of a resource that was seen as its status shows it, and came to rest.
    fn resting() -> Memories {
        let memories = Memories::default();
        memories.meet(&"uid-a".into(), at(1), false);
        let seen = Seen::Present(Box::new(mirrored(&shown()).unwrap()));
        let look = LookRecord { asked: at(2), answered: at(3), account: Some(account()), seen };
        memories.update(&shown(), |memory| memory.record_look(look));
        memories.rest(&shown());
        assert!(matches!(memories.lock().by_uid.get("uid-a"), Some(Kept::Resting(_))));
        memories
    }

    #[test]
    fn who_rests_is_remembered_as_before() {
        let memories = resting();
        let memory = memories.get(&shown(), at(9));
        let look = memory.look.clone().unwrap();
        assert_eq!((memory.since, look.asked, look.answered, look.account), (at(1), at(2), at(3), Some(account())));
        assert_eq!(look.seen, Seen::Present(Box::new(mirrored(&shown()).unwrap())));
        memories.update(&shown(), |memory| memory.asking = Some(at(10)));
        assert_eq!(memories.get(&shown(), at(10)), Memory { asking: Some(at(10)), ..memory });
    }

    #[test]
    fn a_status_that_was_changed_since_is_not_taken_for_what_was_seen() {
        let memories = resting();
        let mut forged = shown();
        forged.status.proxy.as_mut().unwrap().create_time = Some(1);
        assert_eq!(memories.get(&forged, at(9)).look, None);
        forged.status.proxy = None;
        assert_eq!(memories.get(&forged, at(9)).look, None);
        assert!(memories.get(&shown(), at(9)).look.is_some());
    }

    #[test]
    fn who_has_anything_else_to_remember_does_not_rest() {
        for change in [
            (|memory| memory.look_failures = 1) as fn(&mut Memory),
            |memory| memory.deleting_since = Some(at(4)),
            |memory| memory.first_absent = Some((at(4), account())),
        ] {
            let memories = resting();
            memories.update(&shown(), change);
            let before = memories.get(&shown(), at(9));
            memories.rest(&shown());
            assert_eq!(memories.get(&shown(), at(9)), before);
        }
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_new_leader_remembers_nothing_but_which_deletions_began_before_it() {
        let memories = Memories::of_a_standby();
        memories.meet(&"deleted-while-standing-by".into(), at(1), false);
        memories.meet(&"deleted-while-standing-by".into(), at(50), true);
        memories.meet(&"living".into(), at(1), false);
        memories.update(&named("living"), |memory| memory.look_failures = 3);
        memories.start_anew(at(100));
        let memory = memories.get(&named("deleted-while-standing-by"), at(100));
        assert!(memory.met_deleting && memory.since == at(100));
        assert_eq!(memories.get(&named("living"), at(100)), Memory { since: at(100), ..Memory::default() });
    }

    #[test]
    fn a_deletion_that_a_late_watch_tells_a_new_leader_may_have_been_acted_on_before() {
        let memories = Memories::of_a_standby();
        for uid in ["late", "later", "noticed"] {
            memories.meet(&uid.into(), at(1), false);
        }
        memories.start_anew(at(100));
        memories.meet(&"late".into(), at(159), true);
        memories.meet(&"later".into(), at(160), true);
        memories.update(&named("noticed"), |memory| memory.deleting_since = Some(at(101)));
        memories.meet(&"noticed".into(), at(102), true);
        let met = |uid| memories.get(&named(uid), at(200)).met_deleting;
        assert_eq!([met("late"), met("later"), met("noticed")], [true, false, false]);
    }

    #[test]
    fn without_an_election_only_the_first_list_tells_of_earlier_deletions() {
        let memories = Memories::default();
        memories.meet(&"listed".into(), at(1), true);
        memories.meet(&"made".into(), at(1), false);
        memories.meet(&"made".into(), at(2), true);
        let met = |uid| memories.get(&named(uid), at(3)).met_deleting;
        assert_eq!([met("listed"), met("made")], [true, false]);
    }
}
