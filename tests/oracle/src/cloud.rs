//! The cloud's request log: what was asked of it, and what it told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::audit::evidence;
use crate::codes::{Told, is_not_found, told};
use crate::context::Context;
use crate::moment::Moment;
use crate::report::{Evidence, Source};

const DESTROYABLE: &[&str] = &["RUNNING", "CLOSED", "ISOLATED", "CREATE_FAILED"];

/// Faults after which nobody can tell from the log whether the sender took the answer in: it may have given up
/// waiting, or found the answer unreadable.
const AMBIGUOUS: &[&str] = &[
    "delay",
    "hang",
    "duplicate-delivery",
    "reset-mid-body",
    "truncated-body",
    "truncated-json",
    "invalid-json",
    "empty-body",
    "oversized-body",
    "gzip-bomb",
    "wrong-content-type",
    "redirect",
    "http-error",
    "http-error-after-commit",
];

/// Faults that make DescribeProxies show something else than what is.
const DISTORTING: &[&str] = &["stale-after-accept", "gone-back-gone", "unknown-status"];

/// One received request, with the answer its sender was given.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub seq: u64,
    pub entry: &'a Value,
    pub time: Moment,
    pub account: &'a str,
    /// The end of the id of the key that signed; empty when the log does not tell.
    pub key: &'a str,
    pub action: &'a str,
    pub ids: Vec<&'a str>,
    pub force: Option<i64>,
    pub token: Option<&'a str>,
    /// Sent by the operator, as opposed to another client, and not a copy made on the way.
    pub by_operator: bool,
    pub duplicate_of: Option<u64>,
    /// Ids that this request set on their way.
    pub accepted: Vec<&'a str>,
    /// What was answered; of two deliveries, the one whose answer went back.
    pub answer: Answer<'a>,
}

/// What was answered, if anything.
#[derive(Clone, Debug)]
pub(crate) struct Answer<'a> {
    pub entry: &'a Value,
    pub code: &'a str,
    pub request_id: &'a str,
    pub delivered: bool,
    /// The sender surely has it.
    pub certain: bool,
    /// When it was decided.
    pub decided: Moment,
    http_error: bool,
    /// Ids that it calls accepted.
    accepted: Vec<&'a str>,
    faults: Vec<&'a str>,
}

/// What a look at one proxy showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight<'a> {
    /// A row.
    Present { status: &'a str, create_time: i64 },
    /// A complete answer without it.
    Absent,
    /// Nothing that could be concluded from.
    Nothing,
}

/// Whether a proxy in this state can be destroyed. Anything unknown cannot.
pub(crate) fn is_destroyable(status: &str) -> bool {
    DESTROYABLE.contains(&status)
}

fn texts<'a>(entry: &'a Value, field: &str) -> Vec<&'a str> {
    entry.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry.get(field).and_then(Value::as_str).unwrap_or_default()
}

impl<'a> Answer<'a> {
    fn read(entry: &'a Value, received: Moment) -> Self {
        let faults = texts(entry, "faults");
        let delivered = entry.get("delivered").and_then(Value::as_bool).unwrap_or(false);
        Self {
            entry,
            code: text(entry, "code"),
            request_id: text(entry, "requestId"),
            delivered,
            certain: delivered && !faults.iter().any(|fault| AMBIGUOUS.contains(fault)),
            decided: Moment::parse(text(entry, "settledTime")).unwrap_or(received),
            http_error: entry.get("httpStatus").and_then(Value::as_i64).is_some_and(|status| status != 200),
            accepted: texts(entry, "acceptedIds"),
            faults,
        }
    }

    /// The ids of the rows.
    fn shown(&self) -> impl Iterator<Item = &'a str> {
        let rows = self.entry.pointer("/describe/returned").and_then(Value::as_array);
        rows.into_iter().flatten().map(|row| text(row, "id"))
    }
}

impl<'a> Request<'a> {
    fn read(number: usize, entry: &'a Value, context: &Context) -> Result<Self, String> {
        let seq = entry.get("seq").and_then(Value::as_u64).ok_or_else(|| format!("request {number} has no seq"))?;
        let time = Moment::parse(text(entry, "time")).ok_or_else(|| format!("cloud #{seq} has no time"))?;
        if text(entry, "action").is_empty() || entry.get("delivered").and_then(Value::as_bool).is_none() {
            return Err(format!("cloud #{seq} names no action, or not whether it was answered"));
        }
        let duplicate_of = entry.get("duplicateOf").and_then(Value::as_u64);
        let ours = context.operator_client.as_deref().is_none_or(|name| text(entry, "client").starts_with(name));
        Ok(Self {
            seq,
            entry,
            time,
            account: text(entry, "account"),
            key: text(entry, "key"),
            action: text(entry, "action"),
            ids: texts(entry, "ids"),
            force: entry.get("force").and_then(Value::as_i64),
            token: entry.get("clientToken").and_then(Value::as_str),
            by_operator: ours && duplicate_of.is_none(),
            duplicate_of,
            accepted: texts(entry, "acceptedIds"),
            answer: Answer::read(entry, time),
        })
    }

    pub fn is_destroy(&self) -> bool {
        self.action == "DestroyProxies"
    }

    /// What the sender was told about an id, if it was a DestroyProxies.
    pub fn told(&self, id: &str) -> Told {
        let answer = &self.answer;
        if !answer.delivered || answer.http_error {
            Told::Unknown
        } else if answer.code != "OK" {
            told(answer.code)
        } else if answer.accepted.contains(&id) {
            Told::Accepted
        } else {
            // In one of the two sets.
            Told::Refused
        }
    }

    /// What a DescribeProxies showed of an id. A row counts also in an answer that is not complete.
    pub fn sight(&self, id: &str) -> Sight<'a> {
        let answer = &self.answer;
        if self.action != "DescribeProxies" || !answer.delivered || answer.http_error {
            return Sight::Nothing;
        }
        if answer.code != "OK" {
            let alone = self.ids == [id];
            return if alone && is_not_found(answer.code) { Sight::Absent } else { Sight::Nothing };
        }
        let Some(told) = answer.entry.get("describe") else { return Sight::Nothing };
        let number = |field: &str| told.get(field).and_then(Value::as_i64);
        let rows = || told.get("returned").and_then(Value::as_array).into_iter().flatten();
        if let Some(row) = rows().find(|row| text(row, "id") == id) {
            let create_time = row.get("createTime").and_then(Value::as_i64).unwrap_or(0);
            return Sight::Present { status: text(row, "status"), create_time };
        }
        let count = i64::try_from(rows().count()).ok();
        let asked = i64::try_from(self.ids.len()).ok();
        let complete = count.is_some() && number("totalCount") == count && number("limit") >= asked;
        if self.ids.contains(&id) && complete { Sight::Absent } else { Sight::Nothing }
    }

    /// What it showed is what was, as far as the cloud knows.
    pub fn shows_truth(&self) -> bool {
        !self.answer.faults.iter().any(|fault| DISTORTING.contains(fault))
    }

    pub fn evidence(&self, context: &Context) -> Evidence {
        let ids = self.ids.join(",");
        let what = if self.is_destroy() {
            let force = self.force.map_or("none".to_owned(), |force| force.to_string());
            format!("{ids} force {force} token {}", self.token.unwrap_or("none"))
        } else {
            ids
        };
        let told = match self.answer.entry.get("describe") {
            Some(told) if self.answer.code == "OK" => format!(" {told}"),
            _ => String::new(),
        };
        let line = format!(
            "{} {} {what} account {} -> {}{told}, accepted [{}], {}",
            self.time,
            self.action,
            self.account,
            self.answer.code,
            self.accepted.join(","),
            if self.answer.delivered { "delivered" } else { "not delivered" },
        );
        evidence(Source::Cloud(self.seq), &line, self.entry, context)
    }
}

/// The requests in order of receipt.
pub(crate) struct CloudLog<'a> {
    pub requests: Vec<Request<'a>>,
    pub unreadable: Vec<String>,
    /// By id: places of the operator's requests that showed something of it. A run with many proxies has answers of a
    /// hundred rows, which must not be searched once for each send.
    looks: BTreeMap<&'a str, Vec<(usize, Sight<'a>)>>,
}

impl<'a> CloudLog<'a> {
    pub fn read(entries: &'a [Value], context: &Context) -> Self {
        let mut log = Self { requests: Vec::new(), unreadable: Vec::new(), looks: BTreeMap::new() };
        for (number, entry) in entries.iter().enumerate() {
            match Request::read(number, entry, context) {
                Ok(request) => log.requests.push(request),
                Err(why) => log.unreadable.push(why),
            }
        }
        log.requests.sort_by_key(|request| request.seq);
        log.find_holes();
        log.join_deliveries(entries);
        log.index_looks();
        log
    }

    fn index_looks(&mut self) {
        for (place, request) in self.requests.iter().enumerate().filter(|(_, request)| request.by_operator) {
            let concerned: BTreeSet<&str> = request.ids.iter().copied().chain(request.answer.shown()).collect();
            for id in concerned {
                let sight = request.sight(id);
                if sight != Sight::Nothing {
                    self.looks.entry(id).or_default().push((place, sight));
                }
            }
        }
    }

    /// A dropped entry could be the one destroy that should not have been.
    fn find_holes(&mut self) {
        let numbers: Vec<u64> = self.requests.iter().map(|request| request.seq).collect();
        let holes = numbers.iter().zip(numbers.iter().skip(1)).filter(|(one, next)| **next != **one + 1);
        self.unreadable.extend(holes.map(|(one, next)| format!("the cloud's log goes from #{one} to #{next}")));
    }

    /// A request that was delivered twice got one answer; a replayed answer says what the first one said.
    fn join_deliveries(&mut self, entries: &'a [Value]) {
        let first = |seq: u64| entries.iter().find(|entry| entry.get("seq").and_then(Value::as_u64) == Some(seq));
        for request in &mut self.requests {
            let replay_of = request.entry.get("replayOf").and_then(Value::as_u64);
            if let Some(original) = replay_of.and_then(first) {
                request.answer.accepted = texts(original, "acceptedIds");
            }
        }
        let copies: Vec<(u64, Answer<'a>)> = self
            .requests
            .iter()
            .filter(|request| request.answer.delivered)
            .filter_map(|request| Some((request.duplicate_of?, request.answer.clone())))
            .collect();
        for (seq, answer) in copies {
            let original = self.requests.iter_mut().find(|request| request.seq == seq);
            if let Some(request) = original.filter(|request| !request.answer.delivered) {
                request.answer = answer;
            }
        }
    }

    /// What the operator sent.
    pub fn by_operator(&self) -> impl DoubleEndedIterator<Item = &Request<'a>> {
        self.requests.iter().filter(|request| request.by_operator)
    }

    /// The operator's DestroyProxies.
    pub fn destroys(&self) -> impl DoubleEndedIterator<Item = &Request<'a>> {
        self.by_operator().filter(|request| request.is_destroy())
    }

    /// The operator's looks at an id that showed something.
    pub fn looks(&self, id: &str) -> impl DoubleEndedIterator<Item = (&Request<'a>, Sight<'a>)> {
        let known = self.looks.get(id).map(Vec::as_slice).unwrap_or_default();
        known.iter().filter_map(|(place, sight)| Some((self.requests.get(*place)?, *sight)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn describe(code: &str, ids: Value, told: Value) -> Value {
        json!({"seq": 1, "time": "2026-01-01T00:00:00Z", "account": "1", "action": "DescribeProxies", "ids": ids,
               "code": code, "requestId": "r", "acceptedIds": [], "delivered": true, "describe": told})
    }

    fn sight_of(entry: &Value) -> String {
        let request = Request::read(0, entry, &Context::default()).unwrap();
        format!("{:?}", request.sight("link-a"))
    }

    #[test]
    fn only_a_complete_answer_without_the_id_says_absent() {
        let told = |total: i64, limit: i64, returned: Value| {
            describe(
                "OK",
                json!(["link-a", "link-b"]),
                json!({"totalCount": total, "limit": limit, "returned": returned}),
            )
        };
        let other = json!([{"id": "link-b", "status": "RUNNING", "createTime": 1}]);
        assert_eq!(sight_of(&told(1, 100, other.clone())), "Absent");
        assert_eq!(sight_of(&told(2, 100, other.clone())), "Nothing", "a row is missing");
        assert_eq!(sight_of(&told(1, 1, other.clone())), "Nothing", "the page is too small");
        let nobody_asked = describe("OK", json!(["link-b"]), json!({"totalCount": 1, "limit": 100, "returned": other}));
        assert_eq!(sight_of(&nobody_asked), "Nothing");
        let here = json!([{"id": "link-a", "status": "CLOSED", "createTime": 7}]);
        assert!(sight_of(&told(9, 1, here)).contains("CLOSED"), "a row counts in any answer");
    }

    #[test]
    fn not_found_says_absent_only_for_a_lone_question() {
        assert_eq!(sight_of(&describe("ResourceNotFound", json!(["link-a"]), Value::Null)), "Absent");
        assert_eq!(sight_of(&describe("FailedOperation.ResourceNotFound", json!(["link-a"]), Value::Null)), "Absent");
        assert_eq!(sight_of(&describe("ResourceNotFound", json!(["link-a", "link-b"]), Value::Null)), "Nothing");
        assert_eq!(sight_of(&describe("InternalError", json!(["link-a"]), Value::Null)), "Nothing");
    }

    #[test]
    fn a_lost_answer_says_nothing() {
        let mut entry = describe("ResourceNotFound", json!(["link-a"]), Value::Null);
        entry["delivered"] = json!(false);
        assert_eq!(sight_of(&entry), "Nothing");
    }

    #[test]
    fn a_hole_in_the_log_is_named() {
        let mut later = describe("OK", json!([]), Value::Null);
        later["seq"] = json!(3);
        let entries = [describe("OK", json!([]), Value::Null), later];
        let log = CloudLog::read(&entries, &Context::default());
        assert_eq!(log.unreadable, ["the cloud's log goes from #1 to #3"]);
    }

    #[test]
    fn of_two_deliveries_the_answered_one_speaks() {
        let destroy = |seq: u64, code: &str, delivered: bool, of: Value| {
            json!({"seq": seq, "time": "2026-01-01T00:00:00Z", "account": "1", "action": "DestroyProxies",
                   "ids": ["link-a"], "force": 0, "clientToken": "t", "code": code, "requestId": "r",
                   "acceptedIds": if code == "OK" { json!(["link-a"]) } else { json!([]) },
                   "delivered": delivered, "duplicateOf": of})
        };
        let entries =
            [destroy(1, "OK", false, Value::Null), destroy(2, "FailedOperation.DuplicatedRequest", true, json!(1))];
        let log = CloudLog::read(&entries, &Context::default());
        let sent: Vec<_> = log.destroys().map(|request| (request.seq, request.told("link-a"))).collect();
        assert_eq!(sent, [(1, Told::Duplicate)]);
    }
}
