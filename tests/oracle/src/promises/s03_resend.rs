//! S3: until a definite answer, every resend is identical in ids, Force and token; a user's change of Force aside.
//!
//! The way of one deletion (docs/design.md §2) says when another request may follow: a raised attempt, stored before
//! it is used, after a definite refusal, or after an accepted or duplicate request has shown no effect for the settle
//! time; another Force when the user changed it, after an unknown outcome not before the settle time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::case::Case;
use crate::cloud::Request;
use crate::codes::{Told, is_refused_at_door};
use crate::report::{Promise, Report};
use crate::sends::Send;

type Sent<'b, 'a> = (&'b Send<'a>, &'b Request<'a>);

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    let mut by_resource: BTreeMap<&str, Vec<Sent<'_, '_>>> = BTreeMap::new();
    for sent in case.sent() {
        by_resource.entry(sent.0.uid.unwrap_or(sent.0.id)).or_default().push(sent);
    }
    for sends in by_resource.values() {
        for (place, later) in sends.iter().enumerate().skip(1) {
            let earlier = sends.get(..place).unwrap_or_default();
            let Some(last) = earlier.last() else { continue };
            report.check(Promise::S3);
            if let Some(why) = fault(case, earlier, *last, *later) {
                let message = format!("DestroyProxies #{} follows #{}, but {why}", later.1.seq, last.1.seq);
                let mut evidence = case.show_send(last.0, last.1);
                evidence.extend(case.show_send(later.0, later.1));
                report.broken(Promise::S3, &case.subject(later.0), message, evidence);
            }
        }
    }
    attempts_never_fall(case, report);
}

fn fault(case: &Case<'_>, earlier: &[Sent<'_, '_>], last: Sent<'_, '_>, later: Sent<'_, '_>) -> Option<String> {
    let same_force = last.1.force == later.1.force;
    if last.1.ids != later.1.ids {
        return Some(format!("names [{}] instead of [{}]", later.1.ids.join(","), last.1.ids.join(",")));
    }
    if same_force && last.1.token == later.1.token {
        return resent_after_acceptance(case, last, later);
    }
    let chain: Vec<Sent<'_, '_>> = earlier.iter().filter(|sent| sent.1.token == last.1.token).copied().collect();
    if same_force { unfounded_raise(case, &chain, last, later) } else { unfounded_force(case, &chain, last, later) }
}

/// The identical request is harmless, but the process that knows it accepted has no reason for it.
fn resent_after_acceptance(case: &Case<'_>, last: Sent<'_, '_>, later: Sent<'_, '_>) -> Option<String> {
    let accepted = last.1.answer.certain && last.1.told(last.0.id) == Told::Accepted;
    let known = later.1.time.since(last.1.answer.decided) > case.context.tolerance.jitter;
    (accepted && known && !case.forgotten(last.1, later.1))
        .then(|| "the earlier one was accepted, so only a raised attempt may follow".to_owned())
}

/// What the operator can know of a chain of identical requests.
struct Outcome {
    /// The last word is a definite refusal.
    refused: bool,
    /// Accepted or duplicate, at least once; or an unknown outcome that a later refusal did not speak of.
    may_settle: bool,
    /// At least one outcome is unknown since the last definite refusal.
    unknown: bool,
    /// Since the last that was not throttled.
    quiet: Duration,
}

fn outcome(case: &Case<'_>, chain: &[Sent<'_, '_>], later: Sent<'_, '_>) -> Outcome {
    let mut outcome = Outcome { refused: false, may_settle: false, unknown: false, quiet: Duration::MAX };
    let mut before: Option<&Request<'_>> = None;
    for (send, request) in chain {
        let told = request.told(send.id);
        if told == Told::Throttled {
            continue;
        }
        outcome.quiet = later.1.time.since(request.time);
        // A new process knows nothing of the outcomes before it.
        let pending = outcome.unknown && before.is_some_and(|before| !case.forgotten(before, request));
        before = Some(*request);
        // An answer that may not have been taken in can be either.
        let unclear = !request.answer.certain;
        match told {
            Told::Refused if pending && is_refused_at_door(request.answer.code) => outcome.may_settle = true,
            Told::Refused => (outcome.refused, outcome.unknown) = (true, unclear && outcome.unknown),
            Told::Accepted | Told::Duplicate => (outcome.may_settle, outcome.refused) = (true, false),
            Told::Unknown | Told::Throttled => (outcome.unknown, outcome.refused) = (true, false),
        }
    }
    outcome
}

/// Same Force, other token: the attempt was raised.
fn unfounded_raise(case: &Case<'_>, chain: &[Sent<'_, '_>], last: Sent<'_, '_>, later: Sent<'_, '_>) -> Option<String> {
    if let (Some(before), Some(now)) = (last.0.read, later.0.read)
        && now.object.attempt() <= before.object.attempt()
    {
        return Some(format!(
            "carries another token although the stored attempt was {} at both reads",
            now.object.attempt()
        ));
    }
    let settle = case.context.settle_time.saturating_sub(case.context.tolerance.jitter);
    // The one that raised it knows only what it was answered itself.
    let founded = |chain: &[Sent<'_, '_>]| {
        let outcome = outcome(case, chain, later);
        outcome.refused || (outcome.may_settle && outcome.quiet >= settle)
    };
    if founded(chain) || chain.iter().any(|one| founded(&by_the_sender_of(case, one.1, chain))) {
        return None;
    }
    let outcome = outcome(case, chain, later);
    Some(if outcome.may_settle {
        format!("carries another token {:?} after it, before the settle time {settle:?}", outcome.quiet)
    } else {
        "carries another token although no definite answer came to the earlier one".to_owned()
    })
}

/// Of a chain, what this one's sender sent.
fn by_the_sender_of<'b, 'a>(case: &Case<'_>, one: &Request<'_>, chain: &[Sent<'b, 'a>]) -> Vec<Sent<'b, 'a>> {
    let process = case.processes.of_request(one);
    chain.iter().filter(|sent| process.is_none_or(|process| process.sent(sent.1))).copied().collect()
}

/// Other Force: only because the user changed it.
fn unfounded_force(case: &Case<'_>, chain: &[Sent<'_, '_>], last: Sent<'_, '_>, later: Sent<'_, '_>) -> Option<String> {
    if let (Some(before), Some(now)) = (last.0.read, later.0.read)
        && before.object.force() == now.object.force()
    {
        return Some("carries another Force although the user did not change it".to_owned());
    }
    let outcome = outcome(case, chain, later);
    let settle = case.context.settle_time.saturating_sub(case.context.tolerance.jitter);
    let pending = outcome.unknown || outcome.may_settle;
    // A new process knows of the last request only if the status tells of it.
    let recorded = later.0.read.is_some_and(|read| read.object.token() == last.1.token);
    let forgotten = case.forgotten(last.1, later.1) && !recorded;
    (pending && !outcome.refused && outcome.quiet < settle && !forgotten).then(|| {
        format!(
            "carries another Force {:?} after one that may be in effect, before the settle time {settle:?}",
            outcome.quiet
        )
    })
}

/// A fallen attempt would bring back a token that stands for an older request.
fn attempts_never_fall(case: &Case<'_>, report: &mut Report) {
    for object in case.history.objects() {
        for (version, before) in case.history.operator_writes(object) {
            let Some(before) = before else { continue };
            let (old, new) = (before.object.attempt(), version.object.attempt());
            if new < old {
                let message = format!("the operator lowered status.destroy.attempt from {old} to {new}");
                let evidence = vec![case.show(before.call), case.show(version.call)];
                report.broken(Promise::S3, &object.subject(), message, evidence);
            }
        }
    }
}
