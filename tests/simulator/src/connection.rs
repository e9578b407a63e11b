//! One TCP connection that can be cut on purpose: closed or reset, at once or as soon as what was written is out.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

type Hook = Box<dyn FnOnce() + Send>;

/// The handle by which a request's handler acts on the connection it came over.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Inner>);

struct Inner {
    ended: CancellationToken,
    reset: AtomicBool,
    when_flushed: Mutex<Option<Hook>>,
}

impl Connection {
    /// A connection that also ends when `parent` is cancelled.
    pub fn new(parent: &CancellationToken) -> Self {
        Self(Arc::new(Inner {
            ended: parent.child_token(),
            reset: AtomicBool::new(false),
            when_flushed: Mutex::new(None),
        }))
    }

    /// Ends it; the peer sees an orderly end (FIN).
    pub fn close(&self) {
        self.0.ended.cancel();
    }

    /// Ends it; the peer sees a reset (RST).
    pub fn reset(&self) {
        self.0.reset.store(true, Ordering::SeqCst);
        self.0.ended.cancel();
    }

    /// Does something as soon as everything written so far has been handed to the kernel.
    pub fn when_flushed(&self, hook: impl FnOnce() + Send + 'static) {
        *self.0.when_flushed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(hook));
    }

    /// Returns when the connection is to end.
    pub async fn ended(&self) {
        self.0.ended.cancelled().await;
    }

    fn run_hook(&self) {
        let hook = self.0.when_flushed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(hook) = hook {
            hook();
        }
    }
}

/// The stream of a [`Connection`]. Dropping it resets the connection if that was asked for.
pub(crate) struct Stream {
    tcp: TcpStream,
    connection: Connection,
}

impl Stream {
    /// Puts an accepted socket under the control of `connection`.
    pub fn new(tcp: TcpStream, connection: Connection) -> Self {
        Self { tcp, connection }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.connection.0.reset.load(Ordering::SeqCst) {
            // Closing a socket that does not linger sends RST in place of FIN. If it fails the peer is gone already.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.tcp).poll_flush(context);
        if flushed.is_ready() {
            self.connection.run_hook();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
