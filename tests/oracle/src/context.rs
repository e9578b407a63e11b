//! What the oracle must be told, because no log says it.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::moment::Moment;

/// Who the operator is, with which settings it ran, and what it must not reveal.
#[derive(Clone, Debug)]
pub struct Context {
    /// Users of the API server that are the operator, such as `system:serviceaccount:gaap-system:gaap-operator`.
    /// A name that ends in `:` stands for all names that begin so.
    pub operator_users: Vec<String>,
    /// Beginning of `X-TC-RequestClient` that the operator's calls carry. None: every request in the cloud's log is
    /// the operator's.
    pub operator_client: Option<String>,
    /// When a process of the operator was started (RFC 3339), each one. What it knew only in memory does not count
    /// beyond a start. Empty: one process, started before the log begins.
    pub operator_starts: Vec<String>,
    /// Only objects in these namespaces are judged. Empty: all.
    pub namespaces: Vec<String>,
    /// Namespaces the operator watches (`--watch-namespace`). Empty: all.
    pub watched_namespaces: Vec<String>,
    /// `--leader-election-namespace`. None: the Leases of all namespaces are of one election.
    pub lease_namespace: Option<String>,
    /// `--absence-spacing`.
    pub absence_spacing: Duration,
    /// `--minimum-age`.
    pub minimum_age: Duration,
    /// `--settle-time`.
    pub settle_time: Duration,
    /// Two operators act at once, each with a key of its own of one account: S14 is judged for each.
    pub acting_by_key: bool,
    /// Attempts that the cloud allows in one second per account and action.
    pub attempts_per_second: usize,
    /// The accounts and endpoints that the operator was given. Empty: not judged.
    pub accounts: Vec<Account>,
    /// Texts that must appear nowhere: secret ids, secret keys, tokens.
    pub secrets: Vec<Secret>,
    /// Events as read from the API server (core/v1 or `events.k8s.io/v1`): the audit log does not hold their bodies.
    pub events: Vec<Value>,
    /// Other texts that must hold no secret, each with the name of its channel (`stdout`, `/metrics`).
    pub texts: Vec<(String, String)>,
    /// Allowances for what two logs cannot tell.
    pub tolerance: Tolerance,
}

/// An account and the endpoint it was asked at. An empty endpoint stands for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// AccountId.
    pub id: String,
    /// GAAP endpoint.
    pub endpoint: String,
}

/// A text that must appear nowhere, and that is not printed here either.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The plain text, for comparison only.
    pub(crate) fn plain(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Allowances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// How far the two logs may disagree about "before" for causally ordered things: the API server writes its entry
    /// after the client has the answer. 50 ms.
    pub jitter: Duration,
    /// How old the operator's read of a resource may be when the cloud receives the request made from it. 5 s.
    pub read_freshness: Duration,
    /// How long an event may be on its way to the operator before the operator is taken to know it: a change or an
    /// answer younger than this excuses an act that ignores it. 1 s.
    pub delivery: Duration,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self {
            jitter: Duration::from_millis(50),
            read_freshness: Duration::from_secs(5),
            delivery: Duration::from_secs(1),
        }
    }
}

impl Default for Context {
    /// The defaults of the operator's settings; nobody is the operator.
    fn default() -> Self {
        Self {
            operator_users: Vec::new(),
            operator_client: None,
            operator_starts: Vec::new(),
            namespaces: Vec::new(),
            watched_namespaces: Vec::new(),
            lease_namespace: None,
            absence_spacing: Duration::from_secs(5),
            minimum_age: Duration::from_secs(120),
            settle_time: Duration::from_secs(60),
            acting_by_key: false,
            attempts_per_second: 20,
            accounts: Vec::new(),
            secrets: Vec::new(),
            events: Vec::new(),
            texts: Vec::new(),
            tolerance: Tolerance::default(),
        }
    }
}

impl Context {
    /// Whether a user of the API server is the operator.
    pub fn is_operator(&self, user: &str) -> bool {
        self.operator_users
            .iter()
            .any(|known| user == known || (known.ends_with(':') && user.starts_with(known.as_str())))
    }

    /// Whether objects of a namespace are judged.
    pub fn in_scope(&self, namespace: &str) -> bool {
        self.namespaces.is_empty() || self.namespaces.iter().any(|name| name == namespace)
    }

    /// Whether the operator sees objects of a namespace.
    pub fn is_watched(&self, namespace: &str) -> bool {
        self.watched_namespaces.is_empty() || self.watched_namespaces.iter().any(|name| name == namespace)
    }

    pub(crate) fn starts(&self) -> Vec<Moment> {
        self.operator_starts.iter().filter_map(|text| Moment::parse(text)).collect()
    }

    /// Replaces every secret in a text.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.plain_secrets().fold(text.to_owned(), |text, (_, secret)| text.replace(secret, "[secret]"))
    }

    /// The secrets with their numbers, from 1; an empty one would be found everywhere.
    pub(crate) fn plain_secrets(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(&self.secrets).map(|(number, secret)| (number, secret.plain())).filter(|(_, text)| !text.is_empty())
    }
}

/// A duration that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseDurationError(String);

impl fmt::Display for ParseDurationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "'{}' is not a duration: write 500ms, 5s or 2m", self.0)
    }
}

impl std::error::Error for ParseDurationError {}

/// Reads `500ms`, `5s` or `2m`.
///
/// # Errors
/// When the text is neither.
pub fn parse_duration(text: &str) -> Result<Duration, ParseDurationError> {
    let units = [("ms", 1_u64), ("s", 1_000), ("m", 60_000)];
    units
        .into_iter()
        .find_map(|(unit, milliseconds)| {
            let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
            Some(Duration::from_millis(count.saturating_mul(milliseconds)))
        })
        .ok_or_else(|| ParseDurationError(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_the_operator_by_its_whole_name_or_by_a_family_of_names() {
        let users = vec!["system:serviceaccount:a:gaap".to_owned(), "system:serviceaccount:b:".to_owned()];
        let context = Context { operator_users: users, ..Context::default() };
        assert!(context.is_operator("system:serviceaccount:a:gaap"));
        assert!(!context.is_operator("system:serviceaccount:a:gaap-2"));
        assert!(context.is_operator("system:serviceaccount:b:any"));
    }

    #[test]
    fn a_secret_is_not_printed_and_is_taken_out_of_texts() {
        let context = Context { secrets: vec!["hush".into(), "".into()], ..Context::default() };
        assert!(!format!("{context:?}").contains("hush"));
        assert_eq!(context.redact("key hush."), "key [secret].");
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert!(parse_duration("5").is_err());
    }
}
