//! The cloud side of the house: signed calls to the Tencent Cloud GAAP and STS APIs. Knows nothing of Kubernetes.
//!
//! ```text
//! Identity (credentials -> account -> Session)
//! Sweep (questions -> DescribeProxies) ─┐
//! the caller's DestroyRequest ──────────┴─> Client: Pace -> TC3 signature -> HTTP -> decoded answer or CallError
//! ```
//!
//! Everything comes back as plain values. What a failure means is in one table ([`known_codes`]).

mod api;
mod client;
mod clock_offset;
mod codes;
mod credentials;
mod endpoint;
mod error;
mod gather;
mod identity;
mod metrics;
mod pace;
mod proxy;
mod rate;
mod session;
mod sweep;
pub mod tc3;
#[cfg(test)]
mod testing;
mod token;

pub use api::{DESCRIBE_LIMIT, DescribeAnswer, DestroyAnswer, MemberOutcome};
pub use client::{Client, ClientConfig, MAX_BODY};
pub use codes::{Class, CodeRow, Refusal, known_codes};
pub use credentials::{Credentials, CredentialsSource, Lookup, MissingCredentials};
pub use endpoint::{ConfigError, default_sts_endpoint};
pub use error::{Action, CallError, ErrorKind};
pub use gather::Priority;
pub use identity::Identity;
pub use metrics::ApiMetrics;
pub use pace::{Attempt, Pace, Turn};
pub use proxy::{Account, InvalidProxyId, Phase, Proxy, ProxyId, ProxyStatus};
pub use session::{Session, SessionState};
pub use sweep::{Look, Sweep};
pub use token::{DestroyRequest, Member};
