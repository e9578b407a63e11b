//! Faults of a request to destroy. Every row is a resource of its own, all of them in one world and at once: a request
//! names one proxy, so no fault hits another row.

use std::convert::identity as plain;
use std::net::TcpListener;

use futures::future::{join, join_all};
use gaap_simulator::{Fault, Kind};
use serde_json::Value;

use super::{IMPATIENT, adopt, destroyed_once, in_both_modes_with, proxy, told_first};
use crate::harness::{World, in_time};

/// A fault of the first request, and what comes of it.
struct Row {
    name: &'static str,
    kind: Kind,
    with: fn(Fault) -> Fault,
    /// The first step that the user sees: what stands in the way, or Destroying.
    first: &'static str,
    /// `status.destroy.lastCode` after the first request, which is also the label of the metric.
    code: &'static str,
    /// The requests by their tokens.
    tokens: &'static str,
}

const fn row(
    name: &'static str,
    kind: Kind,
    with: fn(Fault) -> Fault,
    first: &'static str,
    code: &'static str,
    tokens: &'static str,
) -> Row {
    Row { name, kind, with, first, code, tokens }
}

const BROKEN: &str = "transport_broken";
const TIMEOUT: &str = "transport_timeout";
const UNREADABLE: &str = "transport_unreadable";
const UNREACHABLE: &str = "CloudUnreachable";
const WAITING: &str = "WaitingForCloud";
const DESTROYING: &str = "Destroying";

/// What is told once a look has shown that a request had no effect so far.
const LOOKED_AT: &str = "The proxy is still RUNNING. Next tr";

/// A request that had its effect is not sent again; one that had none is sent again as it was.
const ROWS: &[Row] = &[
    row("request-lost", Kind::RequestLost, plain, UNREACHABLE, BROKEN, "aa"),
    row("reset-before-answer", Kind::ResetBeforeAnswer, Fault::before, UNREACHABLE, BROKEN, "aa"),
    row("reset-before-answer-after-commit", Kind::ResetBeforeAnswer, Fault::after, DESTROYING, BROKEN, "a"),
    row("answer-lost", Kind::AnswerLost, plain, DESTROYING, BROKEN, "a"),
    row("reset-mid-body", Kind::ResetMidBody, plain, DESTROYING, BROKEN, "a"),
    // It has its effect after the answer was given up and the proxy was looked at: the second request is a duplicate.
    // The test holds it for so long.
    row("delay", Kind::Delay, |fault| fault.before().delay(2_700), UNREACHABLE, TIMEOUT, "aa"),
    // It would have its effect long after the second request, were it not a duplicate by then.
    row("delay-beyond-the-second", Kind::Delay, |fault| fault.before().delay(6_000), UNREACHABLE, TIMEOUT, "aa"),
    row("delay-after-commit", Kind::Delay, |fault| fault.after().delay(4_000), DESTROYING, TIMEOUT, "a"),
    row("hang", Kind::Hang, Fault::before, UNREACHABLE, TIMEOUT, "aa"),
    row("hang-after-commit", Kind::Hang, Fault::after, DESTROYING, TIMEOUT, "a"),
    row("duplicate-delivery", Kind::DuplicateDelivery, plain, DESTROYING, "FailedOperation.DuplicatedRequest", "a"),
    row(
        "duplicate-delivery-first-answer",
        Kind::DuplicateDelivery,
        |fault| fault.with(|with| with.answer = Some("first".to_owned())),
        DESTROYING,
        "OK",
        "a",
    ),
    row("truncated-body", Kind::TruncatedBody, plain, DESTROYING, BROKEN, "a"),
    row("truncated-json", Kind::TruncatedJson, plain, DESTROYING, UNREADABLE, "a"),
    row("invalid-json", Kind::InvalidJson, plain, DESTROYING, UNREADABLE, "a"),
    row("empty-body", Kind::EmptyBody, plain, DESTROYING, UNREADABLE, "a"),
    row("oversized-body", Kind::OversizedBody, plain, DESTROYING, "transport_too_large", "a"),
    // Nobody asked for a packed answer, so it is not unpacked.
    row("gzip-bomb", Kind::GzipBomb, small_bomb, DESTROYING, UNREADABLE, "a"),
    // More than one, for the first is told only if the look comes before its short pause ends; the pauses grow.
    row("redirect", Kind::Redirect, |fault| fault.times(3), WAITING, "transport_redirect", "aaaa"),
    row("wrong-content-type", Kind::WrongContentType, plain, DESTROYING, "OK", "a"),
    row("error", Kind::Error, plain, WAITING, "InternalError", "aa"),
    row("error-after-commit", Kind::Error, Fault::after, DESTROYING, "InternalError", "a"),
    row("http-error", Kind::HttpError, plain, UNREACHABLE, "transport_http", "aa"),
    row("http-error-after-commit", Kind::HttpErrorAfterCommit, plain, DESTROYING, "transport_http", "a"),
    // A stranger who answers with an HTML page under the cloud's name.
    row(
        "dns-flip-to-a-stranger",
        Kind::DnsFlip,
        |fault| fault.with(|with| with.answer = Some("stranger".to_owned())),
        WAITING,
        "transport_http",
        "aa",
    ),
    row("destroy-duration", Kind::DestroyDuration, plain, DESTROYING, "OK", "a"),
    row("moves-to-isolated", Kind::MovesToIsolated, plain, DESTROYING, "OK", "a"),
    row("numbers-as-strings", Kind::NumbersAsStrings, Fault::endless, DESTROYING, "OK", "a"),
    row("null-lists", Kind::NullLists, Fault::endless, DESTROYING, "OK", "a"),
    row("unknown-fields", Kind::UnknownFields, Fault::endless, DESTROYING, "OK", "a"),
];

/// Just larger than what is read: the simulator packs it anew each time.
pub(super) fn small_bomb(fault: Fault) -> Fault {
    fault.with(|with| with.bytes = Some(5 << 20))
}

#[tokio::test]
async fn a_request_to_destroy_that_meets_a_fault_is_followed_by_a_look_and_accepted_once() {
    in_both_modes_with("faults of sends", &[IMPATIENT], async |world: World| {
        // Much longer than the deadline of a call, so that the look after a lost answer still sees the proxy, on a loaded
        // machine too.
        world.cloud().change_settings(|settings| settings.destroy_duration_ms = 8_000);
        // Whoever followed the redirect would come here.
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let location = format!("http://{}/", elsewhere.local_addr().unwrap());
        let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        adopt(&world, &names).await;
        for (place, row) in ROWS.iter().enumerate() {
            let fault = Fault::new(row.kind).on("DestroyProxies").for_id(proxy(place));
            let fault = fault.with(|with| with.location = Some(location.clone()));
            world.fault((row.with)(fault));
        }
        let delayed = ROWS.iter().position(|row| row.name == "delay").unwrap();
        let hold = world.fault(Fault::new(Kind::Hang).before().on("DestroyProxies").for_id(proxy(delayed)));
        world.kubectl(&["delete", "gaap", "--all", "--wait=false"]).await;
        let let_go = async {
            let looked_at = |object: &Value| object["status"]["conditions"].to_string().contains(LOOKED_AT);
            world.was("delay", "the look after the answer that was given up", looked_at).await;
            world.cloud().remove_fault(hold);
        };
        let checks = join_all(ROWS.iter().enumerate().map(|(place, row)| check(&world, row, proxy(place))));
        join(let_go, checks).await;

        assert!(elsewhere.accept().is_err(), "a redirect was followed");
        let metrics = world.operator().metrics().await;
        for row in ROWS {
            assert!(metrics.calls("DestroyProxies", row.code) >= 1.0, "{}: {}", row.name, metrics.text);
        }
        world.finish().await;
    })
    .await;
}

async fn check(world: &World, row: &Row, proxy: String) {
    world.gone(row.name).await;
    destroyed_once(world, row.name, &proxy, row.tokens);
    told_first(world, row.name, row.first).await;
    let mut codes: Vec<String> = world
        .history(row.name)
        .iter()
        .filter_map(|object| Some(object["status"]["destroy"]["lastCode"].as_str()?.to_owned()))
        .collect();
    codes.dedup();
    in_time(codes.iter().any(|code| code == row.code), format_args!("{}: not told: {codes:?}", row.name));
    assert_eq!(codes.first().map(String::as_str), Some(row.code), "{}: {codes:?}", row.name);
    if row.first != DESTROYING {
        let object =
            world.history(row.name).into_iter().find(|object| object["status"]["destroy"]["lastCode"] == row.code);
        let said = object.unwrap()["status"]["conditions"].to_string();
        assert!(said.contains(LOOKED_AT), "{}: {said}", row.name);
    }
}
