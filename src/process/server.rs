//! The two small servers: health for the kubelet, metrics for Prometheus.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::process::metrics::{CONTENT_TYPE, encode};
use crate::process::readiness::Readiness;

/// Connections of one server at a time: a kubelet, a scraper and some people. More of them wait to be accepted.
const CONNECTIONS: usize = 256;
/// Until the head of the request is there. Short, for who sends nothing holds a place, and a probe that waits for one has
/// three seconds: with 256 places it takes some thousand silent connections, again and again, to keep it waiting for so long.
const HEAD_DEADLINE: Duration = Duration::from_secs(1);
/// For a connection from its first to its last byte: a slow reader of the metrics may take a while.
const DEADLINE: Duration = Duration::from_secs(10);
/// After a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy)]
struct Limits {
    connections: usize,
    head: Duration,
    whole: Duration,
}

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
    tokio::spawn(async move {
        let limits = Limits { connections: CONNECTIONS, head: HEAD_DEADLINE, whole: DEADLINE };
        tokio::select! {
            () = end.cancelled() => {}
            () = accept(listener, router, limits) => {}
        }
    });
    Ok(())
}

/// Our own loop, and not `axum::serve`: that one has neither a limit of connections nor a deadline, so whoever can reach
/// the port and sends nothing would hold memory and file descriptors for ever.
async fn accept(listener: TcpListener, router: Router, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections));
    // Nobody closes the semaphore; were it closed, nobody could be served.
    while let Ok(place) = places.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(converse(stream, router.clone(), limits, place));
            }
            // Out of file descriptors, most likely: trying again at once would only burn the processor.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One request, so that one deadline is enough for whoever sends slowly and whoever reads slowly.
async fn converse(stream: TcpStream, router: Router, limits: Limits, _place: OwnedSemaphorePermit) {
    let service = TowerToHyperService::new(router);
    let mut server = http1::Builder::new();
    server.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(limits.head);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(limits.whole, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection broke"),
        Err(_) => tracing::debug!("a connection took too long"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

    /// What a connection is answered until it is closed.
    async fn answered(address: SocketAddr, sent: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
    #[tokio::test]
    async fn who_sends_nothing_is_hung_up_on_and_keeps_the_next_one_waiting_no_longer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/healthz", get(async || "ok\n"));
        let head = Duration::from_millis(200);
        let limits = Limits { connections: 1, head, whole: Duration::from_secs(60) };
        let server = tokio::spawn(accept(listener, router, limits));
        let begun = std::time::Instant::now();
        let (silent, slow, served) = tokio::join!(
            answered(address, ""),
            answered(address, "GET /healthz HTTP/1.1\r\nHost:"),
            answered(address, "GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n"),
        );
        assert_eq!((silent.as_str(), slow.as_str()), ("", ""));
        assert!(served.starts_with("HTTP/1.1 200 OK") && served.ends_with("ok\n"), "{served}");
        assert!(begun.elapsed() >= 2 * head, "there is one place, and two held it: {:?}", begun.elapsed());
        server.abort();
    }
}
