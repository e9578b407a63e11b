//! A simulator under a clock that stands still, and a client that signs.

use std::sync::Arc;
use std::time::Duration;

use gaap_simulator::{
    Clock, Config, Control, Credential, DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY, Entry, ManualClock, ProxySpec,
    Simulator, UnixTime,
};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const OTHER_UIN: &str = "100000000002";
pub const OTHER_ID: &str = "AKIDOTHER";
pub const OTHER_KEY: &str = "other-secret-key";
pub const LIMIT: Duration = Duration::from_secs(60);

pub struct Cloud {
    pub simulator: Simulator,
    pub control: Control,
    pub clock: ManualClock,
}

impl Cloud {
    /// Two accounts and `proxies` proxies of the first.
    pub async fn start(proxies: u32) -> Self {
        let clock = ManualClock::at(UnixTime::from_seconds(1_700_000_000));
        let mut config = Config { proxies, clock: Arc::new(clock.clone()), ..Config::default() };
        config.credentials.push(Credential::new(OTHER_ID, OTHER_KEY, OTHER_UIN));
        let simulator = Simulator::start(config).await.expect("a free loopback port");
        Self { control: simulator.control(), simulator, clock }
    }

    pub fn client(&self) -> Client {
        Client::new(self, DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY)
    }

    pub fn host(&self) -> String {
        self.simulator.address().to_string()
    }

    pub fn last_entry(&self) -> Entry {
        self.control.requests(0).pop().expect("a request was received")
    }

    pub fn status(&self, id: &str) -> Option<String> {
        self.control.proxy(id).map(|proxy| proxy.status)
    }

    pub fn add(&self, id: &str) {
        self.control.add_proxy(&ProxySpec::named(id)).expect("a new proxy");
    }

    /// The first log entry as wanted, awaited.
    pub async fn entry_where(&self, wanted: impl Fn(&Entry) -> bool) -> Entry {
        self.control.wait_for_request(0, LIMIT, wanted).await.expect("an entry as wanted")
    }
}

/// Everything about a request that a test may want to have otherwise.
#[derive(Clone)]
pub struct Client {
    pub url: String,
    pub host: String,
    pub secret_id: String,
    pub secret_key: String,
    pub token: Option<String>,
    pub language: Option<&'static str>,
    pub service: &'static str,
    pub version: &'static str,
    pub signed_headers: &'static str,
    pub unsigned_payload: bool,
    pub timestamp: i64,
    pub date: Option<&'static str>,
    pub http: reqwest::Client,
}

impl Client {
    pub fn new(cloud: &Cloud, secret_id: &str, secret_key: &str) -> Self {
        // A second call finds a provider installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(LIMIT);
        Self {
            url: cloud.simulator.url(),
            host: cloud.host(),
            secret_id: secret_id.to_owned(),
            secret_key: secret_key.to_owned(),
            token: None,
            language: Some("en-US"),
            service: "gaap",
            version: "2018-05-29",
            signed_headers: "content-type;host",
            unsigned_payload: false,
            timestamp: cloud.clock.now().seconds(),
            date: None,
            http: http.build().expect("a client"),
        }
    }

    /// The headers of a request, signed; `host` is among them for raw use.
    pub fn headers(&self, method: &Method, action: &str, query: &str, body: &[u8]) -> Vec<(&'static str, String)> {
        let content_type = if method == Method::GET { "application/x-www-form-urlencoded" } else { "application/json" };
        let date = self.date.map_or_else(|| UnixTime::from_seconds(self.timestamp).utc_date(), str::to_owned);
        let value = |name: &str| match name {
            "content-type" => content_type.to_owned(),
            "host" => self.host.clone(),
            "x-tc-action" => action.to_lowercase(),
            other => panic!("no value for {other}"),
        };
        let lines: String = self.signed_headers.split(';').map(|name| format!("{name}:{}\n", value(name))).collect();
        let payload = if self.unsigned_payload { b"UNSIGNED-PAYLOAD".as_slice() } else { body };
        let payload = hex::encode(Sha256::digest(payload));
        let canonical = format!("{method}\n/\n{query}\n{lines}\n{}\n{payload}", self.signed_headers);
        let scope = format!("{date}/{}/tc3_request", self.service);
        let hash = hex::encode(Sha256::digest(canonical));
        let text = format!("TC3-HMAC-SHA256\n{}\n{scope}\n{hash}", self.timestamp);
        let key = ["tc3_request", &text]
            .iter()
            .fold(keyed(&keyed(format!("TC3{}", self.secret_key).as_bytes(), &date), self.service), |key, part| {
                keyed(&key, part)
            });
        let authorization = format!(
            "TC3-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={}, Signature={}",
            self.secret_id,
            self.signed_headers,
            hex::encode(key)
        );
        let mut headers = vec![
            ("host", self.host.clone()),
            ("content-type", content_type.to_owned()),
            ("authorization", authorization),
            ("x-tc-action", action.to_owned()),
            ("x-tc-version", self.version.to_owned()),
            ("x-tc-timestamp", self.timestamp.to_string()),
        ];
        headers.extend(self.token.clone().map(|token| ("x-tc-token", token)));
        headers.extend(self.language.map(|language| ("x-tc-language", language.to_owned())));
        if self.unsigned_payload {
            headers.push(("x-tc-content-sha256", "UNSIGNED-PAYLOAD".to_owned()));
        }
        headers
    }

    pub async fn send(
        &self,
        method: Method,
        action: &str,
        query: &str,
        body: Vec<u8>,
    ) -> reqwest::Result<reqwest::Response> {
        let url = if query.is_empty() { self.url.clone() } else { format!("{}/?{query}", self.url) };
        let headers = self.headers(&method, action, query, &body);
        let mut request = self.http.request(method, url).body(body);
        for (name, value) in headers.into_iter().filter(|(name, _)| *name != "host") {
            request = request.header(name, value);
        }
        request.send().await
    }

    pub async fn post(&self, action: &str, body: Value) -> reqwest::Result<reqwest::Response> {
        self.send(Method::POST, action, "", body.to_string().into_bytes()).await
    }

    /// The `Response` object of a POST.
    pub async fn call(&self, action: &str, body: Value) -> Value {
        let answer = self.post(action, body).await.expect("an answer");
        let mut envelope: Value = answer.json().await.expect("JSON");
        envelope["Response"].take()
    }

    /// The error code of a POST, `OK` without one.
    pub async fn code(&self, action: &str, body: Value) -> String {
        self.call(action, body).await["Error"]["Code"].as_str().unwrap_or("OK").to_owned()
    }

    pub async fn destroy(&self, id: &str) -> reqwest::Result<reqwest::Response> {
        self.post("DestroyProxies", json!({"Force": 0, "ProxyIds": [id]})).await
    }

    /// The status DescribeProxies tells, `None` when it leaves the proxy out.
    pub async fn look(&self, id: &str) -> Option<String> {
        let answer = self.call("DescribeProxies", json!({"ProxyIds": [id]})).await;
        answer["ProxySet"][0]["Status"].as_str().map(str::to_owned)
    }
}

fn keyed(key: &[u8], message: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.chain_update(message.as_bytes()).finalize().into_bytes().to_vec()
}
