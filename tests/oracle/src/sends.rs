//! On whose behalf each id in a DestroyProxies was sent.

use std::collections::BTreeMap;

use crate::cloud::{CloudLog, Request};
use crate::context::Context;
use crate::history::History;
use crate::moment::Moment;
use crate::object::Resource;

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
pub(crate) fn resolve<'a>(cloud: &CloudLog<'a>, history: &History<'a>, context: &Context) -> Vec<Send<'a>> {
    let owners = token_owners(history);
    let mut sends = Vec::new();
    for (place, request) in cloud.requests.iter().enumerate() {
        if !request.by_operator || !request.is_destroy() {
            continue;
        }
        for id in &request.ids {
            let owner = request.token.and_then(|token| owners.get(token)).copied();
            let owner = owner.filter(|uid| history.object(uid).is_some_and(|object| object.proxy_id == *id));
            let read = match owner {
                Some(uid) => {
                    newest_reads(history, context, request, id).into_iter().find(|read| read.object.uid() == Some(uid))
                }
                None => best(newest_reads(history, context, request, id), request, context),
            };
            let uid = owner.or_else(|| read.and_then(|read| read.object.uid()));
            sends.push(Send { place, id, uid, read });
        }
    }
    sends
}

/// Which resource the operator recorded a token for.
fn token_owners<'a>(history: &History<'a>) -> BTreeMap<&'a str, &'a str> {
    let mut owners = BTreeMap::new();
    for object in history.objects() {
        for (version, _) in history.operator_writes(object) {
            if let Some(token) = version.object.token() {
                owners.entry(token).or_insert(object.uid);
            }
        }
    }
    owners
}

/// Of each resource with this id, the newest read that was answered before the request came in; newest first.
fn newest_reads<'a>(history: &History<'a>, context: &Context, request: &Request<'a>, id: &str) -> Vec<Read<'a>> {
    let latest = request.time.plus(context.tolerance.jitter);
    let mut reads: Vec<Read<'a>> = history
        .objects()
        .filter(|object| object.proxy_id == id)
        .filter_map(|object| {
            let mut before = history
                .operator_reads(object)
                .filter(|read| read.call.received <= request.time && read.call.ended <= latest);
            before.next_back()
        })
        .map(|read| Read { object: read.object, ended: read.call.ended, number: read.call.number })
        .collect();
    reads.sort_by_key(|read| std::cmp::Reverse(read.ended));
    reads
}

fn best<'a>(reads: Vec<Read<'a>>, request: &Request<'a>, context: &Context) -> Option<Read<'a>> {
    let fresh = |read: &&Read<'a>| request.time.since(read.ended) <= context.tolerance.read_freshness;
    let allows = |read: &&Read<'a>| {
        let object = read.object;
        object.is_deleting() && object.has_finalizer() && object.may_destroy() && !object.is_paused()
    };
    reads.iter().filter(fresh).find(allows).or_else(|| reads.first()).copied()
}
