//! What every reconcile needs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::controller::agenda::Agenda;
use crate::controller::claims::ClaimsIndex;
use crate::controller::memories::Memories;
use crate::controller::metrics::ControllerMetrics;
use crate::controller::observation::Timing;
use crate::controller::permissions::Refusals;
use crate::controller::publisher::Publisher;
use crate::controller::send_queue::SendQueue;
use crate::controller::wake::Wakes;
use crate::gaap;
use crate::process::clock::Clock;
use crate::process::leader::Leadership;

/// Places of [`Context::open_looks`]: what the calls of DescribeProxies ask for that may be under way at once. Each takes
/// 2.5 kB, which the process keeps afterwards.
pub const OPEN_LOOKS: usize = 4 * gaap::DESCRIBE_LIMIT;

/// The cloud side of the house.
#[derive(Clone)]
pub struct CloudHandle {
    /// Signed calls.
    pub client: gaap::Client,
    /// Which account the credentials belong to.
    pub identity: gaap::Identity,
    /// Shared looks.
    pub sweep: gaap::Sweep,
}

impl Context {
    /// Called before the first act of a new leadership: whoever led before may have sent something a moment ago, and
    /// what this process knows is as old as its caches.
    pub fn begin_leadership(&self) {
        self.memories.start_anew(self.clock.now().monotonic);
        self.cloud.client.pace().start_empty();
    }
}

/// Shared by all reconciles.
pub struct Context {
    /// The API server.
    pub kube: kube::Client,
    /// Events about resources.
    pub publisher: Publisher,
    /// The cloud.
    pub cloud: CloudHandle,
    /// Who claims which proxy.
    pub claims: ClaimsIndex,
    /// What is remembered of each resource.
    pub memories: Memories,
    /// Resources to reconcile soon.
    pub wakes: Wakes,
    /// When each resource is to be reconciled without any other reason.
    pub agenda: Agenda,
    /// A place for each open question to the cloud about a resource that is not being deleted. Nobody waits for one: while none is free, no more resources
    /// that rest are woken to ask.
    pub open_looks: Arc<Semaphore>,
    /// A place for each request to destroy that is open: half of the workers, so that a cloud that does not answer leaves the
    /// others for everything else.
    pub open_requests: Arc<Semaphore>,
    /// What the API server has forbidden.
    pub refusals: Refusals,
    /// The line for DestroyProxies.
    pub queue: SendQueue,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Whether this process acts, or stands by.
    pub leadership: Leadership,
    /// Settings of the decision.
    pub timing: Timing,
    /// `--requests-per-second`.
    pub requests_per_second: f64,
    /// `--request-timeout`.
    pub request_timeout: Duration,
    /// How many reconciles may wait for their turn to send while the others go on: a quarter of `--concurrency`. They
    /// are served in the order in which they came, so a namespace that comes later waits for all of them: no more than
    /// keep the pace in use while the next ones come back.
    pub waiting_inside: u64,
    /// Series of this room.
    pub metrics: Arc<ControllerMetrics>,
    /// Cancelled when the process is to end: nothing is sent after that.
    pub shutdown: CancellationToken,
}
