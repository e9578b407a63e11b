//! Carries out strikes in a world whose deletions go on meanwhile.

use std::time::Duration;

use gaap_simulator::{DEFAULT_SECRET_ID, Fault, Kind, Phase};
use tokio::sync::Mutex;

use crate::harness::{LIMIT, Operator, Signal, WireFault, WireKind, World, until};
use crate::script::{Moment, Place, Strike, What};

const LOOK: Duration = Duration::from_millis(20);

/// A world under fire.
pub struct Fire<'a> {
    pub world: &'a World,
    /// Two elect a leader: one that is stopped goes on after the other has taken over.
    pub elected: bool,
    /// Whoever kills, stops or starts a process holds its lock.
    locks: [Mutex<()>; 2],
}

impl<'a> Fire<'a> {
    pub fn new(world: &'a World, elected: bool) -> Self {
        Self { world, elected, locks: Default::default() }
    }

    /// Carries out one strike. Ends when it was met, which may be never.
    pub async fn strike(&self, strike: &Strike) {
        match &strike.what {
            What::Kube(call, kind) => {
                let fault = WireFault::new(*kind, *call).skip(strike.skip);
                self.one_of(&self.on_all_gates(&fault)).await;
            }
            What::Cloud(fault) => {
                let number = self.world.fault((**fault).clone().skip(strike.skip));
                self.cloud_hits(number).await;
            }
            What::Watches(kind) => {
                let look = self.world.fault(Fault::new(Kind::Delay).on("DescribeProxies").skip(strike.skip).with(
                    // Only to know the moment.
                    |with| (with.phase, with.delay_ms) = (Some(Phase::After), Some(0)),
                ));
                self.cloud_hits(look).await;
                self.world.gates().for_each(|gate| gate.open_watches(*kind));
            }
            What::Kill(place, moment) => {
                let held = self.hold(*place, *moment, strike.skip).await;
                self.restart(held.sender, true).await;
                self.let_go(held).await;
            }
            What::Stop(place, moment, time) => self.stop(*place, *moment, strike.skip, *time).await,
        }
    }

    /// SIGTERM to the leader, as a rolling update does: it hands over, and is started again.
    pub async fn hand_over(&self) {
        let holder = self.world.holder().await;
        let leader = |operator: &&Operator| holder.starts_with(&format!("{}_", operator.host()));
        let Some(place) = self.operators().iter().position(leader) else { return };
        let _lock = self.locks[place].lock().await;
        let operator = self.operators()[place];
        if operator.is_running() {
            operator.terminate().await;
            operator.spawn().await;
        }
    }

    /// Starts again what has ended by itself, as a kubelet does, until it is dropped.
    pub async fn keep_running(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            for (place, operator) in self.operators().into_iter().enumerate() {
                if !operator.starts().is_empty() {
                    self.restart(place, false).await;
                }
            }
        }
    }

    /// Every stopped process goes on.
    pub async fn wake(&self) {
        for (place, operator) in self.operators().into_iter().enumerate() {
            let _lock = self.locks[place].lock().await;
            if operator.is_running() {
                operator.signal(Signal::CONT);
            }
        }
    }

    fn operators(&self) -> Vec<&'a Operator> {
        self.world.operators().collect()
    }

    /// Starts a process, after its end; with `kill` that is now.
    async fn restart(&self, place: usize, kill: bool) {
        let operator = self.operators()[place];
        let _lock = self.locks[place].lock().await;
        if kill && operator.is_running() {
            operator.signal(Signal::KILL);
        }
        if kill || !operator.is_running() {
            operator.ended(LIMIT).await;
            operator.spawn().await;
        }
    }

    async fn stop(&self, place: Place, moment: Moment, skip: u64, time: Duration) {
        let held = self.hold(place, moment, skip).await;
        let operator = self.operators()[held.sender];
        {
            let _lock = self.locks[held.sender].lock().await;
            if operator.is_running() {
                operator.signal(Signal::STOP);
            }
        }
        if self.elected {
            until("another leader", LIMIT, async || match self.world.holder().await {
                holder if holder.starts_with(&format!("{}_", operator.host())) => Err(holder),
                _ => Ok(()),
            })
            .await;
        }
        tokio::time::sleep(time).await;
        let sender = held.sender;
        self.let_go(held).await;
        let _lock = self.locks[sender].lock().await;
        if operator.is_running() {
            operator.signal(Signal::CONT);
        }
    }

    fn on_all_gates(&self, fault: &WireFault) -> Vec<u64> {
        self.world.gates().map(|gate| gate.fault(fault.clone())).collect()
    }

    /// Waits until one of these, a fault of each gate, has hit: which.
    async fn one_of(&self, faults: &[u64]) -> usize {
        loop {
            let hit = self.world.gates().zip(faults).position(|(gate, fault)| gate.has_hit(*fault));
            if let Some(place) = hit {
                return place;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn cloud_hits(&self, number: u64) {
        while self.world.cloud().faults().iter().any(|fault| fault.id == number && fault.hits == 0) {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Holds the next request at this place.
    async fn hold(&self, place: Place, moment: Moment, skip: u64) -> Held {
        match place {
            Place::Kube(call) => {
                let kind = match moment {
                    Moment::Before => WireKind::HangBefore,
                    Moment::OnItsWay => WireKind::OnItsWay,
                    Moment::AfterCommit => WireKind::HangAfter,
                };
                let faults = self.on_all_gates(&WireFault::new(kind, call).skip(skip));
                let sender = self.one_of(&faults).await;
                Held { sender, on_its_way: (moment == Moment::OnItsWay).then(|| faults[sender]), hang: None }
            }
            Place::Cloud(action) => {
                let fault = match moment {
                    Moment::Before => Fault::new(Kind::RequestLost),
                    Moment::OnItsWay => Fault::new(Kind::Hang).with(|with| with.phase = Some(Phase::Before)),
                    Moment::AfterCommit => Fault::new(Kind::Hang).with(|with| with.phase = Some(Phase::After)),
                };
                let kind = fault.kind.name();
                let number = self.world.fault(fault.on(action).skip(skip));
                self.cloud_hits(number).await;
                let hit = |entry: &gaap_simulator::Entry| entry.action == action && entry.faults.contains(&kind);
                let sender = self.world.requests().into_iter().rev().find(hit).and_then(|entry| entry.secret_id);
                let first = sender.is_none_or(|id| id == DEFAULT_SECRET_ID);
                Held { sender: usize::from(!first), on_its_way: None, hang: Some(number) }
            }
        }
    }

    async fn let_go(&self, held: Held) {
        if let Some(number) = held.on_its_way {
            self.world.gates().nth(held.sender).expect("the gate of the sender").let_arrive(number).await;
        }
        if let Some(number) = held.hang {
            self.world.cloud().remove_fault(number);
        }
    }
}

/// A request that is held, and who sent it.
struct Held {
    sender: usize,
    on_its_way: Option<u64>,
    hang: Option<u64>,
}
