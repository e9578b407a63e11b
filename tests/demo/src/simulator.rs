//! The simulated cloud: started as the program it is, and asked over its control API.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use control_plane::Guard;
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::patience::until;
use crate::received::Received;
use crate::terminal::link;

/// SecretId that the demo's operator signs with. Invented.
pub const SECRET_ID: &str = "AKIDDEMO0000000000000000000000000001";
/// Its SecretKey. Invented.
pub const SECRET_KEY: &str = "demodemodemodemodemodemodemo0001";

/// A program on loopback answers in milliseconds.
const LIMIT: Duration = Duration::from_secs(30);

/// A running simulator.
#[derive(Debug)]
pub struct Simulator {
    url: String,
    client: reqwest::Client,
    _process: Child,
}

/// A proxy as it is, whatever callers are told.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proxy {
    /// `link-…`
    pub id: String,
    /// Its state.
    pub status: String,
    /// Whether origin servers are bound to it.
    pub bound: bool,
    /// How often a destroy of it was accepted.
    pub accepted_destroys: u32,
}

impl Simulator {
    /// Starts it with so many proxies; a destroy takes `destroy_duration` in it.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(guard: &Guard, program: &Path, proxies: u32, destroy_duration: &str) -> Result<Self> {
        let cannot = |source| Error::Start { program: program.display().to_string(), source };
        let log = guard.folder().join("gaap-simulator.log");
        let log = File::create(&log).map_err(Error::file("write", &log))?;
        let mut command = guard.command("gaap-simulator", &link(guard, "gaap-simulator", program)?);
        command.args(["--listen=127.0.0.1:0", "--secret-id", SECRET_ID, "--secret-key", SECRET_KEY]);
        command.args(["--proxies", &proxies.to_string(), "--destroy-duration", destroy_duration]);
        let mut process = command.stdout(Stdio::piped()).stderr(log).spawn().map_err(cannot)?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            // Whatever goes wrong leaves the line without a URL, which is told just below.
            let _ = timeout(LIMIT, BufReader::new(stdout).read_line(&mut line)).await;
        }
        let Some(url) = line.trim().strip_prefix("listening on ").map(str::to_owned) else {
            let status = process.try_wait().ok().flatten().map_or("no URL".to_owned(), |status| status.to_string());
            return Err(Error::Ended { program: "gaap-simulator", status });
        };
        Ok(Self { url, client: client()?, _process: process })
    }

    /// One that runs elsewhere and is reached at this URL, for as long as `way` runs.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn reached(url: String, way: Child) -> Result<Self> {
        Ok(Self { url, client: client()?, _process: way })
    }

    /// Where it listens, for example `http://127.0.0.1:23456`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The number of the last request so far.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn position(&self) -> Result<u64> {
        let all: Vec<Received> = self.call(Method::GET, "/_sim/requests", None).await?;
        Ok(all.last().map_or(0, |last| last.seq))
    }

    /// What it received after a position, when all of it is answered.
    ///
    /// # Errors
    /// When it does not answer, or a request stays unanswered.
    pub async fn received(&self, after: u64) -> Result<Vec<Received>> {
        until("The last answer of the cloud", LIMIT, async || {
            let requests = self.received_so_far(after).await?;
            match requests.iter().find(|request| !request.completed) {
                None => Ok(Ok(requests)),
                Some(open) => Ok(Err(format!("{} without an answer", open.action))),
            }
        })
        .await
    }

    /// What it received after a position, answered or not.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn received_so_far(&self, after: u64) -> Result<Vec<Received>> {
        self.call(Method::GET, &format!("/_sim/requests?after={after}"), None).await
    }

    /// Its proxies.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn proxies(&self) -> Result<Vec<Proxy>> {
        self.call(Method::GET, "/_sim/proxies", None).await
    }

    /// Binds origin servers to a proxy, which the cloud then destroys with Force=1 only.
    ///
    /// # Errors
    /// When there is no such proxy.
    pub async fn bind_origins(&self, id: &str) -> Result<()> {
        let change = json!({"id": id, "bound": true});
        self.call::<Value>(Method::PATCH, "/_sim/proxies", Some(&change)).await.map(drop)
    }

    /// Puts a fault in force and gives its number.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn add_fault(&self, fault: &Value) -> Result<u64> {
        #[derive(Deserialize)]
        struct Made {
            id: u64,
        }
        self.call::<Made>(Method::POST, "/_sim/faults", Some(fault)).await.map(|made| made.id)
    }

    /// Ends a fault.
    ///
    /// # Errors
    /// When there is none of this number.
    pub async fn remove_fault(&self, id: u64) -> Result<()> {
        self.call::<Value>(Method::DELETE, &format!("/_sim/faults/{id}"), None).await.map(drop)
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&Value>) -> Result<T> {
        let failed = |answer: String| Error::Simulator { request: format!("{method} {path}"), answer };
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.map_err(|error| failed(error.to_string()))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| failed(error.to_string()))?;
        if !status.is_success() {
            return Err(failed(format!("{status} {text}")));
        }
        serde_json::from_str(&text).map_err(|error| failed(format!("{error} in {text}")))
    }
}

/// The answer to the next DestroyProxies of this proxy is lost after the cloud has acted on it.
pub fn answer_lost(id: &str) -> Value {
    json!({"kind": "answer-lost", "action": "DestroyProxies", "ids": [id]})
}

/// The next DestroyProxies of this proxy is carried out and not answered, until the fault is removed.
pub fn hang(id: &str) -> Value {
    json!({"kind": "hang", "action": "DestroyProxies", "ids": [id]})
}

/// Every look at this proxy still shows the state from before, until the fault is removed.
pub fn stale_after_accept(id: &str) -> Value {
    json!({"kind": "stale-after-accept", "ids": [id], "times": 0})
}

/// A client for programs of ours on loopback, which a proxy of the user's environment could not reach.
///
/// # Errors
/// When it cannot be made.
pub fn client() -> Result<reqwest::Client> {
    let failed = |answer: String| Error::Simulator { request: "client".to_owned(), answer };
    // reqwest wants TLS settings even where only plain HTTP is spoken; these trust nobody.
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().timeout(LIMIT);
    builder.build().map_err(|error| failed(error.to_string()))
}
