//! The few questions this crate itself asks the API server: is it ready, and a token for a ServiceAccount.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use crate::error::{Error, Result};

/// An answer on loopback takes milliseconds; an API server under load takes longer, but not this long.
const LIMIT: Duration = Duration::from_secs(60);

/// A client of the API server with the administrator's token.
#[derive(Clone)]
pub(crate) struct Api {
    client: reqwest::Client,
    server_url: String,
    token: String,
}

impl std::fmt::Debug for Api {
    // Without the token, which is a secret while the server runs.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Api").field("server_url", &self.server_url).finish_non_exhaustive()
    }
}

impl Api {
    pub(crate) fn new(server_url: &str, ca_file: &Path, token: String) -> Result<Self> {
        let failed = |reason: String| Error::Api { request: format!("client for {server_url}"), answer: reason };
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(ca_file).map_err(|error| failed(error.to_string()))?;
        roots.add(ca).map_err(|error| failed(error.to_string()))?;
        // The provider is named here, so that the process this library is in keeps its own choice of a default.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .timeout(LIMIT)
            // After a restart of the server an old connection would fail the first question.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { client, server_url: server_url.to_owned(), token })
    }

    /// Whether `path` is answered with 200; if not, why.
    pub(crate) async fn is_ok(&self, path: &str) -> Result<(), String> {
        match self.send(Method::GET, path, None, None).await {
            Ok((StatusCode::OK, _)) => Ok(()),
            Ok((status, body)) => Err(format!("{path}: {status}: {}", last_line(&body))),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The object at `path`.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let (status, body) = self.send(Method::GET, path, None, None).await?;
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let message = answer.pointer("/message").and_then(Value::as_str).unwrap_or_else(|| last_line(&body));
        Err(Error::Api { request: format!("GET {path}"), answer: format!("{status}: {message}") })
    }

    /// Asks for nothing in particular under this audit id.
    pub(crate) async fn mark(&self, audit_id: &str) -> Result<()> {
        self.send(Method::GET, "/version", None, Some(audit_id)).await.map(drop)
    }

    /// A token of a ServiceAccount, from the TokenRequest API.
    pub(crate) async fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        lifetime: Duration,
    ) -> Result<String> {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let request = serde_json::json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": lifetime.as_secs()},
        });
        let (status, body) = self.send(Method::POST, &path, Some(request.to_string()), None).await?;
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        match answer.pointer("/status/token").and_then(Value::as_str) {
            Some(token) if status.is_success() => Ok(token.to_owned()),
            _ => {
                let message = answer.pointer("/message").and_then(Value::as_str).unwrap_or("no token in the answer");
                Err(Error::Api { request: format!("POST {path}"), answer: format!("{status}: {message}") })
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        audit_id: Option<&str>,
    ) -> Result<(StatusCode, String)> {
        let failed = |error: reqwest::Error| {
            // reqwest names the address and leaves the reason to the innermost source.
            let mut reason: &dyn std::error::Error = &error;
            while let Some(source) = reason.source() {
                reason = source;
            }
            Error::Api { request: path.to_owned(), answer: reason.to_string() }
        };
        let mut request = self.client.request(method, format!("{}{path}", self.server_url)).bearer_auth(&self.token);
        if let Some(audit_id) = audit_id {
            request = request.header("Audit-ID", audit_id);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body);
        }
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        Ok((status, response.text().await.map_err(failed)?))
    }
}

/// /readyz lists its checks; what did not pass is in a line with `[-]`, and the verdict comes last.
fn last_line(body: &str) -> &str {
    body.lines().find(|line| line.starts_with("[-]")).or_else(|| body.lines().next_back()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_that_fails_is_named() {
        assert_eq!(
            last_line("[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed"),
            "[-]etcd failed: reason withheld"
        );
        assert_eq!(last_line("one\ntwo"), "two");
        assert_eq!(last_line(""), "");
    }
}
