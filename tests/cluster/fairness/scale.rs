//! Thousands of resources at rest: what the start, a new list and the hours in between cost.
//!
//! The resources are made as an operator would have left them, status included, so that nothing needs to be written:
//! a start that writes all the same fails the test. (What the adoption of 10 000 new ones takes, and how much memory,
//! tests/pods/load.rs measures.)

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use control_plane::Stop;
use futures::StreamExt;
use gaap_operator::crd::{FINALIZER, GaapProxy};
use gaap_simulator::{Fault, Kind, ProxySpec};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::measure::{LONG, names, proxy_of, tell};
use crate::harness::{Cluster, LIMIT, World, asks_for_rights, operator_user, until};

/// `GAAP_SCALE_RESOURCES=10000` for the whole number, which takes some minutes, most of them to make the resources.
fn many() -> usize {
    std::env::var("GAAP_SCALE_RESOURCES").map_or(1_000, |count| count.parse().expect("a number"))
}

/// One time for all, so that one status serves as the pattern of all.
const CREATED: i64 = 1_700_000_000;

/// As the simulator makes it of an id.
fn address_of(proxy: &str) -> String {
    let sum = proxy.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    format!("198.51.100.{sum}")
}

async fn settled(world: &World, all: &[String]) {
    for name in all {
        let proxy = ProxySpec { create_time: Some(CREATED), ..ProxySpec::named(proxy_of(name)) };
        world.cloud().add_proxy(&proxy).unwrap();
    }
    // What the operator itself makes of one is the pattern.
    let pattern = &all[0];
    world.operator().start().await;
    world.create(pattern, &proxy_of(pattern)).await;
    world.available(pattern).await;
    world.operator().terminate().await;
    let status = world.get(pattern).await.unwrap()["status"].to_string();
    let api: Api<GaapProxy> = Api::namespaced(world.client(), world.namespace());
    futures::stream::iter(&all[1..])
        .for_each_concurrent(32, async |name| {
            let object = json!({
                "apiVersion": "gaap-operator.io/v1alpha1", "kind": "GaapProxy",
                "metadata": {"name": name, "finalizers": [FINALIZER]}, "spec": {"proxyId": proxy_of(name)},
            });
            api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
            let mut own: Value = serde_json::from_str(&status.replace(&proxy_of(pattern), &proxy_of(name))).unwrap();
            own["proxy"]["ip"] = json!(address_of(&proxy_of(name)));
            let patch = Patch::Merge(json!({ "status": own }));
            api.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
        })
        .await;
}

/// Processor time that the operator has used so far.
fn processor_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // User and system time, in ticks of which Linux shows a hundred in a second.
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(10 * ticks)
}

fn memory(pid: u32) -> u64 {
    control_plane::node::resident_memory(pid).unwrap() / 1_000_000
}

async fn reconciles(world: &World) -> f64 {
    world.operator().metrics().await.value("controller_runtime_reconcile_total", &[])
}

/// Waits until the cloud was asked for so many proxies after its first `asked` requests.
async fn all_seen(world: &World, asked: u64, count: usize) {
    until(&format!("a look at each of {count}"), LONG, async || {
        let ids: BTreeSet<String> = world
            .cloud()
            .requests(asked)
            .into_iter()
            .filter(|entry| entry.completed)
            .flat_map(|entry| entry.ids)
            .collect();
        if ids.len() >= count { Ok(()) } else { Err(format!("{} were looked at", ids.len())) }
    })
    .await;
}

/// Waits until nothing is reconciled any more; how many reconciles there were.
async fn rests(world: &World) -> f64 {
    let mut last = (reconciles(world).await, Instant::now());
    until("rest", LONG, async || {
        let now = reconciles(world).await;
        if (now - last.0).abs() > 0.5 {
            last = (now, Instant::now());
        }
        if last.1.elapsed() > Duration::from_millis(700) { Ok(now) } else { Err(format!("{now} reconciles")) }
    })
    .await
}

/// Writes of the operator since a place in the audit log. A question about its rights is none: it asks when an API server
/// that has just started refused it something.
async fn writes(cluster: &Cluster, since: control_plane::Position) -> Vec<Value> {
    let is_write = |entry: &Value| {
        let verb = entry["verb"].as_str().unwrap_or_default();
        let asks = entry["objectRef"]["resource"].as_str().is_some_and(asks_for_rights);
        entry["user"]["username"] == operator_user().as_str() && !["get", "list", "watch"].contains(&verb) && !asks
    };
    cluster.plane().settled_audit(since).await.unwrap().into_iter().filter(is_write).collect()
}

/// Complete lists of the operator since a place in the audit log.
async fn lists(cluster: &Cluster, since: control_plane::Position) -> usize {
    let is_list = |entry: &&Value| {
        entry["verb"] == "list"
            && entry["objectRef"]["resource"] == "gaapproxies"
            && entry["user"]["username"] == operator_user().as_str()
            && entry["responseStatus"]["code"] == 200
    };
    cluster.plane().settled_audit(since).await.unwrap().iter().filter(is_list).count()
}

#[tokio::test]
async fn many_resources_at_rest_cost_no_write_and_few_calls() {
    let cluster = Cluster::own().await;
    let world = World::build("scale").on(&cluster).proxies(0).operator_stopped().start().await;
    let all = names("scale", many());
    let count = all.len();
    let begun = Instant::now();
    settled(&world, &all).await;
    tell(&format!("scale    | {count} resources made in {:.1} s", begun.elapsed().as_secs_f64()));

    let since = cluster.plane().audit().position().unwrap();
    let (asked, begun) = (world.requests().len() as u64, Instant::now());
    world.operator().start().await;
    let ready = begun.elapsed();
    all_seen(&world, asked, count).await;
    let pid = world.operator().pid();
    let (seen, used, calls) = (begun.elapsed(), processor_time(pid), world.cloud().requests(asked).len());
    tell(&format!(
        "scale    | {count} resources: ready after {:.1} s, all seen in the cloud after {:.1} s; {calls} calls, \
         {:.1} s of processor time, {} MB",
        ready.as_secs_f64(),
        seen.as_secs_f64(),
        used.as_secs_f64(),
        memory(pid)
    ));
    assert!(calls <= count / 50 + 30, "a hundred ids share a call: {calls} for {count}");

    let reconciled = rests(&world).await;
    let (calls, used) = (world.requests().len(), processor_time(pid));
    let started = k8s_openapi::jiff::Timestamp::now();
    cluster.plane().restart_api_server(Stop::Gracefully).await.unwrap();
    let begun = Instant::now();
    // Its watch cache begins anew, so the operator cannot go on where it was: it lists.
    until("a reconcile of each", LONG, async || {
        let more = reconciles(&world).await - reconciled;
        if more >= count as f64 { Ok(()) } else { Err(format!("{more} reconciles")) }
    })
    .await;
    assert!(lists(&cluster, since).await >= 2, "at the start, and when the API server was back");
    world.excuse_denials_since(started);
    tell(&format!(
        "scale    | {count} resources: listed and reconciled anew {:.1} s after the API server was back; {} calls, {:.1} s of \
         processor time, {} MB",
        begun.elapsed().as_secs_f64(),
        world.requests().len() - calls,
        (processor_time(pid) - used).as_secs_f64(),
        memory(pid)
    ));

    const REST: Duration = Duration::from_secs(6);
    let (calls, used) = (world.requests().len(), processor_time(pid));
    tokio::time::sleep(REST).await;
    let (calls, used) = (world.requests().len() - calls, processor_time(pid) - used);
    tell(&format!(
        "scale    | {count} resources at rest: {:.1} calls a second, {:.1} % of a processor, {} MB",
        calls as f64 / REST.as_secs_f64(),
        100.0 * used.as_secs_f64() / REST.as_secs_f64(),
        memory(pid)
    ));
    // Each is looked at once in seven and a half to ten minutes.
    let expected = count as f64 / 450.0 * REST.as_secs_f64();
    assert!((calls as f64) < 3.0 * expected + 10.0, "no calls but the configured ones: {calls} in {REST:?}");
    let writes = writes(&cluster, since).await;
    assert!(writes.is_empty(), "nothing was to be written: {:?}", writes.first());
    world.finish().await;
}

/// A resource that was made while no operator ran, and is deleted before it has the finalizer, vanishes, and its proxy is
/// paid for unnoticed. So it waits neither for the cloud nor for the many that rest.
#[tokio::test]
async fn who_has_no_finalizer_yet_waits_neither_for_the_cloud_nor_for_those_at_rest() {
    let world = World::build("unheld").proxies(0).flag("--request-timeout", "20s").operator_stopped().start().await;
    settled(&world, &names("resting", 2_000)).await;
    let new = names("new", 10);
    for name in &new {
        world.create(name, &proxy_of(name)).await;
    }
    let silence = world.fault(Fault::new(Kind::Hang).before().on("DescribeProxies").endless());
    world.operator().start().await;
    let has_finalizer = |object: &Value| object["metadata"]["finalizers"] == json!([FINALIZER]);
    for name in &new {
        until(&format!("the finalizer of {name}"), LIMIT, async || match world.object(name) {
            Some(object) if has_finalizer(&object) => Ok(()),
            other => Err(format!("{:?}", other.map(|object| object["metadata"].clone()))),
        })
        .await;
    }
    let looks = world.requests().iter().filter(|entry| entry.action == "DescribeProxies" && !entry.completed).count();
    assert!(looks <= 4, "no look was given up, and a second round begun, before the last finalizer: {looks}");
    assert!(world.cloud().requests(0).iter().filter(|entry| entry.completed).count() < 10, "the cloud is silent");
    world.cloud().remove_fault(silence);
    world.finish().await;
}
