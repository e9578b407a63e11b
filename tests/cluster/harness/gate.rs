//! A gate on the operator's way to the API server: it can hold a request before it arrives, hold its answer after it
//! took effect, lose it, or let the watches fall silent.
//!
//! The operator speaks plain HTTP to it, and it speaks to the API server as the operator's ServiceAccount, so RBAC
//! and audit see what they would see without it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderName, Method, Request, Response, StatusCode, Uri, header};
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

/// What a hold waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Write(Write),
    /// The list that comes before a watch.
    List,
}

impl Wanted {
    fn is(self, method: &Method, uri: &Uri, body: &str) -> bool {
        match self {
            Wanted::Write(write) => write.is(method, uri.path(), body),
            Wanted::List => method == Method::GET && uri.path().ends_with("/gaapproxies") && !is_watch(uri),
        }
    }
}

fn is_watch(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.contains("watch=true"))
}

#[derive(Default)]
struct Holds {
    wanted: Vec<(u64, Wanted, Side)>,
    reached: BTreeMap<u64, Fate>,
    next: u64,
    /// Watches that were opened before this many silences are silent.
    silences: u64,
}

/// What becomes of a held request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Held,
    GoesOn,
    Lost,
    /// The caller hung up, or the request came to its end.
    Ended,
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
        self.hold_any(Wanted::Write(write), side)
    }

    /// The next list of resources is held: it comes before a watch begins.
    pub fn hold_list(&self, side: Side) -> Hold<'_> {
        self.hold_any(Wanted::List, side)
    }

    fn hold_any(&self, wanted: Wanted, side: Side) -> Hold<'_> {
        let mut holds = self.shared.holds.lock().unwrap();
        holds.next += 1;
        let number = holds.next;
        holds.wanted.push((number, wanted, side));
        Hold { gate: self, number, what: format!("{wanted:?} held {side:?}") }
    }

    /// Nothing more comes through the watches that are open now, not even their end, as when a firewall forgets
    /// their connections. New watches, and everything else, go through.
    pub fn silence_open_watches(&self) {
        self.shared.holds.lock().unwrap().silences += 1;
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
        self.fate(&self.what, |fate| fate.is_some()).await;
    }

    /// The request and its answer are lost: the caller gets 504 from the gate.
    pub async fn lose(self) {
        self.gate.shared.set(self.number, Fate::Lost);
        self.fate("the end of a lost request", |fate| fate == Some(Fate::Ended)).await;
    }

    /// Waits until the caller has hung up, so that a request held before it arrived never will. To be called after
    /// the caller was killed.
    pub async fn abandoned(self) {
        self.fate("the end of the caller of a held request", |fate| fate == Some(Fate::Ended)).await;
    }

    async fn fate(&self, what: &str, wanted: impl Fn(Option<Fate>) -> bool) {
        until(what, LIMIT, async || {
            let fate = self.gate.shared.holds.lock().unwrap().reached.get(&self.number).copied();
            if wanted(fate) { Ok(()) } else { Err(format!("{fate:?}")) }
        })
        .await;
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.gate.shared.holds.lock().unwrap().wanted.retain(|(number, ..)| *number != self.number);
        self.gate.shared.set(self.number, Fate::GoesOn);
    }
}

impl Shared {
    fn set(&self, number: u64, fate: Fate) {
        if let Some(entry) = self.holds.lock().unwrap().reached.get_mut(&number)
            && *entry == Fate::Held
        {
            *entry = fate;
        }
        self.changed.send_modify(|version| *version += 1);
    }

    /// Holds this request if somebody wants that. False when it is to be lost.
    async fn pass(&self, method: &Method, uri: &Uri, body: &str, side: Side) -> bool {
        let number = {
            let mut holds = self.holds.lock().unwrap();
            let fits = |(_, wanted, at): &(u64, Wanted, Side)| *at == side && wanted.is(method, uri, body);
            let Some(place) = holds.wanted.iter().position(fits) else { return true };
            let (number, ..) = holds.wanted.remove(place);
            holds.reached.insert(number, Fate::Held);
            number
        };
        let _end = End { shared: self, number };
        let fate = || self.holds.lock().unwrap().reached.get(&number).copied();
        let mut changed = self.changed.subscribe();
        while fate() == Some(Fate::Held) {
            let _ = changed.changed().await;
        }
        fate() != Some(Fate::Lost)
    }
}

/// Marks the end of a held request, also when its caller hangs up and the server drops it.
struct End<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.shared.holds.lock().unwrap().reached.insert(self.number, Fate::Ended);
    }
}

fn lost(why: &str) -> Response<Body> {
    let mut answer = Response::new(Body::from(why.to_owned()));
    *answer.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    answer
}

async fn forward(State(shared): State<Shared>, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, 4 << 20).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&body).into_owned();
    let (method, uri) = (parts.method.clone(), parts.uri.clone());
    for name in [header::HOST, header::AUTHORIZATION, header::CONNECTION] {
        parts.headers.remove(name);
    }
    if !shared.pass(&method, &uri, &text, Side::Before).await {
        return lost("the gate lost the request");
    }
    let opened = shared.holds.lock().unwrap().silences;
    let request = Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
    let answer = match shared.client.send(request).await {
        Ok(answer) => answer,
        Err(error) => return lost(&error.to_string()),
    };
    if !shared.pass(&method, &uri, &text, Side::After).await {
        return lost("the gate lost the answer");
    }
    let (mut parts, body) = answer.into_parts();
    // The server of the gate frames the answer itself.
    for name in [header::TRANSFER_ENCODING, header::CONTENT_LENGTH, HeaderName::from_static("keep-alive")] {
        parts.headers.remove(name);
    }
    let body = Body::new(body);
    if !is_watch(&uri) {
        return Response::from_parts(parts, body);
    }
    let silent = move || shared.holds.lock().unwrap().silences > opened;
    // The end of the watch is held back as well: a marker after the last chunk waits like any other.
    let chunks = body.into_data_stream().map(Some).chain(futures::stream::once(async { None }));
    let chunks = chunks.then(move |chunk| {
        let silent = silent();
        async move {
            if silent {
                std::future::pending::<()>().await;
            }
            chunk
        }
    });
    Response::from_parts(parts, Body::from_stream(chunks.filter_map(async |chunk| chunk)))
}
