//! S2: the finalizer goes only after proved absence: two negative answers in a row, at least the absence spacing
//! apart, from the account under which the proxy was seen, after the last request to destroy it.
//!
//! Without proof it may go when the policy is Retain, or when an older resource claims the same proxy.

use crate::audit::Call;
use crate::case::Case;
use crate::cloud::{Request, Sight};
use crate::history::{Object, Version};
use crate::moment::Moment;
use crate::object::{FINALIZER, Resource};
use crate::report::{Promise, Report};

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    for object in case.history.objects() {
        for (version, before) in case.history.versions(object).zip_before() {
            if !version.call.is_write() || !removes(version, before) {
                continue;
            }
            if version.call.by_operator {
                judge(case, object, version, report);
            } else {
                let message =
                    format!("{} took the operator's finalizer off at {}", version.call.user, version.call.ended);
                report.notice(&object.subject(), message);
            }
        }
        if let Some(version) = unheard_removal(case, object) {
            judge(case, object, version, report);
        }
    }
}

/// Pairs each version with the one before it.
trait ZipBefore<'a, 'b>: Iterator<Item = Version<'a, 'b>> + Sized
where
    'a: 'b,
{
    fn zip_before(self) -> impl Iterator<Item = (Version<'a, 'b>, Option<Version<'a, 'b>>)> {
        self.scan(None, |before, version| Some((version, before.replace(version))))
    }
}

impl<'a: 'b, 'b, I: Iterator<Item = Version<'a, 'b>>> ZipBefore<'a, 'b> for I {}

fn removes(version: Version<'_, '_>, before: Option<Version<'_, '_>>) -> bool {
    if version.object.has_finalizer() {
        return false;
    }
    before.is_some_and(|before| before.object.has_finalizer()) || patches_it_away(version.call)
}

/// The operator's removal that ended the object although nobody was told so: when its caller is killed with the request on its
/// way, the API server may take it and has nobody to answer, so its log holds neither success nor the object.
pub(super) fn unheard_removal<'b>(case: &'b Case<'_>, object: &'b Object<'_>) -> Option<Version<'b, 'b>> {
    let gone = case.history.gone(object).filter(|gone| !gone.witnessed)?;
    let last = case.history.versions(object).next_back()?;
    let of_object = |call: &&Call<'_>| {
        let tests_uid = || {
            let operations = call.request().and_then(|body| body.as_array()).into_iter().flatten();
            operations.filter_map(|operation| operation.get("value")).any(|value| value == object.uid)
        };
        call.name == object.name && call.namespace == object.namespace && call.by_operator && tests_uid()
    };
    let unheard = |call: &&Call<'_>| call.answered().is_none() && !call.refused();
    let call = case
        .audit
        .on_proxies()
        .filter(|call| call.verb == "patch" && last.call.received <= call.received && call.received <= gone.call.ended)
        .filter(of_object)
        .find(|call| unheard(call) && patches_it_away(call))?;
    Some(Version { call, object: last.object })
}

/// A JSON patch that tests for our finalizer and removes what it tested: known also when nothing earlier is.
fn patches_it_away(call: &Call<'_>) -> bool {
    let operations = call.request().and_then(|body| body.as_array());
    let of = |name: &'static str| {
        operations.into_iter().flatten().filter(move |operation| operation.get("op").is_some_and(|op| op == name))
    };
    of("test")
        .filter(|test| test.get("value").is_some_and(|value| value == FINALIZER))
        .any(|test| of("remove").any(|remove| remove.get("path") == test.get("path")))
}

fn judge(case: &Case<'_>, object: &Object<'_>, version: Version<'_, '_>, report: &mut Report) {
    report.check(Promise::S2);
    let broken = if !version.object.is_deleting() {
        Some("it is not being deleted".to_owned())
    } else if was_retained(case, object, version) || is_later_claimant(case, object, version) {
        None
    } else {
        unproved(case, object, version)
    };
    if let Some(why) = broken {
        let looks = case.cloud.looks(object.proxy_id).filter(|(look, _)| look.time <= version.call.ended);
        let mut evidence: Vec<_> = looks.map(|(look, _)| case.show_request(look)).collect();
        evidence.drain(..evidence.len().saturating_sub(4));
        evidence.extend(last_destroy(case, object, version.call.received).map(|sent| case.show_request(sent)));
        evidence.push(case.show(version.call));
        let message = format!("the operator took the finalizer off, but {why}");
        report.broken(Promise::S2, &object.subject(), message, evidence);
    }
}

/// Retain at the moment of the write, or so shortly before that the operator could not know better.
fn was_retained(case: &Case<'_>, object: &Object<'_>, version: Version<'_, '_>) -> bool {
    let since = version.call.received.minus(case.context.tolerance.delivery);
    let retains = |resource: Resource<'_>| resource.policy() == "Retain";
    let until_now = || case.history.versions(object).filter(|other| other.object.version() <= version.object.version());
    let changed_lately = until_now()
        .zip(until_now().skip(1))
        .any(|(earlier, later)| retains(earlier.object) && !retains(later.object) && later.call.ended >= since);
    retains(version.object) || changed_lately
}

/// Another resource with this id is older: this one never owned the proxy.
fn is_later_claimant(case: &Case<'_>, object: &Object<'_>, version: Version<'_, '_>) -> bool {
    let (late, early) = (version.call.received, version.call.received.minus(case.context.tolerance.delivery));
    [late, early].into_iter().any(|moment| {
        let mut claimants = case.history.claimants(case.context, object.proxy_id, moment, std::time::Duration::ZERO);
        claimants.any(|other| other.uid != object.uid && other.seniority() < object.seniority())
    })
}

fn last_destroy<'b>(case: &'b Case<'_>, object: &Object<'_>, before: Moment) -> Option<&'b Request<'b>> {
    case.cloud.destroys().rfind(|sent| sent.time <= before && sent.ids.contains(&object.proxy_id))
}

/// The account under which the proxy was last seen, or asked to be destroyed, where no status tells it: a sight that
/// was never written down binds all the same.
fn last_account<'b>(case: &'b Case<'_>, object: &Object<'_>, before: Moment) -> Option<&'b str> {
    let made = Moment::parse(object.created)?;
    let seen = case
        .cloud
        .looks(object.proxy_id)
        .filter(|(look, sight)| matches!(sight, Sight::Present { .. }) && look.answer.certain);
    let sent = case.cloud.destroys().filter(|request| request.ids.contains(&object.proxy_id));
    let all = seen.map(|(look, _)| look).chain(sent).filter(|request| !request.account.is_empty());
    let of_object = all.filter(|request| made <= request.time && request.time <= before);
    of_object.max_by_key(|request| request.time).map(|request| request.account)
}

/// Why the absence was not proved when the write came in; none when it was.
fn unproved(case: &Case<'_>, object: &Object<'_>, version: Version<'_, '_>) -> Option<String> {
    let context = case.context;
    // Its sender may be gone, and another at work, when it arrives.
    let end = version.call.sent.plus(context.tolerance.jitter);
    let account = version.object.account_id().or_else(|| last_account(case, object, end));
    // What another operator was shown, or sent, is not known to this one.
    let process = case.processes.of_call(version.call);
    let own = |request: &Request<'_>| process.is_none_or(|process| process.sent(request));
    let ours = |look: &Request<'_>| account.is_none_or(|account| account == look.account) && own(look);
    let looks: Vec<_> = case.cloud.looks(object.proxy_id).filter(|(look, _)| look.time <= end).collect();
    let sighted = |look: &Request<'_>, sight: &Sight<'_>| {
        matches!(sight, Sight::Present { .. }) && look.answer.certain && ours(look)
    };
    let negatives = || looks.iter().filter(|(look, sight)| *sight == Sight::Absent && ours(look));
    let last_sent = last_destroy(case, object, end).filter(|sent| own(sent)).map(|sent| sent.time);
    let start = [last_sent, case.memory_start(version.call.sent, process)];
    let start = start.into_iter().flatten().max().unwrap_or(Moment(i64::MIN));
    // A sight so late that it may not have arrived excuses nobody from the spacing, but does not cancel the proof.
    let known_by = version.call.sent.minus(context.tolerance.delivery);
    let last_sight = looks.iter().filter(|(look, sight)| sighted(look, sight) && look.answer.decided <= known_by);
    let last_sight = last_sight.map(|(look, _)| look.time).max();

    let proved = negatives().any(|(second, _)| {
        let cancelled = looks.iter().filter(|(look, sight)| sighted(look, sight) && look.time < second.time);
        let from = cancelled.map(|(look, _)| look.time).chain([start]).max().unwrap_or(start);
        let after_sight = last_sight.is_none_or(|sight| second.time > sight);
        let mut firsts = negatives().filter(|(first, _)| first.time > from && first.account == second.account);
        let apart = firsts.any(|(first, _)| {
            second.time.since(first.time).saturating_add(context.tolerance.jitter) >= context.absence_spacing
        });
        after_sight && apart
    });
    if proved {
        return None;
    }
    let count =
        negatives().filter(|(look, _)| look.time > start && last_sight.is_none_or(|sight| look.time > sight)).count();
    let account = account.map_or(String::new(), |account| format!(" from account {account}"));
    Some(format!(
        "the absence of {} was not proved: {count} complete negative answers{account} after the last request, the last \
         sight and the start of the process, where two are needed that are at least {:?} apart",
        object.proxy_id, context.absence_spacing
    ))
}
