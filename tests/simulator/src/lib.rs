//! A stateful stand-in for the GAAP part of Tencent Cloud's API 3.0, on loopback HTTP.
//!
//! It checks TC3 signatures, keeps proxies and their states, remembers ClientTokens, limits rates, and can be scripted
//! to fail in every way known. The official SDKs and the CLI work against it unchanged. Where GAAP's documentation is
//! silent, the answer is a [`Settings`] member, so that callers can be tried against every possibility.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use gaap_simulator::{Config, Fault, Kind, ProxySpec, Simulator};
//! let simulator = Simulator::start(Config::default()).await?;
//! let control = simulator.control();
//! control.add_proxy(&ProxySpec::named("link-11112222"))?;
//! control.add_fault(Fault::new(Kind::AnswerLost).on("DestroyProxies"))?;
//! // … let a client talk to simulator.url() …
//! for entry in control.requests(0) {
//!     println!("{} {} {:?}", entry.seq, entry.code, entry.accepted_ids);
//! }
//! simulator.stop().await;
//! # Ok(()) }
//! ```

mod accounts;
mod answer;
mod catalogue;
mod clock;
mod connection;
mod control;
mod control_routes;
mod describe;
mod destroy;
mod effect;
mod errors;
mod exchange;
mod fault;
mod faults;
mod identity;
mod kinds;
mod lifecycle;
mod limiter;
mod log;
mod proxies;
mod proxy_info;
mod request;
mod schema;
mod server;
mod settings;
mod shared;
mod sight;
mod signature;
mod simulator;
#[cfg(test)]
mod testing;
mod tokens;
mod verdicts;
mod wire;
mod world;

pub use accounts::Credential;
pub use catalogue::{Acts, CATALOGUE, Group, Info};
pub use clock::{Clock, ManualClock, SystemClock, UnixTime};
pub use control::{Control, FaultReport, ProxySpec};
pub use effect::{Described, Row};
pub use fault::{Fault, Parameters, Phase, Sight};
pub use kinds::Kind;
pub use log::{DEFAULT_CAPACITY, Entry, NO_ANSWER};
pub use proxies::{Proxy, Tag, status};
pub use settings::{AbsentAnswer, Refusal, Settings, TokenMode};
pub use simulator::{Config, DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY, DEFAULT_UIN, Simulator, StartError};
