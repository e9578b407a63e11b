//! Deletions come before the looks that only keep a status up to date.

use gaap_simulator::AbsentAnswer;

use super::measure::{Make, Stopwatch, Times, make, make_without_proxies, names};
use crate::harness::{LIMIT, World, until};

/// Each of these costs a call of its own about every second, which is five times what the pace allows.
const DRIFTING: usize = 90;

#[tokio::test]
async fn deletions_do_not_wait_for_the_looks_at_living_resources() {
    let world = World::build("drift").absent(AbsentAnswer::Error).flag("--resync", "1s").alone().start().await;
    let (alone, beside) = (names("alone", 6), names("beside", 6));
    let stopwatch = Stopwatch::start(&world, &[world.namespace()]);
    let deleted = async |group: &[String]| -> Times {
        make(&world, world.namespace(), group, Make::New).await;
        for name in group {
            world.available(name).await;
        }
        world.delete_at_once(world.namespace(), group).await;
        stopwatch.times(group).await
    };
    let before = deleted(&alone).await;
    let drifting = names("drifting", DRIFTING);
    make_without_proxies(&world, world.namespace(), &drifting, Make::New).await;
    let queued = async || {
        let asked: std::collections::BTreeSet<String> =
            world.requests().into_iter().flat_map(|entry| entry.ids).filter(|id| id.contains("drifting")).collect();
        if asked.len() == DRIFTING { Ok(()) } else { Err(format!("{} were looked at", asked.len())) }
    };
    until("a look at each", LIMIT, queued).await;
    let from = world.requests().len() as u64;
    deleted(&beside).await.within_twice(&before, "looks at living resources, five times what the pace allows");
    let meanwhile = world.cloud().requests(from);
    let living = meanwhile.iter().filter(|entry| entry.ids.iter().any(|id| id.contains("drifting"))).count();
    assert!(living > 0, "they are looked at all the same");
    world.finish().await;
}
