//! Series of the cloud calls. Labels come from closed sets only.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::gaap::error::{Action, CallError};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    action: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    action: &'static str,
}

/// Upper bounds in seconds: a healthy call takes tens of milliseconds, the default deadline is 10 s.
const BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// `gaap_api_requests_total{action,code}` and `gaap_api_request_duration_seconds{action}`.
#[derive(Debug)]
pub struct ApiMetrics {
    requests: Family<Request, Counter>,
    duration: Family<Kind, Histogram, fn() -> Histogram>,
}

impl ApiMetrics {
    /// Registers the series.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics =
            Self { requests: Family::default(), duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)) };
        registry.register(
            "gaap_api_requests",
            "Attempts to call the cloud, by action and by what came of it: OK, a known Tencent code, other, transport_*",
            metrics.requests.clone(),
        );
        registry.register(
            "gaap_api_request_duration_seconds",
            "Time from the start of an attempt to its whole answer or its failure, by action",
            metrics.duration.clone(),
        );
        metrics
    }

    pub(super) fn record<T>(&self, action: Action, result: &Result<T, CallError>, took: Duration) {
        let code = match result {
            Ok(_) => "OK",
            Err(error) => error.label(),
        };
        let action = action.as_str();
        self.requests.get_or_create(&Request { action, code }).inc();
        self.duration.get_or_create(&Kind { action }).observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaap::error::ErrorKind;

    #[test]
    fn the_series_have_the_fixed_names_and_closed_labels() {
        let mut registry = Registry::default();
        let metrics = ApiMetrics::new(&mut registry);
        metrics.record(Action::DestroyProxies, &Ok(()), Duration::from_millis(30));
        for code in ["FailedOperation.DuplicatedRequest", "Made.Up.By.The.Cloud.1", "Made.Up.By.The.Cloud.2"] {
            let kind = ErrorKind::Api { code: code.into(), message: String::new() };
            metrics.record::<()>(
                Action::DestroyProxies,
                &Err(CallError::local(Action::DestroyProxies, kind)),
                Duration::from_secs(1),
            );
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"gaap_api_requests_total{action="DestroyProxies",code="OK"} 1"#,
            r#"gaap_api_requests_total{action="DestroyProxies",code="FailedOperation.DuplicatedRequest"} 1"#,
            r#"gaap_api_requests_total{action="DestroyProxies",code="other"} 2"#,
            r#"gaap_api_request_duration_seconds_count{action="DestroyProxies"} 4"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
