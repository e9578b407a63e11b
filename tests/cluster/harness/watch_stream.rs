//! The body of a watch on its way through the gate, which can fall silent, be cut, or be told to begin anew.

use std::io;

use axum::body::{Body, Bytes};
use futures::StreamExt;
use tokio::sync::watch;

/// What becomes of the watches that are open now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchKind {
    /// Nothing more comes through, not even their end, as when a firewall forgets their connections.
    Silent,
    /// They end in the middle of a line, with their connections.
    CutMidLine,
    /// They end in good order.
    Ended,
    /// They tell that their version is too old (410), and end.
    Gone,
}

/// Which watches: those opened before the so-manieth fault of this kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WatchFaults {
    pub made: u64,
    pub last: Option<WatchKind>,
}

const HALF_A_LINE: &[u8] = br#"{"type":"MODIFIED","object":{"apiVersion":"gaap-operator.io/v1alp"#;
const GONE: &[u8] = br#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (2)","reason":"Expired","code":410}}
"#;

enum State {
    Open(axum::body::BodyDataStream, watch::Receiver<WatchFaults>),
    Cut,
    Over,
}

/// The body with the faults that come while it is open.
pub(super) fn with_faults(body: Body, faults: watch::Receiver<WatchFaults>) -> Body {
    let opened = faults.borrow().made;
    let state = State::Open(body.into_data_stream(), faults);
    Body::from_stream(futures::stream::unfold(state, move |state| step(state, opened)))
}

async fn step(state: State, opened: u64) -> Option<(io::Result<Bytes>, State)> {
    let (mut chunks, mut faults) = match state {
        State::Open(chunks, faults) => (chunks, faults),
        State::Cut => return Some((Err(io::ErrorKind::ConnectionReset.into()), State::Over)),
        State::Over => return None,
    };
    let fault = tokio::select! {
        // A fault that was made is not outrun by a chunk, nor by the end.
        biased;
        // Without its gate there are no faults any more.
        Ok(fault) = async { faults.wait_for(|faults| faults.made > opened).await.map(|faults| faults.last) } => fault,
        chunk = chunks.next() => {
            let chunk = chunk?.map_err(io::Error::other);
            return Some((chunk, State::Open(chunks, faults)));
        }
    };
    match fault? {
        WatchKind::Silent => std::future::pending().await,
        WatchKind::CutMidLine => Some((Ok(Bytes::from_static(HALF_A_LINE)), State::Cut)),
        WatchKind::Ended => None,
        WatchKind::Gone => Some((Ok(Bytes::from_static(GONE)), State::Over)),
    }
}
