//! The end of every test: what the API server and the cloud saw, held against the promises.

use gaap_simulator::{DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY, DEFAULT_UIN};
use k8s_openapi::jiff::Timestamp;
use oracle::{Account, Context, Replica, Secret, parse_duration};
use serde_json::Value;

use super::operator::Operator;
use super::patience::{LIMIT, until};
use super::shared::{RELEASE, SYSTEM};
use super::world::{SECOND_KEY, World};

/// The user that the operator is for the API server.
pub fn operator_user() -> String {
    format!("system:serviceaccount:{SYSTEM}:{RELEASE}")
}

impl World {
    /// Ends the operator and judges the promises from the audit log of the API server and the log of the cloud.
    ///
    /// # Panics
    /// When a promise was broken, or RBAC denied a request of the operator.
    pub async fn finish(mut self) {
        self.judge().await;
        self.finished = true;
    }

    /// What is broken in a world as it stands, if anything is. A test that missed a limit of time may have done so for a
    /// broken promise, and then it is not to be tried again (`scripts/patiently.sh`).
    pub fn broken(&self) -> Option<String> {
        if self.operators().any(|operator| operator.log().contains("this is a defect of gaap-operator")) {
            return Some("the operator panicked".to_owned());
        }
        let audit = self.cluster.plane().audit().entries(self.since).ok()?;
        let verdict = self.verdict(&audit);
        (!verdict.is_clean()).then(|| format!("the oracle says\n{verdict}"))
    }

    async fn judge(&mut self) {
        for operator in self.operators() {
            if operator.is_running() {
                operator.terminate().await;
            }
        }
        let faults: Vec<u64> = self.cloud().faults().iter().map(|report| report.id).collect();
        for fault in faults {
            self.cloud().remove_fault(fault);
        }
        until("the end of every request at the cloud", LIMIT, async || {
            let open = self.requests().iter().filter(|entry| !entry.completed).count();
            if open == 0 { Ok(()) } else { Err(format!("{open} open")) }
        })
        .await;
        assert_eq!(self.cloud().dropped_requests(), 0, "the cloud's log is complete");
        let audit = self.cluster.plane().settled_audit(self.since).await.unwrap();
        self.judge_permissions(&audit);
        let verdict = self.verdict(&audit);
        println!("{}: {verdict}", self.name);
        assert!(verdict.is_clean(), "{}: the oracle says\n{verdict}", self.name);
    }

    fn verdict(&self, audit: &[Value]) -> oracle::Verdict {
        let requests: Vec<Value> = self.requests().iter().map(|entry| serde_json::to_value(entry).unwrap()).collect();
        oracle::judge(audit, &requests, &self.context())
    }

    /// An API server that was just started denies everything for a moment, until it has read its own rules: denials
    /// since `from` are not the operator's fault.
    pub fn excuse_denials_since(&self, from: Timestamp) {
        let plain = |time: Timestamp| format!("{time:.6}");
        self.excused.lock().unwrap().push((plain(from), plain(Timestamp::now())));
    }

    fn judge_permissions(&self, audit: &[Value]) {
        // Every world's operator is the same user: one of another namespace belongs to another test.
        let ours = |entry: &&&Value| {
            entry["objectRef"]["namespace"]
                .as_str()
                .is_none_or(|namespace| self.namespaces.iter().any(|own| own == namespace))
        };
        let denied = oracle::denied(audit, &operator_user());
        let excused = self.excused.lock().unwrap().clone();
        let in_force = |entry: &&&Value| {
            let time = entry["requestReceivedTimestamp"].as_str().unwrap_or_default();
            !excused.iter().any(|(from, to)| from.as_str() <= time && time <= to.as_str())
        };
        let denied: Vec<_> = denied.iter().filter(ours).filter(in_force).collect();
        assert!(denied.is_empty(), "{}: RBAC denied requests of the operator:\n{denied:#?}", self.name);
    }

    fn context(&self) -> Context {
        let time = |flag: &str| {
            let value = self.flags.iter().find(|(name, _)| name == flag).map(|(_, value)| value.as_str());
            parse_duration(value.unwrap_or_else(|| panic!("{flag} is not set"))).unwrap()
        };
        Context {
            operator_users: vec![operator_user()],
            operator_client: Some("gaap-operator_".to_owned()),
            operator_starts: self.operators().flat_map(Operator::starts).collect(),
            replicas: self.replicas(),
            namespaces: self.namespaces.clone(),
            watched_namespaces: self.watched.clone(),
            lease_namespace: Some(self.namespace.clone()),
            absence_spacing: time("--absence-spacing"),
            minimum_age: time("--minimum-age"),
            settle_time: time("--settle-time"),
            accounts: self.accounts(),
            secrets: self.secrets(),
            events: self.sight.raw_events(),
            texts: self.operators().map(|operator| ("operator log".to_owned(), operator.log())).collect(),
            ..Context::default()
        }
    }

    /// How two operators are told apart: each has a key and a token of its own.
    fn replicas(&self) -> Vec<Replica> {
        let Some(second) = &self.second else { return Vec::new() };
        let replica = |operator: &Operator, secret_id: &str| Replica {
            host: operator.host(),
            secret_id: secret_id.to_owned(),
            credential: operator.credential(),
            starts: operator.starts(),
        };
        vec![replica(&self.operator, DEFAULT_SECRET_ID), replica(second, SECOND_KEY.0)]
    }

    /// Every account that a key of this cloud belongs to.
    fn accounts(&self) -> Vec<Account> {
        let keys = self.cloud().credentials();
        let ids = keys.iter().map(|key| key.uin.as_str()).chain([DEFAULT_UIN]);
        ids.map(|id| Account { id: id.to_owned(), endpoint: self.cloud_url() }).collect()
    }

    /// Everything that must be seen nowhere.
    pub fn secrets(&self) -> Vec<Secret> {
        let keys = self.cloud().credentials();
        let own = keys.into_iter().flat_map(|key| [Some(key.secret_id), Some(key.secret_key), key.token]);
        let all = own.flatten().chain([DEFAULT_SECRET_ID.to_owned(), DEFAULT_SECRET_KEY.to_owned()]);
        all.map(Secret::from).collect()
    }
}
