//! Every error code, as a user sees it: condition, event and metric on the first reconcile after the answer.
//!
//! The expectations are written down here from the documentation of the codes and the table of classes in
//! docs/design.md, not taken from the operator's table.

use std::collections::BTreeSet;

use futures::future::join_all;
use gaap_simulator::{Entry, Fault, Kind, ProxySpec};
use serde_json::{Value, json};

use crate::harness::{LIMIT, World, condition, headline, in_time, manifest, until};

/// What a user is told, and by it what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Goes on by itself.
    Waits(&'static str),
    /// A person must act.
    Stalls(&'static str),
}
use Told::{Stalls, Waits};

impl Told {
    fn reason(self) -> &'static str {
        match self {
            Waits(reason) | Stalls(reason) => reason,
        }
    }

    fn stalled(self) -> bool {
        matches!(self, Stalls(_))
    }
}

const WAIT: Told = Waits("WaitingForCloud");
const THROTTLED: Told = Waits("Throttled");
const REFUSED: Told = Stalls("Refused");
const DENIED: Told = Stalls("PermissionDenied");
const KEY: Told = Stalls("CredentialsInvalid");

/// Answers to DestroyProxies, when the look that follows shows the proxy RUNNING, and to DescribeProxies in a deletion.
const CODES: &[(&str, Told)] = &[
    ("FailedOperation", WAIT),
    ("FailedOperation.AccountBalanceInsufficient", REFUSED),
    ("FailedOperation.ActionIsDoing", WAIT),
    ("FailedOperation.BelongDifferentGroup", REFUSED),
    ("FailedOperation.DuplicatedRequest", WAIT),
    ("FailedOperation.RealServerAlreadyBound", Stalls("RealServerBound")),
    ("InternalError", WAIT),
    ("InvalidParameter", REFUSED),
    ("InvalidParameterValue", REFUSED),
    ("MissingParameter", REFUSED),
    ("ResourceNotFound", WAIT),
    ("ResourceUnavailable", WAIT),
    ("UnauthorizedOperation", DENIED),
    ("UnknownParameter", REFUSED),
    ("UnsupportedOperation", REFUSED),
    ("AuthFailure", KEY),
    ("AuthFailure.NotEnterpriseAuthorization", REFUSED),
    ("AuthFailure.UnauthorizedOperation", DENIED),
    ("FailedOperation.NonStandardProxy", REFUSED),
    ("FailedOperation.UnTagResourcesFailed", WAIT),
    ("FailedOperation.UserNotConfirmProtocol", REFUSED),
    ("ResourceUnavailable.AccountViolation", REFUSED),
    // Other GAAP codes that may leak through.
    ("FailedOperation.ResourceNotFound", WAIT),
    ("FailedOperation.ResourceHadBeenDone", WAIT),
    ("FailedOperation.ActionOperateTooQuickly", WAIT),
    ("FailedOperation.InstanceStatusNotInRuning", WAIT),
    ("FailedOperation.ProxyStatusNotInRuning", WAIT),
    ("FailedOperation.Migration", WAIT),
    ("FailedOperation.ResourceUpgrading", WAIT),
    ("FailedOperation.SecretValidateFailed", KEY),
    ("FailedOperation.ResourceCanNotAccess", DENIED),
    ("FailedOperation.UserNotInWhitelist", REFUSED),
    ("UnauthorizedOperation.CrossBorderInIsolating", REFUSED),
    // Public codes.
    ("ActionOffline", REFUSED),
    ("AuthFailure.InvalidAuthorization", REFUSED),
    ("AuthFailure.InvalidSecretId", KEY),
    ("AuthFailure.MFAFailure", KEY),
    ("AuthFailure.SecretIdNotFound", KEY),
    // Without a difference in the answer's own Date, so there is no clock to set right.
    ("AuthFailure.SignatureExpire", REFUSED),
    ("AuthFailure.SignatureFailure", KEY),
    ("AuthFailure.TokenFailure", KEY),
    ("DryRunOperation", REFUSED),
    ("InvalidAction", REFUSED),
    ("InvalidRequest", REFUSED),
    ("IpInBlacklist", DENIED),
    ("IpNotInWhitelist", DENIED),
    ("LimitExceeded", REFUSED),
    ("NoSuchProduct", REFUSED),
    ("NoSuchVersion", REFUSED),
    ("RequestLimitExceeded", THROTTLED),
    ("RequestLimitExceeded.GlobalRegionUinLimitExceeded", THROTTLED),
    ("RequestLimitExceeded.IPLimitExceeded", THROTTLED),
    ("RequestLimitExceeded.UinLimitExceeded", THROTTLED),
    ("RequestSizeLimitExceeded", REFUSED),
    ("ResponseSizeLimitExceeded", REFUSED),
    ("ResourceInUse", WAIT),
    ("ResourceInsufficient", REFUSED),
    ("ServiceUnavailable", WAIT),
    ("UnsupportedProtocol", REFUSED),
    ("UnsupportedRegion", REFUSED),
    // Codes that nobody has written about: by their longest known beginning, else wait and look.
    ("FailedOperation.MadeUpTomorrow", WAIT),
    ("AuthFailure.MadeUpTomorrow", KEY),
    ("ResourceNotFound.MadeUpTomorrow", WAIT),
    ("MadeUpTomorrow", WAIT),
];

/// Absence, when one id was asked for.
const ABSENT: [&str; 2] = ["ResourceNotFound", "FailedOperation.ResourceNotFound"];

fn fault(action: &str, id: &str, code: &str) -> Fault {
    Fault::new(Kind::Error).on(action).for_id(id).with(|with| with.code = Some(code.to_owned()))
}

fn name(code: &str) -> String {
    code.to_lowercase()
}

fn proxy(place: usize) -> String {
    format!("link-err{place:05}")
}

/// The answer with this code about this proxy.
fn answer(world: &World, action: &str, id: &str, code: &str) -> Entry {
    let requests = world.requests();
    let fits = |entry: &&Entry| entry.action == action && entry.code == code && entry.ids.iter().any(|have| have == id);
    requests.iter().rev().find(fits).unwrap_or_else(|| panic!("no {action} of {id} was answered with {code}")).clone()
}

/// Waits until a condition tells this, with code and RequestId, and Stalled when a person must act.
async fn told(world: &World, name: &str, type_: &str, told: Told, ready: &str, code: &str) -> Value {
    let what = format!("{type_} {ready} with {code}");
    let object = world
        .was(name, &what, |object| {
            condition(object, type_).is_some_and(|(_, reason, message)| reason == ready && message.contains(code))
        })
        .await;
    let (_, _, message) = condition(&object, type_).unwrap();
    assert!(message.contains("RequestId"), "{code}: {message}");
    let stalled = condition(&object, "Stalled");
    assert_eq!(stalled.is_some(), told.stalled(), "{code}: Stalled in {}", headline(&object));
    if let Some((status, reason, said)) = stalled {
        assert_eq!((status.as_str(), reason.as_str(), said.as_str()), ("True", ready, message.as_str()), "{code}");
    }
    let event = world.event(name, ready).await;
    assert_eq!(event.kind, if told.stalled() { "Warning" } else { "Normal" }, "{code}: {event:?}");
    assert!(event.note.contains(code), "{code}: {event:?}");
    object
}

fn label(code: &str) -> &str {
    if code.contains("MadeUpTomorrow") { "other" } else { code }
}

#[test]
fn every_code_the_operator_knows_has_a_row_here() {
    let here: BTreeSet<&str> = CODES.iter().map(|(code, _)| *code).filter(|code| label(code) == *code).collect();
    let known: BTreeSet<&str> = gaap_operator::gaap::known_codes().map(|row| row.code).collect();
    assert_eq!(here, known);
}

#[tokio::test]
async fn each_code_of_destroy_proxies_is_told_at_once_and_nothing_is_destroyed_twice() {
    // Each code is told before the look that follows it: the pause between is longer than what gathering takes, as with the
    // defaults (5 s and half a second).
    let world = World::build("destroy codes").proxies(0).flag("--destroy-poll", "2s").start().await;
    let mut manifests = Vec::new();
    for (place, (code, _)) in CODES.iter().enumerate() {
        let id = proxy(place);
        world.cloud().add_proxy(&ProxySpec::named(&id)).unwrap();
        world.fault(fault("DestroyProxies", &id, code));
        manifests.push(manifest(&name(code), &id, json!({})));
    }
    let list = |items: &[Value]| json!({"apiVersion": "v1", "kind": "List", "items": items});
    world.apply(&list(&manifests)).await;
    for (code, _) in CODES {
        world.available(&name(code)).await;
    }
    world.kubectl(&["delete", "gaap", "--all", "--wait=false"]).await;

    join_all(CODES.iter().enumerate().map(async |(place, (code, expected))| {
        let object = told(&world, &name(code), "Deleting", *expected, expected.reason(), code).await;
        let answer = answer(&world, "DestroyProxies", &proxy(place), code);
        let (_, _, message) = condition(&object, "Deleting").unwrap();
        assert!(message.contains(&answer.request_id), "{code}: {message}");
        assert_eq!(world.reasons(&name(code), "Deleting")[0], expected.reason(), "{code} is what is told first");
        assert_eq!(object["status"]["destroy"]["lastCode"], *code, "{code}");
        assert_eq!(object["status"]["destroy"]["requestId"], answer.request_id.as_str(), "{code}");
    }))
    .await;
    let metrics = world.operator().metrics().await;
    for (code, _) in CODES {
        assert!(metrics.calls("DestroyProxies", label(code)) >= 1.0, "{code} is not in\n{}", metrics.text);
    }

    // What waits for a person goes on at once when the object changes.
    let mut forced = Vec::new();
    for (place, (code, _)) in CODES.iter().enumerate().filter(|(_, (_, told))| told.stalled()) {
        forced.push(manifest(&name(code), &proxy(place), json!({"force": true})));
    }
    world.apply(&list(&forced)).await;
    for (place, (code, told)) in CODES.iter().enumerate() {
        world.gone(&name(code)).await;
        let destroys = world.destroys(&proxy(place));
        assert_eq!((destroys.len(), world.accepted(&proxy(place))), (2, 1), "{code}: {destroys:?}");
        // A refusal ends a request; an outcome that is not known, and throttling, keep it.
        let same = destroys[0].client_token == destroys[1].client_token;
        let ended = told.stalled() || ABSENT.contains(code) || *code == "FailedOperation.DuplicatedRequest";
        assert_eq!(same, !ended, "{code}: {destroys:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn an_id_in_either_set_of_an_accepted_call_is_told_and_tried_again_as_a_new_request() {
    let world = World::new("sets").await;
    for (place, set) in ["InvalidStatusInstanceSet", "OperationFailedInstanceSet"].iter().enumerate() {
        let id = format!("link-sim{:05}", place + 1);
        let ids = vec![id.clone()];
        world.fault(Fault::new(Kind::PartialSets).for_id(&id).with(|with| match place {
            0 => with.invalid = ids,
            _ => with.failed = ids,
        }));
        let name = set.to_lowercase();
        world.create(&name, &id).await;
        world.available(&name).await;
        world.delete(&name).await;
        told(&world, &name, "Deleting", WAIT, "WaitingForCloud", set).await;
        world.gone(&name).await;
        let destroys = world.destroys(&id);
        assert_eq!((destroys.len(), world.accepted(&id)), (2, 1), "{set}: {destroys:?}");
        assert_ne!(destroys[0].client_token, destroys[1].client_token, "{set}");
    }
    world.finish().await;
}

/// Answers that come from DescribeProxies are told by Ready while a resource lives, and by Deleting in a deletion. One
/// resource at a time: an answer with an error is one for all ids that were asked together.
async fn describe_codes(part: usize, parts: usize) {
    let world = World::build(&format!("describe codes {part}")).proxies(0).start().await;
    for (place, (code, expected)) in CODES.iter().enumerate().filter(|(place, _)| place % parts == part) {
        let expected = *expected;
        let (id, name) = (proxy(place), name(code));
        world.cloud().add_proxy(&ProxySpec::named(&id)).unwrap();
        // For as long as nobody takes it back: a status that cannot be written tells nothing, and what is asserted below must
        // not race with a look that sees the proxy. Two answers that say it is absent would be a proof.
        let times = if ABSENT.contains(code) { 1 } else { 0 };
        let first = world.fault(fault("DescribeProxies", &id, code).times(times));
        world.create(&name, &id).await;
        if ABSENT.contains(code) {
            world.condition(&name, "Ready", "NotFound").await;
        } else {
            let ready = match expected.reason() {
                reason @ ("CredentialsInvalid" | "PermissionDenied") => reason,
                _ => "CloudUnreachable",
            };
            let object = told(&world, &name, "Ready", expected, ready, code).await;
            assert_eq!(condition(&object, "Ready").unwrap().0, "False");
            let (_, _, message) = condition(&object, "Ready").unwrap();
            let answers = world.requests().into_iter().filter(|entry| entry.ids.contains(&id) && entry.code == *code);
            let told: Vec<bool> = answers.map(|entry| message.contains(&entry.request_id)).collect();
            assert!(told.contains(&true), "{code}: {message}");
            in_time(told[0], format_args!("{code}: not told at once"));
            world.cloud().remove_fault(first);
        }
        if ABSENT.contains(code) {
            world.fault_hits(first).await;
            // The first one is forgotten.
            world.operator().crash_and_restart().await;
            world.available(&name).await;
        }

        let second = world.fault(fault("DescribeProxies", &id, code).times(times));
        world.delete(&name).await;
        world.fault_hits(second).await;
        if ABSENT.contains(code) {
            // One such answer is no proof: the next look sees the proxy.
            world.gone(&name).await;
            assert_eq!(world.accepted(&id), 1, "{code}");
            continue;
        }
        told(&world, &name, "Deleting", expected, expected.reason(), code).await;
        assert!(world.destroys(&id).is_empty(), "{code}: nothing is sent without a look");
        let metrics = world.operator().metrics().await;
        assert!(metrics.calls("DescribeProxies", label(code)) >= 1.0, "{code} is not in\n{}", metrics.text);
        world.change_spec(&name, json!({"deletionPolicy": "Retain"})).await;
        world.gone(&name).await;
        world.cloud().remove_fault(second);
        assert!(world.cloud().proxy(&id).is_some(), "{code}");
    }
    world.finish().await;
}

#[tokio::test]
async fn each_code_of_describe_proxies_is_told_at_once_and_is_never_absence_first_third() {
    describe_codes(0, 3).await;
}

#[tokio::test]
async fn each_code_of_describe_proxies_is_told_at_once_and_is_never_absence_second_third() {
    describe_codes(1, 3).await;
}

#[tokio::test]
async fn each_code_of_describe_proxies_is_told_at_once_and_is_never_absence_last_third() {
    describe_codes(2, 3).await;
}

/// Until the account is known nothing is sent; what stands in the way is told on every resource and by /readyz.
#[tokio::test]
async fn each_class_of_answer_to_the_question_for_the_account_is_told_and_heals() {
    let rows = [
        ("AuthFailure.SecretIdNotFound", KEY, false),
        ("AuthFailure.SignatureFailure", KEY, false),
        ("UnauthorizedOperation", DENIED, false),
        ("InternalError", Waits("CloudUnreachable"), true),
        ("RequestLimitExceeded", Waits("CloudUnreachable"), true),
        ("InvalidAction", Stalls("CloudUnreachable"), false),
    ];
    join_all(rows.map(|(code, told_as, ready)| account_code(code, told_as, ready))).await;
}

async fn account_code(code: &str, told_as: Told, ready: bool) {
    let world = World::build(&format!("account {code}")).operator_stopped().start().await;
    let endless = Fault::new(Kind::Error).on("GetCallerIdentity").times(0);
    world.fault(endless.with(|with| with.code = Some(code.to_owned())));
    world.operator().spawn().await;
    world.create("edge", crate::harness::PROXY).await;
    told(&world, "edge", "Ready", told_as, told_as.reason(), code).await;
    until(&format!("/readyz with {code}"), LIMIT, async || match world.operator().readyz().await? {
        (200, _) if ready => Ok(()),
        (503, said) if !ready && said.contains("credentials") && said.contains(code) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert!(world.operator().metrics().await.calls("GetCallerIdentity", code) >= 1.0, "{code}");
    assert!(world.looks(crate::harness::PROXY).is_empty(), "{code}: no account, no call");
    world.cloud().clear_faults();
    // The same credentials written again, with another file beside them, are a change that is taken up at once.
    world.cloud().put_credential(gaap_simulator::Credential::new(
        OTHER_KEY.0,
        OTHER_KEY.1,
        gaap_simulator::DEFAULT_UIN,
    ));
    world.write_credentials(OTHER_KEY.0, OTHER_KEY.1);
    world.available("edge").await;
    world.operator().ready().await;
    world.delete("edge").await;
    world.gone("edge").await;
    world.finish().await;
}

/// Another key of the same account.
const OTHER_KEY: (&str, &str) = ("AKIDSIMULATOR00000000000000000000002", "simulatorsimulatorsimulator00002");
