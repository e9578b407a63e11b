//! One stream of watch events from one watch per namespace (or one for all).
//!
//! kube's store knows one watch: at the end of its list it drops what the list did not name. With several watches a
//! relist of one namespace would empty the others, so the events are joined here: one common first list, and after
//! it a relist becomes single changes and deletions.

use std::collections::{HashMap, HashSet};

use kube::ResourceExt;
use kube::runtime::watcher::Event;

use crate::controller::object::WatchedProxy;

/// Which watch an event came from.
pub type Scope = usize;

#[derive(Debug, Default)]
struct ScopeState {
    listed: bool,
    /// Objects of this scope by uid: what a relist no longer names is gone.
    known: HashMap<String, WatchedProxyKey>,
    relist: Option<HashSet<String>>,
}

/// Enough of an object to tell the store that it is gone.
#[derive(Clone, Debug)]
struct WatchedProxyKey {
    namespace: Option<String>,
    name: String,
}

/// Joins the events of several watches. Bounded by the objects there are.
#[derive(Debug)]
pub struct Join {
    scopes: Vec<ScopeState>,
    begun: bool,
    complete: bool,
}

impl Join {
    /// For this many watches.
    pub fn new(scopes: usize) -> Self {
        Join { scopes: (0..scopes).map(|_| ScopeState::default()).collect(), begun: false, complete: false }
    }

    /// The first list of every watch is complete.
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// Takes in one event of one watch; returns what the joined stream says.
    pub fn take(&mut self, scope: Scope, event: Event<WatchedProxy>) -> Vec<Event<WatchedProxy>> {
        let complete = self.complete;
        let Some(state) = self.scopes.get_mut(scope) else { return Vec::new() };
        match event {
            Event::Init => {
                state.relist = Some(HashSet::new());
                if self.begun {
                    return Vec::new();
                }
                self.begun = true;
                vec![Event::Init]
            }
            Event::InitApply(object) => {
                state.note(&object);
                vec![if complete { Event::Apply(object) } else { Event::InitApply(object) }]
            }
            Event::InitDone => {
                let vanished = state.end_relist();
                state.listed = true;
                if complete {
                    return vanished;
                }
                self.complete = self.scopes.iter().all(|scope| scope.listed);
                if self.complete { vec![Event::InitDone] } else { Vec::new() }
            }
            Event::Apply(object) => {
                state.note(&object);
                vec![if complete { Event::Apply(object) } else { Event::InitApply(object) }]
            }
            Event::Delete(object) => {
                if let Some(uid) = object.uid() {
                    state.known.remove(&uid);
                }
                // Before the common list is complete the store cannot take a deletion. The object stays in it until
                // its reconcile finds it gone (404), which harms nothing.
                if complete { vec![Event::Delete(object)] } else { Vec::new() }
            }
        }
    }
}

impl ScopeState {
    fn note(&mut self, object: &WatchedProxy) {
        let Some(uid) = object.uid() else { return };
        if let Some(seen) = &mut self.relist {
            seen.insert(uid.clone());
        }
        self.known.insert(uid, WatchedProxyKey { namespace: object.namespace(), name: object.name_any() });
    }

    fn end_relist(&mut self) -> Vec<Event<WatchedProxy>> {
        let Some(seen) = self.relist.take() else { return Vec::new() };
        let gone: Vec<String> = self.known.keys().filter(|uid| !seen.contains(*uid)).cloned().collect();
        gone.into_iter()
            .filter_map(|uid| Some((self.known.remove(&uid)?, uid)))
            .map(|(key, uid)| Event::Delete(gone_object(key, uid)))
            .collect()
    }
}

/// What is left of an object whose deletion was missed: its name and uid, which is all that its removal needs.
fn gone_object(key: WatchedProxyKey, uid: String) -> WatchedProxy {
    let mut object = crate::crd::GaapProxy::new(&key.name, crate::crd::GaapProxySpec::default());
    object.metadata.namespace = key.namespace;
    object.metadata.uid = Some(uid);
    WatchedProxy { guarded: Ok(object), claimed: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> WatchedProxy {
        gone_object(WatchedProxyKey { namespace: Some("a".into()), name: name.into() }, format!("uid-{name}"))
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
}
