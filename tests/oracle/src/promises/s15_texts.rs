//! S15: no secret in any object, event, status or other text; and no event that tells of an end before it is proved.

use std::time::Duration;

use serde_json::Value;

use crate::audit::evidence;
use crate::case::Case;
use crate::cloud::Sight;
use crate::moment::Moment;
use crate::report::{Evidence, Promise, Report, Source};

/// Reasons of events that say that the proxy is gone.
const ENDS: &[&str] = &["Destroyed", "NeverSeen"];

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    let calls = case.audit.calls.iter().filter(|call| call.by_operator);
    for call in calls {
        search(case, &call.entry.to_string(), &format!("{}/{}", call.namespace, call.name), report, || case.show(call));
    }
    for event in &case.context.events {
        report.check(Promise::S15);
        let subject = subject(event);
        let shown = || show(event, case);
        search(case, &event.to_string(), &subject, report, shown);
        if let Some(message) = early_end(case, event) {
            report.broken(Promise::S15, &subject, message, vec![show(event, case)]);
        }
    }
    for (channel, text) in &case.context.texts {
        report.check(Promise::S15);
        let shown = || Evidence { source: Source::Text, line: channel.clone(), entry: Value::Null };
        search(case, text, channel, report, shown);
    }
}

fn search(case: &Case<'_>, text: &str, subject: &str, report: &mut Report, evidence: impl Fn() -> Evidence) {
    for (number, _) in case.context.plain_secrets().filter(|(_, secret)| text.contains(secret)) {
        report.broken(Promise::S15, subject, format!("secret {number} can be read"), vec![evidence()]);
    }
}

fn show(event: &Value, case: &Case<'_>) -> Evidence {
    let note = event.get("note").or_else(|| event.get("message")).and_then(Value::as_str).unwrap_or_default();
    let reason = event.get("reason").and_then(Value::as_str).unwrap_or_default();
    evidence(Source::Text, &format!("event {reason}: {note}"), event, case.context)
}

/// The object an event is about: `regarding` in events.k8s.io/v1, `involvedObject` in core/v1.
fn about<'a>(event: &'a Value, field: &str) -> &'a str {
    let object = event.get("regarding").or_else(|| event.get("involvedObject"));
    object.and_then(|object| object.get(field)).and_then(Value::as_str).unwrap_or_default()
}

fn subject(event: &Value) -> String {
    format!("{}/{} (uid {})", about(event, "namespace"), about(event, "name"), about(event, "uid"))
}

/// An event that tells of an end, although no complete negative answer had come by then. (That there were two, S2
/// judges.)
fn early_end(case: &Case<'_>, event: &Value) -> Option<String> {
    let reason = event.get("reason").and_then(Value::as_str).filter(|reason| ENDS.contains(reason))?;
    let object = case.history.object(about(event, "uid"))?;
    let times = ["eventTime", "firstTimestamp", "deprecatedFirstTimestamp"];
    let time = times.iter().find_map(|field| event.get(field).and_then(Value::as_str).and_then(Moment::parse))?;
    // Times of core/v1 are cut to the second.
    let slack = if time.0 % 1_000_000 == 0 { Duration::from_secs(1) } else { case.context.tolerance.jitter };
    let latest = time.plus(slack);
    let proved = case.cloud.looks(object.proxy_id).any(|(look, sight)| sight == Sight::Absent && look.time <= latest);
    (!proved).then(|| format!("event {reason} was written before any complete negative answer"))
}
