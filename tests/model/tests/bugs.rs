//! Bugs in the protocol, each in the place of one shipped function: the model must catch every one, and must not cry out
//! at what is shipped. A bug that nothing catches shows that a promise is not judged.

#![allow(
    missing_docs,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unwrap_in_result,
    reason = "the whole crate is a test, and clippy's exception for tests covers only their functions"
)]

use std::time::Duration;

use gaap_model::{Described, Exploration, FAULTS, Finding, Protocol, SCENARIOS, explore};
use gaap_operator::controller::decide::{Decision, Release, Step, decide};
use gaap_operator::controller::memory::{Memory, Outcome, Seen, SendRecord};
use gaap_operator::controller::observation::{Claim, Observation, Resource};
use gaap_operator::controller::status;
use gaap_operator::crd::{DeletionPolicy, FINALIZER, GaapProxyStatus};
use gaap_operator::gaap::{Class, DestroyRequest, Look, Member, ProxyId, ProxyStatus};
use gaap_operator::process::clock::Now;
use serde_json::Value;

struct Bug {
    what: &'static str,
    /// The promise it breaks first, as its number.
    breaks: &'static str,
    /// Scenarios in which it is looked for.
    scenarios: &'static [&'static str],
    /// Faults on one path.
    faults: u8,
    /// Kinds of faults with which it is looked for, to be short; empty: all.
    kinds: &'static [&'static str],
    protocol: Protocol,
}

impl Bug {
    /// No single fault brings it to light; these do.
    fn takes(self, kinds: &'static [&'static str]) -> Self {
        Bug { faults: 2, kinds, ..self }
    }

    fn expects(&self, finding: &Finding) -> bool {
        self.breaks.split('|').any(|breaks| finding.property.starts_with(breaks))
    }
}

fn with(change: impl FnOnce(&mut Protocol)) -> Protocol {
    let mut protocol = Protocol::shipped();
    change(&mut protocol);
    protocol
}

/// A request as `decide` makes it.
fn request(resource: &Resource, force: bool, attempt: u32) -> DestroyRequest {
    let member = Member { proxy_id: resource.proxy_id.clone(), uid: resource.uid.clone(), attempt };
    DestroyRequest::new(force, vec![member])
}

fn attempt(observation: &Observation) -> u32 {
    observation.resource.status.destroy.as_ref().map_or(0, |destroy| destroy.attempt)
}

/// `decide` on facts that were bent.
fn bent(observation: &Observation, now: Now, bend: impl FnOnce(&mut Observation)) -> Decision {
    let mut observation = observation.clone();
    bend(&mut observation);
    decide(&observation, now)
}

/// A send that does not wait for what `decide` waits for: as soon as the turn to send is there, it goes.
fn sends_anyway(observation: &Observation, now: Now, unless: fn(&Observation) -> bool) -> Decision {
    let resource = &observation.resource;
    let free = resource.deleted.is_some() && resource.has_finalizer() && !resource.paused;
    if !free || resource.policy == DeletionPolicy::Retain || observation.memory.send.is_some() || unless(observation) {
        return decide(observation, now);
    }
    let step = if observation.fresh {
        Step::Destroy(request(resource, resource.force, attempt(observation)))
    } else {
        Step::Prepare { look_first: false }
    };
    Decision { step, status: None, again: None }
}

/// A patch without the tests of one path.
fn without(patch: Value, path: &str) -> Value {
    let kept = patch.as_array().unwrap().iter().filter(|entry| entry["op"] != "test" || entry["path"] != path);
    kept.cloned().collect::<Vec<_>>().into()
}

fn raise_after_any(memory: &mut Memory, send: SendRecord) {
    let outcome = match send.outcome.clone() {
        Outcome::Unknown(failure) => Outcome::NotTaken(failure),
        other => other,
    };
    memory.record_send(SendRecord { outcome, ..send });
}

const ONE: &[&str] = &["one resource"];
const FORCE: &[&str] = &["Force changes"];
const TWO: &[&str] = &["two claims on one proxy"];
const AGAIN: &[&str] = &["made again under the same name"];
const NEW: &[&str] = &["made and deleted"];

#[rustfmt::skip]
fn bugs() -> Vec<Bug> {
    let bug = |what, breaks, scenarios, change: fn(&mut Protocol)| Bug { what, breaks, scenarios, faults: 1, kinds: &[], protocol: with(change) };
    vec![
        bug("a new token after a lost answer", "S3", ONE, |p| p.record_send = raise_after_any),
        bug("the token includes the time", "S3|S6", ONE, |p| p.token = |request, now| format!("{}-{now}", request.client_token())),
        bug("the token leaves out Force", "S4", FORCE, |p| p.token = |request, _| {
            DestroyRequest::new(false, request.members().to_vec()).client_token()
        }),
        bug("the token leaves out the attempt", "S4|L1", ONE, |p| p.token = |request, _| {
            let members = request.members().iter().map(|member| Member { attempt: 0, ..member.clone() }).collect();
            DestroyRequest::new(request.force(), members).client_token()
        }),
        bug("DuplicatedRequest taken for done", "S2", ONE, |p| p.decide = |observation, now| {
            let duplicate = matches!(observation.memory.send.as_ref().map(|send| &send.outcome), Some(Outcome::Duplicate(_)));
            match duplicate && observation.resource.has_finalizer() && observation.resource.deleted.is_some() {
                true => Decision { step: Step::Release(Release::Gone), status: None, again: None },
                false => decide(observation, now),
            }
        }),
        bug("an accepted request taken for done", "S2", ONE, |p| p.decide = |observation, now| {
            let accepted = matches!(observation.memory.send.as_ref().map(|send| &send.outcome), Some(Outcome::Accepted { .. }));
            match accepted && observation.resource.has_finalizer() && observation.resource.deleted.is_some() {
                true => Decision { step: Step::Release(Release::Gone), status: None, again: None },
                false => decide(observation, now),
            }
        }),
        bug("absence from a truncated page", "S2", ONE, |p| p.look = |result, asked, id| match result {
            Ok(answer) if answer.rows.is_empty() => Look::Absent,
            _ => Look::of(result, asked, id),
        }).takes(&[]),
        bug("absence from an error", "S2", ONE, |p| p.look = |result, asked, id| match result {
            Err(_) => Look::Absent,
            Ok(_) => Look::of(result, asked, id),
        }).takes(&[]),
        bug("absence from 'not found' to a question for several", "S2", ONE, |p| p.look = |result: &Described, asked, id: &ProxyId| match result {
            Err(error) if error.class() == Class::Gone => Look::Absent,
            _ => Look::of(result, asked, id),
        }).takes(&[]),
        bug("absence from one look", "S2", ONE, |p| p.decide = |observation, now| bent(observation, now, |bent| {
            bent.timing.absence_spacing = Duration::ZERO;
            if let Some(look) = &mut bent.memory.look { look.asked = look.answered; }
        })),
        bug("a sight in between does not end the proof of absence", "S2", ONE, |p| p.record_look = |memory, look| {
            let before = memory.first_absent.clone();
            memory.record_look(look);
            memory.first_absent = memory.first_absent.take().or(before);
        }).takes(&[]),
        bug("the account of an answer is not compared", "S2|L1", ONE, |p| p.decide = |observation, now| bent(observation, now, |bent| {
            bent.resource.status.account = None;
        })),
        bug("a status is stored without a test of uid and version", "S7", AGAIN, |p| p.store_status = |resource, status: &GaapProxyStatus| {
            without(without(status::patch(resource, status), "/metadata/uid"), "/metadata/resourceVersion")
        }),
        bug("a status is stored without a test of the version", "S3", ONE, |p| p.store_status = |resource, status| {
            without(status::patch(resource, status), "/metadata/resourceVersion")
        }).takes(&["stale read", "watch behind"]),
        bug("Force is escalated after a failure", "S9|S3", ONE, |p| p.decide = |observation, now| {
            let failed = observation.memory.send.as_ref().is_some_and(|send| send.outcome.failure().is_some());
            let decision = decide(observation, now);
            match &decision.step {
                Step::Destroy(_) if failed => Decision { step: Step::Destroy(request(&observation.resource, true, attempt(observation))), ..decision },
                _ => decision,
            }
        }),
        bug("another Force is sent while the first request is unknown", "S3", FORCE, |p| p.decide = |observation, now| bent(observation, now, |bent| {
            let force = bent.resource.force;
            for send in bent.memory.send.iter_mut().chain(&mut bent.memory.doubt) { send.force = force; }
        })),
        bug("a refusal forgets an unknown request before it", "S3", ONE, |p| p.record_send = |memory, send| {
            memory.record_send(send);
            if matches!(memory.send.as_ref().map(|send| &send.outcome), Some(Outcome::NotTaken(_))) { memory.doubt = None; }
        }).takes(&["request late", "request lost", "failed set"]),
        bug("after a restart a refusal is believed, whatever the process before has sent", "S3|S16", ONE, |p| p.record_send = |memory, send| {
            let none = memory.doubt.is_none();
            memory.record_send(send);
            if none && matches!(memory.send.as_ref().map(|send| &send.outcome), Some(Outcome::NotTaken(_))) { memory.doubt = None; }
        }).takes(&["crash", "failed set", "unauthorized"]),
        bug("a record of an earlier attempt ends the wait after a change that nobody saw", "S3|S16", FORCE, |p| p.decide = |observation, now| bent(observation, now, |bent| {
            if bent.resource.status.destroy.is_some() { bent.memory.met_deleting = false; }
        })).takes(&["crash", "failed set", "unauthorized"]),
        bug("the settle time is ignored", "S3", ONE, |p| p.decide = |observation, now| bent(observation, now, |bent| bent.timing.settle_time = Duration::ZERO)),
        bug("a raised attempt is used before it is stored", "S3", ONE, |p| p.decide = |observation, now| {
            let decision = decide(observation, now);
            let raised = observation.memory.send.as_ref().is_some_and(|send| matches!(send.outcome, Outcome::NotTaken(_)));
            match &decision.step {
                Step::Destroy(sent) if raised => Decision { step: Step::Destroy(request(&observation.resource, sent.force(), attempt(observation) + 1)), ..decision },
                Step::Store if raised && observation.fresh => Decision { step: Step::Destroy(request(&observation.resource, observation.resource.force, attempt(observation) + 1)), ..decision },
                Step::Store if raised => Decision { step: Step::Prepare { look_first: false }, status: None, again: None },
                _ => decision,
            }
        }),
        bug("destroy before a look", "S17", ONE, |p| p.decide = |observation, now| sends_anyway(observation, now, |_| false)),
        bug("an unknown state taken for destroyable", "S17", ONE, |p| p.look = |result, asked, id| match Look::of(result, asked, id) {
            Look::Present(mut proxy) => {
                if let ProxyStatus::Unknown(_) = proxy.status { proxy.status = ProxyStatus::Running; }
                Look::Present(proxy)
            }
            other => other,
        }),
        bug("destroy from a cached read", "S1|S8|S9", &["Retain in mid-deletion"], |p| p.fresh_read = |_, cached| Some(cached.clone())),
        bug("destroy on what the last read said, however old", "L1|S1|S8", &["Retain in mid-deletion"], |p| { p.read_holds = |_, _| true; p.fresh_read = |_, cached| Some(cached.clone()); }),
        bug("destroy while another resource claims the proxy", "S5", TWO, |p| p.decide = |observation, now| bent(observation, now, |bent| bent.claims.others.clear())),
        bug("the youngest claim owns the proxy", "S2|S5", TWO, |p| p.decide = |observation, now| bent(observation, now, |bent| {
            for Claim { created, .. } in &mut bent.claims.others { *created = -*created; }
            bent.resource.created = -bent.resource.created;
        })),
        bug("Retain is ignored", "S1|S8", &["Retain in mid-deletion"], |p| p.decide = |observation, now| bent(observation, now, |bent| bent.resource.policy = DeletionPolicy::Destroy)),
        bug("paused is ignored", "S8", &["paused for a while"], |p| p.decide = |observation, now| bent(observation, now, |bent| bent.resource.paused = false)),
        bug("createTime is not compared", "another proxy", ONE, |p| p.decide = |observation, now| bent(observation, now, |bent| {
            if let (Some(bound), Some(look)) = (&mut bent.resource.status.proxy, &bent.memory.look)
                && let Seen::Present(proxy) = &look.seen
            { bound.create_time = proxy.create_time; }
        })),
        bug("the account is not compared before a send", "nothing is sent under another account|S2|S17", ONE, |p| p.decide = |observation, now| bent(observation, now, |bent| {
            let ours = bent.resource.status.account.clone();
            if let (gaap_operator::controller::observation::Cloud::Ready(account), Some(ours)) = (&mut bent.cloud, ours) { account.id = ours.account_id; }
            if let (Some(look), Some(ours)) = (&mut bent.memory.look, bent.resource.status.account.clone())
                && let Some(account) = &mut look.account
            { account.id = ours.account_id; }
            if let (Some((_, account)), Some(ours)) = (&mut bent.memory.first_absent, bent.resource.status.account.clone()) { account.id = ours.account_id; }
        })),
        bug("the finalizer is stored after the first look", "S10", NEW, |p| p.decide = |observation, now| match observation.memory.look {
            None if observation.resource.deleted.is_none() => bent(observation, now, |bent| bent.resource.finalizers = vec![FINALIZER.to_owned()]),
            _ => decide(observation, now),
        }),
        bug("destroy before the first list is complete", "S11|S5", TWO, |p| p.decide = |observation, now| bent(observation, now, |bent| bent.claims.complete = true)),
        bug("a proxy younger than the minimum age is destroyed", "minimum age|nothing is sent for a proxy younger", &["an unknown state, then young"], |p| p.decide = |observation, now| bent(observation, now, |bent| bent.timing.minimum_age = Duration::ZERO)),
        bug("the owner is not looked up before a later claimant is released", "S2", &["two claims, the owner is let go"], |p| p.owner_exists = |_| true),
        bug("after a refusal nothing is tried again", "L1", ONE, |p| p.decide = |observation, now| {
            let refused = matches!(observation.memory.send.as_ref().map(|send| &send.outcome), Some(Outcome::NotTaken(_)));
            let decision = decide(observation, now);
            if refused { Decision { step: Step::Wait, again: None, ..decision } } else { decision }
        }),
        bug("a wait that forgets to say when to come back and never looks again", "L1", ONE, |p| p.decide = |observation, now| {
            let decision = decide(observation, now);
            match decision.step {
                Step::Look if observation.memory.look.is_some() => Decision { step: Step::Wait, ..decision },
                _ => decision,
            }
        }),
    ]
}

/// The shortest way to a promise that is broken: of several that break at the same step the one that was expected.
fn caught(bug: &Bug) -> Option<Finding> {
    for name in bug.scenarios {
        let scenario = SCENARIOS.iter().find(|known| known.name == *name).expect("a scenario of that name");
        let exploration = Exploration::new(bug.protocol.clone(), scenario, bug.faults).only(bug.kinds);
        let findings = explore(exploration, 2, |_, _, _| {}).findings;
        let expected = findings.iter().find(|finding| bug.expects(finding));
        if let Some(finding) = expected.or(findings.first()) {
            return Some(finding.clone());
        }
    }
    None
}

/// The faults on the way there.
fn faults_of(finding: &Finding) -> String {
    let faults: Vec<&str> =
        finding.trace.iter().filter_map(|action| action.fault()).map(|fault| FAULTS[fault]).collect();
    if faults.is_empty() { "no fault".to_owned() } else { faults.join(" + ") }
}

#[test]
fn the_model_catches_every_seeded_bug_and_names_the_promise_it_breaks() {
    let mut wrong = Vec::new();
    println!("  {:<76} {:>5}  {:<60} after", "bug", "steps", "caught by");
    let only = std::env::var("BUG").ok();
    for bug in bugs().iter().filter(|bug| only.as_ref().is_none_or(|only| bug.what.contains(only.as_str()))) {
        let Some(finding) = caught(bug) else {
            println!("! {:<76} NOT CAUGHT", bug.what);
            wrong.push(format!("{}: not caught", bug.what));
            continue;
        };
        let promise: String = finding.property.chars().take(60).collect();
        let mark = if bug.expects(&finding) { ' ' } else { '!' };
        println!("{mark} {:<76} {:>5}  {promise:<60} {}", bug.what, finding.trace.len(), faults_of(&finding));
        if !bug.expects(&finding) {
            let (by, trace) = (finding.property, &finding.trace);
            wrong.push(format!("{}: caught by {by} instead of {}\n{trace:#?}", bug.what, bug.breaks));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
