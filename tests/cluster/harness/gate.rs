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
use axum::http::{HeaderName, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::call::{Call, Write, is_watch};
use super::patience::{LIMIT, until};
use super::watch_stream::{WatchFaults, WatchKind, with_faults};
use super::wire_fault::{WireFault, WireFaults, WireKind, status};

/// Where a request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The API server has not seen it.
    Before,
    /// It has taken effect, its answer is not told.
    After,
}

#[derive(Default)]
struct Holds {
    wanted: Vec<(u64, Call, Side)>,
    reached: BTreeMap<u64, Fate>,
    next: u64,
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
    faults: Arc<Mutex<WireFaults>>,
    watches: watch::Sender<WatchFaults>,
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
        let shared = Shared {
            client,
            holds: Arc::default(),
            changed: watch::Sender::default(),
            faults: Arc::default(),
            watches: watch::Sender::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, shared.clone()));
        Self { address, shared, server }
    }

    /// Its URL, for a kubeconfig.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request of this kind is held.
    pub fn hold(&self, write: Write, side: Side) -> Hold<'_> {
        self.hold_any(Call::Write(write), side)
    }

    /// The next list of resources is held: it comes before a watch begins.
    pub fn hold_list(&self, side: Side) -> Hold<'_> {
        self.hold_any(Call::List, side)
    }

    /// The next request of this kind is held.
    pub fn hold_any(&self, wanted: Call, side: Side) -> Hold<'_> {
        let mut holds = self.shared.holds.lock().unwrap();
        holds.next += 1;
        let number = holds.next;
        holds.wanted.push((number, wanted, side));
        Hold { gate: self, number, what: format!("{wanted:?} held {side:?}") }
    }

    /// Nothing more comes through the watches that are open now, not even their end, as when a firewall forgets
    /// their connections. New watches, and everything else, go through.
    pub fn silence_open_watches(&self) {
        self.open_watches(WatchKind::Silent);
    }

    /// What becomes of the watches that are open now. New ones go through.
    pub fn open_watches(&self, kind: WatchKind) {
        self.shared.watches.send_modify(|faults| *faults = WatchFaults { made: faults.made + 1, last: Some(kind) });
    }

    /// Scripts a fault; its number.
    pub fn fault(&self, fault: WireFault) -> u64 {
        self.faults().add(fault)
    }

    /// Whether this fault has hit its request.
    pub fn has_hit(&self, number: u64) -> bool {
        self.faults().has_hit(number)
    }

    /// Waits until it has.
    pub async fn fault_hits(&self, number: u64) {
        until(&format!("a hit of fault {number} of the gate"), LIMIT, async || {
            if self.has_hit(number) { Ok(()) } else { Err("none".to_owned()) }
        })
        .await;
    }

    /// Lets a request arrive that is on its way, and waits until it has.
    pub async fn let_arrive(&self, number: u64) {
        self.faults().release(number);
        self.shared.changed.send_modify(|version| *version += 1);
        until("the arrival of a request that was on its way", LIMIT, async || {
            if self.faults().arrived.contains(&number) { Ok(()) } else { Err("not yet".to_owned()) }
        })
        .await;
    }

    /// How many faults have hit their requests.
    pub fn hits(&self) -> usize {
        self.faults().hits()
    }

    /// How many faults wait for their requests.
    pub fn waiting_faults(&self) -> usize {
        self.faults().waiting()
    }

    /// Takes back the faults that have not hit.
    pub fn clear_faults(&self) {
        self.faults().clear();
    }

    fn faults(&self) -> std::sync::MutexGuard<'_, WireFaults> {
        self.shared.faults.lock().unwrap()
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

    /// Returns when a request that is on its way may arrive.
    async fn released(&self, number: u64) {
        let mut changed = self.changed.subscribe();
        while !self.faults.lock().unwrap().is_released(number) {
            let _ = changed.changed().await;
        }
    }

    /// Holds this request if somebody wants that. False when it is to be lost.
    async fn pass(&self, method: &Method, uri: &Uri, body: &str, side: Side) -> bool {
        let number = {
            let mut holds = self.holds.lock().unwrap();
            let fits = |(_, wanted, at): &(u64, Call, Side)| *at == side && wanted.is(method, uri, body);
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

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("a scripted fault cuts the connection")]
struct Cut;

/// hyper itself, not `axum::serve`: a fault must be able to end a connection without an answer.
async fn serve(listener: TcpListener, shared: Shared) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(converse(stream, shared.clone()));
    }
}

async fn converse(stream: TcpStream, shared: Shared) {
    let service = service_fn(|request| forward(shared.clone(), request));
    // How a connection ends is no concern of the gate.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn forward(shared: Shared, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(Body::new(body), 4 << 20).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&body).into_owned();
    let (method, uri) = (parts.method.clone(), parts.uri.clone());
    for name in [header::HOST, header::AUTHORIZATION, header::CONNECTION] {
        parts.headers.remove(name);
    }
    let hit = shared.faults.lock().unwrap().hit(&method, &uri, &text);
    let kind = hit.map(|(_, kind)| kind);
    match kind {
        Some(WireKind::Refused(code)) => return Ok(status(code)),
        Some(WireKind::CutBefore) => return Err(Cut),
        Some(WireKind::HangBefore) => std::future::pending().await,
        _ => {}
    }
    if !shared.pass(&method, &uri, &text, Side::Before).await {
        return Ok(lost("the gate lost the request"));
    }
    let faults = shared.watches.subscribe();
    let request = Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
    let answer = match hit {
        Some((number, WireKind::Late(_) | WireKind::OnItsWay)) => late(&shared, request, number, kind).await,
        _ => shared.client.send(request).await,
    };
    match kind {
        Some(WireKind::ErrorAfterCommit(code)) => return Ok(status(code)),
        Some(WireKind::CutAfter) => return Err(Cut),
        Some(WireKind::HangAfter) => std::future::pending().await,
        _ => {}
    }
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Ok(lost(&error.to_string())),
    };
    if !shared.pass(&method, &uri, &text, Side::After).await {
        return Ok(lost("the gate lost the answer"));
    }
    let (mut parts, body) = answer.into_parts();
    // The server of the gate frames the answer itself.
    for name in [header::TRANSFER_ENCODING, header::CONTENT_LENGTH, HeaderName::from_static("keep-alive")] {
        parts.headers.remove(name);
    }
    let body = Body::new(body);
    Ok(Response::from_parts(parts, if is_watch(&uri) { with_faults(body, faults) } else { body }))
}

/// Sends a request later, in a task of its own: it arrives also when its caller has gone.
async fn late(
    shared: &Shared,
    mut request: Request<kube::client::Body>,
    number: u64,
    kind: Option<WireKind>,
) -> kube::Result<Response<kube::client::Body>> {
    let shared = shared.clone();
    // The oracle judges what its sender did by when it was sent.
    let agent = format!("on-its-way-since/{:.6}", Timestamp::now());
    request.headers_mut().insert(header::USER_AGENT, agent.parse().expect("a header value"));
    let sending = tokio::spawn(async move {
        match kind {
            Some(WireKind::Late(time)) => tokio::time::sleep(time).await,
            _ => shared.released(number).await,
        }
        let answer = shared.client.send(request).await;
        shared.faults.lock().unwrap().arrived.insert(number);
        answer
    });
    sending.await.expect("a task that does not panic")
}
