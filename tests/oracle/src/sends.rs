//! On whose behalf each id in a DestroyProxies was sent.

use std::collections::{BTreeMap, BTreeSet};

use crate::cloud::{CloudLog, Request};
use crate::context::Context;
use crate::history::History;
use crate::moment::Moment;
use crate::object::Resource;
use crate::processes::Processes;

/// One id in one DestroyProxies of the operator.
pub(crate) struct Send<'a> {
    /// Place in [`CloudLog::requests`].
    place: usize,
    pub id: &'a str,
    /// The resource it was sent for, as far as it can be told.
    pub uid: Option<&'a str>,
    /// The operator's newest read of that resource before the send.
    pub read: Option<Read<'a>>,
}

/// A read of a resource by the operator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read<'a> {
    pub object: Resource<'a>,
    /// When the API server was asked.
    pub received: Moment,
    pub ended: Moment,
    /// Number of the audit entry.
    pub number: usize,
}

impl<'a> Send<'a> {
    pub fn request<'b>(&self, cloud: &'b CloudLog<'a>) -> Option<&'b Request<'a>> {
        cloud.requests.get(self.place)
    }
}

/// Relates every sent id to a resource: by the token, where a status of the operator names it; otherwise by the
/// newest read that allows the destroy; otherwise by the newest read of a resource with that id.
pub(crate) fn resolve<'a>(
    cloud: &CloudLog<'a>,
    history: &History<'a>,
    context: &Context,
    processes: &Processes<'_>,
) -> Vec<Send<'a>> {
    let owners = token_owners(history);
    let mut sends = Vec::new();
    for (place, request) in cloud.requests.iter().enumerate() {
        if !request.by_operator || !request.is_destroy() {
            continue;
        }
        for id in &request.ids {
            let reads = newest_reads(history, context, processes, request, id);
            let recorded = request.token.and_then(|token| owners.get(token));
            let owner = recorded.and_then(|uids| only_owner(history, context, uids, request, id));
            let read = match owner {
                Some(uid) => reads.into_iter().find(|read| read.object.uid() == Some(uid)),
                None => best(&reads, request, context),
            };
            let uid = owner.or_else(|| read.and_then(|read| read.object.uid()));
            sends.push(Send { place, id, uid, read });
        }
    }
    sends
}

/// The resources that the operator recorded a token for: one, if it keeps S4.
fn token_owners<'a>(history: &History<'a>) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut owners: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for object in history.objects() {
        for (version, _) in history.operator_writes(object) {
            if let Some(token) = version.object.token() {
                owners.entry(token).or_default().insert(object.uid);
            }
        }
    }
    owners
}

/// The one of them that existed when the request came in.
fn only_owner<'a>(
    history: &History<'a>,
    context: &Context,
    uids: &BTreeSet<&'a str>,
    request: &Request<'a>,
    id: &str,
) -> Option<&'a str> {
    let existed = |uid: &&&'a str| {
        history.object(uid).is_some_and(|object| {
            let made = object.known_from.minus(context.tolerance.delivery) <= request.time;
            object.proxy_id == id && made && history.gone(object).is_none_or(|gone| gone.by >= request.time)
        })
    };
    let mut owners = uids.iter().filter(existed);
    let first = owners.next()?;
    owners.next().is_none().then_some(*first)
}

/// Of each resource with this id, the newest read of the sender that was answered before the request came in; newest
/// first.
fn newest_reads<'a>(
    history: &History<'a>,
    context: &Context,
    processes: &Processes<'_>,
    request: &Request<'a>,
    id: &str,
) -> Vec<Read<'a>> {
    let process = processes.of_request(request);
    let latest = request.time.plus(context.tolerance.jitter);
    let mut reads: Vec<Read<'a>> = history
        .objects()
        .filter(|object| object.proxy_id == id)
        .filter_map(|object| {
            let mut before = history
                .operator_reads(object)
                .filter(|read| read.call.received <= request.time && read.call.ended <= latest)
                .filter(|read| process.is_none_or(|process| process.called(read.call)));
            before.next_back()
        })
        .map(|read| Read {
            object: read.object,
            received: read.call.received,
            ended: read.call.ended,
            number: read.call.number,
        })
        .collect();
    reads.sort_by_key(|read| std::cmp::Reverse(read.ended));
    reads
}

fn best<'a>(reads: &[Read<'a>], request: &Request<'a>, context: &Context) -> Option<Read<'a>> {
    let fresh = |read: &&Read<'a>| request.time.since(read.ended) <= context.tolerance.read_freshness;
    let allows = |read: &&Read<'a>| {
        let object = read.object;
        object.is_deleting() && object.has_finalizer() && object.may_destroy() && !object.is_paused()
    };
    reads.iter().filter(fresh).find(allows).or_else(|| reads.first()).copied()
}
