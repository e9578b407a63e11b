//! The operator's requests to the API server, told apart by what they do.

use axum::http::{Method, Uri};

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

/// Any request of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A write of a resource.
    Write(Write),
    /// The read of one resource, which comes right before each send.
    Read,
    /// The list that comes before a watch.
    List,
    /// The opening of a watch.
    Watch,
    /// The making of an event, or of the next one in a series.
    Event,
    /// The read of the Lease.
    ReadLease,
    /// The making of the Lease, its renewal, its giving back.
    WriteLease,
    /// The opening of the watch of the Lease.
    WatchLease,
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

impl Call {
    /// Whether a request is of this kind.
    pub(super) fn is(self, method: &Method, uri: &Uri, body: &str) -> bool {
        let path = uri.path();
        let get = method == Method::GET;
        let collection = |plural: &str| get && path.ends_with(plural);
        match self {
            Call::Write(write) => write.is(method, path, body),
            Call::Read => get && path.contains("/gaapproxies/"),
            Call::List => collection("/gaapproxies") && !is_watch(uri),
            Call::Watch => collection("/gaapproxies") && is_watch(uri),
            Call::Event => !get && path.contains("/events"),
            Call::ReadLease => get && path.contains("/leases/"),
            Call::WriteLease => !get && path.contains("/leases"),
            Call::WatchLease => collection("/leases") && is_watch(uri),
        }
    }
}

/// Whether a request speaks of the resource of this name: in its address, or, for an event, in its body.
pub(super) fn speaks_of(name: &str, uri: &Uri, body: &str) -> bool {
    let in_path = uri.path().split('/').any(|part| part == name);
    in_path || (uri.path().contains("/events") && body.contains(&format!("\"name\":\"{name}\"")))
}

/// Whether a request opens a watch.
pub(super) fn is_watch(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.contains("watch=true"))
}
