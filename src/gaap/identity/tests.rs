//! The identity against an STS on loopback.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio_util::sync::DropGuard;

use super::*;
use crate::gaap::error::Action;
use crate::gaap::testing::{Log, Received, Server, TestClock, client, cloud, eventually, refusal};
use crate::gaap::token::{DestroyRequest, Member};

const FAST: Timing = Timing {
    poll: Duration::from_millis(20),
    refused: Duration::from_millis(100),
    report_spacing: Duration::from_millis(400),
};

struct Running {
    identity: Identity,
    client: Client,
    log: Log,
    _server: Server,
    _cancel: DropGuard,
}

impl Running {
    /// An identity whose STS answers as told.
    async fn start(
        source: CredentialsSource,
        timing: Timing,
        answer: impl Fn(Received) -> Value + Clone + Send + Sync + 'static,
    ) -> Self {
        let (server, log) = cloud(move |received| std::future::ready(answer(received))).await;
        let (client, cancel) = (client(&server.url), CancellationToken::new());
        let identity = Identity::with_timing(client.clone(), source, TestClock::aged(), cancel.clone(), timing);
        Self { identity, client, log, _server: server, _cancel: cancel.drop_guard() }
    }

    async fn until<T>(&self, what: &str, wanted: impl Fn(SessionState) -> Option<T>) -> T {
        eventually(what, || wanted(self.identity.current())).await
    }

    async fn ready(&self, key: &str) -> Session {
        self.until("a session", |state| match state {
            SessionState::Ready(session) if session.credentials().secret_key() == key => Some(session),
            _ => None,
        })
        .await
    }

    fn asked(&self) -> usize {
        self.log.lock().unwrap().iter().filter(|received| received.action() == "GetCallerIdentity").count()
    }

    async fn destroy(&self, session: &Session) -> Result<(), CallError> {
        let turn = self.client.pace().turn(Action::DestroyProxies).await;
        let member = Member { proxy_id: "link-11112222".parse().unwrap(), uid: "u".into(), attempt: 0 };
        self.client.destroy_proxies(session, turn, &DestroyRequest::new(false, vec![member])).await.map(drop)
    }
}

fn environment() -> CredentialsSource {
    let values = HashMap::from([("TENCENTCLOUD_SECRET_ID", "AKIDinvented"), ("TENCENTCLOUD_SECRET_KEY", "one")]);
    CredentialsSource::Environment(Arc::new(move |name| values.get(name).map(|value| (*value).into())))
}

fn write(directory: &Path, key: &str) {
    std::fs::write(directory.join("secretId"), format!("AKID{key}")).unwrap();
    std::fs::write(directory.join("secretKey"), key).unwrap();
}

fn account(_: Received) -> Value {
    json!({"AccountId": "100000000001", "UserId": "2", "Arn": "qcs::cam::uin/1:uin/2", "Type": "CAMUser"})
}

#[tokio::test]
async fn credentials_become_a_session_once_sts_names_their_account() {
    let running = Running::start(environment(), FAST, account).await;
    let session = running.ready("one").await;
    assert_eq!(session.account().id, "100000000001");
    assert_eq!(session.account().endpoint, running.client.endpoint());
    assert_eq!(running.asked(), 1);
}

#[tokio::test]
async fn missing_credentials_are_named_and_taken_up_once_they_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let source = CredentialsSource::Directory(directory.path().to_owned());
    let running = Running::start(source, FAST, account).await;
    let missing = |says: &'static str| {
        move |state| matches!(state, SessionState::Missing(what) if what.contains(says)).then_some(())
    };
    running.until("the missing file", missing("secretId does not exist")).await;
    std::fs::write(directory.path().join("secretId"), "AKIDone\n").unwrap();
    running.until("the line end", missing("secretId has blanks")).await;
    assert_eq!(running.asked(), 0);
    write(directory.path(), "one");
    running.ready("one").await;
}

#[tokio::test]
async fn a_changed_key_is_verified_before_it_is_used_and_the_next_call_is_signed_with_it() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "one");
    let source = CredentialsSource::Directory(directory.path().to_owned());
    let running = Running::start(source, FAST, account).await;
    let first = running.ready("one").await;
    write(directory.path(), "two");
    let second = running.ready("two").await;
    assert!(second.generation() > first.generation());
    running.destroy(&second).await.unwrap();
    let log = running.log.lock().unwrap();
    let last = log.last().unwrap();
    assert_eq!(last.action(), "DestroyProxies");
    assert!(last.header("authorization").contains("Credential=AKIDtwo/"));
    let asked = log.iter().position(|r| r.header("authorization").contains("=AKIDtwo/")).unwrap();
    assert_eq!(log[asked].action(), "GetCallerIdentity", "the first use of the new key");
}

#[tokio::test]
async fn a_removed_key_ends_the_session() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "one");
    let source = CredentialsSource::Directory(directory.path().to_owned());
    let running = Running::start(source, FAST, account).await;
    running.ready("one").await;
    std::fs::remove_file(directory.path().join("secretKey")).unwrap();
    running.until("the missing file", |s| matches!(s, SessionState::Missing(_)).then_some(())).await;
}

#[tokio::test]
async fn a_refusal_by_sts_is_told_and_taken_back_when_sts_agrees() {
    let agrees = Arc::new(Mutex::new(false));
    let seen = agrees.clone();
    let running = Running::start(environment(), FAST, move |received| {
        if *seen.lock().unwrap() { account(received) } else { refusal("AuthFailure.SecretIdNotFound") }
    })
    .await;
    let mut changes = running.identity.subscribe();
    let error = running
        .until("the refusal", |state| match state {
            SessionState::Refused(error) => Some(error),
            _ => None,
        })
        .await;
    assert_eq!(error.code(), Some("AuthFailure.SecretIdNotFound"));
    changes.borrow_and_update();
    eventually("more questions", || (running.asked() >= 3).then_some(())).await;
    assert!(!changes.has_changed().unwrap(), "the same refusal again wakes nobody");
    *agrees.lock().unwrap() = true;
    running.ready("one").await;
}

#[tokio::test]
async fn a_silent_sts_is_asked_again_until_it_answers() {
    let count = Arc::new(AtomicUsize::new(0));
    let running = Running::start(environment(), FAST, move |received| {
        if count.fetch_add(1, Ordering::SeqCst) == 0 { refusal("InternalError") } else { account(received) }
    })
    .await;
    running.until("the failure", |state| matches!(state, SessionState::Unreachable(_)).then_some(())).await;
    running.ready("one").await;
}

#[tokio::test]
async fn an_answer_without_an_account_is_no_session() {
    let running = Running::start(environment(), FAST, |_| json!({})).await;
    let error = running
        .until("the failure", |state| match state {
            SessionState::Unreachable(error) => Some(error),
            _ => None,
        })
        .await;
    assert!(error.to_string().contains("names no account"), "{error}");
}

#[tokio::test]
async fn a_call_refused_for_its_credentials_makes_sts_be_asked_again_but_not_in_a_loop() {
    let revoked = Arc::new(Mutex::new(false));
    let seen = revoked.clone();
    let running = Running::start(environment(), Timing { refused: Duration::from_secs(60), ..FAST }, move |received| {
        match received.action() {
            "GetCallerIdentity" if *seen.lock().unwrap() => refusal("AuthFailure.SecretIdNotFound"),
            "GetCallerIdentity" => account(received),
            _ => refusal("AuthFailure.SecretIdNotFound"),
        }
    })
    .await;
    let session = running.ready("one").await;
    let begun = TestClock::shared();
    let mut refused = 0;
    while begun.now().monotonic < Duration::from_millis(1_000) {
        running.destroy(&session).await.unwrap_err();
        refused += 1;
    }
    let asked = running.asked();
    assert!(refused > 10 && (2..=4).contains(&asked), "{refused} refused calls, {asked} questions");
    running.ready("one").await;
    running.identity.report_auth_failure(session.generation() - 1);
    *revoked.lock().unwrap() = true;
    running.destroy(&session).await.unwrap_err();
    running.until("the refusal", |state| matches!(state, SessionState::Refused(_)).then_some(())).await;
}

#[test]
fn the_pauses_grow_to_a_bound_and_never_end() {
    let pauses: Vec<Duration> = pauses().take(50).collect();
    assert!(pauses[0] >= FIRST_PAUSE && pauses[0] <= 2 * FIRST_PAUSE);
    assert_eq!(pauses.len(), 50);
    assert!(pauses.iter().all(|pause| *pause <= 2 * LONGEST_PAUSE));
    assert!(pauses[49] >= LONGEST_PAUSE);
}
