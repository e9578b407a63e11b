//! Requests and answers of the API as they are on the wire (3.0, JSON over POST).
//!
//! Decoding is tolerant of what does not matter (unknown fields, null lists, numbers as strings) and strict where a
//! wrong reading would destroy or release something: what says nothing clear is an error, never "nothing there".

use serde::Serialize;
use serde_json::{Map, Value};

use crate::gaap::error::{Action, ErrorKind};
use crate::gaap::proxy::{Proxy, ProxyId, ProxyStatus};
use crate::gaap::token::DestroyRequest;

/// Most ids in one DescribeProxies, and its highest Limit. The default Limit is 20: without one, ids 21 to 100 would
/// look absent.
pub const DESCRIBE_LIMIT: usize = 100;
/// The cloud counts connections in units of 10 000.
const CONNECTIONS_UNIT: i64 = 10_000;
const LONGEST_MESSAGE: usize = 300;

/// Only documented names: the API answers an unknown one with UnknownParameter.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DestroyBody<'a> {
    proxy_ids: Vec<&'a ProxyId>,
    force: u8,
    client_token: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeBody<'a> {
    proxy_ids: &'a [ProxyId],
    limit: usize,
}

fn not_built(detail: impl ToString) -> ErrorKind {
    ErrorKind::NotBuilt { detail: detail.to_string() }
}

/// Body of DestroyProxies. The same request gives the same bytes.
pub(super) fn destroy_body(request: &DestroyRequest) -> Result<Vec<u8>, ErrorKind> {
    let proxy_ids: Vec<_> = request.ids().collect();
    if proxy_ids.is_empty() {
        return Err(not_built("a request without ids"));
    }
    let body = DestroyBody { proxy_ids, force: request.force().into(), client_token: request.client_token() };
    serde_json::to_vec(&body).map_err(not_built)
}

/// Body of DescribeProxies for 1 to 100 ids. None would ask for every proxy of the account.
pub(super) fn describe_body(ids: &[ProxyId]) -> Result<Vec<u8>, ErrorKind> {
    if ids.is_empty() || ids.len() > DESCRIBE_LIMIT {
        return Err(not_built(format!("DescribeProxies takes 1 to {DESCRIBE_LIMIT} ids, not {}", ids.len())));
    }
    serde_json::to_vec(&DescribeBody { proxy_ids: ids, limit: DESCRIBE_LIMIT }).map_err(not_built)
}

/// The answer to DestroyProxies. Success is per id: an answer without an error can have destroyed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestroyAnswer {
    /// RequestId.
    pub request_id: String,
    /// InvalidStatusInstanceSet: ids in a state in which they cannot be destroyed.
    pub invalid_status: Vec<String>,
    /// OperationFailedInstanceSet: ids whose destruction failed.
    pub failed: Vec<String>,
}

/// What an answer says of one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberOutcome {
    /// In neither set: the request was accepted for it. There is no list that says so.
    Accepted,
    /// In InvalidStatusInstanceSet.
    InvalidStatus,
    /// In OperationFailedInstanceSet (also when in both).
    Failed,
}

impl DestroyAnswer {
    /// What the answer says of one of the ids that were sent.
    pub fn outcome(&self, id: &ProxyId) -> MemberOutcome {
        let holds = |set: &[String]| set.iter().any(|listed| listed == id.as_str());
        if holds(&self.failed) {
            MemberOutcome::Failed
        } else if holds(&self.invalid_status) {
            MemberOutcome::InvalidStatus
        } else {
            MemberOutcome::Accepted
        }
    }

    /// Listed ids that were not sent. They mean nothing for those that were, but something is odd.
    pub(super) fn strangers<'a>(&'a self, request: &'a DestroyRequest) -> impl Iterator<Item = &'a str> {
        let listed = self.invalid_status.iter().chain(&self.failed).map(String::as_str);
        listed.filter(|listed| request.ids().all(|id| id.as_str() != *listed))
    }
}

/// The answer to DescribeProxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeAnswer {
    /// RequestId.
    pub request_id: String,
    /// TotalCount: how many proxies match, of which the rows may be only some.
    pub total_count: Option<i64>,
    /// The rows.
    pub rows: Vec<Proxy>,
    /// Rows whose id cannot be read.
    pub nameless_rows: usize,
}

impl DescribeAnswer {
    /// Reads the body of an answer.
    ///
    /// # Errors
    /// When it is an error of the API, or no answer at all.
    pub fn read(body: &[u8]) -> Result<Self, ErrorKind> {
        describe_answer(body).map(|(answer, _)| answer).map_err(|(error, _)| error)
    }

    /// Why the answer proves nothing about ids that are not in it; none if it is complete.
    fn gap(&self, asked: &[ProxyId]) -> Option<String> {
        let rows = self.rows.len();
        if self.nameless_rows > 0 {
            return Some(format!("{} of its rows have no readable id", self.nameless_rows));
        }
        if let Some(stranger) = self.rows.iter().find(|row| !asked.contains(&row.id)) {
            return Some(format!("it holds {}, which was not asked for", stranger.id));
        }
        match self.total_count {
            None => return Some("it has no readable TotalCount".to_owned()),
            Some(total) if usize::try_from(total) != Ok(rows) => {
                return Some(format!("it has {rows} rows and a TotalCount of {total}"));
            }
            Some(_) => {}
        }
        let twice = |(index, row): (usize, &Proxy)| self.rows.iter().skip(index + 1).any(|later| later.id == row.id);
        let repeated = self.rows.iter().enumerate().find(|(index, row)| twice((*index, row)));
        repeated.map(|(_, row)| format!("it holds {} more than once", row.id))
    }

    /// The row of an id; none is its absence.
    ///
    /// # Errors
    /// Why the answer says neither: an id that is missing from an incomplete answer is not absent.
    pub(super) fn look(&self, asked: &[ProxyId], id: &ProxyId) -> Result<Option<&Proxy>, String> {
        let mut rows = self.rows.iter().filter(|row| row.id == *id);
        let Some(row) = rows.next() else {
            return match self.gap(asked) {
                None => Ok(None),
                Some(gap) => Err(format!("{id} is not in it, but {gap}")),
            };
        };
        if rows.any(|other| other != row) { Err(format!("it tells two things of {id}")) } else { Ok(Some(row)) }
    }
}

/// A success or an error of the API, with the RequestId.
pub(super) type Decoded<T> = Result<(T, String), (ErrorKind, Option<String>)>;

/// The answer to DestroyProxies.
pub(super) fn destroy_answer(body: &[u8]) -> Decoded<DestroyAnswer> {
    decode(body, |response, request_id| {
        Ok(DestroyAnswer {
            request_id: request_id.to_owned(),
            invalid_status: ids(response, "InvalidStatusInstanceSet")?,
            failed: ids(response, "OperationFailedInstanceSet")?,
        })
    })
}

/// The answer to DescribeProxies.
pub(super) fn describe_answer(body: &[u8]) -> Decoded<DescribeAnswer> {
    decode(body, |response, request_id| {
        // InstanceSet is the older name of the same list.
        let rows = match list(response, "ProxySet")? {
            Some(rows) => rows,
            None => list(response, "InstanceSet")?.unwrap_or_default(),
        };
        let readable: Vec<Proxy> = rows.iter().filter_map(proxy).collect();
        Ok(DescribeAnswer {
            request_id: request_id.to_owned(),
            total_count: response.get("TotalCount").and_then(integer),
            nameless_rows: rows.len() - readable.len(),
            rows: readable,
        })
    })
}

/// The AccountId of GetCallerIdentity.
pub(super) fn caller_answer(body: &[u8]) -> Decoded<String> {
    decode(body, |response, _| match response.get("AccountId").and_then(text) {
        Some(id) if id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok(id),
        _ => Err("it names no account".to_owned()),
    })
}

/// The error of the API in a body, whatever the HTTP status: its code, its message and the RequestId.
pub(super) fn error_in(body: &[u8]) -> Option<(String, String, Option<String>)> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let (code, message) = error_of(&value)?.ok()?;
    let request_id = value.get("Response").and_then(|response| response.get("RequestId")).and_then(text);
    let request_id = request_id.map(|id| clean(&id));
    Some((code, message, request_id))
}

fn decode<T>(body: &[u8], read: impl FnOnce(&Map<String, Value>, &str) -> Result<T, String>) -> Decoded<T> {
    let unreadable = |detail: String| ErrorKind::Unreadable { detail };
    let value: Value = serde_json::from_slice(body).map_err(|error| (unreadable(no_json(body, &error)), None))?;
    let response = value.get("Response").and_then(Value::as_object);
    let request_id = response.and_then(|response| response.get("RequestId")).and_then(text);
    let request_id = request_id.map(|id| clean(&id));
    match error_of(&value) {
        Some(Ok((code, message))) => return Err((ErrorKind::Api { code, message }, request_id)),
        Some(Err(detail)) => return Err((unreadable(detail), request_id)),
        None => {}
    }
    let Some(response) = response else {
        return Err((unreadable("it has no object Response".to_owned()), request_id));
    };
    // Every answer of the API has one; what has none is somebody else's.
    let Some(request_id) = request_id else {
        return Err((unreadable("it has no RequestId".to_owned()), None));
    };
    match read(response, &request_id) {
        Ok(answer) => Ok((answer, request_id)),
        Err(detail) => Err((unreadable(detail), Some(request_id))),
    }
}

fn no_json(body: &[u8], error: &serde_json::Error) -> String {
    if body.is_empty() {
        return "its body is empty".to_owned();
    }
    // The cause without its text: serde quotes what it read.
    let what = if error.is_eof() { "ends too early" } else { "is no JSON" };
    format!("its body of {} bytes {what}", body.len())
}

/// The error in an answer: `Response.Error`, or that of the old envelope (`code`, `codeDesc`, `message` at the top).
/// The inner error: something is there that cannot be read, so it is no success either.
fn error_of(value: &Value) -> Option<Result<(String, String), String>> {
    let message = |of: Option<&Value>| clean(&of.and_then(text).unwrap_or_default());
    if let Some(response) = value.get("Response") {
        let error = response.get("Error").filter(|error| !error.is_null())?;
        return Some(match error.get("Code").and_then(text) {
            Some(code) => Ok((clean(&code), message(error.get("Message")))),
            None => Err("it holds an Error without a Code".to_owned()),
        });
    }
    let number = value.get("code").and_then(text).filter(|code| code != "0")?;
    let code = value.get("codeDesc").and_then(text).unwrap_or(number);
    Some(Ok((clean(&code), message(value.get("message")))))
}

/// A foreign text made fit for a status and a log: one line, of bounded length.
fn clean(message: &str) -> String {
    let line: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.trim().trim_end_matches(['.', '。']);
    match line.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// A list that may be missing or null.
fn list<'a>(response: &'a Map<String, Value>, name: &str) -> Result<Option<&'a [Value]>, String> {
    match response.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) => Ok(Some(list)),
        Some(_) => Err(format!("{name} is no list")),
    }
}

fn ids(response: &Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    let entries = list(response, name)?.unwrap_or_default();
    let id = |entry: &Value| entry.as_str().map(str::to_owned).ok_or_else(|| format!("{name} holds what is no id"));
    entries.iter().map(id).collect()
}

/// A text that is there and not empty; numbers are taken as their digits.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A number, also as a string.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Unix seconds. A text date counts only with its offset from UTC: the older examples have none, and a date that may
/// be eight hours off would make a proxy look like another.
fn time(value: &Value) -> Option<i64> {
    integer(value)
        .or_else(|| value.as_str()?.trim().parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second))
        .filter(|seconds| *seconds > 0)
}

/// One row; none if its id cannot be read, or its two names tell two ids.
fn proxy(row: &Value) -> Option<Proxy> {
    // From outside, and on its way into a status: one line, of bounded length.
    let field = |name: &str| row.get(name).and_then(text).map(|text| clean(&text));
    let id = match (field("ProxyId"), field("InstanceId")) {
        (Some(new), Some(old)) if new != old => return None,
        (new, old) => new.or(old)?,
    };
    Some(Proxy {
        id: id.parse().ok()?,
        status: ProxyStatus::from(field("Status").unwrap_or_default().as_str()),
        name: field("ProxyName"),
        access_region: field("AccessRegion"),
        real_server_region: field("RealServerRegion"),
        ip: field("IP"),
        domain: field("Domain"),
        bandwidth_mbps: row.get("Bandwidth").and_then(integer),
        concurrent_connections: row.get("Concurrent").and_then(integer).map(|n| n.saturating_mul(CONNECTIONS_UNIT)),
        group_id: field("GroupId"),
        create_time: row.get("CreateTime").and_then(time),
    })
}

/// What a call asks for: host, version and service of an action.
impl Action {
    pub(super) fn service(self) -> &'static str {
        match self {
            Self::DestroyProxies | Self::DescribeProxies => "gaap",
            Self::GetCallerIdentity => "sts",
        }
    }

    pub(super) fn version(self) -> &'static str {
        match self {
            Self::DestroyProxies | Self::DescribeProxies => "2018-05-29",
            Self::GetCallerIdentity => "2018-08-13",
        }
    }
}

#[cfg(test)]
mod tests;
