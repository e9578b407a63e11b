//! Every call to the API server under a deadline.
//!
//! kube's client has no read timeout (a watch must be able to be silent), and a `get` against a server that accepts
//! and never answers would hold a worker for ever.

use std::future::Future;
use std::time::Duration;

use kube::core::Status;

/// Deadline of one call to the API server.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why a call to the API server failed.
#[derive(Debug, thiserror::Error)]
pub enum KubeError {
    /// The API server refused, or could not be reached.
    // Displayed here and not as source(): kube's errors print their source themselves.
    #[error("{what}: {error}")]
    Call {
        /// What was tried, for the message.
        what: &'static str,
        /// The error of the client.
        error: Box<kube::Error>,
    },
    /// No answer in time.
    #[error("{what}: no answer from the API server within {limit:?}")]
    Deadline {
        /// What was tried, for the message.
        what: &'static str,
        /// How long was waited.
        limit: Duration,
    },
}

impl KubeError {
    fn status(&self) -> Option<&Status> {
        match self {
            KubeError::Call { error, .. } => match error.as_ref() {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            KubeError::Deadline { .. } => None,
        }
    }

    /// The object is not there.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(Status::is_not_found)
    }

    /// What was asked for is not served at all: the answer is the text of a web server (404) and no Status, so that the
    /// reason, which `is_not_found` trusts first, is none of Kubernetes' own.
    pub fn is_unserved(&self) -> bool {
        self.status().is_some_and(is_unserved)
    }

    /// Another write came first (409): of an object made meanwhile, or changed since it was read.
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(|status| status.is_conflict() || status.is_already_exists())
    }

    /// The object is not the one that the write was decided on: a failed `test` of a JSON patch (422), or 409.
    pub fn is_outdated(&self) -> bool {
        self.status().is_some_and(|status| status.is_invalid() || status.is_conflict())
    }

    /// The namespace is being deleted and takes no new objects; that is told as forbidden.
    pub fn is_of_ending_namespace(&self) -> bool {
        let causes = self.status().and_then(|status| status.details.as_ref()).map(|details| details.causes.as_slice());
        causes.is_some_and(|causes| causes.iter().any(|cause| cause.reason == "NamespaceTerminating"))
    }

    /// The ServiceAccount lacks the permission, or the namespace is being deleted and takes no new objects.
    pub fn is_forbidden(&self) -> bool {
        self.status().is_some_and(Status::is_forbidden)
    }
}

/// As [`KubeError::is_unserved`], of a plain Status.
pub fn is_unserved(status: &Status) -> bool {
    status.is_not_found() || status.code == 404
}

/// Runs one call under the deadline of all calls that have no reason for another.
///
/// # Errors
/// What the API server answered, or that it did not answer in time.
pub async fn kube_call<T>(
    what: &'static str,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, KubeError> {
    kube_call_within(DEADLINE, what, call).await
}

/// Runs one call under a deadline of its own.
///
/// # Errors
/// As [`kube_call`].
pub async fn kube_call_within<T>(
    limit: Duration,
    what: &'static str,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, KubeError> {
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(KubeError::Call { what, error: Box::new(error) }),
        Err(_) => Err(KubeError::Deadline { what, limit }),
    }
}
