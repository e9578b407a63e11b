//! A request as it came, and its judgement up to the point where the action is carried out.

use axum::body::Bytes;
use axum::http::HeaderMap;

use crate::accounts::Presented;
use crate::clock::UnixTime;
use crate::effect::Effect;
use crate::errors::{ApiError, Language};
use crate::faults::{Plan, Subject};
use crate::kinds::Kind;
use crate::log::Entry;
use crate::proxies::status;
use crate::schema::{Product, action};
use crate::signature::Authorization;
use crate::wire::{self, MAXIMUM_QUERY, Parameters, Raw};
use crate::world::{Call, World};

/// A request as it came over the wire.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub method: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Whether the body was larger than any the service takes; it was not read then.
    pub too_large: bool,
}

const MOST_LOGGED_IDS: usize = 200;
const LONGEST_LOGGED_TEXT: usize = 256;

fn cut(text: &str) -> String {
    text.chars().take(LONGEST_LOGGED_TEXT).collect()
}

/// What is known of a request at its receipt, before anything is checked.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub sequence: u64,
    pub plan: Plan,
    pub raw: Result<Raw, ApiError>,
}

impl Receipt {
    /// How far a fault puts the server's clock off for this request.
    pub fn clock_skew_seconds(&self) -> i64 {
        self.plan.get(Kind::ClockSkew).map_or(0, |hit| hit.parameters.seconds.unwrap_or(600))
    }
}

impl Inbound {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The language the caller wants to be spoken to in.
    pub fn language(&self) -> Language {
        Language::from_header(self.header("x-tc-language"))
    }

    fn action(&self) -> &str {
        self.header("x-tc-action").unwrap_or_default()
    }

    /// Writes the request into the log and finds out which faults hit it. Under one lock, so that the order in the log
    /// is the order in which faults are handed out.
    pub fn receive(&self, world: &mut World, received: UnixTime) -> Receipt {
        let raw = if self.too_large {
            Err(ApiError::new("RequestSizeLimitExceeded"))
        } else {
            wire::decode(&self.method, &self.query, &self.body)
        };
        let claimed = self.header("authorization").and_then(Authorization::parse);
        let known = claimed.and_then(|claimed| world.accounts.find(&claimed.secret_id));
        let account = known.map(|known| known.uin.clone()).unwrap_or_default();
        let key =
            known.map(|known| known.secret_id.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect());
        let ids = raw.as_ref().map(wire::named_ids).unwrap_or_default();
        world.proxies.settle(received);
        let World { faults, proxies, log, .. } = world;
        let subject = Subject { action: self.action(), account: &account, ids: &ids };
        let plan = faults.plan(subject, |id| proxies.is_doomed(&account, id));
        let mut entry = self.entry(received, account, ids, &raw);
        entry.key = key;
        entry.faults = plan.hits.iter().map(|hit| hit.kind.name()).collect();
        Receipt { sequence: log.begin(entry), plan, raw }
    }

    /// The log entry of this request as it stands at receipt.
    pub fn entry(&self, received: UnixTime, account: String, ids: Vec<String>, raw: &Result<Raw, ApiError>) -> Entry {
        // A caller can put megabytes into any of these, and the log keeps very many entries.
        let ids = ids.iter().take(MOST_LOGGED_IDS).map(|id| cut(id)).collect();
        let mut entry = Entry::received(received, account, cut(self.action()), ids);
        if let Ok(raw) = raw {
            let force = raw.get("Force");
            entry.force = force.and_then(|force| force.as_i64().or_else(|| force.as_str()?.parse().ok()));
            entry.client_token = raw.get("ClientToken").and_then(|token| token.as_str()).map(cut);
        }
        entry.client = self.header("x-tc-requestclient").map(cut);
        entry
    }

    /// Checks caller, action, rate and parameters, in this order, and carries the action out.
    pub fn decide(&self, world: &mut World, receipt: &Receipt, now: UnixTime) -> Result<Effect, ApiError> {
        if self.method != "POST" && self.method != "GET" {
            return Err(ApiError::about("UnsupportedProtocol", self.method.clone()));
        }
        if self.query.len() > MAXIMUM_QUERY {
            return Err(ApiError::new("RequestSizeLimitExceeded"));
        }
        let skew = world.settings.clock_skew_seconds.saturating_add(receipt.clock_skew_seconds());
        let server_now = UnixTime(now.0.saturating_add(skew.saturating_mul(1_000_000)));
        let presented = Presented {
            authorization: self.header("authorization"),
            timestamp: self.header("x-tc-timestamp"),
            token: self.header("x-tc-token"),
            method: &self.method,
            query: &self.query,
            body: &self.body,
            unsigned_payload: self.header("x-tc-content-sha256") == Some("UNSIGNED-PAYLOAD"),
        };
        let maximum = world.settings.maximum_clock_skew_seconds;
        let (credential, authorization) =
            world.accounts.authenticate(&presented, server_now, maximum, |name| self.header(name))?;
        let action = self.known_action(&authorization)?;
        // Even a request that is refused below must not be able to use another action's parameters.
        let raw = receipt.raw.as_ref().map_err(Clone::clone);
        let limit = world.settings.rate_limit;
        let admitted = world.limiter.admit(&credential.uin, action.name, now, limit);
        let parameters = raw.and_then(|raw| Parameters::check(raw, action, self.method == "GET"));
        let call = |parameters| Call {
            action,
            account: &credential.uin,
            now,
            sequence: receipt.sequence,
            parameters,
            plan: &receipt.plan,
        };
        if !admitted {
            if let Ok(parameters) = &parameters {
                world.throttled(call(parameters));
            }
            let detail = format!("{} may be called {limit} times a second", action.name);
            return Err(ApiError::about("RequestLimitExceeded", detail));
        }
        let parameters = parameters?;
        self.isolate(world, receipt, &credential.uin);
        world.carry_out(call(&parameters))
    }

    fn known_action(&self, authorization: &Authorization) -> Result<&'static crate::schema::Action, ApiError> {
        let name = self.header("x-tc-action").ok_or_else(|| ApiError::about("MissingParameter", "X-TC-Action"))?;
        let version = self.header("x-tc-version").ok_or_else(|| ApiError::about("MissingParameter", "X-TC-Version"))?;
        let product = Product::of_service(&authorization.service)
            .ok_or_else(|| ApiError::about("NoSuchProduct", authorization.service.clone()))?;
        if version != product.version() {
            return Err(ApiError::about("NoSuchVersion", version));
        }
        action(name).filter(|action| action.product == product).ok_or_else(|| ApiError::about("InvalidAction", name))
    }

    fn isolate(&self, world: &mut World, receipt: &Receipt, account: &str) {
        let Some(hit) = receipt.plan.get(Kind::MovesToIsolated) else { return };
        let status = hit.parameters.status.as_deref().unwrap_or(status::ISOLATED);
        let asked = receipt.raw.as_ref().map(wire::named_ids).unwrap_or_default();
        let ids = if asked.is_empty() { hit.ids.clone() } else { asked };
        for id in ids.iter().filter(|id| hit.concerns(id)) {
            if world.proxies.of_account(account, id).is_some() {
                world.proxies.change(id, |proxy| proxy.enter(status, None));
            }
        }
    }
}
