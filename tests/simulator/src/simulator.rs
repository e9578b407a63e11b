//! Starting and ending a simulator.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::accounts::Credential;
use crate::clock::{Clock, SystemClock};
use crate::control::{Control, ProxySpec};
use crate::log::DEFAULT_CAPACITY;
use crate::server::serve;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::world::World;

/// SecretId of the first account unless another is given. Invented.
pub const DEFAULT_SECRET_ID: &str = "AKIDSIMULATOR00000000000000000000001";
/// SecretKey of the first account unless another is given. Invented.
pub const DEFAULT_SECRET_KEY: &str = "simulatorsimulatorsimulator00001";
/// The first account unless another is given.
pub const DEFAULT_UIN: &str = "100000000001";

const STOP_LIMIT: Duration = Duration::from_secs(2);

/// What a simulator starts with.
#[derive(Clone)]
pub struct Config {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Keys and their accounts. Proxies belong to the account of the first one unless another is named.
    pub credentials: Vec<Credential>,
    /// So many proxies are there from the start: `link-sim00001` and so on, RUNNING, an hour old.
    pub proxies: u32,
    /// What can also be changed later.
    pub settings: Settings,
    /// Entries the request log keeps.
    pub log_capacity: usize,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Default for Config {
    /// A free loopback port, one account, no proxies, the clock of the machine.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            credentials: vec![Credential::new(DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY, DEFAULT_UIN)],
            proxies: 0,
            settings: Settings::default(),
            log_capacity: DEFAULT_CAPACITY,
            clock: Arc::new(SystemClock),
        }
    }
}

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The configuration contradicts itself.
    #[error("{0}")]
    Config(String),
}

/// A running simulator. Dropping it ends it; [`Simulator::stop`] also waits for that.
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts one on the current runtime. It accepts connections when this returns.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the proxies cannot be made.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let failed = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut world = World::new(config.settings, config.log_capacity);
        for credential in config.credentials {
            world.accounts.put(credential);
        }
        let (refuse, refusals) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(world, config.clock, refuse));
        let control = Control::new(shared.clone());
        for index in 1..=config.proxies {
            control.add_proxy(&ProxySpec::named(format!("link-sim{index:05}"))).map_err(StartError::Config)?;
        }
        let server = tokio::spawn(serve(shared.clone(), address, listener, refusals));
        Ok(Self { address, shared, server: Some(server) })
    }

    /// `http://HOST:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The handle by which a test makes proxies, scripts faults and reads the log.
    pub fn control(&self) -> Control {
        Control::new(self.shared.clone())
    }

    /// Ends it: no new connections, answers under way are finished, what hangs is cut.
    pub async fn stop(mut self) {
        self.shared.shutdown.cancel();
        if let Some(server) = self.server.take()
            && tokio::time::timeout(STOP_LIMIT, server).await.is_err()
        {
            tracing::warn!("a connection did not end in time");
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.shutdown.cancel();
    }
}
