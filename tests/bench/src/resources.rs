//! Many resources and their proxies: made, awaited, deleted.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use gaap_operator::crd::{AccountStatus, FINALIZER, GaapProxy, GaapProxySpec, GaapProxyStatus, ProxyMirror};
use gaap_simulator::{DEFAULT_UIN, Proxy, ProxySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};

use crate::bed::{Bed, NAMESPACE};
use crate::error::{Error, Result};
use crate::patience::until;
use crate::report::progress;

/// Requests of ours at once. An API server on two cores does not get faster with more.
const AT_ONCE: usize = 32;

/// A number of resources with names of their own.
#[derive(Clone, Copy, Debug)]
pub struct Herd {
    /// One letter for the proxies' ids and the resources' names, another for each herd.
    pub letter: char,
    /// How many.
    pub count: usize,
}

impl Herd {
    /// Name of a resource of it.
    pub fn name(self, number: usize) -> String {
        format!("edge-{}-{number:06}", self.letter)
    }

    fn proxy(self, number: usize) -> String {
        format!("link-{}{number:06}", self.letter)
    }
}

/// The resources of the benchmark.
pub fn api(bed: &Bed) -> Api<GaapProxy> {
    Api::namespaced(bed.client.clone(), NAMESPACE)
}

/// Makes the proxies in the cloud and the resources as a user does; the operator takes them in by itself.
///
/// # Errors
/// When the cloud or the API server refuses one.
pub async fn create(bed: &Bed, herd: Herd) -> Result<()> {
    make(bed, herd, async |_, _| Ok(()), &[]).await
}

/// The same for resources that an earlier operator has taken in already: with finalizer and status stored. It takes
/// half as many writes, none of them paced by the operator, and leaves it in the state of one that was restarted.
///
/// # Errors
/// As [`create`].
pub async fn create_taken_in(bed: &Bed, herd: Herd) -> Result<()> {
    let (api, endpoint) = (api(bed), bed.cloud_url());
    let store = async |name: String, proxy: Proxy| {
        let patch = Patch::Merge(serde_json::json!({ "status": taken_in(&proxy, &endpoint) }));
        let stored = api.patch_status(&name, &PatchParams::default(), &patch).await;
        stored.map(drop).map_err(Error::kube("storing a status"))
    };
    make(bed, herd, store, &[FINALIZER]).await
}

async fn make(
    bed: &Bed,
    herd: Herd,
    then: impl AsyncFn(String, Proxy) -> Result<()>,
    finalizers: &[&str],
) -> Result<()> {
    let (api, cloud, then) = (api(bed), bed.cloud(), &then);
    let one = async |number: usize| {
        let proxy = cloud.add_proxy(&ProxySpec::named(herd.proxy(number))).map_err(Error::Cloud)?;
        let name = herd.name(number);
        let mut object = GaapProxy::new(&name, GaapProxySpec { proxy_id: proxy.id.clone(), ..Default::default() });
        if !finalizers.is_empty() {
            object.metadata.finalizers = Some(finalizers.iter().map(|name| (*name).to_owned()).collect());
        }
        api.create(&PostParams::default(), &object).await.map_err(Error::kube("making a resource"))?;
        if number.is_multiple_of(5_000) {
            progress(&format!("  made {number} of {} resources", herd.count));
        }
        then(name, proxy).await
    };
    stream::iter(1..=herd.count).map(one).buffer_unordered(AT_ONCE).try_collect::<()>().await
}

/// What the operator stores of a proxy that it sees running. If it were anything else, the operator would write once
/// more for each: the caller counts.
fn taken_in(proxy: &Proxy, endpoint: &str) -> GaapProxyStatus {
    let [domain, ip] = proxy.entry();
    GaapProxyStatus {
        observed_generation: Some(1),
        account: Some(AccountStatus { account_id: DEFAULT_UIN.to_owned(), endpoint: endpoint.to_owned() }),
        proxy: Some(ProxyMirror {
            status: Some(proxy.status.clone()),
            name: Some(proxy.name.clone()).filter(|name| !name.is_empty()),
            access_region: Some(proxy.access_region.clone()),
            real_server_region: Some(proxy.real_server_region.clone()),
            ip: Some(ip),
            domain: Some(domain),
            bandwidth_mbps: Some(proxy.bandwidth),
            // The cloud counts in units of 10 000.
            concurrent_connections: Some(proxy.concurrent * 10_000),
            group_id: None,
            create_time: Some(proxy.create_time),
        }),
        destroy: None,
        conditions: vec![Condition {
            type_: "Ready".to_owned(),
            status: "True".to_owned(),
            reason: "Available".to_owned(),
            message: "The proxy is running.".to_owned(),
            last_transition_time: Time(Timestamp::now()),
            observed_generation: Some(1),
        }],
    }
}

/// Deletes `count` resources of the herd, from its first on.
///
/// # Errors
/// When the API server refuses one.
pub async fn delete(bed: &Bed, herd: Herd, count: usize) -> Result<()> {
    let api = api(bed);
    let one = async |number: usize| {
        let deleted = api.delete(&herd.name(number), &DeleteParams::default()).await;
        deleted.map(drop).map_err(Error::kube("deleting a resource"))
    };
    stream::iter(1..=count).map(one).buffer_unordered(AT_ONCE).try_collect::<()>().await
}

/// Waits until only `left` resources are there.
///
/// # Errors
/// When they stay for longer than `limit`.
pub async fn gone(bed: &Bed, left: usize, limit: Duration) -> Result<()> {
    let pause = Duration::from_millis(50);
    until("The end of the deletions", limit, pause, async || {
        let there = count(bed).await?;
        Ok(if there <= left { Ok(()) } else { Err(format!("{there} resources are there")) })
    })
    .await
}

/// How many resources there are: one row and the number of the others, which costs the API server little.
async fn count(bed: &Bed) -> Result<usize> {
    let list = api(bed).list_metadata(&ListParams::default().limit(1)).await.map_err(Error::kube("counting"))?;
    let others = list.metadata.remaining_item_count.and_then(|others| usize::try_from(others).ok());
    Ok(list.items.len() + others.unwrap_or(0))
}
