//! Faults of a look. An answer is one for all proxies that were asked for together, so the rows take turns until the
//! fault has been shown; from there on they go side by side.

use futures::future::join_all;
use gaap_simulator::{AbsentAnswer, Entry, Fault, Kind, Phase};
use std::convert::identity as plain;
use tokio::sync::Mutex;

use super::sends::small_bomb;
use super::{IMPATIENT, adopt, destroyed_once, in_both_modes_with, proxy, told_first};
use crate::harness::{World, condition};

/// A fault of the first look in a deletion, and what comes of it.
struct Row {
    name: &'static str,
    kind: Kind,
    with: fn(Fault) -> Fault,
    /// The first step that the user sees.
    first: &'static str,
    /// Label of the metric.
    code: &'static str,
    /// The proxy was taken away before, so nothing is to be sent.
    absent: bool,
}

const fn row(name: &'static str, kind: Kind, with: fn(Fault) -> Fault, first: &'static str, code: &'static str) -> Row {
    Row { name, kind, with, first, code, absent: false }
}

const BROKEN: &str = "transport_broken";
const TIMEOUT: &str = "transport_timeout";
const UNREADABLE: &str = "transport_unreadable";
const HTTP: &str = "transport_http";
const UNREACHABLE: &str = "CloudUnreachable";
const WAITING: &str = "WaitingForCloud";
const DESTROYING: &str = "Destroying";

fn to(fault: Fault, answer: &str) -> Fault {
    fault.with(|with| with.answer = Some(answer.to_owned()))
}

/// What cannot be read says nothing about a proxy, least of all that it is gone.
const ROWS: &[Row] = &[
    row("request-lost", Kind::RequestLost, plain, UNREACHABLE, BROKEN),
    row("reset-before-answer", Kind::ResetBeforeAnswer, plain, UNREACHABLE, BROKEN),
    row("answer-lost", Kind::AnswerLost, plain, UNREACHABLE, BROKEN),
    row("reset-mid-body", Kind::ResetMidBody, plain, UNREACHABLE, BROKEN),
    row("delay", Kind::Delay, |fault| fault.with(|with| with.delay_ms = Some(4_000)), UNREACHABLE, TIMEOUT),
    row("hang", Kind::Hang, |fault| fault.with(|with| with.phase = Some(Phase::Before)), UNREACHABLE, TIMEOUT),
    row("duplicate-delivery", Kind::DuplicateDelivery, plain, DESTROYING, "OK"),
    row("truncated-body", Kind::TruncatedBody, plain, UNREACHABLE, BROKEN),
    row("truncated-json", Kind::TruncatedJson, plain, WAITING, UNREADABLE),
    row("invalid-json", Kind::InvalidJson, plain, WAITING, UNREADABLE),
    row("empty-body", Kind::EmptyBody, plain, WAITING, UNREADABLE),
    row("oversized-body", Kind::OversizedBody, plain, WAITING, "transport_too_large"),
    row("gzip-bomb", Kind::GzipBomb, small_bomb, WAITING, UNREADABLE),
    row("redirect", Kind::Redirect, plain, WAITING, "transport_redirect"),
    row("wrong-content-type", Kind::WrongContentType, plain, DESTROYING, "OK"),
    row("error", Kind::Error, plain, WAITING, "InternalError"),
    row("http-error", Kind::HttpError, plain, UNREACHABLE, HTTP),
    row("http-error-after-commit", Kind::HttpErrorAfterCommit, plain, UNREACHABLE, HTTP),
    row("dns-flip-to-a-stranger", Kind::DnsFlip, |fault| to(fault, "stranger"), WAITING, HTTP),
    row("moves-to-isolated", Kind::MovesToIsolated, plain, DESTROYING, "OK"),
    row("numbers-as-strings", Kind::NumbersAsStrings, Fault::endless, DESTROYING, "OK"),
    // A null list beside a TotalCount of 1 is no absence. Before the next row, whose fault stays in force: of one kind
    // the oldest acts.
    row("null-lists-all", Kind::NullLists, |fault| fault.endless().with(|with| with.all = true), WAITING, UNREADABLE),
    row("null-lists", Kind::NullLists, Fault::endless, DESTROYING, "OK"),
    row("unknown-fields", Kind::UnknownFields, Fault::endless, DESTROYING, "OK"),
    // A row that is there is believed whatever the count says; an empty list is not.
    row("total-count-lies", Kind::TotalCountLies, plain, DESTROYING, "OK"),
    Row {
        absent: true,
        ..row("total-count-lies-of-an-absent-proxy", Kind::TotalCountLies, plain, WAITING, UNREADABLE)
    },
    row(
        "limit-ignored",
        Kind::LimitIgnored,
        |fault| fault.endless().with(|with| with.limit = Some(0)),
        WAITING,
        UNREADABLE,
    ),
];

#[tokio::test]
async fn a_look_that_meets_a_fault_says_nothing_about_the_proxy_and_is_made_again() {
    in_both_modes_with("faults of looks", &[IMPATIENT], async |world: World| {
        let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        adopt(&world, &names).await;
        let turn = Mutex::new(());
        join_all(ROWS.iter().enumerate().map(|(place, row)| walk(&world, &turn, row, proxy(place)))).await;
        let metrics = world.operator().metrics().await;
        for row in ROWS {
            assert!(metrics.calls("DescribeProxies", row.code) >= 1.0, "{}: {}", row.name, metrics.text);
        }
        world.finish().await;
    })
    .await;
}

async fn walk(world: &World, turn: &Mutex<()>, row: &Row, proxy: String) {
    let on_looks = |kind| Fault::new(kind).on("DescribeProxies").for_id(&proxy);
    let taken = turn.lock().await;
    if row.absent {
        // A list is needed that the count can contradict, whatever the mode.
        assert!(world.cloud().remove_proxy(&proxy));
        world.fault(on_looks(Kind::AbsentAnswer).with(|with| with.absent = Some(AbsentAnswer::Omit)));
    }
    let number = world.fault((row.with)(on_looks(row.kind)));
    world.delete(row.name).await;
    world.was(row.name, "a step", |object| condition(object, "Deleting").is_some()).await;
    if row.first != DESTROYING {
        // It may have hit a call that failed for an absent id, and then still be in force.
        world.cloud().remove_fault(number);
    }
    drop(taken);

    let faulty = world.looks(&proxy).into_iter().rfind(|look| look.faults.contains(&row.kind.name()));
    let faulty = faulty.unwrap_or_else(|| panic!("{}: no look met the fault", row.name));
    world.gone(row.name).await;
    told_first(world, row.name, row.first).await;
    if row.absent {
        assert!(world.destroys(&proxy).is_empty(), "{}", row.name);
        return;
    }
    destroyed_once(world, row.name, &proxy, "a");
    let sent = &world.destroys(&proxy)[0];
    if row.first != DESTROYING {
        // By the order of the simulator's log: the fault is over by now, so a request may be on its way already.
        let good = |look: &Entry| look.seq > faulty.seq && look.code == "OK" && look.delivered;
        let good = world.looks(&proxy).into_iter().find(good);
        assert!(good.unwrap().seq < sent.seq, "{}: sent without a good look", row.name);
    }
}
