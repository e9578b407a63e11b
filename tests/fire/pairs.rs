//! Two faults by chance: what a seed says (`script`), on three deletions in a world of its own.
//!
//! `FIRE_SEED=17 cargo test --workspace --locked --test fire two_faults -- --nocapture` repeats one.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::{FutureExt, join_all};
use gaap_simulator::AbsentAnswer;

use crate::calls::{create, name, proxy, world};
use crate::harness::World;
use crate::script::{Operators, Script};
use crate::strikes::Fire;
use crate::table::LONGEST;

const RESOURCES: usize = 3;

/// Those that run with every `make test`.
const SEEDS: std::ops::Range<u64> = 1..25;

fn seeds() -> Vec<u64> {
    match std::env::var("FIRE_SEED") {
        Ok(seeds) => seeds.split(',').map(|seed| seed.parse().expect("FIRE_SEED=17 or FIRE_SEED=17,18")).collect(),
        Err(_) => SEEDS.collect(),
    }
}

#[tokio::test]
async fn two_faults_by_chance_end_with_one_accepted_request_for_each_proxy() {
    let begun = Instant::now();
    let seeds = seeds();
    let runs = seeds.iter().map(async |seed| {
        let end = AssertUnwindSafe(run(*seed)).catch_unwind().await.err();
        if end.is_some() {
            println!(
                "repeat it: FIRE_SEED={seed} cargo test --workspace --locked --test fire two_faults -- --nocapture"
            );
        }
        end
    });
    let mut failed: Vec<_> = join_all(runs).await.into_iter().flatten().collect();
    let ended = seeds.len() - failed.len();
    println!("{ended} of {} seeds ended well in {:.0} s", seeds.len(), begun.elapsed().as_secs_f64());
    if let Some(panic) = failed.pop() {
        resume_unwind(panic);
    }
}

async fn run(seed: u64) {
    let script = Script::of(seed);
    let absent = if script.absent_is_an_error { AbsentAnswer::Error } else { AbsentAnswer::Omit };
    let build = world(&format!("seed {seed}")).absent(absent).operator_stopped();
    let build = match script.operators {
        Operators::One => build,
        Operators::Elected => build.replicas(),
        Operators::Both => build.both_at_once(),
    };
    let world = build.start().await;
    let fire = Fire::new(&world, script.operators == Operators::Elected);
    let met = AtomicUsize::new(0);
    let strikes = script.strikes.iter().map(async |strike| {
        fire.strike(strike).await;
        met.fetch_add(1, Ordering::Relaxed);
    });
    let begun = Instant::now();
    let faults = async {
        // The deletions say when it is over: a strike may come to nothing, and processes end again and again.
        futures::join!(join_all(strikes), fire.keep_running());
    };
    tokio::select! {
        biased;
        () = deletions(&world) => {}
        () = faults => {}
    }
    fire.wake().await;
    let took = begun.elapsed();
    let tokens: Vec<String> = (0..RESOURCES).map(|place| world.tokens(&proxy(place))).collect();
    for place in 0..RESOURCES {
        assert_eq!(world.cloud().proxy(&proxy(place)), None);
        assert_eq!(world.accepted(&proxy(place)), 1, "{:#?}", world.destroys(&proxy(place)));
    }
    println!(
        "seed {seed}: {:?}, {} of 2 met, ended in {:.1} s, tokens {}: {}; {}",
        script.operators,
        met.load(Ordering::Relaxed),
        took.as_secs_f64(),
        tokens.join(" "),
        script.strikes[0],
        script.strikes[1],
    );
    world.finish().await;
}

async fn deletions(world: &World) {
    for operator in world.operators() {
        operator.spawn().await;
    }
    create(world, 0..RESOURCES).await;
    for place in 0..RESOURCES {
        world.condition_within(&name(place), "Ready", "Available", LONGEST).await;
    }
    world.kubectl(&["delete", "gaap", "--all", "--wait=false"]).await;
    for place in 0..RESOURCES {
        world.gone_within(&name(place), LONGEST + Duration::from_secs(30)).await;
    }
}
