//! What any service needs. It knows neither Kubernetes nor the cloud.

pub mod clock;
pub mod fair_line;
pub mod leader;
pub mod metrics;
pub mod readiness;
pub mod server;
pub mod shutdown;
pub mod telemetry;
