//! A gate on the operator's way to the API server: it can hold a request before it arrives, hold its answer after it
//! took effect, lose it, or let the watches fall silent.
//!
//! The operator speaks plain HTTP to it, and it speaks to the API server as the operator's ServiceAccount, so RBAC
//! and audit see what they would see without it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderName, Method, Request, Response, StatusCode, header};
use futures::StreamExt;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::patience::{LIMIT, until};

/// Where a request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The API server has not seen it.
    Before,
    /// It has taken effect, its answer is not told.
    After,
}

/// A write of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// The patch that stores the finalizer.
    AddFinalizer,
    /// The patch that removes it.
    RemoveFinalizer,
    /// Any patch of the status.
    Status,
    /// A patch of the status whose body holds this text.
    StatusWith(&'static str),
}

impl Write {
    fn is(self, method: &Method, path: &str, body: &str) -> bool {
        if method != Method::PATCH || !path.contains("/gaapproxies/") {
            return false;
        }
        let status = path.ends_with("/status");
        match self {
            Write::AddFinalizer => !status && body.contains("\"add\""),
            Write::RemoveFinalizer => !status && body.contains("\"remove\""),
            Write::Status => status,
            Write::StatusWith(text) => status && body.contains(text),
        }
    }
}

#[derive(Default)]
struct Holds {
    wanted: Vec<(u64, Write, Side)>,
    reached: Vec<u64>,
    next: u64,
    watches_silent: bool,
}

#[derive(Clone)]
struct Shared {
    client: Client,
    holds: Arc<Mutex<Holds>>,
    changed: watch::Sender<u64>,
}

/// A gate that serves until it is dropped.
pub struct Gate {
    address: SocketAddr,
    shared: Shared,
    server: JoinHandle<()>,
}

/// A request that is to be held, or is held. Dropping this lets it go.
pub struct Hold<'a> {
    gate: &'a Gate,
    number: u64,
    what: String,
}

impl Gate {
    /// Opens a gate to the API server for the user of this kubeconfig. To be called on the runtime it shall live on.
    pub(super) async fn open(kubeconfig: &Path) -> Self {
        let config = Kubeconfig::read_from(kubeconfig).unwrap();
        let mut config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.unwrap();
        config.default_retry = false;
        config.read_timeout = None;
        let client = Client::try_from(config).unwrap();
        let shared = Shared { client, holds: Arc::default(), changed: watch::Sender::new(0) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().fallback(forward).with_state(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, server }
    }

    /// Its URL, for a kubeconfig.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request of this kind is held.
    pub fn hold(&self, write: Write, side: Side) -> Hold<'_> {
        let mut holds = self.shared.holds.lock().unwrap();
        holds.next += 1;
        let number = holds.next;
        holds.wanted.push((number, write, side));
        Hold { gate: self, number, what: format!("{write:?} held {side:?}") }
    }

    /// From now on nothing more comes through open watches and new ones, as when a firewall drops their packets.
    /// Everything else goes through.
    pub fn silence_watches(&self, silent: bool) {
        self.shared.holds.lock().unwrap().watches_silent = silent;
        self.shared.changed.send_modify(|version| *version += 1);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Hold<'_> {
    /// Waits until a request is held.
    pub async fn reached(&self) {
        until(&self.what, LIMIT, async || {
            let holds = self.gate.shared.holds.lock().unwrap();
            if holds.reached.contains(&self.number) { Ok(()) } else { Err("no such request".to_owned()) }
        })
        .await;
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut holds = self.gate.shared.holds.lock().unwrap();
        holds.wanted.retain(|(number, ..)| *number != self.number);
        holds.reached.retain(|number| *number != self.number);
        drop(holds);
        self.gate.shared.changed.send_modify(|version| *version += 1);
    }
}

impl Shared {
    /// Takes the hold for this request, if there is one.
    fn claim(&self, method: &Method, path: &str, body: &str, side: Side) -> Option<u64> {
        let mut holds = self.holds.lock().unwrap();
        let fits = |(_, write, where_): &(u64, Write, Side)| *where_ == side && write.is(method, path, body);
        let place = holds.wanted.iter().position(fits)?;
        let (number, ..) = holds.wanted.remove(place);
        holds.reached.push(number);
        Some(number)
    }

    async fn wait_while(&self, held: impl Fn(&Holds) -> bool) {
        let mut changed = self.changed.subscribe();
        while held(&self.holds.lock().unwrap()) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}

async fn forward(State(shared): State<Shared>, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, 4 << 20).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&body).into_owned();
    let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
    let is_watch = parts.uri.query().is_some_and(|query| query.contains("watch=true"));
    for name in [header::HOST, header::AUTHORIZATION, header::CONNECTION] {
        parts.headers.remove(name);
    }
    if let Some(number) = shared.claim(&method, &path, &text, Side::Before) {
        shared.wait_while(|holds| holds.reached.contains(&number)).await;
    }
    let request = Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
    let answer = match shared.client.send(request).await {
        Ok(answer) => answer,
        Err(error) => {
            let mut answer = Response::new(Body::from(error.to_string()));
            *answer.status_mut() = StatusCode::BAD_GATEWAY;
            return answer;
        }
    };
    if let Some(number) = shared.claim(&method, &path, &text, Side::After) {
        shared.wait_while(|holds| holds.reached.contains(&number)).await;
    }
    let (mut parts, body) = answer.into_parts();
    // The server of the gate frames the answer itself.
    for name in [header::TRANSFER_ENCODING, header::CONTENT_LENGTH, HeaderName::from_static("keep-alive")] {
        parts.headers.remove(name);
    }
    let body = Body::new(body);
    if !is_watch {
        return Response::from_parts(parts, body);
    }
    let chunks = body.into_data_stream().then(move |chunk| {
        let shared = shared.clone();
        async move {
            shared.wait_while(|holds| holds.watches_silent).await;
            chunk
        }
    });
    // A watch that the API server ends stays open while the watches are silent: nobody tells that it ended.
    Response::from_parts(parts, Body::from_stream(chunks))
}
