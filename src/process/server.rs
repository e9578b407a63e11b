//! The two small servers: health for the kubelet, metrics for Prometheus.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::process::metrics::{CONTENT_TYPE, encode};
use crate::process::readiness::Readiness;

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
#[error("{flag}: cannot listen on {address}: {error}")]
pub struct BindError {
    flag: &'static str,
    address: SocketAddr,
    error: std::io::Error,
}

/// Reads `:8080` (all interfaces, as controller-runtime writes it) or `host:port`.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let wrong =
        || format!("'{text}' is no address to listen on: write :PORT or IP:PORT, such as :8080 or 127.0.0.1:8080");
    match text.strip_prefix(':') {
        Some(port) => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port.parse().map_err(|_| wrong())?)),
        None => text.parse().map_err(|_| wrong()),
    }
}

/// Serves `/healthz` (200 while the process runs) and `/readyz` (200, or 503 with what is missing).
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve_health(address: SocketAddr, readiness: Readiness, end: CancellationToken) -> Result<(), BindError> {
    let router =
        Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(readyz)).with_state(readiness);
    serve("--health-probe-bind-address", address, router, end).await
}

/// Serves `/metrics`.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve_metrics(
    address: SocketAddr,
    registry: Arc<Registry>,
    end: CancellationToken,
) -> Result<(), BindError> {
    let router = Router::new().route("/metrics", get(metrics)).with_state(registry);
    serve("--metrics-bind-address", address, router, end).await
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    let missing = readiness.missing();
    if missing.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n").into_response()
}

async fn metrics(State(registry): State<Arc<Registry>>) -> Response {
    match encode(&registry) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn serve(
    flag: &'static str,
    address: SocketAddr,
    router: Router,
    end: CancellationToken,
) -> Result<(), BindError> {
    let failed = |error| BindError { flag, address, error };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    tracing::info!(flag, address = %bound, "listening");
    let router = router.layer(axum::middleware::from_fn(deadline));
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(end.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, flag, "a server ended");
        }
    });
    Ok(())
}

/// No answer of these servers takes long; a reader that never reads must not hold one for ever.
async fn deadline(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    match tokio::time::timeout(Duration::from_secs(5), next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_controller_runtime_writes_them() {
        assert_eq!(parse_address(":8080").unwrap().to_string(), "0.0.0.0:8080");
        assert_eq!(parse_address("127.0.0.1:0").unwrap().to_string(), "127.0.0.1:0");
        assert_eq!(parse_address("[::1]:8081").unwrap().port(), 8081);
        for wrong in ["8080", "", ":x", "localhost", ":70000"] {
            assert!(parse_address(wrong).unwrap_err().contains(":PORT or IP:PORT"), "{wrong}");
        }
    }

    #[tokio::test]
    async fn readyz_names_what_is_missing_and_healthz_does_not_care() {
        let readiness = Readiness::waiting_for(&["credentials"]);
        let answer = readyz(State(readiness.clone())).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
        assert_eq!(body, "credentials: not there yet\n");
        readiness.set_ready("credentials");
        assert_eq!(readyz(State(readiness)).await.status(), StatusCode::OK);
    }
}
