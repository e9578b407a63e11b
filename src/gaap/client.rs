//! One attempt: build, wait for the pace, sign, send under a deadline, decode. No retries here: what a failure means
//! for the next step is the caller's business, and every attempt takes a turn of its own.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode, Url};
use tokio::time::timeout;

use crate::gaap::api::{self, Decoded, DescribeAnswer, DestroyAnswer};
use crate::gaap::clock_offset::{ClockOffset, timestamp};
use crate::gaap::credentials::Credentials;
use crate::gaap::endpoint::{ConfigError, Endpoint, cause, default_sts_endpoint, http_client};
use crate::gaap::error::{Action, CallError, ErrorKind};
use crate::gaap::metrics::ApiMetrics;
use crate::gaap::pace::{Pace, Turn};
use crate::gaap::proxy::ProxyId;
use crate::gaap::session::Session;
use crate::gaap::tc3::{CanonicalRequest, SigningKey, StringToSign, authorization};
use crate::gaap::token::DestroyRequest;
use crate::process::clock::Clock;

/// Longest body that is read, in bytes. A hundred rows take a few hundred kilobytes.
pub const MAX_BODY: usize = 4 * 1024 * 1024;
/// Without a charset: what is signed must be what is sent, byte by byte.
const JSON: &str = "application/json";
const SIGNATURE_EXPIRE: &str = "AuthFailure.SignatureExpire";

/// Settings of a client.
#[derive(Clone)]
pub struct ClientConfig {
    /// `--gaap-endpoint`: scheme and host.
    pub endpoint: Url,
    /// `--sts-endpoint`.
    pub sts_endpoint: Url,
    /// `--ca-bundle`: PEM certificates that are trusted beside the built-in roots.
    pub ca_bundle: Option<Vec<u8>>,
    /// `--language`: of the cloud's error messages, `en-US` or `zh-CN`.
    pub language: String,
    /// `--request-timeout`: from the start of an attempt, connecting included, to the end of its answer.
    pub request_timeout: Duration,
    /// `--requests-per-second`, for each action.
    pub requests_per_second: f64,
    /// `--allow-insecure-endpoint`: take plain http and addresses of this machine.
    pub allow_insecure_endpoint: bool,
    /// Reach https endpoints on other machines through `HTTPS_PROXY`, except for `NO_PROXY`.
    pub proxy_from_environment: bool,
}

impl ClientConfig {
    /// The defaults for an endpoint.
    pub fn new(endpoint: Url) -> Self {
        Self {
            sts_endpoint: default_sts_endpoint(&endpoint),
            endpoint,
            ca_bundle: None,
            language: "en-US".to_owned(),
            request_timeout: Duration::from_secs(10),
            requests_per_second: 18.0,
            allow_insecure_endpoint: false,
            proxy_from_environment: true,
        }
    }
}

/// Calls the cloud. Cheap to clone; all clones share one pace and one pool of connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    gaap: Endpoint,
    sts: Endpoint,
    language: HeaderValue,
    request_timeout: Duration,
    pace: Pace,
    clock: Arc<dyn Clock>,
    offset: ClockOffset,
    metrics: Arc<ApiMetrics>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("gaap", &self.inner.gaap.origin).field("sts", &self.inner.sts.origin).finish()
    }
}

/// What came over the wire.
struct Answer {
    status: StatusCode,
    /// Unix seconds of the header Date.
    date: Option<i64>,
    body: Vec<u8>,
    signed: Signed,
}

/// What a request was signed with.
struct Signed {
    /// To be taken out of what the answer tells.
    signature: String,
    /// Seconds that were added to the node's time.
    clock_offset: i64,
}

impl Client {
    /// # Errors
    /// A setting that cannot work, as a sentence that names its flag.
    pub fn new(config: ClientConfig, clock: Arc<dyn Clock>, metrics: Arc<ApiMetrics>) -> Result<Self, ConfigError> {
        let gaap = Endpoint::check("--gaap-endpoint", &config.endpoint, config.allow_insecure_endpoint)?;
        let sts = Endpoint::check("--sts-endpoint", &config.sts_endpoint, config.allow_insecure_endpoint)?;
        let language = HeaderValue::from_str(&config.language)
            .map_err(|_| ConfigError("--language must be a language such as en-US".to_owned()))?;
        if !(Pace::MIN_RATE..=Pace::MAX_RATE).contains(&config.requests_per_second) {
            return Err(ConfigError(format!(
                "--requests-per-second must be between {} and {}: the cloud allows 20 in any second",
                Pace::MIN_RATE,
                Pace::MAX_RATE
            )));
        }
        if config.request_timeout.is_zero() {
            return Err(ConfigError("--request-timeout must be longer than nothing".to_owned()));
        }
        let http = http_client(&config, [&gaap, &sts])?;
        let pace = Pace::new(clock.clone(), config.requests_per_second);
        let (request_timeout, offset) = (config.request_timeout, ClockOffset::default());
        Ok(Self { inner: Arc::new(Inner { http, gaap, sts, language, request_timeout, pace, clock, offset, metrics }) })
    }

    /// The pace that every call keeps.
    pub fn pace(&self) -> &Pace {
        &self.inner.pace
    }

    /// Scheme and host of the GAAP endpoint: half of what [`crate::gaap::Account`] is.
    pub fn endpoint(&self) -> &str {
        &self.inner.gaap.origin
    }

    /// Asks the cloud to destroy proxies. The turn is for [`Action::DestroyProxies`]; it is the caller's, so that
    /// nothing can come between its last check and the send but the rest of the wait.
    ///
    /// # Errors
    /// Everything but an answer that was read in full; see [`CallError::class`]. A success still tells per id what
    /// was accepted.
    pub async fn destroy_proxies(
        &self,
        session: &Session,
        turn: Turn,
        request: &DestroyRequest,
    ) -> Result<DestroyAnswer, CallError> {
        let action = Action::DestroyProxies;
        let body = api::destroy_body(request).map_err(|kind| CallError::local(action, kind))?;
        let answer = self.session_call(action, session, turn, body, api::destroy_answer).await?;
        for stranger in answer.strangers(request) {
            tracing::warn!(
                id = stranger,
                request_id = answer.request_id,
                "an answer to DestroyProxies lists an id that was not sent"
            );
        }
        Ok(answer)
    }

    /// Asks for 1 to 100 proxies.
    ///
    /// # Errors
    /// As [`Self::destroy_proxies`].
    pub async fn describe_proxies(&self, session: &Session, ids: &[ProxyId]) -> Result<DescribeAnswer, CallError> {
        let action = Action::DescribeProxies;
        let body = api::describe_body(ids).map_err(|kind| CallError::local(action, kind))?;
        let turn = self.pace().turn(action).await;
        self.session_call(action, session, turn, body, api::describe_answer).await
    }

    /// Asks STS for the account of credentials.
    ///
    /// # Errors
    /// As [`Self::destroy_proxies`].
    pub async fn caller_identity(&self, credentials: &Credentials) -> Result<String, CallError> {
        let action = Action::GetCallerIdentity;
        let turn = self.pace().turn(action).await;
        self.call(action, credentials, turn, b"{}".to_vec(), api::caller_answer).await
    }

    async fn session_call<T>(
        &self,
        action: Action,
        session: &Session,
        turn: Turn,
        body: Vec<u8>,
        decode: fn(&[u8]) -> Decoded<T>,
    ) -> Result<T, CallError> {
        let result = self.call(action, session.credentials(), turn, body, decode).await;
        if result.as_ref().is_err_and(CallError::is_credentials_refused) {
            session.report_auth_failure();
        }
        result
    }

    async fn call<T>(
        &self,
        action: Action,
        credentials: &Credentials,
        turn: Turn,
        body: Vec<u8>,
        decode: fn(&[u8]) -> Decoded<T>,
    ) -> Result<T, CallError> {
        let Inner { pace, clock, metrics, .. } = &*self.inner;
        if turn.action() != action {
            let detail = format!("the turn is for {}", turn.action());
            return Err(CallError::local(action, ErrorKind::NotBuilt { detail }));
        }
        let attempt = turn.start().await;
        let begun = clock.now().monotonic;
        let result = match self.exchange(action, credentials, body).await {
            Ok(answer) => self.read(action, credentials, &answer, decode),
            Err(kind) => Err(CallError::local(action, kind)),
        };
        drop(attempt);
        let took = clock.now().monotonic.saturating_sub(begun);
        metrics.record(action, &result, took);
        match &result {
            Ok((_, request_id)) => tracing::debug!(%action, code = "OK", request_id, ?took, "called the cloud"),
            Err(error) => {
                if error.is_throttling() {
                    pace.throttled(action);
                }
                tracing::debug!(%action, code = error.label(), request_id = error.request_id, ?took, %error, "called the cloud");
            }
        }
        result.map(|(answer, _)| answer)
    }

    /// Signs and sends, and reads the whole answer, all under one deadline.
    async fn exchange(&self, action: Action, credentials: &Credentials, body: Vec<u8>) -> Result<Answer, ErrorKind> {
        let Inner { http, clock, offset, request_timeout, .. } = &*self.inner;
        let endpoint = self.endpoint_of(action);
        let clock_offset = offset.seconds();
        let timestamp = timestamp(clock.now().unix, clock_offset);
        let (headers, signature) = self.headers(action, endpoint, credentials, timestamp, &body)?;
        let signed = Signed { signature, clock_offset };
        let request = http.post(endpoint.url.clone()).headers(headers).body(body);
        let whole = async {
            let response = request.send().await.map_err(transport)?;
            read_body(response, signed).await
        };
        timeout(*request_timeout, whole).await.unwrap_or(Err(ErrorKind::Timeout { after: *request_timeout }))
    }

    fn endpoint_of(&self, action: Action) -> &Endpoint {
        match action {
            Action::DestroyProxies | Action::DescribeProxies => &self.inner.gaap,
            Action::GetCallerIdentity => &self.inner.sts,
        }
    }

    fn headers(
        &self,
        action: Action,
        endpoint: &Endpoint,
        credentials: &Credentials,
        timestamp: i64,
        body: &[u8],
    ) -> Result<(HeaderMap, String), ErrorKind> {
        let not_built = |what: &str| ErrorKind::NotBuilt { detail: format!("{what} cannot be signed or sent") };
        let signed = [("content-type", JSON), ("host", endpoint.host.as_str())];
        let string = StringToSign::new(timestamp, action.service(), &CanonicalRequest::new("POST", "", &signed, body));
        let signature = SigningKey::derive(credentials.secret_key(), timestamp, action.service())
            .and_then(|key| key.sign(&string))
            .map_err(|_| not_built("the request"))?;
        let secret = |name: &str, value: &str| {
            let mut value = HeaderValue::from_str(value).map_err(|_| not_built(name))?;
            value.set_sensitive(true);
            Ok(value)
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(HOST, HeaderValue::from_str(&endpoint.host).map_err(|_| not_built("the host"))?);
        let authorization = authorization(credentials.secret_id(), &string, &signature);
        headers.insert(AUTHORIZATION, secret("the secretId", &authorization)?);
        let named = [
            ("x-tc-action", HeaderValue::from_static(action.as_str())),
            ("x-tc-version", HeaderValue::from_static(action.version())),
            ("x-tc-timestamp", HeaderValue::from(timestamp)),
            ("x-tc-language", self.inner.language.clone()),
            ("x-tc-requestclient", HeaderValue::from_static(concat!("gaap-operator_", env!("CARGO_PKG_VERSION")))),
        ];
        headers.extend(named.map(|(name, value)| (HeaderName::from_static(name), value)));
        if let Some(token) = credentials.token() {
            // Not among the signed headers, as in every SDK.
            headers.insert(HeaderName::from_static("x-tc-token"), secret("the token", token)?);
        }
        Ok((headers, signature))
    }

    /// HTTP status first, then the envelope, whatever the content type says: errors of the API come under HTTP 200.
    fn read<T>(
        &self,
        action: Action,
        credentials: &Credentials,
        answer: &Answer,
        decode: fn(&[u8]) -> Decoded<T>,
    ) -> Result<(T, String), CallError> {
        let status = answer.status.as_u16();
        let (kind, request_id) = if answer.status.is_redirection() {
            (ErrorKind::Redirect { status }, None)
        } else if answer.status == StatusCode::OK {
            match decode(&answer.body) {
                Ok(success) => return Ok(success),
                Err(failure) => failure,
            }
        } else {
            let (code, message, request_id) = api::error_in(&answer.body)
                .map_or((None, None, None), |(code, message, id)| (Some(code), Some(message), id));
            (ErrorKind::Http { status, code, message }, request_id)
        };
        // An endpoint that echoes the request must not carry its secrets into a status or a log.
        let scrub = |text: String| credentials.scrub(&text).replace(&answer.signed.signature, "***");
        let kind = self.correct_clock(scrubbed(kind, scrub), answer);
        Err(CallError { action, kind, request_id: request_id.map(scrub) })
    }

    /// Takes over the cloud's time if it refused a signature for its age.
    fn correct_clock(&self, kind: ErrorKind, answer: &Answer) -> ErrorKind {
        let Inner { clock, offset, .. } = &*self.inner;
        let now = clock.now();
        match (kind, answer.date) {
            (ErrorKind::Api { code, message }, Some(date))
                if code == SIGNATURE_EXPIRE
                    && offset.learn(answer.signed.clock_offset, date, now.unix, now.monotonic) =>
            {
                ErrorKind::ClockCorrected { message }
            }
            (kind, _) => kind,
        }
    }
}

fn scrubbed(kind: ErrorKind, scrub: impl Fn(String) -> String) -> ErrorKind {
    match kind {
        ErrorKind::Api { code, message } => ErrorKind::Api { code: scrub(code), message: scrub(message) },
        ErrorKind::Http { status, code, message } => {
            ErrorKind::Http { status, code: code.map(&scrub), message: message.map(&scrub) }
        }
        other => other,
    }
}

fn transport(error: reqwest::Error) -> ErrorKind {
    // Without the URL: it adds nothing, and nothing that is not needed is shown.
    let error = error.without_url();
    let detail = cause(&error);
    if error.is_connect() { ErrorKind::Connect { detail } } else { ErrorKind::Broken { detail } }
}

async fn read_body(mut response: Response, signed: Signed) -> Result<Answer, ErrorKind> {
    let status = response.status();
    let date = response.headers().get(DATE).and_then(|value| value.to_str().ok()).and_then(http_date);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(ErrorKind::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, date, body, signed })
}

/// Unix seconds of an HTTP date.
fn http_date(text: &str) -> Option<i64> {
    let since_epoch = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since_epoch.as_secs()).ok()
}

#[cfg(test)]
mod tests;
