//! What the tests of this folder share: a clock that follows paused time, and servers on loopback.

use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use prometheus_client::registry::Registry;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::gaap::client::{Client, ClientConfig};
use crate::gaap::credentials::Credentials;
use crate::gaap::metrics::ApiMetrics;
use crate::gaap::proxy::Account;
use crate::gaap::session::Session;
use crate::process::clock::{Clock, Now};

/// Unix time at which every test begins: the timestamp of vector G1.
pub const BEGIN: u64 = 1_700_000_000;

/// Follows tokio's time, paused or not.
pub struct TestClock {
    begun: Instant,
}

impl TestClock {
    pub fn shared() -> Arc<Self> {
        Arc::new(Self { begun: Instant::now() })
    }

    /// A clock whose first second is over, so that a test need not wait for it.
    pub fn aged() -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self { begun: now.checked_sub(Duration::from_secs(2)).unwrap_or(now) })
    }
}

impl Clock for TestClock {
    fn now(&self) -> Now {
        let monotonic = self.begun.elapsed();
        Now { unix: Duration::from_secs(BEGIN) + monotonic, monotonic }
    }
}

/// A clock that stands still, for tests without a runtime.
pub struct FixedClock;

impl FixedClock {
    pub fn shared() -> Arc<Self> {
        Arc::new(Self)
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Now {
        Now::default()
    }
}

/// A server of a test; it ends with the value.
pub struct Server {
    pub url: Url,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Serves HTTP on a free loopback port.
    pub async fn http(router: Router) -> Self {
        Self::tcp(|listener| async move {
            axum::serve(listener, router).await.unwrap();
        })
        .await
    }

    /// Gives a listener on a free loopback port to whatever speaks there.
    pub async fn tcp<F: Future<Output = ()> + Send + 'static>(serve: impl FnOnce(TcpListener) -> F) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        Self { url, task: tokio::spawn(serve(listener)) }
    }
}

/// Settings for a client of a test server.
pub fn config(url: &Url) -> ClientConfig {
    ClientConfig {
        allow_insecure_endpoint: true,
        proxy_from_environment: false,
        request_timeout: Duration::from_secs(5),
        ..ClientConfig::new(url.clone())
    }
}

/// A client of a test server.
pub fn client(url: &Url) -> Client {
    client_with(config(url))
}

/// A client with these settings, whose first second is over.
pub fn client_with(config: ClientConfig) -> Client {
    Client::new(config, TestClock::aged(), metrics()).unwrap()
}

pub fn metrics() -> Arc<ApiMetrics> {
    Arc::new(ApiMetrics::new(&mut Registry::default()))
}

/// Waits for a condition, at most ten seconds.
pub async fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    timeout(Duration::from_secs(10), async {
        loop {
            if let Some(value) = condition() {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{what} did not come true"))
}

/// One request as a test server received it.
#[derive(Clone, Debug)]
pub struct Received {
    pub at: Instant,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    /// X-TC-Action.
    pub fn action(&self) -> &str {
        self.header("x-tc-action")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// ProxyIds.
    pub fn ids(&self) -> Vec<String> {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["ProxyIds"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }
}

/// What a test cloud received, in order of arrival.
pub type Log = Arc<Mutex<Vec<Received>>>;

/// A cloud whose answers a test makes up: HTTP 200 with what is in `Response`, a RequestId added.
pub async fn cloud<F>(answer: impl Fn(Received) -> F + Clone + Send + Sync + 'static) -> (Server, Log)
where
    F: Future<Output = Value> + Send + 'static,
{
    let log = Log::default();
    let received = log.clone();
    let router = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
        let request = Received { at: Instant::now(), headers, body };
        received.lock().unwrap().push(request.clone());
        let answer = answer(request);
        async move {
            let mut response = answer.await;
            response["RequestId"] = "r-1".into();
            ([("content-type", "application/json")], json!({ "Response": response }).to_string())
        }
    });
    (Server::http(router).await, log)
}

/// An error of the API.
pub fn refusal(code: &str) -> Value {
    json!({"Error": {"Code": code, "Message": "made up by a test"}})
}

/// A complete answer to DescribeProxies with these proxies, all RUNNING.
pub fn running(ids: &[String]) -> Value {
    let rows: Vec<Value> = ids.iter().map(|id| json!({"ProxyId": id, "Status": "RUNNING"})).collect();
    json!({"TotalCount": rows.len(), "ProxySet": rows})
}

/// An invented key.
pub fn key() -> Credentials {
    Credentials::new("AKIDinvented0001".into(), "keyinvented0001".into(), None).unwrap()
}

/// A session as it would be after STS answered.
pub fn session(credentials: Credentials, url: &Url) -> Session {
    let endpoint = url.as_str().trim_end_matches('/').to_owned();
    Session::new(credentials, Account { id: "100000000001".into(), endpoint }, 1, Arc::default())
}
