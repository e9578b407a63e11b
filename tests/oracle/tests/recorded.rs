//! A life as a real kube-apiserver 1.37 and the simulator recorded it: created, adopted, deleted, the answer of
//! DestroyProxies lost, looked at until gone, released. (Shortened to one resource, and to the members that matter.)
//!
//! The stories of the other tests are written by hand; this one fails if their form is not what the real logs have.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the whole crate is a test, and clippy's exception for tests covers only their functions"
)]

use std::time::Duration;

use oracle::{Account, Context, Promise, Verdict, judge, rbac_usage};
use serde_json::{Value, json};

const OPERATOR: &str = "system:serviceaccount:gaap-operator-system:gaap-operator";

struct Logs {
    audit: Vec<Value>,
    requests: Vec<Value>,
    context: Context,
}

impl Logs {
    fn recorded() -> Self {
        let audit = include_str!("recorded/audit.jsonl").lines().map(|line| serde_json::from_str(line).unwrap());
        let context = Context {
            operator_users: vec![OPERATOR.to_owned()],
            operator_starts: vec!["2026-11-24T05:15:50.735111Z".to_owned(), "2026-11-24T05:16:18.595925Z".to_owned()],
            absence_spacing: Duration::from_secs(2),
            settle_time: Duration::from_secs(6),
            accounts: vec![Account { id: "100000000001".to_owned(), endpoint: String::new() }],
            secrets: vec!["fakefakefakefakefakefakefake0001".into()],
            ..Context::default()
        };
        Self {
            audit: audit.collect(),
            requests: serde_json::from_str(include_str!("recorded/requests.json")).unwrap(),
            context,
        }
    }

    fn judged(&self) -> Verdict {
        judge(&self.audit, &self.requests, &self.context)
    }

    /// The operator's calls of one kind, in order.
    fn calls(&mut self, verb: &str, subresource: &str) -> Vec<&mut Value> {
        let wanted = |entry: &&mut Value| {
            let part = entry["objectRef"]["subresource"].as_str().unwrap_or_default();
            entry["user"]["username"] == OPERATOR && entry["verb"] == verb && part == subresource
        };
        self.audit.iter_mut().filter(wanted).collect()
    }

    fn sent(&mut self, action: &str) -> Vec<&mut Value> {
        self.requests.iter_mut().filter(|entry| entry["action"] == action).collect()
    }
}

#[test]
fn a_recorded_life_keeps_every_promise() {
    let verdict = Logs::recorded().judged();
    assert!(verdict.is_clean(), "{verdict}");
    assert!(verdict.notices.is_empty(), "{verdict}");
    let idle: Vec<_> = Promise::ALL.into_iter().filter(|promise| verdict.checked(*promise) == 0).collect();
    // One resource, one request without Force, one operator without an election.
    assert_eq!(idle, [Promise::S3, Promise::S5, Promise::S6, Promise::S9], "{verdict}");
}

/// The promise that a changed fact breaks, in words what is changed, and how.
type Change = (Promise, &'static str, fn(&mut Logs));

const CHANGES: &[Change] = &[
    (Promise::S1, "the read is not logged", |logs| logs.audit.retain(|entry| entry["verb"] != "get")),
    (Promise::S1, "the read shows a living resource", |logs| {
        let read = logs.calls("get", "").pop().unwrap();
        read["responseObject"]["metadata"].as_object_mut().unwrap().remove("deletionTimestamp").unwrap();
    }),
    (Promise::S2, "the last look is lost", |logs| {
        logs.sent("DescribeProxies").pop().unwrap()["delivered"] = json!(false);
    }),
    (Promise::S3, "a raised attempt follows the lost answer", |logs| {
        let mut again = logs.sent("DestroyProxies").pop().unwrap().clone();
        again["seq"] = json!(10);
        again["time"] = json!("2026-11-24T05:16:03.000000Z");
        again["clientToken"] = json!("gaap1-another");
        logs.requests.push(again);
    }),
    (Promise::S4, "the token is missing", |logs| {
        logs.sent("DestroyProxies").pop().unwrap()["clientToken"] = Value::Null;
    }),
    (Promise::S7, "the release does not test the uid", |logs| {
        let release = logs.calls("patch", "").pop().unwrap();
        release["requestObject"].as_array_mut().unwrap().retain(|operation| operation["path"] != "/metadata/uid");
    }),
    (Promise::S8, "the read shows Retain", |logs| {
        logs.calls("get", "").pop().unwrap()["responseObject"]["spec"]["deletionPolicy"] = json!("Retain");
    }),
    (Promise::S9, "Force is sent", |logs| logs.sent("DestroyProxies").pop().unwrap()["force"] = json!(1)),
    (Promise::S10, "the release is not seen, and the name is free", |logs| {
        let last = logs.audit.iter().rposition(|entry| entry["verb"] == "patch").unwrap();
        let mut missing = logs.audit[0].clone();
        missing["verb"] = json!("get");
        missing["objectRef"]["namespace"] = json!("games");
        missing["objectRef"]["name"] = json!("p01");
        missing["responseStatus"]["code"] = json!(404);
        missing["responseObject"] = json!({"kind": "Status", "reason": "NotFound", "details": {"name": "p01"}});
        for field in ["requestReceivedTimestamp", "stageTimestamp"] {
            missing[field] = json!("2026-11-24T05:16:30.000000Z");
        }
        logs.audit[last] = missing;
    }),
    (Promise::S11, "the first list failed", |logs| {
        logs.calls("list", "")[0]["responseStatus"]["code"] = json!(500);
    }),
    (Promise::S14, "the looks come at once", |logs| {
        let look = logs.sent("DescribeProxies").pop().unwrap().clone();
        let seq = logs.requests.len();
        logs.requests.extend((0..20).map(|number| {
            let mut look = look.clone();
            look["seq"] = json!(seq + number + 1);
            look
        }));
    }),
    (Promise::S15, "the status shows another state", |logs| {
        logs.calls("patch", "status")[0]["responseObject"]["status"]["proxy"]["status"] = json!("CLOSED");
    }),
    (Promise::S15, "a message holds the secret", |logs| {
        logs.calls("patch", "status")[0]["responseObject"]["status"]["conditions"][0]["message"] =
            json!("fakefakefakefakefakefakefake0001");
    }),
    (Promise::S16, "the cloud accepts it twice", |logs| {
        let mut again = logs.sent("DestroyProxies").pop().unwrap().clone();
        again["seq"] = json!(10);
        again["time"] = json!("2026-11-24T05:16:03.000000Z");
        logs.requests.push(again);
    }),
    (Promise::S17, "the looks showed an unknown state", |logs| {
        for look in logs.sent("DescribeProxies").into_iter().take(2) {
            look["describe"]["returned"][0]["status"] = json!("QUIESCING");
        }
    }),
];

#[test]
fn the_recorded_life_is_refused_when_one_fact_is_another() {
    for (promise, what, change) in CHANGES {
        let mut logs = Logs::recorded();
        change(&mut logs);
        let verdict = logs.judged();
        let found = verdict
            .of(*promise)
            .any(|violation| violation.subject.contains("games/p01") || violation.subject.contains("100000000001"));
        assert!(found, "{promise}: {what}\n{verdict}");
    }
}

#[test]
fn the_permissions_used_in_the_recorded_life_are_these() {
    let used: Vec<String> = rbac_usage(&Logs::recorded().audit, OPERATOR).iter().map(ToString::to_string).collect();
    assert_eq!(
        used,
        [
            "get gaapproxies.gaap-operator.io in a namespace",
            "list gaapproxies.gaap-operator.io in the cluster",
            "patch gaapproxies.gaap-operator.io in a namespace",
            "patch gaapproxies/status.gaap-operator.io in a namespace",
            "watch gaapproxies.gaap-operator.io in the cluster",
        ]
    );
}
