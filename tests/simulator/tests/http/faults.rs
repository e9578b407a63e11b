//! Every fault over the wire; those between caller and service are here.

use std::time::Duration;

use gaap_simulator::{CATALOGUE, Fault, Kind, Phase};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::semantic_faults;
use crate::support::{Client, Cloud, LIMIT};

pub const ID: &str = "link-sim00001";
pub const DESTROY: &str = "DestroyProxies";
pub const DESCRIBE: &str = "DescribeProxies";

pub struct Scene {
    pub cloud: Cloud,
    pub client: Client,
}

impl Scene {
    /// A fresh cloud of one proxy with one fault in force.
    pub async fn with(fault: Fault) -> Self {
        let cloud = Cloud::start(1).await;
        cloud.control.add_fault(fault).expect("a valid fault");
        Self { client: cloud.client(), cloud }
    }

    pub fn status(&self) -> Option<String> {
        self.cloud.status(ID)
    }

    pub fn was_destroyed(&self) -> bool {
        self.status().as_deref() == Some("DESTROYING")
    }

    /// The destroy fails on the wire; whether it had its effect, and that the caller was not told.
    pub async fn loses_the_destroy(&self) -> bool {
        let told = async { self.client.destroy(ID).await?.bytes().await }.await;
        assert!(told.is_err(), "the answer must not arrive whole: {told:?}");
        let entry = self.cloud.entry_where(|entry| entry.completed).await;
        assert!(!entry.delivered);
        assert_eq!(entry.code == "OK", self.was_destroyed());
        assert_eq!(!entry.accepted_ids.is_empty(), self.was_destroyed());
        self.was_destroyed()
    }

    /// HTTP status, headers and body of a destroy.
    pub async fn destroyed(&self) -> (u16, reqwest::header::HeaderMap, Vec<u8>) {
        let answer = self.client.destroy(ID).await.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        (status, headers, answer.bytes().await.expect("a whole body").to_vec())
    }

    pub async fn code(&self) -> String {
        self.client.code(DESTROY, json!({"Force": 0, "ProxyIds": [ID]})).await
    }

    pub async fn looks(&self, count: usize) -> Vec<Option<String>> {
        let mut seen = Vec::new();
        for _ in 0..count {
            seen.push(self.client.look(ID).await);
        }
        seen
    }
}

pub fn on_destroy(kind: Kind) -> Fault {
    Fault::new(kind).on(DESTROY)
}

fn after(fault: Fault) -> Fault {
    fault.with(|parameters| parameters.phase = Some(Phase::After))
}

/// The match has no other arm, so a kind without a case does not compile.
#[tokio::test]
async fn every_kind_of_the_catalogue_does_over_the_wire_what_its_row_says() {
    for info in CATALOGUE {
        tokio::time::timeout(LIMIT * 3, exercise(info.kind)).await.unwrap_or_else(|_| panic!("{} hangs", info.name));
    }
}

async fn exercise(kind: Kind) {
    match kind {
        Kind::ConnectionRefused => connection_refused().await,
        Kind::TlsFailure => tls_failure().await,
        Kind::RequestLost => assert!(!Scene::with(on_destroy(kind)).await.loses_the_destroy().await),
        Kind::ResetBeforeAnswer => reset_before_answer().await,
        Kind::AnswerLost | Kind::ResetMidBody | Kind::TruncatedBody => {
            assert!(Scene::with(on_destroy(kind)).await.loses_the_destroy().await, "{kind:?} comes after the effect");
        }
        Kind::Delay => delay().await,
        Kind::Hang => hang().await,
        Kind::DuplicateDelivery => duplicate_delivery().await,
        Kind::TruncatedJson | Kind::InvalidJson | Kind::EmptyBody => unreadable(kind).await,
        Kind::OversizedBody => oversized_body().await,
        Kind::GzipBomb => gzip_bomb().await,
        Kind::Redirect => redirect().await,
        Kind::WrongContentType => wrong_content_type().await,
        Kind::Error => error_before_and_after().await,
        Kind::HttpError => html_page(kind, 502, false).await,
        Kind::HttpErrorAfterCommit => html_page(kind, 500, true).await,
        Kind::ClockSkew => semantic_faults::clock_skew().await,
        Kind::DnsFlip => semantic_faults::dns_flip().await,
        Kind::Throttle => semantic_faults::throttle().await,
        Kind::PartialSets => semantic_faults::partial_sets().await,
        Kind::GoneBackGone => semantic_faults::gone_back_gone().await,
        Kind::StaleAfterAccept => semantic_faults::stale_after_accept().await,
        Kind::AbsentFromPage => semantic_faults::absent_from_page().await,
        Kind::AbsentAnswer => semantic_faults::absent_answer().await,
        Kind::DestroyDuration => semantic_faults::destroy_duration().await,
        Kind::StuckDestroying => semantic_faults::stuck_destroying().await,
        Kind::DestroyRejectedLate => semantic_faults::destroy_rejected_late().await,
        Kind::UnknownStatus => {
            let scene = Scene::with(Fault::new(kind)).await;
            assert_eq!(scene.looks(2).await, [Some("QUIESCING".to_owned()), Some("RUNNING".to_owned())]);
        }
        Kind::TotalCountLies => {
            let scene = Scene::with(Fault::new(kind)).await;
            assert_eq!(scene.client.call(DESCRIBE, json!({})).await["TotalCount"], 2);
        }
        Kind::LimitIgnored => {
            let scene = Scene::with(Fault::new(kind).with(|parameters| parameters.limit = Some(1))).await;
            scene.cloud.add("link-second");
            let answer = scene.client.call(DESCRIBE, json!({"Limit": 100})).await;
            assert_eq!((&answer["TotalCount"], answer["ProxySet"].as_array().map(Vec::len)), (&json!(2), Some(1)));
        }
        Kind::TokenForgotten => semantic_faults::token_forgotten().await,
        Kind::TokenMode => semantic_faults::token_mode().await,
        Kind::IdReused => semantic_faults::id_reused().await,
        Kind::MovesToIsolated => {
            let scene = Scene::with(Fault::new(kind).on(DESCRIBE)).await;
            assert_eq!(scene.looks(1).await, [Some("ISOLATED".to_owned())]);
            assert_eq!(scene.status().as_deref(), Some("ISOLATED"));
        }
        Kind::NumbersAsStrings => {
            let scene = Scene::with(Fault::new(kind)).await;
            let answer = scene.client.call(DESCRIBE, json!({})).await;
            assert_eq!(answer["TotalCount"], "1");
            assert!(answer["ProxySet"][0]["CreateTime"].is_string());
        }
        Kind::NullLists => {
            let scene = Scene::with(on_destroy(kind)).await;
            let answer = scene.client.call(DESTROY, json!({"Force": 0, "ProxyIds": [ID]})).await;
            assert_eq!(answer["InvalidStatusInstanceSet"], Value::Null);
            assert!(scene.was_destroyed());
        }
        Kind::UnknownFields => {
            let scene = Scene::with(Fault::new(kind)).await;
            let answer = scene.client.call(DESCRIBE, json!({})).await;
            assert!(answer["FieldOfTomorrow"].is_object() && answer["ProxySet"][0]["FieldOfTomorrow"].is_object());
        }
    }
}

async fn connection_refused() {
    let fault = on_destroy(Kind::ConnectionRefused).with(|parameters| parameters.duration_ms = Some(200));
    let scene = Scene::with(fault).await;
    assert!(scene.client.destroy(ID).await.is_err());
    assert!(!scene.was_destroyed());
    let refused = async {
        loop {
            if let Err(error) = TcpStream::connect(scene.cloud.simulator.address()).await {
                return error.kind();
            }
            tokio::task::yield_now().await;
        }
    };
    let kind = tokio::time::timeout(LIMIT, refused).await.expect("closed");
    assert_eq!(kind, std::io::ErrorKind::ConnectionRefused);
    while TcpStream::connect(scene.cloud.simulator.address()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(scene.code().await, "OK", "open again, with its memory");
}

/// What a TLS client sees: not one byte of TLS in return for its hello.
async fn tls_failure() {
    let cloud = Cloud::start(0).await;
    let mut tcp = TcpStream::connect(cloud.simulator.address()).await.expect("a connection");
    tcp.write_all(&[0x16, 0x03, 0x01, 0x00, 0x05, 0x01, 0x00, 0x00, 0x01, 0x00]).await.expect("written");
    tcp.shutdown().await.expect("no more to say");
    let mut answer = Vec::new();
    let _ = tcp.read_to_end(&mut answer).await;
    assert!(!matches!(answer.first(), Some(0x14..=0x17)), "no TLS record: {answer:?}");
}

async fn reset_before_answer() {
    assert!(!Scene::with(on_destroy(Kind::ResetBeforeAnswer)).await.loses_the_destroy().await);
    assert!(Scene::with(after(on_destroy(Kind::ResetBeforeAnswer))).await.loses_the_destroy().await);
    // A reset and an orderly end are different things on the wire.
    for (kind, is_reset) in [(Kind::ResetBeforeAnswer, true), (Kind::RequestLost, false)] {
        let scene = Scene::with(on_destroy(kind)).await;
        let mut tcp = TcpStream::connect(scene.cloud.simulator.address()).await.expect("a connection");
        let request = "POST / HTTP/1.1\r\nHost: a\r\nX-TC-Action: DestroyProxies\r\nContent-Length: 2\r\n\r\n{}";
        tcp.write_all(request.as_bytes()).await.expect("written");
        let end = tcp.read(&mut [0_u8; 16]).await;
        match end {
            Ok(bytes) => assert_eq!((bytes, is_reset), (0, false), "{kind:?}"),
            Err(error) => assert_eq!((error.kind(), is_reset), (std::io::ErrorKind::ConnectionReset, true), "{kind:?}"),
        }
    }
}

async fn delay() {
    for (phase, done_meanwhile) in [(Phase::Before, false), (Phase::After, true)] {
        let fault = on_destroy(Kind::Delay).with(|parameters| {
            parameters.phase = Some(phase);
            parameters.delay_ms = Some(300);
        });
        let scene = Scene::with(fault).await;
        let begun = Instant::now();
        let client = scene.client.clone();
        let call = tokio::spawn(async move { client.destroy(ID).await });
        scene.cloud.entry_where(|entry| !entry.completed && (entry.code == "OK") == done_meanwhile).await;
        assert_eq!(scene.was_destroyed(), done_meanwhile);
        call.await.expect("no panic").expect("an answer, if late");
        assert!(begun.elapsed() >= Duration::from_millis(300));
        assert!(scene.was_destroyed());
    }
}

async fn hang() {
    let scene = Scene::with(on_destroy(Kind::Hang)).await;
    let fault = scene.cloud.control.faults()[0].id;
    let client = scene.client.clone();
    let call = tokio::spawn(async move { client.destroy(ID).await });
    scene.cloud.entry_where(|entry| entry.code == "OK" && !entry.completed).await;
    assert!(scene.was_destroyed(), "the effect is there, the answer is not");
    assert!(!call.is_finished());
    scene.cloud.control.remove_fault(fault);
    assert_eq!(call.await.expect("no panic").expect("an answer at last").status(), 200);
}

async fn duplicate_delivery() {
    for (answer, expected) in [(None, "FailedOperation.DuplicatedRequest"), (Some("first"), "OK")] {
        let fault =
            on_destroy(Kind::DuplicateDelivery).with(|parameters| parameters.answer = answer.map(str::to_owned));
        let scene = Scene::with(fault).await;
        let body = json!({"Force": 0, "ProxyIds": [ID], "ClientToken": "t"});
        assert_eq!(scene.client.code(DESTROY, body).await, expected);
        let entries = scene.cloud.control.requests(0);
        let codes: Vec<&str> = entries.iter().map(|entry| entry.code.as_str()).collect();
        assert_eq!(codes, ["OK", "FailedOperation.DuplicatedRequest"]);
        assert_eq!((entries[1].duplicate_of, entries[1].delivered), (Some(1), answer.is_none()));
        assert_eq!(entries[0].delivered, answer.is_some());
        assert_eq!(entries[1].accepted_ids.len(), 0);
    }
}

/// The caller has its answer, and the copy comes when the proxy is gone.
#[tokio::test]
async fn a_copy_of_a_request_arrives_later_and_is_told_from_the_request() {
    let fault = on_destroy(Kind::DuplicateDelivery).with(|parameters| parameters.delay_ms = Some(100));
    let scene = Scene::with(fault).await;
    let body = json!({"Force": 0, "ProxyIds": [ID], "ClientToken": "t"});
    assert_eq!(scene.client.code(DESTROY, body).await, "OK");
    assert!(scene.cloud.control.requests(0)[0].delivered);
    let copy = scene.cloud.entry_where(|entry| entry.duplicate_of == Some(1) && entry.completed).await;
    assert_eq!((copy.code.as_str(), copy.delivered), ("FailedOperation.DuplicatedRequest", false));
    assert_eq!(
        copy.secret_id.as_deref(),
        Some(scene.client.secret_id.as_str()),
        "the log names the key, not its secret"
    );
}

async fn unreadable(kind: Kind) {
    let scene = Scene::with(on_destroy(kind)).await;
    let (status, _, body) = scene.destroyed().await;
    assert_eq!(status, 200);
    assert!(serde_json::from_slice::<Value>(&body).is_err(), "{kind:?}");
    assert!(scene.was_destroyed(), "{kind:?} comes after the effect");
    assert!(!scene.cloud.entry_where(|entry| entry.completed).await.delivered);
}

async fn oversized_body() {
    let scene = Scene::with(on_destroy(Kind::OversizedBody)).await;
    let (_, _, body) = scene.destroyed().await;
    assert_eq!(body.len(), 16 << 20);
    assert!(scene.was_destroyed());
}

async fn gzip_bomb() {
    let fault = on_destroy(Kind::GzipBomb).with(|parameters| parameters.bytes = Some(8 << 20));
    let scene = Scene::with(fault).await;
    let (_, headers, body) = scene.destroyed().await;
    assert_eq!(headers["content-encoding"], "gzip");
    assert!(body.len() < 64 << 10 && body.starts_with(&[0x1f, 0x8b]));
}

async fn redirect() {
    for (status, location) in [(301, None), (307, Some("http://127.0.0.1:9/"))] {
        let fault = on_destroy(Kind::Redirect).with(|parameters| {
            parameters.http_status = Some(status);
            parameters.location = location.map(str::to_owned);
        });
        let scene = Scene::with(fault).await;
        let (told, headers, _) = scene.destroyed().await;
        assert_eq!(told, status);
        assert_eq!(headers["location"], location.unwrap_or("http://redirected.invalid/"));
        assert!(!scene.was_destroyed());
        assert_eq!(scene.cloud.last_entry().http_status, Some(status));
    }
}

async fn wrong_content_type() {
    let scene = Scene::with(on_destroy(Kind::WrongContentType)).await;
    let (_, headers, body) = scene.destroyed().await;
    assert_eq!(headers["content-type"], "text/html");
    assert!(serde_json::from_slice::<Value>(&body).is_ok(), "only the type is wrong");
    assert!(scene.cloud.last_entry().delivered);
}

async fn error_before_and_after() {
    for phase in [Phase::Before, Phase::After] {
        let fault = on_destroy(Kind::Error).with(|parameters| {
            parameters.code = Some("ResourceUnavailable".to_owned());
            parameters.phase = Some(phase);
        });
        let scene = Scene::with(fault).await;
        assert_eq!(scene.code().await, "ResourceUnavailable");
        assert_eq!(scene.was_destroyed(), phase == Phase::After);
        let entry = scene.cloud.last_entry();
        assert_eq!(entry.code, "ResourceUnavailable", "the log has what the caller was told");
        assert_eq!(entry.accepted_ids.len(), usize::from(phase == Phase::After), "and what was done");
    }
}

async fn html_page(kind: Kind, expected: u16, has_effect: bool) {
    let scene = Scene::with(on_destroy(kind)).await;
    let (status, headers, body) = scene.destroyed().await;
    assert_eq!(status, expected);
    assert_eq!(headers["content-type"], "text/html");
    assert!(body.starts_with(b"<html>"));
    assert_eq!(scene.was_destroyed(), has_effect);
    let entry = scene.cloud.last_entry();
    assert_eq!((entry.code.as_str(), entry.http_status), ("none", Some(expected)));
}
