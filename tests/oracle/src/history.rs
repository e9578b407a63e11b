//! The history of every GaapProxy, by uid: all versions that any answer of the API server showed, in their order.

use std::collections::BTreeMap;

use crate::audit::{AuditLog, Call};
use crate::context::Context;
use crate::moment::Moment;
use crate::object::Resource;

const CRD: &str = "gaapproxies.gaap-operator.io";

/// An object as one answer showed it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version<'a, 'b> {
    pub call: &'b Call<'a>,
    pub object: Resource<'a>,
}

impl Version<'_, '_> {
    /// The write that made the object vanish: the last finalizer of a deleted object goes. It is answered with the
    /// version number of its predecessor.
    fn is_last(&self) -> bool {
        self.call.is_write() && self.object.is_deleting() && self.object.finalizers().is_empty()
    }
}

/// How it is known that an object is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone<'a, 'b> {
    /// Not gone before.
    pub from: Moment,
    /// Surely gone after.
    pub by: Moment,
    pub call: &'b Call<'a>,
    /// It was seen to go: a finalizer removed, a deletion answered. Otherwise it was only found missing.
    pub witnessed: bool,
}

/// One object from its creation to its end.
pub(crate) struct Object<'a> {
    pub uid: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    pub proxy_id: &'a str,
    /// `metadata.creationTimestamp`; as text it orders as time does.
    pub created: &'a str,
    /// When it surely existed.
    pub known_from: Moment,
    /// The log holds its creation, and with it every write to it.
    pub complete: bool,
    /// Not being deleted before.
    pub deleting_from: Option<Moment>,
    versions: Vec<(usize, Resource<'a>)>,
    gone: Option<(Moment, Moment, usize, bool)>,
}

impl<'a> Object<'a> {
    /// `namespace/name (uid …)`, for a reader.
    pub fn subject(&self) -> String {
        format!("{}/{} (uid {}, {})", self.namespace, self.name, self.uid, self.proxy_id)
    }

    /// The oldest of several claimants is the owner: by creation, then uid.
    pub fn seniority(&self) -> (&'a str, &'a str) {
        (self.created, self.uid)
    }

    fn new(first: Resource<'a>, call: &Call<'a>) -> Self {
        let created = Moment::parse(first.created());
        Self {
            uid: first.uid().unwrap_or_default(),
            namespace: first.namespace(),
            name: first.name(),
            proxy_id: first.proxy_id(),
            created: first.created(),
            // The timestamp is cut to its second.
            known_from: created.map_or(call.ended, |second| Moment(second.0 + 1_000_000).min(call.ended)),
            complete: false,
            deleting_from: None,
            versions: Vec::new(),
            gone: None,
        }
    }

    fn may_be_deleting(&mut self, moment: Moment) {
        self.deleting_from = Some(self.deleting_from.map_or(moment, |known| known.min(moment)));
    }

    fn is_gone(&mut self, from: Moment, by: Moment, call: usize, witnessed: bool) {
        if self.gone.is_none_or(|known| witnessed && !known.3) {
            self.gone = Some((from, by, call, witnessed));
        }
    }
}

/// All histories.
pub(crate) struct History<'a> {
    calls: Vec<Call<'a>>,
    objects: BTreeMap<&'a str, Object<'a>>,
}

impl<'a> History<'a> {
    pub fn build(audit: &AuditLog<'a>, context: &Context) -> Self {
        let mut history = Self { calls: audit.on_proxies().cloned().collect(), objects: BTreeMap::new() };
        for number in 0..history.calls.len() {
            history.take(number, context);
        }
        for object in history.objects.values_mut() {
            let calls = &history.calls;
            let key = |entry: &(usize, Resource<'a>)| {
                let call = calls.get(entry.0);
                let last = call.is_some_and(|call| Version { call, object: entry.1 }.is_last());
                (entry.1.version(), last, call.map(|call| call.ended))
            };
            object.versions.sort_by_key(key);
        }
        history.find_missing();
        let crd_deletions: Vec<Moment> = audit
            .calls
            .iter()
            .filter(|call| call.verb == "delete" && call.name == CRD && call.succeeded())
            .map(|call| call.received)
            .collect();
        for moment in crd_deletions {
            history
                .objects
                .values_mut()
                .filter(|object| object.known_from <= moment)
                .for_each(|object| object.may_be_deleting(moment));
        }
        history
    }

    fn take(&mut self, number: usize, context: &Context) -> Option<()> {
        let call = self.calls.get(number)?.clone();
        if !context.in_scope(call.namespace) || !call.succeeded() {
            return None;
        }
        if call.verb == "deletecollection" {
            self.take_collection(number, &call);
            return None;
        }
        if let Some(resource) = call.answered() {
            self.take_version(number, &call, resource);
        } else if call.verb == "delete" {
            let uid = call.response()?.pointer("/details/uid")?.as_str()?;
            let object = self.objects.get_mut(uid)?;
            object.may_be_deleting(call.received);
            object.is_gone(call.received, call.ended, number, true);
        }
        None
    }

    fn take_version(&mut self, number: usize, call: &Call<'a>, resource: Resource<'a>) -> Option<()> {
        let object = self.objects.entry(resource.uid()?).or_insert_with(|| Object::new(resource, call));
        object.complete |= call.verb == "create";
        if let Some(second) = resource.deleted() {
            object.may_be_deleting(second);
        }
        if (Version { call, object: resource }).is_last() {
            object.is_gone(call.received, call.ended, number, true);
        }
        object.versions.push((number, resource));
        None
    }

    /// The answer lists the objects as they were before.
    fn take_collection(&mut self, number: usize, call: &Call<'a>) -> Option<()> {
        for item in call.response()?.get("items")?.as_array()? {
            let resource = Resource(item);
            let Some(object) = resource.uid().and_then(|uid| self.objects.get_mut(uid)) else { continue };
            object.may_be_deleting(call.received);
            if resource.finalizers().is_empty() {
                object.is_gone(call.received, call.ended, number, true);
            }
        }
        None
    }

    /// Objects that were not seen to go, but whose name is free, or belongs to another.
    fn find_missing(&mut self) {
        for (number, call) in self.calls.iter().enumerate() {
            let now = call.answered().filter(|_| matches!(call.verb, "create" | "get" | "patch" | "update"));
            let found = call.verb == "get" && call.code == 404 && not_found_by_name(call);
            if now.is_none() && !found {
                continue;
            }
            let (namespace, name) = now.map_or((call.namespace, call.name), |now| (now.namespace(), now.name()));
            for object in
                self.objects.values_mut().filter(|object| object.namespace == namespace && object.name == name)
            {
                let last =
                    object.versions.iter().filter_map(|(place, _)| self.calls.get(*place)).map(|seen| seen.ended).max();
                let other = now.is_none_or(|now| now.uid() != Some(object.uid));
                if let Some(last) = last.filter(|last| other && *last <= call.received) {
                    object.is_gone(last, call.ended, number, false);
                }
            }
        }
    }

    pub fn objects(&self) -> impl Iterator<Item = &Object<'a>> {
        self.objects.values()
    }

    pub fn object(&self, uid: &str) -> Option<&Object<'a>> {
        self.objects.get(uid)
    }

    /// Every version of an object, oldest first; the same version may have been shown several times.
    pub fn versions<'b>(&'b self, object: &'b Object<'a>) -> impl DoubleEndedIterator<Item = Version<'a, 'b>> {
        object
            .versions
            .iter()
            .filter_map(|(number, resource)| Some(Version { call: self.calls.get(*number)?, object: *resource }))
    }

    /// How an object went, if it did.
    pub fn gone<'b>(&'b self, object: &'b Object<'a>) -> Option<Gone<'a, 'b>> {
        let (from, by, number, witnessed) = object.gone?;
        Some(Gone { from, by, call: self.calls.get(number)?, witnessed })
    }

    /// Successful writes of the operator that made a new version, each with the version before it.
    pub fn operator_writes<'b>(
        &'b self,
        object: &'b Object<'a>,
    ) -> impl Iterator<Item = (Version<'a, 'b>, Option<Version<'a, 'b>>)> {
        let versions: Vec<_> = self.versions(object).collect();
        let mut writes = Vec::new();
        for (place, version) in versions.iter().enumerate() {
            let earlier = versions.get(..place).unwrap_or_default();
            let number = version.object.version();
            let before = earlier.iter().rev().find(|other| other.object.version() < number || version.is_last());
            // A write that changes nothing is answered with the version that is there.
            let idle = !version.is_last()
                && earlier
                    .iter()
                    .any(|other| other.object.version() == number && other.call.ended < version.call.received);
            if version.call.is_write() && version.call.by_operator && !idle {
                writes.push((*version, before.copied()));
            }
        }
        writes.into_iter()
    }

    /// What the operator read of an object with verb get, oldest first.
    pub fn operator_reads<'b>(&'b self, object: &'b Object<'a>) -> impl DoubleEndedIterator<Item = Version<'a, 'b>> {
        let mut reads: Vec<_> = self.versions(object).filter(|version| is_operator_read(version.call)).collect();
        reads.sort_by_key(|read| read.call.ended);
        reads.into_iter()
    }

    /// Objects that claim a proxy and existed at a moment, surely and for at least `settled` before it. A resource
    /// that may be gone already is left out.
    pub fn claimants<'b>(
        &'b self,
        context: &'b Context,
        id: &'b str,
        moment: Moment,
        settled: std::time::Duration,
    ) -> impl Iterator<Item = &'b Object<'a>> {
        self.objects().filter(move |object| {
            object.proxy_id == id
                && context.is_watched(object.namespace)
                && object.known_from.plus(settled) <= moment
                && self.gone(object).is_none_or(|gone| gone.from > moment)
        })
    }
}

fn is_operator_read(call: &Call<'_>) -> bool {
    call.by_operator && call.verb == "get"
}

/// The object is missing, as opposed to the whole kind.
fn not_found_by_name(call: &Call<'_>) -> bool {
    let Some(response) = call.response() else { return false };
    response.get("reason").and_then(serde_json::Value::as_str) == Some("NotFound")
        && response.pointer("/details/name").and_then(serde_json::Value::as_str) == Some(call.name)
}
