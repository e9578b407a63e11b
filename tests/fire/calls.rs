//! The effects of one deletion on the way to the API server, in the order in which they come.

use gaap_simulator::{Fault, Kind, ProxySpec};
use serde_json::{Value, json};

use crate::harness::{Build, Call, World, Write, manifest};

/// The action of a look.
pub const LOOK: &str = "DescribeProxies";
/// The action of a request to destroy.
pub const SEND: &str = "DestroyProxies";

/// One effect: a request of the operator.
#[derive(Clone, Copy, Debug)]
pub struct Effect {
    /// What it is called in the table.
    pub name: &'static str,
    /// The request.
    pub call: Call,
    /// It comes before the resource is deleted.
    pub adoption: bool,
    /// The requests to destroy when nothing goes wrong with this effect.
    pub tokens: &'static str,
    /// It takes an answer of the cloud that names the proxy in a set.
    pub refused_first: bool,
}

const fn effect(name: &'static str, call: Call) -> Effect {
    Effect { name, call, adoption: false, tokens: "a", refused_first: false }
}

/// The patch that stores the finalizer.
pub const ADOPT: Effect =
    Effect { adoption: true, ..effect("finalizer stored (E0)", Call::Write(Write::AddFinalizer)) };
/// The first status that calls the proxy available.
pub const AVAILABLE: Effect =
    Effect { adoption: true, ..effect("status: Available", Call::Write(Write::StatusWith("\"Available\""))) };
/// The read right before the send.
pub const READ: Effect = effect("read before the send", Call::Read);
/// The status that tells of the accepted request.
pub const ACCEPTED: Effect = effect("status: accepted", Call::Write(Write::StatusWith("gaap1-")));
/// The status that raises the attempt, without which no other request may follow.
pub const ATTEMPT: Effect = Effect {
    tokens: "ab",
    refused_first: true,
    ..effect("status: attempt raised", Call::Write(Write::StatusWith("\"attempt\":1")))
};
/// The patch that removes the finalizer.
pub const RELEASE: Effect = effect("finalizer removed (E4)", Call::Write(Write::RemoveFinalizer));
/// An event.
pub const EVENT: Effect = effect("event", Call::Event);

/// All of them.
pub const EFFECTS: &[Effect] = &[ADOPT, AVAILABLE, READ, ACCEPTED, ATTEMPT, RELEASE, EVENT];

/// A world whose cloud takes its time for a destroy, so that the moments can be told apart, and is empty.
pub fn world(name: &str) -> Build {
    // Short enough for some of the delays to be longer.
    let world = World::build(name).proxies(0).gate().flag("--request-timeout", "3s");
    world.cloud(|cloud| cloud.destroy_duration_ms = 1_500)
}

/// The proxy of the n-th row.
pub fn proxy(place: usize) -> String {
    format!("link-fire{place:04}")
}

/// The resource of the n-th row.
pub fn name(place: usize) -> String {
    format!("row-{place}")
}

/// Puts a proxy for each row into the cloud, and its resource into the cluster.
pub async fn create(world: &World, rows: std::ops::Range<usize>) {
    for place in rows.clone() {
        world.cloud().add_proxy(&ProxySpec::named(proxy(place))).unwrap();
    }
    let items: Vec<Value> = rows.map(|place| manifest(&name(place), &proxy(place), json!({}))).collect();
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items})).await;
}

/// What the cloud must do for an effect to come at all.
pub fn prepare(world: &World, effect: &Effect, proxy: &str) {
    if effect.refused_first {
        let set = vec![proxy.to_owned()];
        world.fault(Fault::new(Kind::PartialSets).on("DestroyProxies").for_id(proxy).with(|with| with.failed = set));
    }
}
