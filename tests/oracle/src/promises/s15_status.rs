//! S15: status is true. Only what a write of the operator changes is judged: what stood there before is old news.

use crate::case::Case;
use crate::cloud::{Request, Sight};
use crate::codes::{Told, is_not_found};
use crate::history::{Object, Version};
use crate::moment::Moment;
use crate::object::Resource;
use crate::report::{Promise, Report};

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    for object in case.history.objects() {
        for (version, before) in case.history.operator_writes(object) {
            if version.object.status().is_none() {
                continue;
            }
            report.check(Promise::S15);
            let write = Write { case, object, version, before: before.map(|before| before.object) };
            for message in write.faults() {
                let shown = before.map(|before| case.show(before.call));
                let evidence = shown.into_iter().chain([case.show(version.call)]).collect();
                report.broken(Promise::S15, &object.subject(), message, evidence);
            }
        }
    }
}

/// One write of the operator, the version it made and the one before.
struct Write<'a, 'b> {
    case: &'b Case<'a>,
    object: &'b Object<'a>,
    version: Version<'a, 'b>,
    before: Option<Resource<'a>>,
}

impl<'a> Write<'a, '_> {
    fn faults(&self) -> Vec<String> {
        let Some(before) = self.before else { return self.generation(None).into_iter().collect() };
        let judged = [
            self.generation(Some(before)),
            self.transitions(before),
            self.account(before),
            self.mirror(before),
            self.absence(before),
            self.request(before),
        ];
        judged.into_iter().flatten().collect()
    }

    fn now(&self) -> Resource<'a> {
        self.version.object
    }

    /// When an answer must have been asked for, so that it may have been known when the write was made.
    fn latest(&self) -> Moment {
        self.version.call.received.plus(self.case.context.tolerance.jitter)
    }

    /// The looks at the proxy that may have been known.
    fn looks(&self) -> impl Iterator<Item = (&Request<'a>, Sight<'a>)> {
        let latest = self.latest();
        self.case.cloud.looks(self.object.proxy_id).filter(move |(look, _)| look.time <= latest)
    }

    /// The requests to destroy it whose answers may have been known.
    fn destroys(&self) -> impl Iterator<Item = &Request<'a>> {
        let (latest, id) = (self.latest(), self.object.proxy_id);
        self.case.cloud.destroys().filter(move |request| request.time <= latest && request.ids.contains(&id))
    }

    fn generation(&self, before: Option<Resource<'_>>) -> Option<String> {
        let now = self.now();
        let observed = now.observed_generation();
        if let Some(observed) = observed.filter(|observed| *observed > now.generation()) {
            return Some(format!("observedGeneration {observed} is above the generation {}", now.generation()));
        }
        let ahead = now.conditions().find(|condition| condition.observed_generation() > Some(now.generation()));
        if let Some(condition) = ahead {
            return Some(format!("condition {} is ahead of the generation {}", condition.kind(), now.generation()));
        }
        let old = before?.observed_generation()?;
        (observed < Some(old)).then(|| format!("observedGeneration fell from {old} to {observed:?}"))
    }

    fn transitions(&self, before: Resource<'_>) -> Option<String> {
        let moved = self.now().conditions().find(|condition| {
            let old = before.condition(condition.kind());
            old.is_some_and(|old| old.status() == condition.status() && old.transition() != condition.transition())
        })?;
        Some(format!("lastTransitionTime of {} moved although it stayed {}", moved.kind(), moved.status()))
    }

    /// A newly named account is one that the operator has, and one under which it saw the proxy.
    fn account(&self, before: Resource<'_>) -> Option<String> {
        let now = self.now();
        let account = now.account_id()?;
        let endpoint = now.account_endpoint().unwrap_or_default();
        if before.account_id() == Some(account) && before.account_endpoint() == Some(endpoint) {
            return None;
        }
        let known = &self.case.context.accounts;
        let plain = |text: &str| text.trim_end_matches('/').to_owned();
        let ours = known.iter().any(|known| {
            known.id == account && (known.endpoint.is_empty() || plain(&known.endpoint) == plain(endpoint))
        });
        if !known.is_empty() && !ours {
            return Some(format!("status names account {account} at {endpoint}, which is not the operator's"));
        }
        let seen = self.looks().any(|(look, sight)| look.account == account && matches!(sight, Sight::Present { .. }));
        (!seen).then(|| format!("status names account {account}, under which the proxy was never seen"))
    }

    /// What status says of the proxy is what the cloud said of it.
    fn mirror(&self, before: Resource<'_>) -> Option<String> {
        let now = self.now();
        let status = now.seen_status().filter(|status| before.seen_status() != Some(*status));
        let create_time = now.seen_create_time().filter(|time| before.seen_create_time() != Some(*time));
        if status.is_none() && create_time.is_none() {
            return None;
        }
        let told = |sight: Sight<'_>| match sight {
            Sight::Present { status: shown, create_time: time } => {
                status.is_none_or(|status| status == shown) && create_time.is_none_or(|known| known == time)
            }
            _ => false,
        };
        (!self.looks().any(|(_, sight)| told(sight))).then(|| {
            format!("status shows the proxy as {status:?}, created at {create_time:?}, which the cloud never said")
        })
    }

    /// Absence is claimed only after a complete negative answer that no sight has followed.
    fn absence(&self, before: Resource<'_>) -> Option<String> {
        let newly = |kind: &str, reason: &str| {
            let is =
                |object: Resource<'_>| object.condition(kind).is_some_and(|condition| condition.reason() == reason);
            is(self.now()) && !is(before)
        };
        let missing = newly("Ready", "NotFound");
        let confirming = newly("Deleting", "ConfirmingAbsence");
        let forgotten = before.seen_status().is_some() && self.now().seen_status().is_none();
        if !missing && !confirming && !forgotten {
            return None;
        }
        let id = self.object.proxy_id;
        // Another proxy under the old id: the one of this resource is gone.
        let bound = before.seen_create_time();
        let other = |sight: Sight<'_>| matches!(sight, Sight::Present { create_time, .. } if bound.is_some_and(|bound| bound != create_time));
        let missed = self.looks().filter(|(_, sight)| *sight == Sight::Absent || other(*sight));
        let refused = self.destroys().filter(|request| request.answer.delivered && is_not_found(request.answer.code));
        let negative = missed.map(|(look, _)| look.time).chain(refused.map(|request| request.time)).max();
        let Some(negative) = negative else {
            return Some(format!("status says that {id} is not there, which no complete answer of the cloud said"));
        };
        let known_by = self.version.call.received.minus(self.case.context.tolerance.delivery);
        let (sighted, _) = self.looks().find(|(look, sight)| {
            let present = matches!(sight, Sight::Present { .. }) && !other(*sight);
            present && look.time > negative && look.answer.certain && look.answer.decided <= known_by
        })?;
        Some(format!("status says that {id} is not there, although look #{} had just shown it", sighted.seq))
    }

    /// A newly named RequestId and code are those of an answer to a request for this proxy.
    fn request(&self, before: Resource<'_>) -> Option<String> {
        let now = self.now();
        let id = now.request_id().filter(|id| before.request_id() != Some(*id))?;
        let Some(request) = self.destroys().find(|request| request.answer.request_id == id) else {
            return Some(format!("status names RequestId {id}, which no answer to a request for this proxy had"));
        };
        if now.token().is_some_and(|token| request.token != Some(token)) {
            return Some(format!("status names RequestId {id} with a token that this request did not carry"));
        }
        let code = now.last_code()?;
        let truth = match (request.answer.code, request.told(self.object.proxy_id)) {
            ("OK", Told::Refused) => code == "InvalidStatusInstanceSet" || code == "OperationFailedInstanceSet",
            (answered, _) => code == answered,
        };
        (!truth).then(|| format!("status names code {code} for a request that was answered {}", request.answer.code))
    }
}
