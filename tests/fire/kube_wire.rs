//! Every fault of a request to the API server at every effect of a deletion. Every row is a resource of its own, all of
//! them at once.

use std::time::{Duration, Instant};

use futures::future::{FutureExt, join_all};

use crate::calls::{EFFECTS, Effect, READ, create, name, prepare, proxy, world};
use crate::harness::{WireFault, WireKind, in_time};
use crate::table::{LONGEST, Part, Row, ended};

/// The operator gives up a call to the API server after ten seconds.
const AFTER_THE_CALLER_GAVE_UP: Duration = Duration::from_secs(12);

/// What becomes of a request that is answered soon, or not at all.
pub const QUICK: &[(&str, WireKind)] = &[
    ("409", WireKind::Refused(409)),
    ("429, Retry-After", WireKind::Refused(429)),
    ("500", WireKind::Refused(500)),
    ("503, Retry-After", WireKind::Refused(503)),
    ("500 after commit", WireKind::ErrorAfterCommit(500)),
    ("connection cut before", WireKind::CutBefore),
    ("connection cut after commit", WireKind::CutAfter),
];

/// What makes its caller wait. In a world of their own: a read that hangs holds up the sends of all others.
const SLOW: &[(&str, WireKind)] = &[
    ("hang before", WireKind::HangBefore),
    ("hang after commit", WireKind::HangAfter),
    ("three seconds late", WireKind::Late(Duration::from_secs(3))),
    ("late, after the caller gave up", WireKind::Late(AFTER_THE_CALLER_GAVE_UP)),
];

/// All of them, each list a world.
pub fn parts() -> Vec<Part> {
    vec![
        ("the way to the API server", run("kube wire", QUICK).boxed_local()),
        ("the way to the API server, slow", run("slow kube wire", SLOW).boxed_local()),
    ]
}

async fn run(title: &str, faults: &[(&'static str, WireKind)]) -> Vec<Row> {
    // A worker for every row: a row that hangs shall not be seen in the times of the others.
    let world = world(title).flag("--concurrency", "100").start().await;
    let rows: Vec<(Effect, &str, WireKind)> =
        EFFECTS.iter().flat_map(|effect| faults.iter().map(|(fault, kind)| (*effect, *fault, *kind))).collect();
    let faults: Vec<u64> = (0..)
        .zip(&rows)
        .map(|(place, (effect, _, kind))| {
            prepare(&world, effect, &proxy(place));
            world.gate().fault(WireFault::new(*kind, effect.call).about(&name(place)))
        })
        .collect();
    let created = Instant::now();
    create(&world, 0..rows.len()).await;
    let adopted = (0..rows.len()).map(async |place| {
        world.condition_within(&name(place), "Ready", "Available", LONGEST).await;
        created.elapsed()
    });
    let adopted = join_all(adopted).await;
    let deleted = Instant::now();
    world.kubectl(&["delete", "gaap", "--all", "--wait=false"]).await;
    let ends = rows.iter().enumerate().map(async |(place, (effect, fault, _))| {
        let mut row = ended(&world, (effect.name, fault), &name(place), &proxy(place), deleted, &[effect.tokens]).await;
        if effect.adoption {
            row.took += adopted[place];
        }
        assert!(world.gate().has_hit(faults[place]), "{row}: the fault was never met");
        row
    });
    let ended = join_all(ends).await;
    world.finish().await;
    ended
}

/// The read right before the send is made with the turn to send in hand.
#[tokio::test]
async fn a_read_that_hangs_keeps_the_others_from_sending_for_five_seconds_at_most() {
    let world = world("a read hangs").start().await;
    create(&world, 0..2).await;
    world.available(&name(0)).await;
    world.available(&name(1)).await;
    let hang = world.gate().fault(WireFault::new(WireKind::HangBefore, READ.call).about(&name(0)));
    world.delete(&name(0)).await;
    world.gate().fault_hits(hang).await;
    let hung = Instant::now();
    world.delete(&name(1)).await;
    world.destroys_reach(&proxy(1), 1).await;
    let waited = hung.elapsed();
    // The deadline is that of a read that is still fresh, and not the ten seconds of other calls.
    in_time(waited < Duration::from_secs(9), format_args!("{waited:?}"));
    world.gone(&name(0)).await;
    world.gone(&name(1)).await;
    world.finish().await;
}
