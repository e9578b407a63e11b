//! A bench for unit tests: a world under a clock that stands still, without HTTP.

use std::time::Duration;

use serde_json::Value;

use crate::clock::{Clock, ManualClock, UnixTime};
use crate::effect::Effect;
use crate::errors::ApiError;
use crate::fault::Fault;
use crate::faults::{Plan, Subject};
use crate::proxies::Proxy;
use crate::schema::action;
use crate::settings::Settings;
use crate::wire::{self, Parameters};
use crate::world::{Call, World};

pub(crate) const ACCOUNT: &str = "100000000001";

pub(crate) struct Bench {
    pub world: World,
    clock: ManualClock,
    sequence: u64,
}

impl Bench {
    pub fn new() -> Self {
        Self {
            world: World::new(Settings::default(), 100),
            clock: ManualClock::at(UnixTime::from_seconds(1_700_000_000)),
            sequence: 0,
        }
    }

    pub fn advance(&mut self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// Adds a RUNNING proxy of the account, an hour old, changed as the test wants it.
    pub fn add(&mut self, id: &str, change: impl FnOnce(&mut Proxy)) {
        let mut proxy = Proxy::new(id, ACCOUNT, self.clock.now().seconds() - 3_600);
        change(&mut proxy);
        self.world.proxies.put(proxy);
    }

    pub fn fault(&mut self, fault: Fault) {
        self.world.faults.add(fault).expect("a valid fault");
    }

    pub fn status(&mut self, id: &str) -> Option<String> {
        self.world.proxies.settle(self.clock.now());
        self.world.proxies.get(id).map(|proxy| proxy.status.clone())
    }

    pub fn call(&mut self, name: &str, body: Value) -> Result<Effect, ApiError> {
        self.call_as(ACCOUNT, name, body)
    }

    pub fn call_as(&mut self, account: &str, name: &str, body: Value) -> Result<Effect, ApiError> {
        self.sequence += 1;
        let now = self.clock.now();
        self.world.proxies.settle(now);
        let raw = body.as_object().cloned().expect("an object");
        let ids = wire::named_ids(&raw);
        let proxies = &self.world.proxies;
        let is_doomed = |id: &str| proxies.is_doomed(account, id);
        let plan: Plan = self.world.faults.plan(Subject { action: name, account, ids: &ids }, is_doomed);
        let action = action(name).expect("a known action");
        let parameters = Parameters::check(&raw, action, false)?;
        let call = Call { action, account, now, sequence: self.sequence, parameters: &parameters, plan: &plan };
        self.world.carry_out(call)
    }
}
