//! Scripted faults of the way to the API server: which request they hit, and what becomes of it. The counterpart of the
//! simulator's `Fault` on the other wire.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use serde_json::json;

use super::call::{Call, speaks_of};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireKind {
    /// The API server does not see it; this status is answered (429 and 503 with a Retry-After of one second).
    Refused(u16),
    /// It takes effect, and this status is answered.
    ErrorAfterCommit(u16),
    /// The connection ends before the API server sees it.
    CutBefore,
    /// It takes effect, and the connection ends without an answer.
    CutAfter,
    /// It goes nowhere, and nothing is answered until the caller gives up.
    HangBefore,
    /// It takes effect, and nothing is answered until the caller gives up.
    HangAfter,
    /// It arrives so much later, also when its caller has given up or was killed.
    Late(Duration),
    /// It arrives when the gate is told so ([`super::gate::Gate::let_arrive`]), whatever became of its caller.
    OnItsWay,
}

/// A fault that hits one request.
#[derive(Clone, Debug)]
pub struct WireFault {
    call: Call,
    about: Option<String>,
    skip: u64,
    kind: WireKind,
}

impl WireFault {
    /// Hits the next request of this kind.
    pub fn new(kind: WireKind, call: Call) -> Self {
        Self { call, about: None, skip: 0, kind }
    }

    /// Only a request about the resource of this name.
    #[must_use]
    pub fn about(mut self, name: &str) -> Self {
        self.about = Some(name.to_owned());
        self
    }

    /// Lets so many of them pass first.
    #[must_use]
    pub fn skip(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }
}

/// The faults of one gate.
#[derive(Default)]
pub(super) struct WireFaults {
    waiting: Vec<(u64, WireFault)>,
    made: u64,
    hits: Vec<u64>,
    /// What was on its way and may arrive.
    released: BTreeSet<u64>,
    /// What was on its way and has arrived.
    pub arrived: BTreeSet<u64>,
}

impl WireFaults {
    /// Puts a fault in force; its number.
    pub fn add(&mut self, fault: WireFault) -> u64 {
        self.made += 1;
        self.waiting.push((self.made, fault));
        self.made
    }

    /// Whether this fault has hit its request.
    pub fn has_hit(&self, number: u64) -> bool {
        self.hits.contains(&number)
    }

    /// Lets a request arrive that is on its way.
    pub fn release(&mut self, number: u64) {
        self.released.insert(number);
    }

    /// Whether it may arrive.
    pub fn is_released(&self, number: u64) -> bool {
        self.released.contains(&number)
    }

    /// How many faults have hit.
    pub fn hits(&self) -> usize {
        self.hits.len()
    }

    /// How many faults wait for their requests.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes back what has not hit.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// What becomes of this request: the oldest fault that fits it hits, and is used up.
    pub fn hit(&mut self, method: &Method, uri: &Uri, body: &str) -> Option<(u64, WireKind)> {
        let fits = |fault: &WireFault| {
            fault.call.is(method, uri, body) && fault.about.as_deref().is_none_or(|name| speaks_of(name, uri, body))
        };
        let mut chosen = None;
        for (place, (_, fault)) in self.waiting.iter_mut().enumerate().filter(|(_, (_, fault))| fits(fault)) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else {
                chosen = Some(place);
                break;
            }
        }
        let (number, fault) = self.waiting.remove(chosen?);
        self.hits.push(number);
        Some((number, fault.kind))
    }
}

/// An error as the API server tells one.
pub(super) fn status(code: u16) -> Response<Body> {
    let reason = match code {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let told = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "a scripted fault", "reason": reason, "code": code,
    });
    let mut answer = Response::new(Body::from(told.to_string()));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap();
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if matches!(code, 429 | 503) {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}
