//! The sweep against a cloud on loopback.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::DropGuard;

use super::*;
use crate::gaap::credentials::CredentialsSource;
use crate::gaap::testing::{Log, Received, Server, TestClock, client, cloud, eventually, refusal, running};

/// The default; half of it is more than the spacing.
const POLL: Duration = Duration::from_secs(5);

struct Running {
    sweep: Sweep,
    log: Log,
    _server: Server,
    cancel: DropGuard,
}

fn id(number: usize) -> ProxyId {
    format!("link-{number:08}").parse().unwrap()
}

fn priority() -> Priority {
    Priority { group: "games".to_owned(), urgent: false }
}

fn key() -> CredentialsSource {
    CredentialsSource::Environment(Arc::new(|name| {
        matches!(name, "TENCENTCLOUD_SECRET_ID" | "TENCENTCLOUD_SECRET_KEY").then(|| "invented".into())
    }))
}

impl Running {
    async fn start<F: Future<Output = Value> + Send + 'static>(
        answer: impl Fn(Received) -> F + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::with(key(), answer).await
    }

    async fn with<F: Future<Output = Value> + Send + 'static>(
        source: CredentialsSource,
        answer: impl Fn(Received) -> F + Clone + Send + Sync + 'static,
    ) -> Self {
        let (server, log) = cloud(move |received: Received| {
            let answer = answer.clone();
            async move {
                if received.action() == "GetCallerIdentity" {
                    json!({"AccountId": "100000000001"})
                } else {
                    answer(received).await
                }
            }
        })
        .await;
        let (client, clock, cancel) = (client(&server.url), TestClock::aged(), CancellationToken::new());
        let identity = Identity::spawn(client.clone(), source, clock.clone(), cancel.clone());
        eventually("an identity", || (identity.current() != SessionState::Waiting).then_some(())).await;
        let sweep = Sweep::spawn(client, identity, clock, POLL, cancel.clone());
        Self { sweep, log, _server: server, cancel: cancel.drop_guard() }
    }

    async fn look(&self, number: usize) -> Look {
        self.sweep.look(id(number), priority()).await.0
    }

    async fn looks(&self, numbers: impl IntoIterator<Item = usize>) -> Vec<Look> {
        join_all(numbers.into_iter().map(|number| self.look(number))).await
    }

    /// The ids of each DescribeProxies, in order.
    fn calls(&self) -> Vec<Vec<String>> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|received| received.action() == "DescribeProxies").map(Received::ids).collect()
    }
}

fn is_present(look: &Look) -> bool {
    matches!(look, Look::Present(_))
}

/// A cloud without these proxies, which leaves out what is absent, or answers as a whole with an error.
fn cloud_without(
    absent: &'static [usize],
    code: Option<&'static str>,
) -> impl Fn(Received) -> BoxFuture<'static, Value> + Clone {
    move |received| {
        let is_absent = |asked: &String| absent.iter().any(|number| id(*number).as_str() == asked);
        let (gone, there): (Vec<_>, Vec<_>) = received.ids().into_iter().partition(is_absent);
        let answer = match code {
            Some(code) if !gone.is_empty() => refusal(code),
            _ => running(&there),
        };
        Box::pin(std::future::ready(answer))
    }
}

#[tokio::test]
async fn a_lone_question_goes_at_once_with_the_full_limit() {
    let running = Running::start(cloud_without(&[], None)).await;
    let (look, account) = running.sweep.look(id(1), priority()).await;
    assert!(is_present(&look));
    assert_eq!(account.unwrap().id, "100000000001");
    let log = running.log.lock().unwrap();
    let body: Value = serde_json::from_slice(&log.last().unwrap().body).unwrap();
    assert_eq!(body, json!({"ProxyIds": ["link-00000001"], "Limit": 100}));
}

#[tokio::test]
async fn questions_gather_behind_the_call_under_way_a_hundred_at_most() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let running = Running::start(move |received: Received| {
        let held = held.clone();
        async move {
            if received.ids() == [id(0).as_str()] {
                held.acquire().await.unwrap().forget();
            }
            testing_running(&received)
        }
    })
    .await;
    let first = running.look(0);
    let rest = async {
        eventually("the first call", || (running.calls().len() == 1).then_some(())).await;
        let looks = running.looks(1..=250);
        let opened = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            gate.add_permits(1);
        };
        futures::join!(looks, opened).0
    };
    let (first, rest) = futures::join!(first, rest);
    assert!(is_present(&first) && rest.iter().all(is_present));
    let sizes: Vec<usize> = running.calls().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 100, 100, 50]);
}

#[tokio::test]
async fn questions_that_come_one_by_one_after_a_call_share_the_next() {
    let running = Running::start(cloud_without(&[], None)).await;
    assert!(is_present(&running.look(0).await));
    let begun = tokio::time::Instant::now();
    let one_by_one = (1..=30).map(|number| {
        let running = &running;
        async move {
            tokio::time::sleep(Duration::from_millis(10 * number as u64)).await;
            running.look(number).await
        }
    });
    assert!(join_all(one_by_one).await.iter().all(is_present));
    let sizes: Vec<usize> = running.calls().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 30], "after {:?}", begun.elapsed());
    assert!(begun.elapsed() >= SPACING - Duration::from_millis(100), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_question_that_must_go_alone_does_not_wait_for_others() {
    let running = Running::start(cloud_without(&[1, 2, 3, 4], Some("ResourceNotFound"))).await;
    // Known from now on as ids that make the call of others fail.
    assert_eq!(running.looks(1..=4).await, [Look::Absent, Look::Absent, Look::Absent, Look::Absent]);
    assert!(is_present(&running.look(9).await));
    let begun = tokio::time::Instant::now();
    assert_eq!(running.looks(1..=4).await, [Look::Absent, Look::Absent, Look::Absent, Look::Absent]);
    assert!(begun.elapsed() < SPACING, "{:?}", begun.elapsed());
}

fn testing_running(received: &Received) -> Value {
    running(&received.ids())
}

#[tokio::test]
async fn identical_questions_share_one_row() {
    let running = Running::start(cloud_without(&[7], None)).await;
    let looks = running.looks([7, 8, 7, 8, 7]).await;
    assert_eq!(looks.iter().filter(|look| **look == Look::Absent).count(), 3);
    let calls = running.calls();
    assert_eq!(calls.concat(), [id(7).as_str(), id(8).as_str()]);
}

#[tokio::test]
async fn a_question_is_not_answered_from_before_it_was_asked() {
    let (gate, gone) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(false)));
    let (held, seen) = (gate.clone(), gone.clone());
    let running = Running::start(move |received: Received| {
        let (held, gone) = (held.clone(), seen.load(Ordering::SeqCst));
        async move {
            held.acquire().await.unwrap().forget();
            if gone { running(&[]) } else { testing_running(&received) }
        }
    })
    .await;
    let before = running.look(1);
    let after = async {
        eventually("the first call", || (running.calls().len() == 1).then_some(())).await;
        gone.store(true, Ordering::SeqCst);
        let look = running.look(1);
        gate.add_permits(2);
        look.await
    };
    let (before, after) = futures::join!(before, after);
    assert!(is_present(&before));
    assert_eq!(after, Look::Absent);
}

#[tokio::test]
async fn a_not_found_to_several_ids_finds_out_which_and_the_others_are_there() {
    for code in ["ResourceNotFound", "FailedOperation.ResourceNotFound"] {
        let running = Running::start(cloud_without(&[3, 17], Some(code))).await;
        let looks = running.looks(0..20).await;
        for (number, look) in looks.iter().enumerate() {
            assert_eq!(*look == Look::Absent, [3, 17].contains(&number), "{number}: {look:?}");
            assert_eq!(is_present(look), ![3, 17].contains(&number), "{number}: {look:?}");
        }
        assert!(running.calls().len() <= 18, "{:?}", running.calls().len());
    }
}

#[tokio::test]
async fn a_refusal_of_one_id_is_not_told_to_the_others() {
    for code in ["AuthFailure.UnauthorizedOperation", "UnauthorizedOperation", "InvalidParameterValue"] {
        let running = Running::start(cloud_without(&[3], Some(code))).await;
        for _ in 0..2 {
            let looks = running.looks(0..20).await;
            for (number, look) in looks.iter().enumerate() {
                assert_eq!(is_present(look), number != 3, "{code}, {number}: {look:?}");
            }
            assert!(matches!(&looks[3], Look::Failed(error) if error.code() == Some(code)), "{:?}", looks[3]);
        }
        // It goes alone afterwards, so the second round costs two calls.
        assert!(running.calls().len() <= 13, "{code}: {:?}", running.calls());
    }
}

#[tokio::test]
async fn what_is_refused_to_everybody_is_not_asked_for_one_by_one() {
    let running = Running::start(|_| async { refusal("UnauthorizedOperation") }).await;
    let looks = running.looks(0..400).await;
    assert!(looks.iter().all(|look| matches!(look, Look::Failed(_))));
    assert!(running.calls().len() <= 70, "{}", running.calls().len());
}

#[tokio::test]
async fn a_not_found_to_a_single_id_is_its_absence_and_a_cousin_of_it_is_not() {
    let gone = Running::start(cloud_without(&[1], Some("ResourceNotFound"))).await;
    assert_eq!(gone.look(1).await, Look::Absent);
    for code in ["ResourceNotFound.Account", "InvalidParameter", "UnauthorizedOperation", "InternalError", "New"] {
        let odd = Running::start(cloud_without(&[1], Some(code))).await;
        assert!(matches!(odd.look(1).await, Look::Failed(_)), "{code}");
    }
}

#[tokio::test]
async fn a_truncated_answer_is_no_absence() {
    let running = Running::start(|received: Received| async move {
        let first: Vec<String> = received.ids().into_iter().take(2).collect();
        let mut answer = running(&first);
        answer["TotalCount"] = received.ids().len().into();
        answer
    })
    .await;
    let looks = running.looks(0..4).await;
    assert!(!looks.contains(&Look::Absent), "{looks:?}");
    let Some(Look::Failed(error)) = looks.iter().find(|look| !is_present(look)) else { panic!("{looks:?}") };
    assert_eq!((error.label(), error.request_id.as_deref()), ("transport_unreadable", Some("r-1")));
}

#[tokio::test]
async fn without_credentials_nobody_is_asked() {
    let nothing = CredentialsSource::Environment(Arc::new(|_| None));
    let running = Running::with(nothing, cloud_without(&[], None)).await;
    let (look, account) = running.sweep.look(id(1), priority()).await;
    let Look::Failed(error) = look else { panic!("{look:?}") };
    assert!(error.is_not_sent() && error.to_string().contains("TENCENTCLOUD_SECRET_ID"), "{error}");
    assert_eq!(account, None);
    assert!(running.log.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_call_that_hangs_does_not_hold_up_later_questions() {
    let running = Running::start(|received: Received| async move {
        if received.ids() == [id(0).as_str()] {
            std::future::pending::<()>().await;
        }
        testing_running(&received)
    })
    .await;
    let hanging = running.look(0);
    let later = async {
        eventually("the hanging call", || (running.calls().len() == 1).then_some(())).await;
        tokio::time::timeout(Duration::from_secs(2), running.looks(1..5)).await.unwrap()
    };
    let (hanging, later) = futures::join!(hanging, later);
    assert!(later.iter().all(is_present));
    assert!(matches!(hanging, Look::Failed(error) if error.is_transport()));
}

#[tokio::test]
async fn a_question_that_nobody_waits_for_any_more_is_not_asked() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let running = Running::start(move |received: Received| {
        let held = held.clone();
        async move {
            held.acquire().await.unwrap().forget();
            testing_running(&received)
        }
    })
    .await;
    let first = running.look(0);
    let given_up = async {
        eventually("the first call", || (running.calls().len() == 1).then_some(())).await;
        tokio::time::timeout(Duration::from_millis(20), running.look(1)).await.unwrap_err();
        gate.add_permits(9);
    };
    futures::join!(first, given_up);
    assert!(is_present(&running.look(2).await));
    assert_eq!(running.calls(), [[id(0).to_string()], [id(2).to_string()]]);
}

#[tokio::test]
async fn at_the_end_of_the_program_nobody_waits_for_ever() {
    let running = Running::start(|_| std::future::pending()).await;
    let cancel = Mutex::new(Some(running.cancel));
    let end = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        cancel.lock().unwrap().take();
    };
    let ((look, _), ()) = futures::join!(running.sweep.look(id(1), priority()), end);
    assert!(matches!(&look, Look::Failed(error) if error.kind == ErrorKind::ShuttingDown), "{look:?}");
    let (look, _) = running.sweep.look(id(2), priority()).await;
    assert!(matches!(look, Look::Failed(error) if error.kind == ErrorKind::ShuttingDown));
}
