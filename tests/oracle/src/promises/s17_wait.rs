//! S17: unknown status, code or field means "present, wait". A DestroyProxies needs a look that showed a destroyable
//! status, made since the process started and since the last request for this proxy, with no other look after it that
//! showed anything else; and the proxy must be old enough.

use crate::case::Case;
use crate::cloud::{Request, Sight, is_destroyable};
use crate::codes::is_turned_away;
use crate::moment::Moment;
use crate::report::{Promise, Report};
use crate::sends::Send;

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    for (send, request) in case.sent() {
        report.check(Promise::S17);
        if let Some(why) = fault(case, send, request) {
            let before = case.cloud.looks(send.id).filter(|(look, _)| look.time <= request.time);
            let mut evidence: Vec<_> = before.map(|(look, _)| case.show_request(look)).collect();
            evidence.drain(..evidence.len().saturating_sub(3));
            evidence.push(case.show_request(request));
            let message = format!("DestroyProxies #{} was sent although {why}", request.seq);
            report.broken(Promise::S17, &case.subject(send), message, evidence);
        }
    }
}

fn fault(case: &Case<'_>, send: &Send<'_>, request: &Request<'_>) -> Option<String> {
    let context = case.context;
    // What another operator was shown is not known to this one.
    let process = case.processes.of_request(request);
    let own = |look: &Request<'_>| process.is_none_or(|process| process.sent(look));
    let looks = case.cloud.looks(send.id).filter(|(look, _)| look.answer.decided <= request.time && own(look));
    let looks: Vec<_> = looks.collect();
    let start = [case.memory_start(case.sent_by(request.time), process), last_request(case, send, request)]
        .into_iter()
        .flatten()
        .max();
    let recent = |look: &Request<'_>| start.is_none_or(|start| look.time >= start);
    let known_by = request.time.minus(context.tolerance.delivery);
    let overtaken = |by: &Request<'_>| {
        looks.iter().any(|(look, sight)| {
            let newer = look.answer.decided > by.answer.decided && look.answer.decided <= known_by;
            newer && look.answer.certain && !allows(*sight)
        })
    };
    let ground = looks.iter().rev().find(|(look, sight)| allows(*sight) && recent(look) && !overtaken(look));
    let Some((_, Sight::Present { create_time, .. })) = ground else {
        return Some(match looks.last() {
            None => "the operator had not looked at the proxy".to_owned(),
            Some((_, Sight::Present { status, .. })) if !is_destroyable(status) => {
                format!("the last look had shown {status}")
            }
            Some((_, Sight::Present { .. })) => {
                "the last look was before the start of the process or before the last request".to_owned()
            }
            Some(_) => "the last look had not shown the proxy".to_owned(),
        });
    };
    let old_enough = Moment::from_second(*create_time).plus(context.minimum_age);
    (request.time.plus(context.tolerance.jitter) < old_enough).then(|| {
        format!(
            "the proxy was created at {}, less than {:?} before",
            Moment::from_second(*create_time),
            context.minimum_age
        )
    })
}

fn allows(sight: Sight<'_>) -> bool {
    matches!(sight, Sight::Present { status, .. } if is_destroyable(status))
}

/// The last earlier request for this proxy that was not turned away at the door: after it, only a new look counts. No allowance: the
/// look that led to that request came in a moment before it.
fn last_request(case: &Case<'_>, send: &Send<'_>, request: &Request<'_>) -> Option<Moment> {
    let process = case.processes.of_request(request);
    let own = |other: &Request<'_>| process.is_none_or(|process| process.sent(other));
    let mut earlier = case
        .cloud
        .destroys()
        .rev()
        .filter(|other| other.seq < request.seq && other.ids.contains(&send.id) && own(other));
    earlier.find(|other| !(other.answer.delivered && is_turned_away(other.answer.code))).map(|other| other.time)
}
