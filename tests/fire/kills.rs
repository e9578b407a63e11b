//! `kill -9` at every effect of a deletion: before the request arrives anywhere, with the request on its way (it arrives
//! when the next process is at work), and after it took effect, with its answer untold.

use std::time::Instant;

use futures::future::FutureExt;
use gaap_simulator::{Fault, Kind, Phase};

use crate::calls::{ACCEPTED, ADOPT, ATTEMPT, AVAILABLE, Effect, READ, RELEASE, create, name, prepare, proxy, world};
use crate::harness::{Side, WireFault, WireKind, World};
use crate::table::{Part, Row, ended};

/// When the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Before,
    OnItsWay,
    AfterCommit,
}

/// Where it dies.
#[derive(Clone, Copy, Debug)]
enum At {
    Kube(Effect),
    Cloud { name: &'static str, action: &'static str },
}

const LOOK: At = At::Cloud { name: "look (DescribeProxies)", action: "DescribeProxies" };
const SEND: At = At::Cloud { name: "send (DestroyProxies, E2)", action: "DestroyProxies" };

/// A world for each group: within one, one kill comes after the other, so that each hits one deletion.
const GROUPS: &[&[At]] = &[
    &[At::Kube(ADOPT), At::Kube(AVAILABLE)],
    &[LOOK, At::Kube(READ)],
    &[SEND, At::Kube(ACCEPTED)],
    &[At::Kube(ATTEMPT), At::Kube(RELEASE)],
];

/// All of them, each group a world.
pub fn parts() -> Vec<Part> {
    GROUPS.iter().map(|group| ("kill -9", run(group).boxed_local())).collect()
}

async fn run(group: &[At]) -> Vec<Row> {
    let world = world("kills").start().await;
    let mut rows = Vec::new();
    for at in group {
        for moment in [Moment::Before, Moment::OnItsWay, Moment::AfterCommit] {
            rows.push(Kill { world: &world, place: rows.len(), at: *at, moment }.walk().await);
        }
    }
    world.finish().await;
    rows
}

struct Kill<'a> {
    world: &'a World,
    place: usize,
    at: At,
    moment: Moment,
}

impl Kill<'_> {
    async fn walk(&self) -> Row {
        let adoption = matches!(self.at, At::Kube(Effect { adoption: true, .. }));
        if !adoption {
            create(self.world, self.place..self.place + 1).await;
            self.world.available(&name(self.place)).await;
        }
        let begun = Instant::now();
        match self.at {
            At::Kube(effect) => self.kill_at_the_api_server(&effect).await,
            At::Cloud { action, .. } => self.kill_at_the_cloud(action).await,
        }
        if adoption {
            self.world.available(&name(self.place)).await;
            self.world.delete(&name(self.place)).await;
        }
        let (effect, tokens) = match self.at {
            At::Kube(effect) if effect.tokens == "ab" => (effect.name, ["ab", "aab"].as_slice()),
            At::Kube(effect) => (effect.name, ["a"].as_slice()),
            // What was sent before may be sent again, as it was.
            At::Cloud { name, .. } => (name, ["a", "aa"].as_slice()),
        };
        let fault = match self.moment {
            Moment::Before => "kill -9 before",
            Moment::OnItsWay => "kill -9 with it on its way",
            Moment::AfterCommit => "kill -9 after commit",
        };
        ended(self.world, (effect, fault), &name(self.place), &proxy(self.place), begun, tokens).await
    }

    /// Lets the operator come to the moment.
    async fn begin(&self) {
        match self.at {
            At::Kube(Effect { adoption: true, .. }) => create(self.world, self.place..self.place + 1).await,
            _ => self.world.delete(&name(self.place)).await,
        }
    }

    async fn kill_at_the_api_server(&self, effect: &Effect) {
        let (gate, operator) = (self.world.gate(), self.world.operator());
        prepare(self.world, effect, &proxy(self.place));
        if self.moment == Moment::OnItsWay {
            let fault = gate.fault(WireFault::new(WireKind::OnItsWay, effect.call));
            self.begin().await;
            gate.fault_hits(fault).await;
            operator.crash_and_restart().await;
            gate.let_arrive(fault).await;
            return;
        }
        let hold = gate.hold_any(effect.call, if self.moment == Moment::Before { Side::Before } else { Side::After });
        self.begin().await;
        hold.reached().await;
        operator.kill().await;
        hold.abandoned().await;
        operator.start().await;
    }

    async fn kill_at_the_cloud(&self, action: &str) {
        let fault = match self.moment {
            Moment::Before => Fault::new(Kind::RequestLost),
            Moment::OnItsWay => Fault::new(Kind::Hang).with(|with| with.phase = Some(Phase::Before)),
            Moment::AfterCommit => Fault::new(Kind::Hang).with(|with| with.phase = Some(Phase::After)),
        };
        let fault = self.world.fault(fault.on(action).for_id(proxy(self.place)));
        self.begin().await;
        self.world.fault_hits(fault).await;
        self.world.operator().crash_and_restart().await;
        // What was on its way goes on.
        self.world.cloud().remove_fault(fault);
    }
}
