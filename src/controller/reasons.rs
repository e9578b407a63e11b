//! Names of condition types and reasons: the one place where they are spelled.

use std::fmt;

/// Condition types of `status.conditions`.
pub mod condition {
    /// The proxy exists, is ours to manage and in a stable state.
    pub const READY: &str = "Ready";
    /// Present and True only while the operator works towards a wanted state (kstatus meaning).
    pub const RECONCILING: &str = "Reconciling";
    /// Present and True only when a person must act.
    pub const STALLED: &str = "Stalled";
    /// Present once the resource has been deleted; its reason is the step.
    pub const DELETING: &str = "Deleting";
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Why a condition has its value. A closed set: metrics use it as a label.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $name),+ }

        impl Reason {
            /// Every reason there is, in the order of the tables in README.
            pub const ALL: &'static [Reason] = &[$(Reason::$name),+];

            /// The reason as conditions, events and metric labels spell it.
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$name => stringify!($name)),+ }
            }

            /// The reason that is spelled so.
            pub fn named(name: &str) -> Option<Reason> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == name)
            }
        }
    };
}

reasons! {
    /// The proxy runs.
    Available,
    /// The proxy is switched off; the base fee goes on.
    Closed,
    /// The cloud is changing the proxy, or shows a state this version does not know.
    Transitioning,
    /// The cloud does not know the proxy.
    NotFound,
    /// Another resource names the same proxy.
    Conflict,
    /// The proxy was seen under another account or endpoint.
    AccountMismatch,
    /// Credentials are missing, unreadable or refused.
    CredentialsInvalid,
    /// The credentials lack a permission.
    PermissionDenied,
    /// No readable answer from the cloud.
    CloudUnreachable,
    /// The resource is being deleted.
    Deleting,
    /// Another controller's finalizer is still on the resource.
    WaitingForFinalizers,
    /// The cloud must finish something first.
    WaitingForCloud,
    /// The cloud destroys no proxy younger than the minimum age.
    TooYoung,
    /// A request to destroy waits for its turn.
    Requesting,
    /// The cloud accepted the request and is destroying the proxy.
    Destroying,
    /// The proxy was not found once; a second look will prove it.
    ConfirmingAbsence,
    /// The cloud limits the rate of requests.
    Throttled,
    /// Origin servers are bound and `spec.force` is false.
    RealServerBound,
    /// Another proxy has the id now.
    Replaced,
    /// The cloud refused for a reason that a person must clear.
    Refused,
    /// The annotation `gaap-operator.io/paused` holds the resource.
    Paused,
    /// The stored object cannot be read by this version.
    Malformed,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
