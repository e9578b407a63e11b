//! Connections between the network of a node and that of the machine.
//!
//! A socket stays in the network in which it was made, whoever uses it later. So a thread that has moved into the
//! node's network can dial there for a listener that was made outside, and the other way round.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::error::{Error, Result};
use crate::namespaces::Namespaces;
use crate::node::settings::ADDRESS;

/// Within a machine a connection is a matter of moments.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A listener whose connections lead into the other network. Ends when it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    // Closed when this is dropped, which ends the thread.
    _end: oneshot::Sender<()>,
}

impl Relay {
    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A listener on 127.0.0.1 of the machine that leads to `target`, an address of the node's network.
    pub(crate) fn out_of(namespaces: Namespaces, port: u16, target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
        Self::run(listener, Some(namespaces), target)
    }

    /// A listener on the node's address that leads to `target`, an address of the machine.
    pub(crate) fn into(namespaces: Namespaces, target: SocketAddr) -> Result<Self> {
        // In a thread of its own, which ends at once: no other may move.
        let bind = move || {
            namespaces.enter_network()?;
            TcpListener::bind((ADDRESS, 0))
        };
        let listener = std::thread::spawn(bind).join().map_err(|_| failed(std::io::ErrorKind::Other.into()))?;
        Self::run(listener.map_err(failed)?, None, target)
    }

    /// Serves in a thread with a runtime of its own, in the network of `dials`.
    fn run(listener: TcpListener, dials: Option<Namespaces>, target: SocketAddr) -> Result<Self> {
        let address = listener.local_addr().map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let (end, ended) = oneshot::channel::<()>();
        let (started, start) = std::sync::mpsc::channel();
        let serve = move || {
            let runtime = (|| {
                if let Some(namespaces) = dials {
                    namespaces.enter_network()?;
                }
                tokio::runtime::Builder::new_current_thread().enable_all().build()
            })();
            let Ok(runtime) = runtime.map_err(|error| started.send(Err(error))) else { return };
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener);
                let Ok(listener) = listener.map_err(|error| started.send(Err(error))) else { return };
                let _ = started.send(Ok(()));
                tokio::select! {
                    () = accept(listener, target) => {}
                    // Only ever closed.
                    _ = ended => {}
                }
            });
        };
        std::thread::Builder::new().name("gaap-relay".into()).spawn(serve).map_err(failed)?;
        start.recv().map_err(|_| failed(std::io::ErrorKind::Other.into()))?.map_err(failed)?;
        Ok(Self { address, _end: end })
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::Relay { source }
}

async fn accept(listener: tokio::net::TcpListener, target: SocketAddr) {
    loop {
        let Ok((mut near, _)) = listener.accept().await else {
            // Too many open files, most likely: some connection has to end first.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        tokio::spawn(async move {
            // Nobody there: the near side sees its connection end, as it would see a server end.
            if let Ok(Ok(mut far)) = timeout(CONNECT_LIMIT, TcpStream::connect(target)).await {
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}

/// Whether somebody accepts connections at this address of the node's network; if not, why.
pub(crate) async fn accepts(namespaces: Namespaces, address: SocketAddr) -> std::result::Result<(), String> {
    let (tell, told) = oneshot::channel();
    // Not a thread of the runtime, which would go on to other work in the wrong network.
    std::thread::spawn(move || {
        let connected = namespaces
            .enter_network()
            .and_then(|()| std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)))
            .map(drop)
            .map_err(|error| format!("{address}: {error}"));
        // Nobody waits any more when this fails.
        let _ = tell.send(connected);
    });
    told.await.unwrap_or_else(|_| Err("the thread ended".to_owned()))
}
