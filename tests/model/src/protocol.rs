//! The functions of the operator that the model runs. Parameters, so that a test can put a bug in the place of one: a
//! model that catches no bug proves nothing.

use std::time::Duration;

use gaap_operator::controller::act::outcome_of;
use gaap_operator::controller::decide::{Decision, decide};
use gaap_operator::controller::memory::{LookRecord, Memory, Outcome, SendRecord};
use gaap_operator::controller::observation::{Observation, Resource};
use gaap_operator::controller::{finalizer, reconcile, status};
use gaap_operator::crd::GaapProxyStatus;
use gaap_operator::gaap::{CallError, DescribeAnswer, DestroyAnswer, DestroyRequest, Look, ProxyId};
use gaap_operator::process::clock::Now;
use serde_json::Value;

/// What one DescribeProxies led to.
pub type Described = Result<DescribeAnswer, CallError>;
/// What one DestroyProxies led to.
pub type Destroyed = Result<DestroyAnswer, CallError>;

/// The pure functions of the protocol.
#[derive(Clone)]
pub struct Protocol {
    /// The next step.
    pub decide: fn(&Observation, Now) -> Decision,
    /// What an answer to DescribeProxies for some ids says of one.
    pub look: fn(&Described, &[ProxyId], &ProxyId) -> Look,
    /// What an answer to DestroyProxies says of an id.
    pub outcome: fn(Destroyed, &ProxyId) -> Outcome,
    /// The ClientToken of a request. The number is the time in milliseconds: the shipped token does not depend on it.
    pub token: fn(&DestroyRequest, u64) -> String,
    /// The patch that adds the finalizer.
    pub add_finalizer: fn(&Resource) -> Value,
    /// The patch that removes it.
    pub remove_finalizer: fn(&Resource, &str, bool) -> Option<Value>,
    /// The patch that stores a status.
    pub store_status: fn(&Resource, &GaapProxyStatus) -> Value,
    /// Takes in a look.
    pub record_look: fn(&mut Memory, LookRecord),
    /// Takes in a request.
    pub record_send: fn(&mut Memory, SendRecord),
    /// The read before a send: what the API server has, and what the cache has.
    pub fresh_read: fn(Option<&Resource>, &Resource) -> Option<Resource>,
    /// Whether a read still is authority for a send.
    pub read_holds: fn(Duration, Duration) -> bool,
    /// Whether the owner of a proxy is there, before a later claimant is released: what the API server says.
    pub owner_exists: fn(bool) -> bool,
}

impl Protocol {
    /// What is shipped.
    pub fn shipped() -> Self {
        Protocol {
            decide,
            look: Look::of,
            outcome: outcome_of,
            token: |request, _| request.client_token(),
            add_finalizer: finalizer::add,
            remove_finalizer: finalizer::remove,
            store_status: status::patch,
            record_look: Memory::record_look,
            record_send: Memory::record_send,
            // As act::read_fresh: none when it is gone, or another of the same name is there.
            fresh_read: |stored, cached| stored.filter(|stored| stored.uid == cached.uid).cloned(),
            read_holds: reconcile::read_holds,
            owner_exists: |exists| exists,
        }
    }
}
