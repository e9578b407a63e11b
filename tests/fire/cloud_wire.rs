//! Every fault of the simulated cloud at each of the two effects on its wire: the look and the request to destroy. Every
//! row is a resource of its own. What a user is told meanwhile is the matter of `tests/cluster/faults`.

use std::convert::identity as plain;
use std::time::Instant;

use futures::future::join_all;
use gaap_simulator::{AbsentAnswer, CATALOGUE, Fault, Kind, ProxySpec, Sight, TokenMode};
use serde_json::json;
use tokio::sync::Mutex;

use crate::calls::{LOOK, SEND, create, name, proxy, world};
use crate::harness::{Build, LIMIT, World, until};
use crate::table::{LONGEST, Row, ended};

/// One fault.
struct Trouble {
    name: &'static str,
    kind: Kind,
    with: fn(Fault) -> Fault,
    /// The requests to destroy.
    tokens: &'static [&'static str],
    /// What a person, or the cloud's owner, has to do for the deletion to end.
    help: Help,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Help {
    None,
    /// The proxy, stuck in DESTROYING, vanishes.
    Vanish,
    /// Another proxy stands under the id: the resource is released with Retain.
    Retain,
    /// Waits for the copy of the request that comes much later.
    Copy,
}

const fn trouble(name: &'static str, kind: Kind, with: fn(Fault) -> Fault, tokens: &'static [&'static str]) -> Trouble {
    Trouble { name, kind, with, tokens, help: Help::None }
}

/// Just larger than what is read.
fn small_bomb(fault: Fault) -> Fault {
    fault.with(|with| with.bytes = Some(5 << 20))
}

fn to_a_stranger(fault: Fault) -> Fault {
    fault.with(|with| with.answer = Some("stranger".to_owned()))
}

const ONCE: &[&str] = &["a"];
const TWICE: &[&str] = &["aa"];
const ANOTHER: &[&str] = &["ab"];

/// Of the request to destroy.
const SENDS: &[Trouble] = &[
    trouble("request-lost", Kind::RequestLost, plain, TWICE),
    trouble("reset-before-answer", Kind::ResetBeforeAnswer, Fault::before, TWICE),
    trouble("reset-before-answer after commit", Kind::ResetBeforeAnswer, Fault::after, ONCE),
    trouble("answer-lost", Kind::AnswerLost, plain, ONCE),
    trouble("reset-mid-body", Kind::ResetMidBody, plain, ONCE),
    // It has its effect long after the operator gave it up and sent the same again.
    trouble("delay, after the caller gave up", Kind::Delay, |fault| fault.before().delay(10_000), TWICE),
    trouble("delay after commit", Kind::Delay, |fault| fault.after().delay(4_000), ONCE),
    trouble("hang before", Kind::Hang, Fault::before, TWICE),
    trouble("hang after commit", Kind::Hang, Fault::after, ONCE),
    trouble("duplicate-delivery", Kind::DuplicateDelivery, plain, ONCE),
    Trouble {
        help: Help::Copy,
        ..trouble("delivered again 12 s later", Kind::DuplicateDelivery, |fault| fault.delay(12_000), ONCE)
    },
    trouble("truncated-body", Kind::TruncatedBody, plain, ONCE),
    trouble("truncated-json", Kind::TruncatedJson, plain, ONCE),
    trouble("invalid-json", Kind::InvalidJson, plain, ONCE),
    trouble("empty-body", Kind::EmptyBody, plain, ONCE),
    trouble("oversized-body", Kind::OversizedBody, plain, ONCE),
    trouble("gzip-bomb", Kind::GzipBomb, small_bomb, ONCE),
    trouble("redirect", Kind::Redirect, plain, TWICE),
    trouble("wrong-content-type", Kind::WrongContentType, plain, ONCE),
    trouble("error", Kind::Error, plain, TWICE),
    trouble("error after commit", Kind::Error, Fault::after, ONCE),
    trouble("error that uses the token", Kind::Error, |fault| fault.with(|with| with.uses_token = true), &["aab"]),
    trouble("http-error", Kind::HttpError, plain, TWICE),
    trouble("http-error-after-commit", Kind::HttpErrorAfterCommit, plain, ONCE),
    trouble("dns-flip to a stranger", Kind::DnsFlip, to_a_stranger, TWICE),
    trouble("throttle", Kind::Throttle, plain, TWICE),
    trouble("partial-sets: invalid", Kind::PartialSets, |fault| set(fault, true), ANOTHER),
    trouble("partial-sets: failed", Kind::PartialSets, |fault| set(fault, false), ANOTHER),
    trouble("destroy-duration of none", Kind::DestroyDuration, plain, ONCE),
    Trouble { help: Help::Vanish, ..trouble("stuck-destroying", Kind::StuckDestroying, plain, ONCE) },
    Trouble { help: Help::Retain, ..trouble("id-reused", Kind::IdReused, plain, ONCE) },
    trouble("token-forgotten", Kind::TokenForgotten, plain, ONCE),
    trouble("token-mode replay", Kind::TokenMode, |fault| mode(fault, TokenMode::Replay), ONCE),
    trouble("token-mode mismatch", Kind::TokenMode, |fault| mode(fault, TokenMode::Mismatch), ONCE),
    trouble("moves-to-isolated", Kind::MovesToIsolated, plain, ONCE),
    trouble("numbers-as-strings", Kind::NumbersAsStrings, plain, ONCE),
    trouble("null-lists", Kind::NullLists, plain, ONCE),
    trouble("unknown-fields", Kind::UnknownFields, plain, ONCE),
];

/// Of a look.
const LOOKS: &[Trouble] = &[
    trouble("request-lost", Kind::RequestLost, plain, ONCE),
    trouble("reset-before-answer", Kind::ResetBeforeAnswer, Fault::before, ONCE),
    trouble("answer-lost", Kind::AnswerLost, plain, ONCE),
    trouble("reset-mid-body", Kind::ResetMidBody, plain, ONCE),
    trouble("delay, after the caller gave up", Kind::Delay, |fault| fault.before().delay(9_000), ONCE),
    trouble("hang before", Kind::Hang, Fault::before, ONCE),
    trouble("hang after commit", Kind::Hang, Fault::after, ONCE),
    trouble("duplicate-delivery", Kind::DuplicateDelivery, plain, ONCE),
    trouble("truncated-body", Kind::TruncatedBody, plain, ONCE),
    trouble("truncated-json", Kind::TruncatedJson, plain, ONCE),
    trouble("invalid-json", Kind::InvalidJson, plain, ONCE),
    trouble("empty-body", Kind::EmptyBody, plain, ONCE),
    trouble("oversized-body", Kind::OversizedBody, plain, ONCE),
    trouble("gzip-bomb", Kind::GzipBomb, small_bomb, ONCE),
    trouble("redirect", Kind::Redirect, plain, ONCE),
    trouble("wrong-content-type", Kind::WrongContentType, plain, ONCE),
    trouble("error", Kind::Error, plain, ONCE),
    trouble("http-error", Kind::HttpError, plain, ONCE),
    trouble("http-error-after-commit", Kind::HttpErrorAfterCommit, plain, ONCE),
    trouble("dns-flip to a stranger", Kind::DnsFlip, to_a_stranger, ONCE),
    trouble("throttle", Kind::Throttle, plain, ONCE),
    trouble("gone-back-gone", Kind::GoneBackGone, |fault| seen(fault, "DESTROYING"), ONCE),
    trouble("gone-back-gone: RUNNING", Kind::GoneBackGone, |fault| seen(fault, "RUNNING"), ONCE),
    trouble("stale-after-accept", Kind::StaleAfterAccept, |fault| fault.times(3), ONCE),
    trouble("absent-answer", Kind::AbsentAnswer, |fault| absent(fault, AbsentAnswer::Error), ONCE),
    trouble("unknown-status", Kind::UnknownStatus, plain, ONCE),
    trouble("total-count-lies", Kind::TotalCountLies, plain, ONCE),
    trouble("limit-ignored", Kind::LimitIgnored, |fault| fault.with(|with| with.limit = Some(0)), ONCE),
    trouble("moves-to-isolated", Kind::MovesToIsolated, plain, ONCE),
    trouble("numbers-as-strings", Kind::NumbersAsStrings, plain, ONCE),
    trouble("null-lists", Kind::NullLists, |fault| fault.with(|with| with.all = true), ONCE),
    trouble("unknown-fields", Kind::UnknownFields, plain, ONCE),
];

/// Faults that do not fit into a row, each with the test that has them.
const ELSEWHERE: &[(Kind, &str)] = &[
    (Kind::ConnectionRefused, "processes.rs"),
    (Kind::ClockSkew, "processes.rs"),
    // Needs an answer about several proxies.
    (Kind::AbsentFromPage, "cluster/faults/pages.rs"),
    (Kind::TlsFailure, "cluster/faults/outages.rs"),
    // Accepted twice, so it has no place in a table where every proxy is accepted once.
    (Kind::DestroyRejectedLate, "cluster/faults/semantics.rs"),
];

fn set(fault: Fault, invalid: bool) -> Fault {
    let ids = fault.ids.clone();
    fault.with(|with| if invalid { with.invalid = ids } else { with.failed = ids })
}

fn mode(fault: Fault, mode: TokenMode) -> Fault {
    fault.with(|with| with.mode = Some(mode))
}

fn absent(fault: Fault, answer: AbsentAnswer) -> Fault {
    fault.times(0).with(|with| with.absent = Some(answer))
}

fn seen(fault: Fault, status: &str) -> Fault {
    let pattern = vec![Sight::Absent, Sight::Present, Sight::Absent, Sight::Present];
    fault.with(|with| (with.pattern, with.status) = (pattern, Some(status.to_owned())))
}

fn with_times(world: Build) -> Build {
    let times = [
        ("--destroy-poll", "250ms"),
        ("--absence-spacing", "300ms"),
        ("--settle-time", "2s"),
        ("--request-timeout", "2s"),
    ];
    // Much longer than the deadline of a call, so that the look after a lost answer still sees the proxy, on a loaded
    // machine too.
    let world = world.cloud(|cloud| cloud.destroy_duration_ms = 8_000);
    times.iter().fold(world, |world, (flag, value)| world.flag(flag, value))
}

/// Every request to destroy meets its fault at the same time: each names one proxy, so no fault hits another row.
pub async fn sends() -> Vec<Row> {
    let world = with_times(world("cloud wire sends")).start().await;
    create(&world, 0..SENDS.len()).await;
    join_all((0..SENDS.len()).map(async |place| world.available(&name(place)).await)).await;
    let mut faults = Vec::new();
    for (place, row) in SENDS.iter().enumerate() {
        faults.push(world.fault((row.with)(Fault::new(row.kind).on(SEND).for_id(proxy(place)))));
    }
    let deleted = Instant::now();
    world.kubectl(&["delete", "gaap", "--all", "--wait=false"]).await;
    let rows = SENDS.iter().enumerate().map(async |(place, row)| {
        help(&world, row, place).await;
        world.fault_hits(faults[place]).await;
        end(&world, ("send (DestroyProxies, E2)", row), place, deleted).await
    });
    let rows = join_all(rows).await;
    world.finish().await;
    rows
}

/// An answer to a look is one for all proxies that were asked for together, so the rows take turns until each fault has
/// been shown; from there on they go side by side, with one exception.
pub async fn looks() -> Vec<Row> {
    // A look that shows RUNNING for longer than the settle time is a reason for another request, and no fault of a look. One
    // that a busy machine answers late is lost, and what it would have shown may be what stands between two lies.
    let world = with_times(world("cloud wire looks"))
        .flag("--settle-time", "60s")
        .flag("--request-timeout", "5s")
        .start()
        .await;
    create(&world, 0..LOOKS.len()).await;
    join_all((0..LOOKS.len()).map(async |place| world.available(&name(place)).await)).await;
    let turn = Mutex::new(());
    let rows = LOOKS.iter().enumerate().map(async |(place, row)| {
        let mut taken = Some(turn.lock().await);
        let deleted = Instant::now();
        let fault = world.fault((row.with)(Fault::new(row.kind).on(LOOK).for_id(proxy(place))));
        world.delete(&name(place)).await;
        // Those that act only on a proxy whose destroy was accepted are met later.
        if !matches!(row.kind, Kind::GoneBackGone | Kind::StaleAfterAccept) {
            world.fault_hits(fault).await;
        }
        // What shows it present between two lies must not be lost to the fault of another row: two negative answers with nothing
        // seen in between are a proof.
        if row.kind != Kind::GoneBackGone {
            taken = None;
        }
        let ended = end(&world, ("look (DescribeProxies)", row), place, deleted).await;
        drop(taken);
        world.fault_hits(fault).await;
        world.cloud().remove_fault(fault);
        ended
    });
    let rows = join_all(rows).await;
    world.finish().await;
    rows
}

async fn end(world: &World, row: (&str, &Trouble), place: usize, since: Instant) -> Row {
    let (effect, row) = row;
    if row.help == Help::Retain {
        world.gone_within(&name(place), LONGEST).await;
        assert_eq!(world.cloud().proxy(&proxy(place)).unwrap().status, "RUNNING", "the other proxy lives");
        // It is not to be destroyed, and the table speaks of the one that was.
        world.cloud().remove_proxy(&proxy(place));
    }
    ended(world, (effect, row.name), &name(place), &proxy(place), since, row.tokens).await
}

async fn help(world: &World, row: &Trouble, place: usize) {
    match row.help {
        Help::None => {}
        Help::Vanish => {
            world.condition(&name(place), "Deleting", "Destroying").await;
            let vanish = ProxySpec { vanish_in_ms: Some(500), ..ProxySpec::default() };
            world.cloud().change_proxy(&proxy(place), &vanish).unwrap();
        }
        Help::Retain => {
            world.condition(&name(place), "Deleting", "Replaced").await;
            world.change_spec(&name(place), json!({"deletionPolicy": "Retain"})).await;
        }
        Help::Copy => {
            world.gone_within(&name(place), LONGEST).await;
            until("the copy of a request that comes much later", LIMIT, async || {
                let copy = world.destroys(&proxy(place)).into_iter().any(|entry| entry.duplicate_of.is_some());
                if copy { Ok(()) } else { Err("none".to_owned()) }
            })
            .await;
        }
    }
}

#[test]
fn every_fault_of_the_simulated_cloud_has_its_row_or_says_where_it_is() {
    let rows = SENDS.iter().chain(LOOKS).map(|row| row.kind);
    let known: Vec<Kind> = rows.chain(ELSEWHERE.iter().map(|(kind, _)| *kind)).collect();
    for fault in CATALOGUE {
        assert!(known.contains(&fault.kind), "{} is missing", fault.name);
    }
}
