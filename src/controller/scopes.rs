//! One stream of watch events from one watch per namespace (or one for all).
//!
//! kube's store knows one watch: at the end of its list it drops what the list did not name. With several watches a
//! relist of one namespace would empty the others, so the events are joined here: one common first list, and after
//! it a relist becomes single changes and deletions.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kube::runtime::watcher::Event;

use crate::controller::object::WatchedProxy;
use crate::controller::tables::give_back;

/// Which watch an event came from.
pub type Scope = usize;

#[derive(Debug, Default)]
struct ScopeState {
    listed: bool,
    /// Uid of each object of this scope: what a relist no longer names is gone.
    known: HashMap<Name, Arc<str>>,
    relist: Option<HashSet<Name>>,
}

/// `namespace/name`.
type Name = Arc<str>;

/// Joins the events of several watches. Bounded by the objects there are.
#[derive(Debug)]
pub struct Join {
    scopes: Vec<ScopeState>,
    begun: bool,
    complete: bool,
    /// What went before the common list was complete: the store cannot take a deletion before.
    gone: HashMap<Name, Arc<str>>,
}

impl Join {
    /// For this many watches.
    pub fn new(scopes: usize) -> Self {
        let scopes = (0..scopes).map(|_| ScopeState::default()).collect();
        Join { scopes, begun: false, complete: false, gone: HashMap::new() }
    }

    /// The first list of every watch is complete.
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// Takes in one event of one watch; returns what the joined stream says.
    pub fn take(&mut self, scope: Scope, event: Event<WatchedProxy>) -> Vec<Event<WatchedProxy>> {
        match event {
            Event::Init => {
                if let Some(state) = self.scopes.get_mut(scope) {
                    state.relist = Some(HashSet::new());
                }
                if std::mem::replace(&mut self.begun, true) { Vec::new() } else { vec![Event::Init] }
            }
            Event::InitApply(object) | Event::Apply(object) => self.apply(scope, object),
            Event::InitDone => self.listed(scope),
            Event::Delete(object) => {
                let (Some(state), Some(uid)) = (self.scopes.get_mut(scope), object.uid.clone()) else {
                    return Vec::new();
                };
                let name = object.key.clone();
                if state.known.get(&name) != Some(&uid) {
                    return Vec::new();
                }
                state.known.remove(&name);
                give_back(&mut state.known);
                self.delete(name, uid)
            }
        }
    }

    /// An object that is there. The store knows objects by name alone: one that has taken the name of another must
    /// come after the deletion of the other, or it would go with it.
    fn apply(&mut self, scope: Scope, object: WatchedProxy) -> Vec<Event<WatchedProxy>> {
        let (Some(state), Some(uid)) = (self.scopes.get_mut(scope), object.uid.clone()) else { return Vec::new() };
        let name = object.key.clone();
        if let Some(seen) = &mut state.relist {
            seen.insert(name.clone());
        }
        let known = state.known.insert(name.clone(), uid.clone());
        let before = self.gone.remove(&name).or(known).filter(|before| *before != uid);
        // Before the common list is complete too: the store takes this deletion, for the object after it fills its place.
        let gone = before.map(|before| Event::Delete(WatchedProxy::gone(name, before)));
        let mut events: Vec<_> = gone.into_iter().collect();
        events.push(if self.complete { Event::Apply(object) } else { Event::InitApply(object) });
        events
    }

    fn listed(&mut self, scope: Scope) -> Vec<Event<WatchedProxy>> {
        let Some(state) = self.scopes.get_mut(scope) else { return Vec::new() };
        state.listed = true;
        let seen = state.relist.take().unwrap_or_default();
        let vanished: Vec<(Name, Arc<str>)> = state.known.extract_if(|name, _| !seen.contains(name)).collect();
        let mut events: Vec<_> = vanished.into_iter().flat_map(|(name, uid)| self.delete(name, uid)).collect();
        if !self.complete && self.scopes.iter().all(|scope| scope.listed) {
            self.complete = true;
            events.push(Event::InitDone);
            let gone = std::mem::take(&mut self.gone);
            events.extend(gone.into_iter().map(|(name, uid)| Event::Delete(WatchedProxy::gone(name, uid))));
        }
        events
    }

    fn delete(&mut self, name: Name, uid: Arc<str>) -> Vec<Event<WatchedProxy>> {
        if self.complete {
            return vec![Event::Delete(WatchedProxy::gone(name, uid))];
        }
        self.gone.insert(name, uid);
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;

    use super::*;

    fn object(name: &str) -> WatchedProxy {
        WatchedProxy::gone(format!("a/{name}").into(), format!("uid-{name}").into())
    }

    fn words(events: &[Event<WatchedProxy>]) -> Vec<String> {
        events
            .iter()
            .map(|event| match event {
                Event::Init => "init".to_owned(),
                Event::InitApply(object) => format!("list {}", object.name_any()),
                Event::InitDone => "done".to_owned(),
                Event::Apply(object) => format!("apply {}", object.name_any()),
                Event::Delete(object) => format!("delete {}", object.name_any()),
            })
            .collect()
    }

    #[test]
    fn the_list_is_complete_only_when_every_namespace_is_listed() {
        let mut join = Join::new(2);
        assert_eq!(words(&join.take(0, Event::Init)), ["init"]);
        assert_eq!(words(&join.take(1, Event::Init)), Vec::<String>::new());
        assert_eq!(words(&join.take(0, Event::InitApply(object("x")))), ["list x"]);
        assert_eq!(words(&join.take(0, Event::InitDone)), Vec::<String>::new());
        assert!(!join.complete());
        assert_eq!(words(&join.take(1, Event::InitDone)), ["done"]);
        assert!(join.complete());
    }

    #[test]
    fn a_relist_of_one_namespace_leaves_the_other_and_tells_what_vanished() {
        let mut join = Join::new(2);
        for scope in 0..2 {
            join.take(scope, Event::Init);
            join.take(scope, Event::InitApply(object(if scope == 0 { "x" } else { "y" })));
            join.take(scope, Event::InitDone);
        }
        assert_eq!(words(&join.take(0, Event::Init)), Vec::<String>::new());
        assert_eq!(words(&join.take(0, Event::InitApply(object("z")))), ["apply z"]);
        assert_eq!(words(&join.take(0, Event::InitDone)), ["delete x"]);
    }

    fn named(name: &str, uid: &str) -> WatchedProxy {
        WatchedProxy::gone(format!("a/{name}").into(), uid.into())
    }

    #[test]
    fn a_resource_made_again_during_a_relist_stays_in_the_store() {
        let (reader, mut writer) = kube::runtime::reflector::store::<WatchedProxy>();
        let mut join = Join::new(1);
        let mut feed = |event| {
            for event in join.take(0, event) {
                writer.apply_watcher_event(&event);
            }
        };
        feed(Event::Init);
        feed(Event::InitApply(named("x", "old")));
        feed(Event::InitDone);
        feed(Event::Init);
        feed(Event::InitApply(named("x", "new")));
        feed(Event::InitDone);
        assert_eq!(reader.state().iter().map(|object| object.uid.clone().unwrap()).collect::<Vec<_>>(), ["new".into()]);
    }

    #[test]
    fn what_was_made_again_before_the_common_list_is_complete_ends_the_one_before_it() {
        for deleted in [true, false] {
            let (reader, mut writer) = kube::runtime::reflector::store::<WatchedProxy>();
            let mut join = Join::new(2);
            let mut told = Vec::new();
            let mut feed = |scope, event| {
                for event in join.take(scope, event) {
                    writer.apply_watcher_event(&event);
                    told.push(event);
                }
            };
            feed(0, Event::Init);
            feed(0, Event::InitApply(named("x", "old")));
            if deleted {
                feed(0, Event::Delete(named("x", "old")));
            }
            feed(0, Event::Init);
            feed(0, Event::InitApply(named("x", "new")));
            feed(0, Event::InitDone);
            feed(1, Event::Init);
            feed(1, Event::InitDone);
            assert_eq!(words(&told), ["init", "list x", "delete x", "list x", "done"], "{deleted}");
            assert!(matches!(&told[2], Event::Delete(object) if object.uid.as_deref() == Some("old")));
            assert_eq!(
                reader.state().iter().map(|object| object.uid.clone().unwrap()).collect::<Vec<_>>(),
                ["new".into()]
            );
        }
    }

    #[test]
    fn what_went_before_the_common_list_is_told_with_it() {
        let mut join = Join::new(2);
        join.take(0, Event::Init);
        join.take(0, Event::InitApply(named("x", "x")));
        join.take(0, Event::InitDone);
        join.take(0, Event::Delete(named("x", "x")));
        join.take(1, Event::Init);
        assert_eq!(words(&join.take(1, Event::InitDone)), ["done", "delete x"]);
    }
}
