//! What all connections share: the world behind its lock, the clock, and the means to end things.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, UnixTime};
use crate::world::World;

/// One per simulator.
pub(crate) struct Shared {
    world: Mutex<World>,
    clock: Arc<dyn Clock>,
    /// Cancelled when the simulator ends.
    pub shutdown: CancellationToken,
    /// Tells the listener to refuse connections for a time.
    pub refuse: mpsc::UnboundedSender<Duration>,
    /// Changes whenever faults do, so that held requests look again.
    pub faults_changed: watch::Sender<u64>,
}

impl Shared {
    pub fn new(world: World, clock: Arc<dyn Clock>, refuse: mpsc::UnboundedSender<Duration>) -> Self {
        Self {
            world: Mutex::new(world),
            clock,
            shutdown: CancellationToken::new(),
            refuse,
            faults_changed: watch::Sender::new(0),
        }
    }

    /// The world, and nothing is awaited while it is held. A panic under the lock is a failed test, not a reason to
    /// take the log away from the others.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The time as the server shows and believes it.
    pub fn server_time(&self, extra_skew_seconds: i64) -> UnixTime {
        let skew = self.world().settings.clock_skew_seconds.saturating_add(extra_skew_seconds);
        UnixTime(self.now().0.saturating_add(skew.saturating_mul(1_000_000)))
    }

    /// Waits until a fault has been deleted; `false` when the simulator ends first.
    pub async fn held_by(&self, fault: u64) -> bool {
        let mut changes = self.faults_changed.subscribe();
        while self.world().faults.is_in_force(fault) {
            tokio::select! {
                () = self.shutdown.cancelled() => return false,
                changed = changes.changed() => if changed.is_err() { return false },
            }
        }
        true
    }

    /// Waits; `false` when the simulator ends first.
    pub async fn pause(&self, milliseconds: u64) -> bool {
        tokio::select! {
            () = self.shutdown.cancelled() => false,
            () = tokio::time::sleep(Duration::from_millis(milliseconds)) => true,
        }
    }
}
