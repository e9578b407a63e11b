//! A resource that can never be destroyed, and a namespace that deletes everything at once.

use std::time::Duration;

use gaap_simulator::{AbsentAnswer, Fault, Kind, Phase, ProxySpec};
use serde_json::json;

use super::measure::{LONG, Make, Stopwatch, Times, adopted, make, names, proxy_of, tell};
use crate::harness::{World, in_time, until};

const OTHERS: usize = 10;

/// Keeps a proxy from ever being destroyed.
type Poison = fn(&World, &str);

const POISONS: &[(&str, Poison)] = &[
    ("failed", |world, proxy| {
        let fault = Fault::new(Kind::Error).on("DestroyProxies").for_id(proxy).times(0);
        world.fault(fault.with(|with| with.code = Some("FailedOperation".to_owned())));
    }),
    ("stuck", |world, proxy| {
        world.fault(Fault::new(Kind::StuckDestroying).for_id(proxy).times(0));
    }),
    ("bound", |world, proxy| {
        world.cloud().change_proxy(proxy, &ProxySpec { bound: Some(true), ..ProxySpec::default() }).unwrap();
    }),
    ("silent", |world, proxy| {
        let fault = Fault::new(Kind::Hang).on("DestroyProxies").for_id(proxy).times(0);
        world.fault(fault.with(|with| with.phase = Some(Phase::Before)));
    }),
];

#[tokio::test]
async fn a_resource_that_can_never_be_destroyed_does_not_slow_the_others() {
    let world = World::build("poisoned").alone().start().await;
    let poisoned: Vec<String> = POISONS.iter().map(|(name, _)| format!("poisoned-{name}")).collect();
    let groups: Vec<Vec<String>> =
        ["alone"].into_iter().chain(POISONS.iter().map(|(name, _)| *name)).map(|name| names(name, OTHERS)).collect();
    let all: Vec<String> = groups.concat().into_iter().chain(poisoned.clone()).collect();
    make(&world, world.namespace(), &all, Make::New).await;
    adopted(&world, all.len()).await;
    let stopwatch = Stopwatch::start(&world, &[world.namespace()]);
    let deleted = async |group: &[String]| -> Times {
        world.delete_at_once(world.namespace(), group).await;
        stopwatch.times(group).await
    };
    let alone = deleted(&groups[0]).await;
    for ((name, poison), (one, others)) in POISONS.iter().zip(poisoned.iter().zip(&groups[1..])) {
        poison(&world, &proxy_of(one));
        world.delete_at_once(world.namespace(), std::slice::from_ref(one)).await;
        world.destroys_reach(&proxy_of(one), 1).await;
        deleted(others).await.within_twice(&alone, &format!("one poisoned resource ({name})"));
        assert!(world.object(one).is_some(), "{one} is still there");
    }
    for one in &poisoned {
        world.change_spec(one, json!({"deletionPolicy": "Retain"})).await;
        world.gone(one).await;
    }
    world.finish().await;
}

/// How many deletions a crowd is: `GAAP_FAIRNESS_DELETIONS=1000` for the whole of it, which takes a minute, and four
/// where each look costs a call.
fn crowd(usually: usize) -> usize {
    std::env::var("GAAP_FAIRNESS_DELETIONS").map_or(usually, |count| count.parse().expect("a number"))
}

async fn one_beside_a_crowd(absent: AbsentAnswer, usually: usize) {
    let world = World::build(&format!("crowd {absent:?}")).second_namespace().absent(absent).alone().start().await;
    let (first, second) = (world.namespace().to_owned(), world.second_namespace().to_owned());
    let (many, alone, beside) = (names("many", crowd(usually)), names("alone", 3), names("beside", 3));
    make(&world, &first, &many, Make::New).await;
    make(&world, &second, &[alone.clone(), beside.clone()].concat(), Make::New).await;
    adopted(&world, many.len() + alone.len() + beside.len()).await;
    let stopwatch = Stopwatch::start(&world, &[&first, &second]);
    // One after the other: each is the only one of its namespace, as in the demand.
    let one_by_one = async |group: &[String]| -> Times {
        for name in group {
            world.delete_at_once(&second, std::slice::from_ref(name)).await;
            stopwatch.times(std::slice::from_ref(name)).await;
        }
        stopwatch.times(group).await
    };
    let before = one_by_one(&alone).await;
    let requests = world.requests().len() as u64;
    world.delete_at_once(&first, &many).await;
    until("the crowd to be at it", LONG, async || {
        let sent = world.cloud().requests(requests).iter().filter(|entry| entry.action == "DestroyProxies").count();
        if sent >= 10 { Ok(()) } else { Err(format!("{sent} requests")) }
    })
    .await;
    let meanwhile = one_by_one(&beside).await;
    let left = many.iter().filter(|name| world.object(name).is_some()).count();
    let case = format!("one deletion beside {} of another namespace ({absent:?})", many.len());
    let crowd = stopwatch.times(&many).await;
    tell(&format!("fairness | {case}: the crowd itself: median {:.2?}, p95 {:.2?}", crowd.median(), crowd.p95()));
    meanwhile.within_twice(&before, &case);
    in_time(left > 0, "the crowd was gone before the others were: nothing was measured");
    let pace = Duration::from_secs_f64(many.len() as f64 / 18.0);
    if absent == AbsentAnswer::Omit {
        let most = pace * 2 + Duration::from_secs(5);
        in_time(crowd.p95() < most, format_args!("the pace is not used: {:?}", crowd.p95()));
    }
    world.finish().await;
}

#[tokio::test]
async fn a_deletion_does_not_wait_behind_the_hundreds_of_another_namespace() {
    one_beside_a_crowd(AbsentAnswer::Omit, 200).await;
}

/// Here each look at an absent proxy costs a call of its own, so that looks are the scarcer of the two.
#[tokio::test]
async fn a_deletion_does_not_wait_behind_the_looks_of_another_namespace() {
    one_beside_a_crowd(AbsentAnswer::Error, 80).await;
}
