//! A small language for logs: each method is one thing that somebody did, and adds the entries that it leaves in the
//! audit log or in the cloud's request log, in the form the real ones have.

use std::collections::BTreeMap;
use std::time::Duration;

use oracle::{Account, Context, Moment, Verdict, judge};
use serde_json::{Value, json};

pub const OPERATOR: &str = "system:serviceaccount:gaap-system:gaap-operator";
pub const USER: &str = "kubernetes-admin";
pub const FINALIZER: &str = "gaap-operator.io/destroy";
pub const ACCOUNT: &str = "100000000001";
pub const ENDPOINT: &str = "https://gaap.tencentcloudapi.com";
/// The proxy of the resource `edge-sg`, and when it was created.
pub const ID: &str = "link-11112222";
pub const CREATED: i64 = 1_790_000_000;
/// The resource that most stories are about.
pub const EDGE: &str = "edge-sg";
pub const SECRET: &str = "fakefakefakefakefakefakefake0001";

/// What the logs hold so far.
pub struct Story {
    now: i64,
    version: u64,
    made: u32,
    objects: BTreeMap<String, Value>,
    /// Which of several operators acts now.
    acting: Option<String>,
    pub audit: Vec<Value>,
    pub requests: Vec<Value>,
    pub context: Context,
}

impl Story {
    pub fn new() -> Self {
        let context = Context {
            operator_users: vec![OPERATOR.to_owned()],
            accounts: vec![Account { id: ACCOUNT.to_owned(), endpoint: ENDPOINT.to_owned() }],
            secrets: vec![SECRET.into()],
            ..Context::default()
        };
        Self {
            now: Moment::parse("2026-11-24T03:00:00Z").unwrap().0,
            version: 100,
            made: 0,
            objects: BTreeMap::new(),
            acting: None,
            audit: Vec::new(),
            requests: Vec::new(),
            context,
        }
    }

    pub fn judged(&self) -> Verdict {
        judge(&self.audit, &self.requests, &self.context)
    }

    pub fn now(&self) -> String {
        Moment(self.now).to_string()
    }

    pub fn wait(&mut self, duration: Duration) -> &mut Self {
        self.now += i64::try_from(duration.as_micros()).unwrap();
        self
    }

    pub fn seconds(&mut self, seconds: u64) -> &mut Self {
        self.wait(Duration::from_secs(seconds))
    }

    pub fn milliseconds(&mut self, milliseconds: u64) -> &mut Self {
        self.wait(Duration::from_millis(milliseconds))
    }

    /// A new process of the operator, which lists first and asks nothing of the cloud in its first second, as each does.
    pub fn operator_restarts(&mut self) -> &mut Self {
        let now = self.now();
        self.context.operator_starts.push(now.clone());
        let acting = self.acting.clone();
        let replicas = self.context.replicas.iter_mut().filter(|replica| Some(&replica.host) == acting.as_ref());
        replicas.for_each(|replica| replica.starts.push(now.clone()));
        self.milliseconds(100).operator_lists().milliseconds(450)
    }

    /// What the operator does from here on, the one of this name does.
    pub fn acts_as(&mut self, host: &str) -> &mut Self {
        self.acting = Some(host.to_owned());
        self
    }

    // What users do.

    pub fn user_creates(&mut self, name: &str) -> &mut Self {
        self.user_creates_with(name, json!({"proxyId": ID}))
    }

    pub fn user_creates_with(&mut self, name: &str, spec: Value) -> &mut Self {
        self.made += 1;
        let second = Moment(self.now / 1_000_000 * 1_000_000).to_string().replace(".000000", "");
        let object = json!({
            "apiVersion": "gaap-operator.io/v1alpha1", "kind": "GaapProxy",
            "metadata": {"name": name, "namespace": "games", "uid": format!("uid-{}-{name}", self.made),
                         "generation": 1, "creationTimestamp": second},
            "spec": spec,
        });
        self.objects.insert(name.to_owned(), object);
        self.write(USER, "create", name, "", json!({}), |_| {})
    }

    /// Any change by a user; a change of the spec raises the generation.
    pub fn user_edits(&mut self, name: &str, change: impl FnOnce(&mut Value)) -> &mut Self {
        self.write(USER, "patch", name, "", json!({}), |object| {
            let spec = object["spec"].clone();
            change(object);
            if object["spec"] != spec {
                object["metadata"]["generation"] = json!(object["metadata"]["generation"].as_i64().unwrap() + 1);
            }
        })
    }

    pub fn user_deletes(&mut self, name: &str) -> &mut Self {
        let second = Moment(self.now / 1_000_000 * 1_000_000).to_string().replace(".000000", "");
        let finalizers = self.object(name)["metadata"]["finalizers"].as_array().map_or(0, Vec::len);
        if finalizers > 0 {
            return self.write(USER, "delete", name, "", Value::Null, |object| {
                object["metadata"]["deletionTimestamp"] = json!(second);
            });
        }
        let uid = self.uid(name);
        let status = json!({"kind": "Status", "status": "Success", "details": {"name": name, "uid": uid}});
        self.objects.remove(name);
        self.call(USER, "delete", name, "", 200, Value::Null, status)
    }

    // What the operator does at the API server.

    pub fn operator_lists(&mut self) -> &mut Self {
        self.call(OPERATOR, "list", "", "", 200, Value::Null, Value::Null)
    }

    pub fn operator_adds_finalizer(&mut self, name: &str) -> &mut Self {
        let body = json!([self.uid_test(name), {"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]}]);
        self.write(OPERATOR, "patch", name, "", body, |object| object["metadata"]["finalizers"] = json!([FINALIZER]))
    }

    pub fn operator_reads(&mut self, name: &str) -> &mut Self {
        let object = self.object(name).clone();
        self.call(OPERATOR, "get", name, "", 200, Value::Null, object)
    }

    pub fn operator_misses(&mut self, name: &str) -> &mut Self {
        let status = json!({"kind": "Status", "reason": "NotFound", "details": {"name": name, "kind": "gaapproxies"}});
        self.call(OPERATOR, "get", name, "", 404, Value::Null, status)
    }

    /// Any change of the status by the operator.
    pub fn operator_writes_status(&mut self, name: &str, change: impl FnOnce(&mut Value)) -> &mut Self {
        let body = json!([self.uid_test(name), {"op": "add", "path": "/status", "value": {}}]);
        self.write(OPERATOR, "patch", name, "status", body, |object| {
            let generation = object["metadata"]["generation"].clone();
            object["status"]["observedGeneration"] = generation;
            change(&mut object["status"]);
        })
    }

    /// The status says what a look showed.
    pub fn operator_mirrors(&mut self, name: &str, shown: &str) -> &mut Self {
        self.operator_writes_status(name, |status| {
            status["account"] = json!({"accountId": ACCOUNT, "endpoint": ENDPOINT});
            status["proxy"] = json!({"status": shown, "createTime": CREATED});
        })
    }

    /// The status tells of the last request.
    pub fn operator_records(&mut self, name: &str, attempt: u64) -> &mut Self {
        let sent = self.last_destroy().clone();
        self.operator_writes_status(name, |status| {
            status["destroy"] = json!({"clientToken": sent["clientToken"], "attempt": attempt, "force": sent["force"] == 1,
                                       "lastCode": sent["code"]});
            if sent["delivered"] == true {
                status["destroy"]["requestId"] = sent["requestId"].clone();
            }
        })
    }

    pub fn operator_sets_condition(&mut self, name: &str, kind: &str, reason: &str) -> &mut Self {
        let now = self.now();
        self.operator_writes_status(name, |status| {
            status["conditions"] =
                json!([{"type": kind, "status": "True", "reason": reason, "lastTransitionTime": now}]);
        })
    }

    pub fn operator_releases(&mut self, name: &str) -> &mut Self {
        let deleted = self.object(name)["metadata"]["deletionTimestamp"].clone();
        let body = json!([self.uid_test(name),
            {"op": "test", "path": "/metadata/deletionTimestamp", "value": deleted},
            {"op": "test", "path": "/metadata/finalizers/0", "value": FINALIZER},
            {"op": "remove", "path": "/metadata/finalizers/0"}]);
        let before = self.version;
        self.write(OPERATOR, "patch", name, "", body, |object| {
            object["metadata"].as_object_mut().unwrap().remove("finalizers");
            // The real server answers the write that ends an object with the version before.
            if object["metadata"]["deletionTimestamp"].is_string() {
                object["metadata"]["resourceVersion"] = json!(before.to_string());
            }
        })
    }

    /// A replica writes itself into the Lease, or nobody to give it back.
    pub fn holds_lease(&mut self, holder: &str, seconds: u64) -> &mut Self {
        let lease = json!({"metadata": {"name": "gaap-operator"},
                           "spec": {"holderIdentity": holder, "leaseDurationSeconds": seconds}});
        self.call(OPERATOR, "update", "gaap-operator", "", 200, lease, Value::Null);
        self.last_call()["objectRef"] = json!({"resource": "leases", "apiGroup": "coordination.k8s.io",
                                               "namespace": "gaap-system", "name": "gaap-operator"});
        self
    }

    // What the operator asks of the cloud.

    /// One look at some ids that all exist, in this state.
    pub fn looks_at(&mut self, ids: &[&str], shown: &str) -> &mut Self {
        let rows: Vec<Value> = ids.iter().map(|id| json!({"id": id, "status": shown, "createTime": CREATED})).collect();
        let told = json!({"totalCount": rows.len(), "limit": 100, "returned": rows});
        self.request("DescribeProxies", ids, "OK", json!({"describe": told}))
    }

    pub fn looks(&mut self, shown: &str) -> &mut Self {
        self.looks_at(&[ID], shown)
    }

    pub fn looks_and_finds_nothing(&mut self) -> &mut Self {
        let told = json!({"totalCount": 0, "limit": 100, "returned": []});
        self.request("DescribeProxies", &[ID], "OK", json!({"describe": told}))
    }

    /// The request that this resource makes now.
    pub fn destroys(&mut self, name: &str, code: &str) -> &mut Self {
        let object = self.object(name);
        let force = object["spec"]["force"] == true;
        let attempt = object["status"]["destroy"]["attempt"].as_u64().unwrap_or(0);
        let token = token(object["metadata"]["uid"].as_str().unwrap(), force, attempt);
        let id = object["spec"]["proxyId"].as_str().unwrap().to_owned();
        let accepted = if code == "OK" { json!([id]) } else { json!([]) };
        let details = json!({"force": i32::from(force), "clientToken": token, "acceptedIds": accepted});
        self.request("DestroyProxies", &[&id], code, details)
    }

    /// As [`Story::destroys`], accepted, but the answer is lost.
    pub fn destroys_and_hears_nothing(&mut self, name: &str) -> &mut Self {
        self.destroys(name, "OK");
        self.last_request()["delivered"] = json!(false);
        self
    }

    // For a story that needs something special.

    pub fn last_request(&mut self) -> &mut Value {
        self.requests.last_mut().expect("somebody has asked the cloud")
    }

    pub fn last_call(&mut self) -> &mut Value {
        self.audit.last_mut().expect("somebody has called the API server")
    }

    fn last_destroy(&self) -> &Value {
        self.requests.iter().rev().find(|request| request["action"] == "DestroyProxies").expect("one was sent")
    }

    pub fn object(&self, name: &str) -> &Value {
        &self.objects[name]
    }

    pub fn uid(&self, name: &str) -> String {
        self.object(name)["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    fn uid_test(&self, name: &str) -> Value {
        json!({"op": "test", "path": "/metadata/uid", "value": self.uid(name)})
    }

    fn write(
        &mut self,
        user: &str,
        verb: &str,
        name: &str,
        subresource: &str,
        body: Value,
        change: impl FnOnce(&mut Value),
    ) -> &mut Self {
        self.version += 1;
        let version = self.version;
        let object = self.objects.get_mut(name).expect("the object exists");
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        change(object);
        let answer = object.clone();
        if answer["metadata"]["deletionTimestamp"].is_string() && answer["metadata"]["finalizers"].is_null() {
            self.objects.remove(name);
        }
        self.call(user, verb, name, subresource, 200, body, answer)
    }

    #[expect(clippy::too_many_arguments, reason = "these are the parts of an audit entry")]
    pub fn call(
        &mut self,
        user: &str,
        verb: &str,
        name: &str,
        subresource: &str,
        code: u16,
        request: Value,
        response: Value,
    ) -> &mut Self {
        let received = self.now();
        self.milliseconds(5);
        let token = self.acting.as_ref().filter(|_| user == OPERATOR).map(|host| format!("JTI={host}"));
        let token = token.map(|token| json!({"authentication.kubernetes.io/credential-id": [token]}));
        self.audit.push(json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "stage": "ResponseComplete", "verb": verb,
            "requestURI": "/apis/gaap-operator.io/v1alpha1/namespaces/games/gaapproxies",
            "user": {"username": user, "extra": token},
            "objectRef": {"resource": "gaapproxies", "apiGroup": "gaap-operator.io", "apiVersion": "v1alpha1",
                          "namespace": if name.is_empty() { "" } else { "games" }, "name": name, "subresource": subresource},
            "responseStatus": {"code": code}, "requestObject": request, "responseObject": response,
            "requestReceivedTimestamp": received, "stageTimestamp": self.now(),
            "annotations": {"authorization.k8s.io/decision": "allow"},
        }));
        self.milliseconds(10)
    }

    pub fn request(&mut self, action: &str, ids: &[&str], code: &str, details: Value) -> &mut Self {
        let seq = self.requests.len() + 1;
        let mut entry = json!({
            "seq": seq, "time": self.now(), "account": ACCOUNT, "action": action, "ids": ids, "force": null,
            "clientToken": null, "code": code, "requestId": format!("request-{seq}"), "acceptedIds": [],
            "delivered": true, "completed": true,
        });
        if let Some(host) = &self.acting {
            entry["secretId"] = json!(format!("AKID-{host}"));
        }
        entry.as_object_mut().unwrap().extend(details.as_object().unwrap().clone());
        self.requests.push(entry);
        self.milliseconds(20)
    }
}

/// A pure function of the request, in the form of the operator's tokens.
fn token(uid: &str, force: bool, attempt: u64) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (uid, force, attempt).hash(&mut hasher);
    format!("gaap1-{:016x}", hasher.finish())
}

// Beginnings that many stories share.

/// A resource whose proxy runs, seen and bound.
pub fn adopted(story: &mut Story) -> &mut Story {
    adopted_with(story, json!({"proxyId": ID}))
}

pub fn adopted_with(story: &mut Story, spec: Value) -> &mut Story {
    story.operator_lists().user_creates_with(EDGE, spec).operator_adds_finalizer(EDGE);
    story.looks("RUNNING").operator_mirrors(EDGE, "RUNNING").seconds(10)
}

/// Deleted, looked at and read: all is ready for the request.
pub fn ready(story: &mut Story) -> &mut Story {
    adopted(story).user_deletes(EDGE).looks("RUNNING").operator_reads(EDGE)
}

/// The request is accepted and recorded.
pub fn requested(story: &mut Story) -> &mut Story {
    ready(story).destroys(EDGE, "OK").operator_records(EDGE, 0).seconds(5)
}
