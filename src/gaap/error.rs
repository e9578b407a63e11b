//! A failed call: what happened, and what it means.

use std::fmt;
use std::time::Duration;

use crate::gaap::codes::{self, Class, CodeRow, Refusal};

/// The calls this program makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// GAAP DestroyProxies: the only write.
    DestroyProxies,
    /// GAAP DescribeProxies.
    DescribeProxies,
    /// STS GetCallerIdentity.
    GetCallerIdentity,
}

impl Action {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DestroyProxies => "DestroyProxies",
            Self::DescribeProxies => "DescribeProxies",
            Self::GetCallerIdentity => "GetCallerIdentity",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong. No variant holds a request, a header or a URL, so none can hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The API answered with an error.
    Api {
        /// Tencent's code, as in `FailedOperation.DuplicatedRequest`.
        code: String,
        /// Tencent's message, cut and cleaned.
        message: String,
    },
    /// `AuthFailure.SignatureExpire`, and the cloud's own time has been taken over: the next call is signed with it.
    ClockCorrected {
        /// Tencent's message.
        message: String,
    },
    /// An HTTP status other than 200: a gateway spoke, not the API. What became of the request is unknown.
    Http {
        /// The status.
        status: u16,
        /// Tencent's code, if the body held an error of the API.
        code: Option<String>,
        /// Tencent's message, if the body held one.
        message: Option<String>,
    },
    /// A redirect, never followed: it could lead a signed request to another host.
    Redirect {
        /// The status.
        status: u16,
    },
    /// No connection (name, TCP, TLS, proxy): nothing was sent.
    Connect {
        /// Cause.
        detail: String,
    },
    /// No whole answer before the deadline: the request may have been taken.
    Timeout {
        /// The deadline.
        after: Duration,
    },
    /// The connection broke after sending may have begun.
    Broken {
        /// Cause.
        detail: String,
    },
    /// The body is longer than [`crate::gaap::MAX_BODY`] and was not read to its end.
    TooLarge,
    /// The answer is not what the API documents, or contradicts itself.
    Unreadable {
        /// What is wrong with it.
        detail: String,
    },
    /// The request could not be made; nothing was sent. A defect of this program.
    NotBuilt {
        /// Cause.
        detail: String,
    },
    /// There are no credentials to sign with; nothing was sent.
    CredentialsMissing {
        /// What is missing, with the file or variable.
        detail: String,
    },
    /// The account of the credentials is still being asked; nothing was sent.
    AccountUnknown,
    /// The program is ending; nothing was sent.
    ShuttingDown,
}

/// A call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The call.
    pub action: Action,
    /// What went wrong.
    pub kind: ErrorKind,
    /// RequestId of the answer; none if the request never reached the service.
    pub request_id: Option<String>,
}

const SIGNATURE_EXPIRE: &str = "AuthFailure.SignatureExpire";
const THROTTLED: &str = "RequestLimitExceeded";

impl CallError {
    /// An error without an answer of the API.
    pub(super) fn local(action: Action, kind: ErrorKind) -> Self {
        Self { action, kind, request_id: None }
    }

    fn row(&self) -> Option<&'static CodeRow> {
        match &self.kind {
            ErrorKind::Api { code, .. } => codes::judge(code),
            _ => None,
        }
    }

    /// What to do next.
    pub fn class(&self) -> Class {
        match &self.kind {
            ErrorKind::Api { code, .. } => self.row().map_or(Class::Backoff, |row| {
                let class = if self.action == Action::DestroyProxies { row.destroy } else { row.other };
                // A prefix says what to do about a code nobody has read about, but never that a proxy is gone (S17).
                if class == Class::Gone && row.code != code { Class::Backoff } else { class }
            }),
            ErrorKind::ClockCorrected { .. } => Class::Soon,
            ErrorKind::Redirect { .. } if self.action == Action::DestroyProxies => Class::Observe,
            ErrorKind::CredentialsMissing { .. } => Class::User,
            ErrorKind::NotBuilt { .. } => Class::Config,
            ErrorKind::Redirect { .. }
            | ErrorKind::Http { .. }
            | ErrorKind::Connect { .. }
            | ErrorKind::Timeout { .. }
            | ErrorKind::Broken { .. }
            | ErrorKind::TooLarge
            | ErrorKind::Unreadable { .. }
            | ErrorKind::AccountUnknown
            | ErrorKind::ShuttingDown => Class::Backoff,
        }
    }

    /// Tencent's code, if the answer had one.
    pub fn code(&self) -> Option<&str> {
        match &self.kind {
            ErrorKind::Api { code, .. } | ErrorKind::Http { code: Some(code), .. } => Some(code),
            ErrorKind::ClockCorrected { .. } => Some(SIGNATURE_EXPIRE),
            _ => None,
        }
    }

    /// A label from a closed set, for metrics: a known code, `other`, or `transport_...`. Codes that are not in the
    /// table are `other`: the cloud may invent as many as it likes.
    pub fn label(&self) -> &'static str {
        match &self.kind {
            ErrorKind::Api { code, .. } => codes::exact(code).map_or("other", |row| row.code),
            ErrorKind::ClockCorrected { .. } => SIGNATURE_EXPIRE,
            ErrorKind::Http { .. } => "transport_http",
            ErrorKind::Redirect { .. } => "transport_redirect",
            ErrorKind::Connect { .. } => "transport_connect",
            ErrorKind::Timeout { .. } => "transport_timeout",
            ErrorKind::Broken { .. } => "transport_broken",
            ErrorKind::TooLarge => "transport_too_large",
            ErrorKind::Unreadable { .. } => "transport_unreadable",
            ErrorKind::NotBuilt { .. }
            | ErrorKind::CredentialsMissing { .. }
            | ErrorKind::AccountUnknown
            | ErrorKind::ShuttingDown => "other",
        }
    }

    /// The kind of refusal. Of meaning only for [`Class::User`] and [`Class::Config`].
    pub fn refusal(&self) -> Refusal {
        match &self.kind {
            ErrorKind::CredentialsMissing { .. } => Refusal::CredentialsInvalid,
            _ => self.row().map_or(Refusal::Other, |row| row.refusal),
        }
    }

    /// The API said no, so nothing was accepted by this request, and trying the same again makes no sense. Throttling
    /// is not among them although nothing was accepted either: its request goes on with the same token.
    pub fn is_definite_refusal(&self) -> bool {
        matches!(self.kind, ErrorKind::Api { .. }) && matches!(self.class(), Class::User | Class::Config | Class::Gone)
    }

    /// A refusal that a single id of several in a request may have brought about: one that the key may not read, or of a
    /// form that the cloud does not know.
    pub fn may_concern_one_id(&self) -> bool {
        let form = self.code().is_some_and(|code| code.starts_with("InvalidParameter"));
        matches!(self.kind, ErrorKind::Api { .. }) && (form || self.refusal() == Refusal::PermissionDenied)
    }

    /// The API was not reached, or a gateway failed (HTTP 5xx).
    pub fn is_transport(&self) -> bool {
        match &self.kind {
            ErrorKind::Connect { .. } | ErrorKind::Timeout { .. } | ErrorKind::Broken { .. } => true,
            ErrorKind::Http { status, .. } => *status >= 500,
            _ => false,
        }
    }

    /// The rate limit refused the request; nothing was done.
    pub fn is_throttling(&self) -> bool {
        match &self.kind {
            ErrorKind::Api { code, .. } => {
                code.strip_prefix(THROTTLED).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
            ErrorKind::Http { status, .. } => *status == 429,
            _ => false,
        }
    }

    /// Nothing was sent, so nothing can have happened.
    pub fn is_not_sent(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Connect { .. }
                | ErrorKind::NotBuilt { .. }
                | ErrorKind::CredentialsMissing { .. }
                | ErrorKind::AccountUnknown
                | ErrorKind::ShuttingDown
        )
    }

    /// The API refused the credentials themselves.
    pub fn is_credentials_refused(&self) -> bool {
        matches!(self.kind, ErrorKind::Api { .. }) && self.refusal() == Refusal::CredentialsInvalid
    }

    /// What a person can do about it: one or two sentences.
    pub fn advice(&self) -> &'static str {
        match &self.kind {
            ErrorKind::Api { .. } => self.row().map_or(
                "The operator does not know this code: it looks at the proxy and tries again. If it persists, look \
                 the code up in the GAAP API documentation.",
                |row| row.advice,
            ),
            ErrorKind::ClockCorrected { .. } => {
                "The clock of the node is more than 5 minutes wrong: set it (NTP). The operator uses the cloud's time."
            }
            ErrorKind::Redirect { .. } => "The endpoint redirects, and no redirect is followed: check --gaap-endpoint.",
            ErrorKind::Connect { .. } => {
                "Check that the operator can reach the endpoint: DNS, egress rules, proxy, --gaap-endpoint, --ca-bundle."
            }
            ErrorKind::Unreadable { .. } | ErrorKind::TooLarge => {
                "The endpoint does not answer as the Tencent Cloud API does: check --gaap-endpoint and any proxy in \
                 between. The operator tries again by itself."
            }
            ErrorKind::CredentialsMissing { .. } => {
                "Give the operator credentials; it goes on by itself once they are there."
            }
            ErrorKind::NotBuilt { .. } => "This is a defect of the operator: please report it.",
            ErrorKind::Http { .. }
            | ErrorKind::Timeout { .. }
            | ErrorKind::Broken { .. }
            | ErrorKind::AccountUnknown
            | ErrorKind::ShuttingDown => "Nothing to do: the operator tries again by itself.",
        }
    }
}

/// One clear sentence without its full stop.
impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, kind, request_id } = self;
        match kind {
            ErrorKind::Api { code, message } => {
                write!(f, "{action} was answered with {code}")?;
                tail(f, message)?;
            }
            ErrorKind::ClockCorrected { message } => {
                write!(f, "{action} was answered with {SIGNATURE_EXPIRE}, and the operator now uses the cloud's time")?;
                tail(f, message)?;
            }
            ErrorKind::Http { status, code, message } => {
                write!(f, "{action} was answered with HTTP {status}")?;
                if let Some(code) = code {
                    write!(f, " and {code}")?;
                }
                tail(f, message.as_deref().unwrap_or_default())?;
            }
            ErrorKind::Redirect { status } => {
                write!(f, "{action} was answered with a redirect (HTTP {status}), which is not followed")?;
            }
            ErrorKind::Connect { detail } => write!(f, "{action} could not be sent: {detail}")?,
            ErrorKind::Timeout { after } => write!(f, "{action} got no whole answer within {after:?}")?,
            ErrorKind::Broken { detail } => write!(f, "{action} got no whole answer: {detail}")?,
            ErrorKind::TooLarge => write!(f, "the answer to {action} is larger than 4 MiB")?,
            ErrorKind::Unreadable { detail } => write!(f, "the answer to {action} cannot be used: {detail}")?,
            ErrorKind::NotBuilt { detail } => write!(f, "{action} could not be made: {detail}")?,
            ErrorKind::CredentialsMissing { detail } => write!(f, "{action} was not sent: {detail}")?,
            ErrorKind::AccountUnknown => {
                write!(f, "{action} was not sent: the account of the credentials is still being asked")?;
            }
            ErrorKind::ShuttingDown => write!(f, "{action} was not sent: the operator is ending")?,
        }
        match request_id {
            Some(id) => write!(f, " (RequestId {id})"),
            None => Ok(()),
        }
    }
}

fn tail(f: &mut fmt::Formatter<'_>, message: &str) -> fmt::Result {
    if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
}

impl std::error::Error for CallError {}

#[cfg(test)]
mod tests;
