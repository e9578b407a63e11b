//! The promises of docs/design.md that can be broken at this level, judged by what really is (the API server, the cloud,
//! the wire), never by what an operator believes.

use gaap_operator::controller::observation::Resource;
use gaap_operator::crd::{DeletionPolicy, FINALIZER};
use gaap_operator::gaap::DestroyRequest;

use crate::clock::SETTLE;
use crate::cloud::{Known, Phase, Whose};
use crate::scenario::SLOTS;
use crate::state::{Open, State, Told, proxy_id};

macro_rules! promises {
    ($($name:ident = $text:literal),+ $(,)?) => {
        /// A promise.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Promise { $(#[doc = $text] $name),+ }

        impl Promise {
            /// Every one.
            pub const ALL: &'static [Promise] = &[$(Promise::$name),+];

            /// Number and meaning.
            pub fn text(self) -> &'static str {
                match self { $(Promise::$name => $text),+ }
            }
        }
    };
}

promises! {
    S1 = "S1 a destroy rests on a fresh read: deleted, our finalizer, this uid, policy Destroy",
    S2 = "S2 the finalizer goes only when the proxy is gone (or Retain, or another owns it)",
    S3 = "S3 until a definite answer every resend is the same; no attempt falls or is used before it is stored",
    S4 = "S4 no token stands for two requests",
    S5 = "S5 no destroy while another living resource claims the proxy",
    S6 = "S6 one stored attempt is one request, whoever sends it",
    S7 = "S7 no write touches an object of another uid",
    S8 = "S8 Retain and paused cause no cloud write",
    S9 = "S9 Force only if the spec says so",
    S10 = "S10 nothing is looked at or bound before the finalizer is stored",
    S11 = "S11 no cloud write before the first list is complete",
    S16 = "S16 no second destroy is accepted while one is in effect",
    S17 = "S17 nothing is sent but for a proxy that was seen to be destroyable",
    Replaced = "another proxy under an old id is never destroyed",
    Account = "nothing is sent under another account than the stored one",
    TooYoung = "nothing is sent for a proxy younger than the minimum age",
}

/// The promises that a path has broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Broken(u32);

impl Broken {
    /// This one is among them.
    pub fn holds(self, promise: Promise) -> bool {
        self.0 & (1 << promise as u32) != 0
    }

    /// At least one is.
    pub fn any(self) -> bool {
        self.0 != 0
    }
}

impl State {
    /// Notes a broken promise.
    pub fn judge(&mut self, promise: Promise, kept: bool) {
        let excused = self.split && matches!(promise, Promise::S3 | Promise::S16);
        if !kept && !excused {
            self.broken.0 |= 1 << promise as u32;
        }
    }

    /// A request leaves an operator.
    pub fn judge_send(
        &mut self,
        operator: usize,
        slot: usize,
        stored: Option<&Resource>,
        request: &DestroyRequest,
        token: &str,
    ) {
        let tick = self.clock.tick;
        let sender = &self.operators[operator];
        let uid = self.scenario.slots[slot].uid;
        let told = sender.told[slot];
        let whose = sender.whose;
        let listed = sender.listed;
        let claimed = (0..SLOTS).any(|other| {
            let rival = sender.cache[other].as_ref().filter(|_| other != slot && !sender.dropped[other]);
            rival.is_some_and(|rival| {
                let same = self.scenario.slots[other].proxy == self.scenario.slots[slot].proxy;
                same && rival.resource.deleted.is_none()
            })
        });
        let member = request.members().first();
        self.judge(
            Promise::S1,
            stored.is_some_and(|stored| {
                stored.deleted.is_some()
                    && stored.has_finalizer()
                    && stored.uid == uid
                    && stored.policy == DeletionPolicy::Destroy
            }) && member.is_some_and(|member| member.uid == uid && member.proxy_id == proxy_id(self.proxy_of(slot))),
        );
        let Some(stored) = stored else { return };
        self.judge(Promise::S5, !claimed);
        self.judge(Promise::S8, stored.policy == DeletionPolicy::Destroy && !stored.paused);
        self.judge(Promise::S9, !request.force() || stored.force);
        self.judge(Promise::S11, listed);
        self.judge(Promise::S17, matches!(told, Told::Destroyable(_)));
        let bound = stored.status.proxy.as_ref().and_then(|proxy| proxy.create_time);
        if let Told::Destroyable(seen) = told {
            self.judge(Promise::Replaced, bound.is_none() || seen == bound);
            let old_enough = seen.is_none_or(|created| created != crate::cloud::YOUNG || self.clock.age >= 2);
            self.judge(Promise::TooYoung, old_enough);
        }
        let ours = Whose::Ours.account();
        let account = stored.status.account.as_ref();
        self.judge(
            Promise::Account,
            whose == Whose::Ours && account.is_some_and(|account| account.account_id == ours.id),
        );
        let attempt = member.map_or(0, |member| member.attempt);
        let stored_attempt = stored.status.destroy.as_ref().map_or(0, |destroy| destroy.attempt);
        self.judge(Promise::S3, attempt == stored_attempt);
        self.note_request(slot, request.force(), attempt, token);
        if self.operators[operator].late {
            // The new leader cannot know of this send, so it is no part of its chain of resends; that it does no harm is
            // S16.
            return;
        }
        let open = self.open[slot].take();
        let again = open.as_ref().is_some_and(|open| *open.token == *token);
        let before = open.as_ref().filter(|_| again).map(|open| open.sent);
        self.judge(Promise::S3, again || open.is_none_or(|open| tick - open.sent >= SETTLE));
        self.open[slot] = Some(Open { token: token.into(), sent: tick, before });
    }

    /// S4 and S6: token and request belong to each other.
    fn note_request(&mut self, slot: usize, force: bool, attempt: u32, token: &str) {
        let same = |known: &Known| known.slot == slot && known.force == force && known.attempt == attempt;
        let one_request = self.known.iter().all(|known| *known.token != *token || same(known));
        let one_token = self.known.iter().all(|known| !same(known) || *known.token == *token);
        self.judge(Promise::S4, one_request);
        self.judge(Promise::S6, one_token);
        if let Err(place) = self.known.binary_search_by(|known| (*known.token).cmp(token)) {
            self.known.insert(place, Known { token: token.into(), slot, force, attempt, answer: None });
        }
    }

    /// A patch was applied to the object of slot `target`; it was decided on an object of slot `decided`.
    pub fn judge_write(
        &mut self,
        (operator, decided): (usize, usize),
        target: usize,
        before: &Resource,
        after: &Resource,
    ) {
        self.judge(Promise::S7, decided == target);
        let attempt = |resource: &Resource| resource.status.destroy.as_ref().map_or(0, |destroy| destroy.attempt);
        self.judge(Promise::S3, attempt(after) >= attempt(before));
        if after.status != before.status {
            self.judge(Promise::S10, after.has_finalizer());
        }
        if before.has_finalizer() && !after.has_finalizer() {
            let retained = after.policy == DeletionPolicy::Retain;
            // Never bound, and looked for under another account only: released with a warning (NeverSeen), by design.
            let elsewhere = before.status.account.is_none() && self.operators[operator].whose == Whose::Others;
            self.judge(
                Promise::S2,
                retained || self.has_older_claim(target, before) || elsewhere || !self.is_there(target, before),
            );
        }
    }

    /// Another object was made before this one for the same proxy, and is there.
    fn has_older_claim(&self, slot: usize, resource: &Resource) -> bool {
        let age = |resource: &Resource| (resource.created, resource.uid.clone());
        let same = |other: &usize| {
            *other != slot
                && self.scenario.slots.get(*other).is_some_and(|other| other.proxy == self.scenario.slots[slot].proxy)
        };
        (0..SLOTS)
            .filter(same)
            .filter_map(|other| self.store[other].as_ref())
            .any(|other| age(&other.resource) < age(resource))
    }

    /// The proxy to which the object is bound is there; for one that was never bound, the proxy that had the id at first.
    fn is_there(&self, slot: usize, resource: &Resource) -> bool {
        let proxy = self.proxies[self.proxy_of(slot)];
        let bound = resource.status.proxy.as_ref().and_then(|proxy| proxy.create_time);
        proxy.phase != Phase::Gone && proxy.created == bound.unwrap_or(self.first_created())
    }

    /// A look is asked for.
    pub fn judge_look(&mut self, slot: usize) {
        let stored = self.store[slot].as_ref();
        let held = stored.is_none_or(|stored| {
            stored.resource.deleted.is_some() || stored.resource.finalizers.iter().any(|entry| entry == FINALIZER)
        });
        self.judge(Promise::S10, held);
    }
}
