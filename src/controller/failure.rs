//! A failed cloud call in the words of the controller: plain data that `decide` can reason about.

use crate::controller::reasons::Reason;
use crate::gaap::{CallError, Class, Refusal};

/// What a failed call means for a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What to do next (design §2, table of classes).
    pub class: Class,
    /// The reason that conditions and events give.
    pub reason: Reason,
    /// Tencent code, name of a set, or `transport_...`: goes to `status.destroy.lastCode`.
    pub code: String,
    /// RequestId, when the request reached the service.
    pub request_id: Option<String>,
    /// One sentence: what happened, with code and RequestId.
    pub message: String,
    /// What the user can do.
    pub advice: String,
}

impl Failure {
    /// A person must act before another try can succeed.
    pub fn stalled(&self) -> bool {
        matches!(self.class, Class::User | Class::Config)
    }

    /// The cloud names an id in one of the two sets of an answer to DestroyProxies.
    pub fn in_set(set: &'static str, class: Class, request_id: String) -> Self {
        Failure {
            class,
            reason: Reason::WaitingForCloud,
            code: set.to_owned(),
            message: format!("DestroyProxies answered with the proxy in {set} (RequestId {request_id})"),
            advice: "Nothing was destroyed by this call. The operator looks at the proxy and tries again.".to_owned(),
            request_id: Some(request_id),
        }
    }
}

impl From<&CallError> for Failure {
    fn from(error: &CallError) -> Self {
        let class = error.class();
        let reason = match class {
            Class::Soon if error.is_throttling() => Reason::Throttled,
            Class::User | Class::Config => match error.refusal() {
                Refusal::RealServerBound => Reason::RealServerBound,
                Refusal::PermissionDenied => Reason::PermissionDenied,
                Refusal::CredentialsInvalid => Reason::CredentialsInvalid,
                Refusal::Other => Reason::Refused,
            },
            Class::Gone => Reason::ConfirmingAbsence,
            _ if error.is_throttling() => Reason::Throttled,
            _ if error.is_transport() => Reason::CloudUnreachable,
            _ => Reason::WaitingForCloud,
        };
        Failure {
            class,
            reason,
            code: error.code().unwrap_or_else(|| error.label()).to_owned(),
            request_id: error.request_id.clone(),
            message: error.to_string(),
            advice: error.advice().to_owned(),
        }
    }
}
