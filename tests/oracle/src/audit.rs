//! The audit log of the API server as a list of calls.

use serde_json::Value;

use crate::context::Context;
use crate::moment::Moment;
use crate::object::Resource;
use crate::report::{Evidence, Source};

const PLURAL: &str = "gaapproxies";
const CREDENTIAL: &str = "/user/extra/authentication.kubernetes.io~1credential-id/0";
const ON_ITS_WAY: &str = "on-its-way-since/";
const GROUP: &str = "gaap-operator.io";

/// One request to the API server.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    /// Place in the list that was handed in.
    pub number: usize,
    pub entry: &'a Value,
    pub verb: &'a str,
    pub user: &'a str,
    pub by_operator: bool,
    /// Which token it came with, where the log tells it.
    pub credential: Option<&'a str>,
    pub resource: &'a str,
    pub group: &'a str,
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    pub uri: &'a str,
    pub code: i64,
    /// False while it goes on: a watch has an entry when it is opened, and one when it ends.
    pub complete: bool,
    /// When it left its sender, if it was held up on its way and its user agent tells that (`on-its-way-since/…`); else
    /// when the API server had it.
    pub sent: Moment,
    /// When the API server had the request: what it did comes later.
    pub received: Moment,
    /// When the entry was made: what the call did came earlier.
    pub ended: Moment,
}

impl<'a> Call<'a> {
    fn read(number: usize, entry: &'a Value, context: &Context) -> Result<Self, String> {
        let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let time =
            |field: &str| Moment::parse(text(field)).ok_or_else(|| format!("audit[{number}] has no time in {field}"));
        let user = text("/user/username");
        if text("/verb").is_empty() || user.is_empty() {
            return Err(format!("audit[{number}] names no verb or no user"));
        }
        let received = time("/requestReceivedTimestamp")?;
        let sent = text("/userAgent").rsplit_once(ON_ITS_WAY).and_then(|(_, since)| Moment::parse(since));
        Ok(Self {
            number,
            entry,
            verb: text("/verb"),
            user,
            by_operator: context.is_operator(user),
            credential: entry.pointer(CREDENTIAL).and_then(Value::as_str),
            resource: text("/objectRef/resource"),
            group: text("/objectRef/apiGroup"),
            subresource: text("/objectRef/subresource"),
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            uri: text("/requestURI"),
            code: entry.pointer("/responseStatus/code").and_then(Value::as_i64).unwrap_or(0),
            complete: text("/stage") == "ResponseComplete",
            sent: sent.unwrap_or(received),
            received,
            ended: time("/stageTimestamp")?,
        })
    }

    /// About GaapProxies.
    pub fn on_proxies(&self) -> bool {
        self.resource == PLURAL && (self.group == GROUP || self.group.is_empty())
    }

    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The API server said no: it did not take effect. Any other failure may have.
    pub fn refused(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// One that changes objects, whether it was let through or not.
    pub fn is_write(&self) -> bool {
        matches!(self.verb, "create" | "update" | "patch" | "delete" | "deletecollection")
    }

    pub fn request(&self) -> Option<&'a Value> {
        self.entry.get("requestObject").filter(|value| !value.is_null())
    }

    pub fn response(&self) -> Option<&'a Value> {
        self.entry.get("responseObject").filter(|value| !value.is_null())
    }

    /// The object that was answered.
    pub fn answered(&self) -> Option<Resource<'a>> {
        self.response().map(Resource).filter(|resource| self.succeeded() && resource.is_proxy())
    }

    pub fn is_dry_run(&self) -> bool {
        self.uri.contains("dryRun=All")
    }

    /// Parameters of the list: a later page.
    pub fn is_later_page(&self) -> bool {
        self.uri.contains("continue=")
    }

    pub fn evidence(&self, context: &Context) -> Evidence {
        let line = format!(
            "{} {} {} {}{}{} {} by {} -> {}{}",
            self.received,
            self.verb,
            self.resource,
            self.namespace,
            if self.name.is_empty() { "" } else { "/" },
            self.name,
            self.subresource,
            self.user,
            self.code,
            self.answered().map_or(String::new(), describe),
        );
        evidence(Source::Audit(self.number), &line, self.entry, context)
    }
}

/// What matters of an object, in a few words.
fn describe(resource: Resource<'_>) -> String {
    format!(
        " (version {}, uid {}, {}, policy {}{}{}, finalizers [{}])",
        resource.version(),
        resource.uid().unwrap_or_default(),
        if resource.is_deleting() { "deleting" } else { "not deleting" },
        resource.policy(),
        if resource.force() { ", force" } else { "" },
        if resource.is_paused() { ", paused" } else { "" },
        resource.finalizers().join(" "),
    )
}

/// Refused before the API server knew whose it was, so it had no effect and is nobody's: a wrong token, or a caller that
/// hung up while its token was looked up. Without a name and let through would be a hole in the log.
fn is_of_nobody(entry: &Value) -> bool {
    entry.pointer("/user/username").is_none()
        && entry.pointer("/responseStatus/code").and_then(Value::as_i64) == Some(401)
}

/// Evidence without secrets: an entry that holds one is left out.
pub(crate) fn evidence(source: Source, line: &str, entry: &Value, context: &Context) -> Evidence {
    let mut entry = entry.clone();
    if let Some(members) = entry.as_object_mut() {
        // It says who sent it, and is no part of what was asked and told.
        members.remove("secretId");
    }
    let text = entry.to_string();
    let entry = if context.redact(&text) == text { entry } else { Value::Null };
    Evidence { source, line: context.redact(line), entry }
}

/// The calls in order of their ends.
pub(crate) struct AuditLog<'a> {
    pub calls: Vec<Call<'a>>,
    pub unreadable: Vec<String>,
}

impl<'a> AuditLog<'a> {
    pub fn read(entries: &'a [Value], context: &Context) -> Self {
        let mut log = Self { calls: Vec::new(), unreadable: Vec::new() };
        for (number, entry) in entries.iter().enumerate() {
            if entry.get("stage").and_then(Value::as_str) == Some("RequestReceived") || is_of_nobody(entry) {
                continue;
            }
            match Call::read(number, entry, context) {
                Ok(call) => log.calls.push(call),
                Err(why) => log.unreadable.push(why),
            }
        }
        log.calls.sort_by_key(|call| (call.ended, call.number));
        log
    }

    /// Finished calls about GaapProxies that really happened.
    pub fn on_proxies(&self) -> impl Iterator<Item = &Call<'a>> {
        self.calls.iter().filter(|call| call.on_proxies() && call.complete && !call.is_dry_run())
    }
}
