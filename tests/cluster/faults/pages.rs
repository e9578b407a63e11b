//! Answers about several proxies that are not whole: a proxy that is missing from one is not gone.

use futures::future::join_all;
use gaap_simulator::{Entry, Fault, Kind};

use super::{adopt, destroyed_once, in_both_modes, in_both_modes_with, proxy, told_first};
use crate::harness::{LIMIT, World, until};

/// Resources that are looked at together.
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Deletes all resources while their first look is under way, so that the other looks go together. Gives the look at
/// several proxies that the fault hit.
async fn look_together(world: &World, fault: Fault) -> Entry {
    adopt(world, &NAMES).await;
    world.fault(Fault::new(Kind::Delay).on("DescribeProxies").with(|with| with.delay_ms = Some(1_200)));
    let ids = (0..NAMES.len()).map(proxy);
    let fault = ids.fold(fault.on("DescribeProxies"), Fault::for_id);
    let kind = fault.kind.name();
    let number = world.fault(fault);
    // Or the first would be past its look when the last one is asked for.
    world.delete_at_once(world.namespace(), &NAMES.map(str::to_owned)).await;
    let look = until(&format!("a look at several proxies with {kind}"), LIMIT, async || {
        let wanted = |look: &Entry| look.ids.len() > 1 && look.describe.is_some() && look.faults.contains(&kind);
        let found = world.requests().into_iter().find(wanted);
        found.ok_or_else(|| format!("{:?}", world.requests().last()))
    })
    .await;
    world.cloud().remove_fault(number);
    look
}

async fn end(world: World) {
    join_all(NAMES.iter().map(|name| world.gone(name))).await;
    for (place, name) in NAMES.iter().enumerate() {
        destroyed_once(&world, name, &proxy(place), "a");
    }
    world.finish().await;
}

/// The resource of a proxy.
fn name_of(id: &str) -> &'static str {
    NAMES[(0..NAMES.len()).find(|place| proxy(*place) == id).unwrap()]
}

#[tokio::test]
async fn a_proxy_that_an_answer_counts_but_does_not_list_is_not_absent() {
    in_both_modes("absent-from-page", async |world: World| {
        let look = look_together(&world, Fault::new(Kind::AbsentFromPage)).await;
        for id in &look.ids {
            told_within(&world, name_of(id), "WaitingForCloud").await;
        }
        end(world).await;
    })
    .await;
}

/// The answer is whole and wrong, which nobody can tell: the second look is what saves the proxy.
#[tokio::test]
async fn one_whole_answer_without_a_proxy_is_no_proof_of_its_absence() {
    // A longer spacing: with a short one the second look is due before the first is told.
    in_both_modes_with("absent-from-page-and-count", &[("--absence-spacing", "2s")], async |world: World| {
        let fault = Fault::new(Kind::AbsentFromPage).with(|with| with.hide_from_total = true);
        let look = look_together(&world, fault).await;
        for id in &look.ids {
            told_within(&world, name_of(id), "ConfirmingAbsence").await;
        }
        end(world).await;
    })
    .await;
}

#[tokio::test]
async fn a_page_shorter_than_was_asked_for_proves_no_absence() {
    in_both_modes("limit-ignored", async |world: World| {
        let look =
            look_together(&world, Fault::new(Kind::LimitIgnored).times(0).with(|with| with.limit = Some(1))).await;
        let shown = &look.describe.as_ref().unwrap().returned;
        assert_eq!(shown.len(), 1, "{look:?}");
        for id in look.ids.iter().filter(|id| **id != shown[0].id) {
            told_within(&world, name_of(id), "WaitingForCloud").await;
        }
        end(world).await;
    })
    .await;
}

/// Waits for the first step, and that it is this one.
async fn told_within(world: &World, name: &str, reason: &str) {
    world.was(name, "a step", |object| crate::harness::condition(object, "Deleting").is_some()).await;
    told_first(world, name, reason).await;
}
