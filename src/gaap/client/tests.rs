//! The client against servers on loopback that misbehave in every way a test thought of.

use std::io::Write;
use std::sync::Mutex;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE as TYPE;
use axum::response::IntoResponse;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::gaap::api::MemberOutcome;
use crate::gaap::codes::Class;
use crate::gaap::testing::{self, BEGIN, Received, Server, client, client_with, cloud, config, key, refusal, session};
use crate::gaap::token::Member;

fn request() -> DestroyRequest {
    DestroyRequest::new(false, vec![Member { proxy_id: id(), uid: "uid-1".into(), attempt: 0 }])
}

fn id() -> ProxyId {
    "link-11112222".parse().unwrap()
}

async fn destroy_with(client: &Client, credentials: Credentials, url: &Url) -> Result<DestroyAnswer, CallError> {
    let turn = client.pace().turn(Action::DestroyProxies).await;
    client.destroy_proxies(&session(credentials, url), turn, &request()).await
}

async fn destroy(client: &Client, url: &Url) -> Result<DestroyAnswer, CallError> {
    destroy_with(client, key(), url).await
}

/// The error that a server of this answer leads to.
async fn error_of(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> CallError {
    let server = Server::http(Router::new().fallback(move || async move { answer })).await;
    destroy(&client(&server.url), &server.url).await.unwrap_err()
}

/// The error that a server speaking these bytes, and then closing or staying silent, leads to.
async fn error_of_raw(answer: &'static [u8], stays: bool) -> CallError {
    let server = Server::tcp(move |listener| async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            stream.write_all(answer).await.unwrap();
            if stays {
                std::future::pending::<()>().await;
            }
        }
    })
    .await;
    let config = ClientConfig { request_timeout: Duration::from_millis(300), ..config(&server.url) };
    destroy(&client_with(config), &server.url).await.unwrap_err()
}

/// What must be in Authorization, worked out from the headers as they arrived.
fn expected_authorization(received: &Received, credentials: &Credentials, service: &str) -> String {
    let signed = [("content-type", received.header("content-type")), ("host", received.header("host"))];
    let timestamp = received.header("x-tc-timestamp").parse().unwrap();
    let string = StringToSign::new(timestamp, service, &CanonicalRequest::new("POST", "", &signed, &received.body));
    let signing = SigningKey::derive(credentials.secret_key(), timestamp, service).unwrap();
    authorization(credentials.secret_id(), &string, &signing.sign(&string).unwrap())
}

#[tokio::test]
async fn what_arrives_is_what_was_signed() {
    let temporary = Credentials::new("AKIDtmp00001".into(), "keytmp00001".into(), Some("tok-tmp-1".into())).unwrap();
    for credentials in [key(), temporary] {
        let (server, log) = cloud(|received: Received| async move {
            if received.action() == "GetCallerIdentity" { json!({"AccountId": "100000000001"}) } else { json!({}) }
        })
        .await;
        let client = client(&server.url);
        destroy_with(&client, credentials.clone(), &server.url).await.unwrap();
        assert_eq!(client.caller_identity(&credentials).await.unwrap(), "100000000001");
        let log = log.lock().unwrap();
        for (received, service, version) in [(&log[0], "gaap", "2018-05-29"), (&log[1], "sts", "2018-08-13")] {
            assert_eq!(received.header("authorization"), expected_authorization(received, &credentials, service));
            assert_eq!(received.header("content-type"), "application/json");
            assert_eq!(received.header("host"), server.url.authority());
            assert_eq!(received.header("x-tc-version"), version);
            assert_eq!(received.header("x-tc-language"), "en-US");
            assert_eq!(received.header("x-tc-token"), credentials.token().unwrap_or_default());
            assert_eq!(received.header("accept-encoding"), "", "no compression, so no bomb");
            let timestamp: u64 = received.header("x-tc-timestamp").parse().unwrap();
            assert!((BEGIN..BEGIN + 60).contains(&timestamp));
        }
        assert_eq!(log[0].action(), "DestroyProxies");
        assert_eq!(log[0].ids(), ["link-11112222"]);
        assert_eq!(log[1].body, "{}");
    }
}

#[tokio::test]
async fn an_error_under_http_200_is_an_error_whatever_the_content_type() {
    for kind in ["application/json", "text/plain", "application/json; charset=utf-8", "text/html", ""] {
        let body = r#"{"Response":{"Error":{"Code":"FailedOperation.RealServerAlreadyBound","Message":"bound"},"RequestId":"r-9"}}"#;
        let error = error_of(([(TYPE, kind)], body)).await;
        assert_eq!(error.code(), Some("FailedOperation.RealServerAlreadyBound"), "{kind}");
        assert_eq!((error.class(), error.request_id.as_deref()), (Class::User, Some("r-9")));
    }
}

#[tokio::test]
async fn another_http_status_is_no_answer_of_the_api_but_keeps_its_words() {
    let good = r#"{"Response":{"RequestId":"r"}}"#;
    for status in [201, 204, 206, 400, 404, 500, 503] {
        let error = error_of((StatusCode::from_u16(status).unwrap(), if status == 204 { "" } else { good })).await;
        assert_eq!(error.kind, ErrorKind::Http { status, code: None, message: None });
        assert_eq!(error.class(), Class::Backoff);
    }
    let error = error_of((StatusCode::BAD_GATEWAY, "<html>bad</html>")).await;
    assert_eq!(error.kind, ErrorKind::Http { status: 502, code: None, message: None });
    let told = r#"{"Response":{"Error":{"Code":"InternalError","Message":"Down"},"RequestId":"r-2"}}"#;
    let error = error_of((StatusCode::INTERNAL_SERVER_ERROR, told)).await;
    assert_eq!(error.to_string(), "DestroyProxies was answered with HTTP 500 and InternalError: Down (RequestId r-2)");
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let (elsewhere, log) = cloud(|_| async { json!({}) }).await;
    for status in [301, 302, 303, 307, 308] {
        let location = elsewhere.url.as_str().to_owned();
        let error = error_of((StatusCode::from_u16(status).unwrap(), [("location", location)])).await;
        assert_eq!(error.kind, ErrorKind::Redirect { status });
        assert_eq!(error.class(), Class::Observe);
    }
    assert!(log.lock().unwrap().is_empty(), "the signed request must not reach another host");
}

#[tokio::test]
async fn an_answer_that_says_nothing_clear_is_unreadable() {
    for body in ["", "{", "<html></html>", "null", r#"{"Response":{}}"#] {
        let error = error_of(body).await;
        assert!(matches!(error.kind, ErrorKind::Unreadable { .. }), "{body}: {error}");
    }
    let error = error_of(([("content-encoding", "gzip")], &[0x1f_u8, 0x8b, 8, 0][..])).await;
    assert!(matches!(error.kind, ErrorKind::Unreadable { .. }), "nothing is unpacked");
}

#[tokio::test]
async fn a_body_without_end_is_not_read_to_its_end() {
    let endless = Router::new().fallback(|| async {
        let chunk = || Ok::<_, std::io::Error>(vec![b' '; 64 * 1024]);
        Body::from_stream(futures::stream::repeat_with(chunk))
    });
    let server = Server::http(endless).await;
    let error = destroy(&client(&server.url), &server.url).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    let padded = |length: usize| {
        let mut body = r#"{"Response":{"RequestId":"r"}}"#.to_owned();
        body.push_str(&" ".repeat(length - body.len()));
        body
    };
    assert_eq!(error_of(padded(MAX_BODY + 1)).await.kind, ErrorKind::TooLarge);
    let server = Server::http(Router::new().fallback(move || async move { padded(MAX_BODY) })).await;
    destroy(&client(&server.url), &server.url).await.unwrap();
}

#[tokio::test]
async fn the_deadline_holds_at_every_stage() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n{\"Resp";
    for bytes in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-", head] {
        let error = error_of_raw(bytes, true).await;
        assert_eq!(error.kind, ErrorKind::Timeout { after: Duration::from_millis(300) });
        assert!(error.is_transport() && !error.is_not_sent());
    }
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_outcome_unknown() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\n{\"Response\":{\"RequestId\":\"r\"}}";
    for bytes in [&b""[..], b"HTTP/1.1 200 OK\r\n", cut, b"SSH-2.0-OpenSSH_9\r\n"] {
        let error = error_of_raw(bytes, false).await;
        assert!(matches!(error.kind, ErrorKind::Broken { .. }), "{error}");
        assert!(error.is_transport() && !error.is_not_sent());
    }
}

#[tokio::test]
async fn a_refused_connection_means_that_nothing_was_sent() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let error = destroy(&client(&url), &url).await.unwrap_err();
    assert!(error.is_not_sent() && error.is_transport(), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(!error.to_string().contains("http"), "no URL: {error}");
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_once_by_the_clouds_date() {
    let skewed = i64::try_from(BEGIN).unwrap() + 3_600;
    let stamps = Arc::new(Mutex::new(Vec::new()));
    let seen = stamps.clone();
    let router = Router::new().fallback(move |headers: HeaderMap| async move {
        let stamp: i64 = headers["x-tc-timestamp"].to_str().unwrap().parse().unwrap();
        seen.lock().unwrap().push(stamp);
        let body = json!({"Response": {"RequestId": "r", "Error": {"Code": SIGNATURE_EXPIRE, "Message": "expired"}}});
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(skewed.unsigned_abs()));
        ([("date", date)], body.to_string())
    });
    let server = Server::http(router).await;
    let client = client(&server.url);
    let first = destroy(&client, &server.url).await.unwrap_err();
    assert_eq!(
        (first.class(), first.code(), first.is_definite_refusal()),
        (Class::Soon, Some(SIGNATURE_EXPIRE), false)
    );
    let second = destroy(&client, &server.url).await.unwrap_err();
    assert_eq!((second.class(), second.code()), (Class::Config, Some(SIGNATURE_EXPIRE)));
    let stamps = stamps.lock().unwrap();
    assert!(stamps[0] < skewed - 3_500 && (skewed - 5..skewed + 60).contains(&stamps[1]), "{stamps:?}");
}

#[tokio::test]
async fn a_turn_for_another_call_sends_nothing() {
    let (server, log) = cloud(|_| async { json!({}) }).await;
    let client = client(&server.url);
    let turn = client.pace().turn(Action::DescribeProxies).await;
    let error = client.destroy_proxies(&session(key(), &server.url), turn, &request()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotBuilt { .. }) && error.is_not_sent());
    assert!(client.describe_proxies(&session(key(), &server.url), &[]).await.unwrap_err().is_not_sent());
    assert!(log.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_resend_is_the_same_byte_for_byte() {
    let (server, log) = cloud(|_| async { refusal("InternalError") }).await;
    for client in [client(&server.url), client(&server.url)] {
        destroy(&client, &server.url).await.unwrap_err();
    }
    let log = log.lock().unwrap();
    assert_eq!(log[0].body, log[1].body);
}

#[tokio::test]
async fn both_sets_of_an_answer_are_read() {
    let (server, _log) = cloud(|_| async {
        json!({"InvalidStatusInstanceSet": ["link-11112222"], "OperationFailedInstanceSet": ["link-99990000"]})
    })
    .await;
    let answer = destroy(&client(&server.url), &server.url).await.unwrap();
    assert_eq!(answer.outcome(&id()), MemberOutcome::InvalidStatus);
}

#[tokio::test]
async fn throttling_lowers_the_pace() {
    let (server, log) = cloud(|_| async { refusal("RequestLimitExceeded") }).await;
    let client = client(&server.url);
    for _ in 0..3 {
        assert!(destroy(&client, &server.url).await.unwrap_err().is_throttling());
        tokio::time::sleep(Duration::from_millis(510)).await;
    }
    let mark = tokio::time::Instant::now();
    destroy(&client, &server.url).await.unwrap_err();
    destroy(&client, &server.url).await.unwrap_err();
    let log = log.lock().unwrap();
    let gap = log[4].at - log[3].at;
    assert!(gap > Duration::from_millis(70), "the full rate has 56 ms: {gap:?} after {:?}", mark.elapsed());
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn secrets_are_in_no_log_at_trace_and_in_no_error_even_if_the_cloud_echoes_them() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    tracing::trace!("planted-canary");

    let (server, log) = cloud(|received: Received| async move {
        let echo = format!("got {} and {}", received.header("authorization"), received.header("x-tc-token"));
        json!({"Error": {"Code": "AuthFailure.TokenFailure", "Message": echo}})
    })
    .await;
    let credentials =
        Credentials::new("AKID-canary-id".into(), "canary-key".into(), Some("canary-token".into())).unwrap();
    let client = client(&server.url);
    let error = destroy_with(&client, credentials.clone(), &server.url).await.unwrap_err();
    let lost = ClientConfig { request_timeout: Duration::from_nanos(1), ..config(&server.url) };
    let lost = destroy_with(&client_with(lost), credentials.clone(), &server.url).await.unwrap_err();

    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("planted-canary"), "the trap must work");
    assert!(logged.contains("called the cloud"));
    let session = session(credentials.clone(), &server.url);
    let shown = format!("{logged} {error} {error:?} {lost} {lost:?} {client:?} {session:?} {credentials:?}");
    let sent = log.lock().unwrap()[0].clone();
    let signature = sent.header("authorization").rsplit_once("Signature=").unwrap().1.to_owned();
    for secret in ["canary-id", "canary-key", "canary-token", &signature] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}

#[tokio::test]
async fn what_authorises_a_request_is_marked_as_sensitive() {
    let url = Url::parse("http://127.0.0.1:9").unwrap();
    let temporary = Credentials::new("AKIDtmp00001".into(), "keytmp00001".into(), Some("tok-tmp-1".into())).unwrap();
    let client = client(&url);
    let endpoint = client.endpoint_of(Action::DestroyProxies);
    let (headers, _) = client.headers(Action::DestroyProxies, endpoint, &temporary, 1, b"{}").unwrap();
    for (name, value) in &headers {
        assert_eq!(value.is_sensitive(), ["authorization", "x-tc-token"].contains(&name.as_str()), "{name}");
    }
    assert_eq!(headers.len(), 9);
}

#[test]
fn a_setting_that_cannot_work_is_named() {
    let url = Url::parse("https://gaap.tencentcloudapi.com").unwrap();
    let says = |change: fn(&mut ClientConfig)| {
        let mut config = ClientConfig::new(url.clone());
        change(&mut config);
        let clock = testing::FixedClock::shared();
        Client::new(config, clock, testing::metrics()).unwrap_err().0
    };
    assert!(says(|c| c.requests_per_second = 19.5).starts_with("--requests-per-second"));
    assert!(says(|c| c.requests_per_second = 0.0).starts_with("--requests-per-second"));
    assert!(says(|c| c.requests_per_second = f64::NAN).starts_with("--requests-per-second"));
    assert!(says(|c| c.language = "en\n".into()).starts_with("--language"));
    assert!(says(|c| c.request_timeout = Duration::ZERO).starts_with("--request-timeout"));
    assert!(says(|c| c.ca_bundle = Some(b"x".to_vec())).starts_with("--ca-bundle"));
    assert!(says(|c| c.sts_endpoint = Url::parse("http://sts.example.com").unwrap()).starts_with("--sts-endpoint"));
}

mod pace;
mod tls;
