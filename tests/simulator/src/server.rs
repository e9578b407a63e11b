//! The listener and the connections: plain HTTP/1.1 on one address.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::connection::{Connection, Stream};
use crate::control_routes;
use crate::exchange::{Outcome, exchange};
use crate::kinds::Kind;
use crate::request::Inbound;
use crate::shared::Shared;
use crate::wire::MAXIMUM_BODY;

/// How long a closed listener waits between two tries to get its port back.
const REBIND_INTERVAL: Duration = Duration::from_millis(20);
/// Connections that may wait to be accepted, as many as tokio's own listeners let wait.
const BACKLOG: u32 = 1_024;
/// How long a connection may take to finish its answer when the simulator ends.
const DRAIN: Duration = Duration::from_millis(200);

/// Accepts connections until the simulator ends.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    address: SocketAddr,
    listener: TcpListener,
    mut refuse: mpsc::UnboundedReceiver<Duration>,
) {
    let router = control_routes::routes(&shared);
    let tracker = TaskTracker::new();
    let mut listener = Some(listener);
    while let Some(open) = listener.take() {
        // One generation of connections lives between two closures of the listener.
        let generation = CancellationToken::new();
        let closed_for = accept(&shared, &open, &generation, &tracker, &router, &mut refuse).await;
        drop(open);
        let Some(closed_for) = closed_for else {
            drain(&tracker, &generation).await;
            return;
        };
        generation.cancel();
        listener = reopen(&shared, address, closed_for).await;
    }
}

/// Accepts until the listener is to be closed (`Some`, for how long) or the simulator ends (`None`).
async fn accept(
    shared: &Arc<Shared>,
    listener: &TcpListener,
    generation: &CancellationToken,
    tracker: &TaskTracker,
    router: &Router,
    refuse: &mut mpsc::UnboundedReceiver<Duration>,
) -> Option<Duration> {
    loop {
        tokio::select! {
            () = shared.shutdown.cancelled() => return None,
            closed_for = refuse.recv() => return closed_for,
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => {
                    let connection = Connection::new(generation);
                    tracker.spawn(converse(shared.clone(), router.clone(), tcp, connection, generation.clone()));
                }
                // Out of file descriptors, most likely; trying again at once would only burn the processor.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    shared.pause(10).await;
                }
            },
        }
    }
}

/// Lets answers that are being written come to their end, then ends every connection.
async fn drain(tracker: &TaskTracker, generation: &CancellationToken) {
    tracker.close();
    let finished = tokio::time::timeout(DRAIN, tracker.wait()).await;
    if finished.is_err() {
        generation.cancel();
        let _ = tokio::time::timeout(DRAIN, tracker.wait()).await;
    }
}

/// Keeps the port closed for a time and opens it again; `None` when the simulator ends meanwhile.
///
/// The port is bound all the while, without a listener: connections are refused, and the system gives it to nobody else.
async fn reopen(shared: &Shared, address: SocketAddr, closed_for: Duration) -> Option<TcpListener> {
    let opens = tokio::time::Instant::now() + closed_for;
    loop {
        let listener = match bind(address) {
            Ok(socket) => {
                tokio::select! {
                    () = shared.shutdown.cancelled() => return None,
                    () = tokio::time::sleep_until(opens) => {}
                }
                socket.listen(BACKLOG)
            }
            Err(error) => Err(error),
        };
        match listener {
            Ok(listener) => return Some(listener),
            Err(error) => tracing::warn!(%error, %address, "the port is not free yet"),
        }
        tokio::select! {
            () = shared.shutdown.cancelled() => return None,
            () = tokio::time::sleep(REBIND_INTERVAL) => {}
        }
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of the listener before may linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// One connection from its first to its last byte.
async fn converse(
    shared: Arc<Shared>,
    router: Router,
    tcp: TcpStream,
    connection: Connection,
    generation: CancellationToken,
) {
    // Without this an answer written in two parts waits for the peer's delayed acknowledgement.
    let _ = tcp.set_nodelay(true);
    let io = TokioIo::new(Stream::new(tcp, connection.clone()));
    let service = service_fn(|request| respond(shared.clone(), router.clone(), connection.clone(), request));
    let http = http1::Builder::new().serve_connection(io, service);
    tokio::pin!(http);
    tokio::select! {
        // Peers that vanish or speak something else (TLS, for one) are no concern of the log.
        result = http.as_mut() => drop(result),
        () = connection.ended() => if generation.is_cancelled() && !shared.shutdown.is_cancelled() {
            connection.reset();
        },
        () = shared.shutdown.cancelled() => {
            http.as_mut().graceful_shutdown();
            tokio::select! {
                result = http.as_mut() => drop(result),
                () = connection.ended() => {}
            }
        }
    }
}

async fn respond(
    shared: Arc<Shared>,
    router: Router,
    connection: Connection,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    if request.uri().path().starts_with("/_sim/") {
        request.extensions_mut().insert(connection);
        return router.oneshot(request.map(Body::new)).await;
    }
    let (head, body) = request.into_parts();
    if head.uri.path() != "/" {
        return Ok(page(StatusCode::NOT_FOUND));
    }
    let body = to_bytes(Body::new(body), MAXIMUM_BODY).await;
    let inbound = Inbound {
        method: head.method.to_string(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        too_large: body.is_err(),
        body: body.unwrap_or_else(|_| Bytes::new()),
    };
    // A task of its own: a caller that hangs up must not undo what the service is about to do.
    let Ok(outcome) = tokio::spawn(exchange(shared.clone(), inbound)).await else {
        return Ok(page(StatusCode::INTERNAL_SERVER_ERROR));
    };
    match outcome {
        Outcome::Answer(answer, ticket) => {
            let date = shared.server_time(ticket.clock_skew_seconds()).http_date();
            Ok(answer.into_response(&connection, date, move || ticket.delivered()))
        }
        Outcome::Close => {
            connection.close();
            std::future::pending().await
        }
        Outcome::Reset => {
            connection.reset();
            std::future::pending().await
        }
    }
}

fn page(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("<html><body>{status}</body></html>")));
    *response.status_mut() = status;
    response
}

/// The advice that stands for the fault the simulator cannot make by itself.
pub(crate) fn advice(kind: Kind) -> Option<&'static str> {
    (kind == Kind::TlsFailure).then_some("use an https:// URL with the simulator's address: the handshake fails")
}
