//! One state of the world: the API server, the cloud, the wire, two operators, and what the promises are judged by.

use std::sync::Arc;
use std::time::Duration;

use gaap_operator::controller::memory::Memory;
use gaap_operator::controller::observation::Resource;
use gaap_operator::crd::{AccountStatus, DeletionPolicy, FINALIZER, GaapProxyStatus, ProxyMirror};
use gaap_operator::gaap::{DestroyRequest, ProxyId};

use crate::clock::{BEGIN, BEGIN_UNIX, Clock, TICK};
use crate::cloud::{Answer, CloudProxy, Known, OLD, Whose, YOUNG};
use crate::promises::Broken;
use crate::scenario::{First, PROXIES, SLOTS, Scenario, TokenMode};
use crate::store::Version;

/// Number of operators.
pub const OPERATORS: usize = 2;

/// What an operator is doing for one resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Nothing: the next reconcile begins with the cache.
    Idle,
    /// In the middle of a reconcile, with this version in hand.
    Hand(Version),
    /// As `Hand`, with the turn to send. `stored`: what the API server really had, whatever the read took for it.
    Turn { hand: Version, stored: Option<Version>, read_at: Duration },
    /// A request is under way.
    Sending { hand: Version, request: DestroyRequest, token: Arc<str>, at: Duration },
}

/// What an operator was told last of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// Nothing, or nothing usable.
    Nothing,
    /// It is there in a state in which it may be destroyed, with this createTime.
    Destroyable(Option<i64>),
    /// Anything else.
    Other,
}

/// One operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Operator {
    /// It leads. The other stands by.
    pub acting: bool,
    /// Another leads already; this one was stopped with the turn to send in hand, and goes on with that send only.
    pub late: bool,
    /// The first list is complete.
    pub listed: bool,
    /// Its watch delivers nothing, since this tick.
    pub frozen: Option<u32>,
    /// Leads since this tick.
    pub leads_since: u32,
    /// Whose credentials it has.
    pub whose: Whose,
    /// The watch cache.
    pub cache: [Option<Version>; SLOTS],
    /// Taken out of the index of claims: the API server said that they are gone.
    pub dropped: [bool; SLOTS],
    /// What it remembers.
    pub memory: [Option<Arc<Memory>>; SLOTS],
    /// What it is doing.
    pub work: [Work; SLOTS],
    /// What it was told.
    pub told: [Told; SLOTS],
}

/// A request on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// Who waits for the answer.
    pub waiting: Option<usize>,
    /// Its process was stopped, and sent it after another led: who leads now knows nothing of it.
    pub orphan: bool,
    /// The resource it was made for.
    pub slot: usize,
    /// Force.
    pub force: bool,
    /// Attempt.
    pub attempt: u32,
    /// Token.
    pub token: Arc<str>,
    /// Credentials it was signed with.
    pub whose: Whose,
    /// When it was sent.
    pub sent: u32,
    /// The answer, when the cloud has given it and it is on its way back.
    pub answer: Option<Answer>,
}

/// The last request for a resource, as long as a definite refusal has not ended it.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// Its token.
    pub token: Arc<str>,
    /// When it was sent last, refused resends aside.
    pub sent: u32,
    /// When it was sent before that, by whichever process.
    pub before: Option<u32>,
}

/// A state.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The beginning.
    pub scenario: &'static Scenario,
    /// What the cloud does with known tokens; none until it has met one: until then every mode is alike.
    pub mode: Option<TokenMode>,
    /// Faults that may still happen.
    pub faults_left: u8,
    /// The first fault of the path on which this state was met first. Not a part of the state.
    pub first_fault: Option<usize>,
    /// An operator was told for a resource that its proxy is not there, though it is: two in a row would be a proof.
    pub flapped: Option<(usize, usize)>,
    /// Two operators led at once without knowing of each other: what the lease rules out. S3 and S16 are not promised
    /// then, S6 is.
    pub split: bool,
    /// Time.
    pub clock: Clock,
    /// How far the users are.
    pub done: [u8; 2],
    /// The API server.
    pub store: [Option<Version>; SLOTS],
    /// Number of the next version.
    pub next_version: u32,
    /// The proxies.
    pub proxies: [CloudProxy; PROXIES],
    /// Requests that were made, by token.
    pub known: Vec<Known>,
    /// The wire.
    pub wire: Vec<Copy>,
    /// The operators.
    pub operators: [Operator; OPERATORS],
    /// Per resource, the request that may be in effect.
    pub open: [Option<Open>; SLOTS],
    /// Promises that this path has broken.
    pub broken: Broken,
}

/// The id of a proxy of the cloud.
pub fn proxy_id(proxy: usize) -> ProxyId {
    let text = if proxy == 0 { "link-11111111" } else { "link-22222222" };
    text.parse().expect("a proxy id")
}

fn created_at_first(scenario: &Scenario) -> i64 {
    if scenario.young { YOUNG } else { OLD }
}

fn resource(scenario: &Scenario, slot: usize, bound_to: Option<i64>) -> Resource {
    let definition = &scenario.slots[slot];
    let mut status = GaapProxyStatus::default();
    if let Some(created) = bound_to {
        let account = Whose::Ours.account();
        status.observed_generation = Some(1);
        status.account = Some(AccountStatus { account_id: account.id, endpoint: account.endpoint });
        status.proxy =
            Some(ProxyMirror { status: Some("RUNNING".into()), create_time: Some(created), ..ProxyMirror::default() });
    }
    Resource {
        namespace: "games".into(),
        name: definition.name.into(),
        uid: definition.uid.into(),
        resource_version: String::new(),
        generation: 1,
        created: BEGIN_UNIX - 100 + i64::try_from(slot).unwrap_or_default(),
        deleted: None,
        finalizers: if bound_to.is_some() { vec![FINALIZER.into()] } else { Vec::new() },
        paused: false,
        proxy_id: proxy_id(definition.proxy),
        policy: DeletionPolicy::Destroy,
        force: false,
        status,
    }
}

impl State {
    /// The beginning of a scenario: the first operator leads and knows every resource, nothing is under way.
    pub fn begin(scenario: &'static Scenario, faults: u8) -> Self {
        let created = created_at_first(scenario);
        let proxy = CloudProxy { phase: scenario.phase, created, bound: scenario.bound, last: None };
        let store = [0, 1, 2].map(|slot| {
            let first = scenario.slots.get(slot).map_or(First::Missing, |definition| definition.first);
            let mut object = (first != First::Missing).then(|| resource(scenario, slot, Some(created)))?;
            if first == First::Deleted {
                object.deleted = Some(BEGIN_UNIX);
                object.generation += 1;
            }
            Some(Version::new(object, 1))
        });
        let begun = TICK * (BEGIN - 5);
        let operator = |acting: bool| Operator {
            acting,
            late: false,
            listed: true,
            frozen: None,
            leads_since: 0,
            whose: Whose::Ours,
            cache: store.clone(),
            dropped: [false; SLOTS],
            memory: store
                .clone()
                .map(|stored| stored.filter(|_| acting).map(|_| Arc::new(Memory::begin(begun, false)))),
            work: [const { Work::Idle }; SLOTS],
            told: [Told::Nothing; SLOTS],
        };
        State {
            scenario,
            mode: None,
            faults_left: faults,
            first_fault: None,
            flapped: None,
            split: false,
            clock: Clock::new(),
            done: [0; 2],
            operators: [operator(true), operator(false)],
            store,
            next_version: 2,
            proxies: [proxy; PROXIES],
            known: Vec::new(),
            wire: Vec::new(),
            open: [const { None }; SLOTS],
            broken: Broken::default(),
        }
    }

    /// createTime of the proxies at the beginning.
    pub fn first_created(&self) -> i64 {
        created_at_first(self.scenario)
    }

    /// A new object of a slot, as a user makes it.
    pub fn made(&self, slot: usize) -> Resource {
        resource(self.scenario, slot, None)
    }

    /// The proxy that a slot names.
    pub fn proxy_of(&self, slot: usize) -> usize {
        self.scenario.slots[slot].proxy
    }

    /// The slot whose object has this name now.
    pub fn named(&self, name: &str) -> Option<usize> {
        (0..SLOTS).find(|slot| self.store[*slot].is_some() && self.scenario.slots[*slot].name == name)
    }

    /// Stores a version of an object, or takes the object out, and tells every watch that delivers.
    pub fn put(&mut self, slot: usize, resource: Option<Resource>) {
        let number = self.next_version;
        self.next_version += 1;
        // An object that is being deleted goes with its last finalizer.
        let resource = resource.filter(|resource| resource.deleted.is_none() || !resource.finalizers.is_empty());
        self.store[slot] = resource.map(|resource| Version::new(resource, number));
        for operator in 0..OPERATORS {
            if self.operators[operator].frozen.is_none() && self.operators[operator].listed {
                self.deliver_event(operator, slot);
            }
        }
    }

    /// The watch of an operator delivers what is stored of a slot.
    pub fn deliver_event(&mut self, operator: usize, slot: usize) {
        let now = self.clock.stamp();
        let tick = self.clock.tick;
        let stored = self.store[slot].clone();
        let operator = &mut self.operators[operator];
        operator.dropped[slot] = false;
        match &stored {
            Some(version) if operator.acting => {
                // As Memories::meet of a process that leads.
                let deleting = version.resource.deleted.is_some();
                let behind = tick < operator.leads_since + crate::clock::LAG;
                let memory = operator.memory[slot].get_or_insert_with(|| Arc::new(Memory::begin(now, deleting)));
                Arc::make_mut(memory).met_again(deleting, behind);
            }
            Some(_) => {}
            None => operator.memory[slot] = None,
        }
        operator.cache[slot] = stored;
    }
}
