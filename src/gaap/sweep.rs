//! Looking at proxies: many questions, few calls.
//!
//! A lone question goes at once. Questions that come soon after a call gather and go together, up to 100 ids a call:
//! with hundreds of deletions under way a question comes every few milliseconds, and each would be a call of its own.
//! A window before each call was turned down: a single deletion would wait it out at every look. Who comes first: see
//! [`Priority`]. A question is answered only by a call that began after it: what was asked after a destroy must not be
//! answered from before.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::gaap::api::DescribeAnswer;
use crate::gaap::client::Client;
use crate::gaap::codes::Class;
use crate::gaap::error::{Action, CallError, ErrorKind};
use crate::gaap::gather::{self, Call, Gather, Priority};
use crate::gaap::identity::Identity;
use crate::gaap::proxy::{Account, Proxy, ProxyId};
use crate::gaap::session::{Session, SessionState};
use crate::process::clock::Clock;

/// What the cloud says of one proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// It is there.
    Present(Box<Proxy>),
    /// It is not there: a complete answer without it, or a "not found" to a question for this id alone.
    Absent,
    /// No usable answer: says nothing about the proxy.
    Failed(CallError),
}

impl Look {
    /// What the result of one DescribeProxies for `asked` says of one of these ids. "Not found" is an answer about an id
    /// only when it was asked for alone.
    pub fn of(result: &Result<DescribeAnswer, CallError>, asked: &[ProxyId], id: &ProxyId) -> Self {
        match result {
            Ok(answer) => match answer.look(asked, id) {
                Ok(Some(proxy)) => Look::Present(Box::new(proxy.clone())),
                Ok(None) => Look::Absent,
                Err(detail) => Look::Failed(CallError {
                    action: Action::DescribeProxies,
                    kind: ErrorKind::Unreadable { detail },
                    request_id: Some(answer.request_id.clone()),
                }),
            },
            Err(error) if error.class() == Class::Gone && matches!(asked, [only] if only == id) => Look::Absent,
            Err(error) => Look::Failed(error.clone()),
        }
    }
}

type Found = (Look, Option<Account>);

struct Question {
    id: ProxyId,
    priority: Priority,
    answer: oneshot::Sender<Found>,
}

/// Calls under way at most. More than one only when one is slow.
const CALLS: usize = 4;
/// A call that takes longer does not make later questions wait for it.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long questions gather after a call, at most half a poll. At 18 deletions a second, each looked at every second
/// for three, a call takes some 30 questions along. Published: AWS's EBS driver gathers for 0.5 s, Karpenter 0.1 to 1 s.
const SPACING: Duration = Duration::from_millis(500);

/// Asks for proxies on behalf of everybody. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Without a bound: each question is somebody who waits for its answer, and in a bounded channel a deletion would
    /// wait behind all the others before anybody could tell that it is one.
    questions: mpsc::UnboundedSender<Question>,
}

impl Sweep {
    /// Starts the task; it ends with `cancel`. `poll`: `--destroy-poll`.
    pub fn spawn(
        client: Client,
        identity: Identity,
        clock: Arc<dyn Clock>,
        poll: Duration,
        cancel: CancellationToken,
    ) -> Self {
        let (questions, receiver) = mpsc::unbounded_channel();
        let sweeper = Sweeper {
            client,
            identity,
            clock,
            receiver,
            waiting: Gather::default(),
            calls: FuturesUnordered::new(),
            spacing: SPACING.min(poll / 2),
            last_start: None,
            last_shared: None,
        };
        tokio::spawn(async move { cancel.run_until_cancelled(sweeper.run()).await });
        Self { questions }
    }

    /// Looks at one proxy, in a call that begins after this one. The account is the one that answered; none when
    /// nobody could be asked.
    pub async fn look(&self, id: ProxyId, priority: Priority) -> Found {
        let ending = || (Look::Failed(CallError::local(Action::DescribeProxies, ErrorKind::ShuttingDown)), None);
        let (answer, found) = oneshot::channel();
        match self.questions.send(Question { id, priority, answer }) {
            Ok(()) => found.await.unwrap_or_else(|_| ending()),
            Err(_) => ending(),
        }
    }
}

type Asker = oneshot::Sender<Found>;
type Batch = gather::Batch<Asker>;
type Done = (Batch, Session, Result<DescribeAnswer, CallError>);

struct Sweeper {
    client: Client,
    identity: Identity,
    clock: Arc<dyn Clock>,
    receiver: mpsc::UnboundedReceiver<Question>,
    /// Questions that no call has taken up.
    waiting: Gather<Asker>,
    calls: FuturesUnordered<BoxFuture<'static, Done>>,
    /// From one call that questions can share to the next, unless they fill one.
    spacing: Duration,
    last_start: Option<Duration>,
    /// The last call that could be shared.
    last_shared: Option<Duration>,
}

impl Sweeper {
    async fn run(mut self) {
        loop {
            while let Ok(question) = self.receiver.try_recv() {
                self.ask(question);
            }
            let patience = self.start_due();
            tokio::select! {
                question = self.receiver.recv() => match question {
                    Some(question) => self.ask(question),
                    // Nobody is left who could ask, or wait for an answer.
                    None => return,
                },
                Some((batch, session, result)) = self.calls.next() => self.finish(batch, &session, result),
                () = sleep(patience.unwrap_or(PATIENCE)), if patience.is_some() => {}
            }
        }
    }

    fn ask(&mut self, Question { id, priority, answer }: Question) {
        self.waiting.ask(id, priority, answer);
    }

    /// Starts what may start now; tells how long to wait if something waits for time to pass only.
    fn start_due(&mut self) -> Option<Duration> {
        loop {
            if self.waiting.is_empty() || self.calls.len() >= CALLS {
                return None;
            }
            let now = self.clock.now().monotonic;
            let left = |since: Option<Duration>, pause: Duration| {
                since.map_or(Duration::ZERO, |since| pause.saturating_sub(now.saturating_sub(since)))
            };
            let slow = left(self.last_start.filter(|_| !self.calls.is_empty()), PATIENCE);
            if !slow.is_zero() {
                return Some(slow);
            }
            let waits = |asker: &Asker| !asker.is_closed();
            let gathering = left(self.last_shared, self.spacing);
            let next = if gathering.is_zero() || self.waiting.fills_a_call() {
                self.waiting.next(now, waits)
            } else {
                self.waiting.next_alone(now, waits)
            };
            let Some(Call { batch, shared }) = next else {
                return Some(gathering).filter(|left| !left.is_zero());
            };
            if shared {
                self.last_shared = Some(now);
            }
            self.start(batch, now);
        }
    }

    fn start(&mut self, batch: Batch, now: Duration) {
        let session = match self.identity.current() {
            SessionState::Ready(session) => session,
            state => {
                let error = no_session(state);
                return answer_all(batch, None, |_| Look::Failed(error.clone()));
            }
        };
        self.last_start = Some(now);
        let client = self.client.clone();
        self.calls.push(Box::pin(async move {
            let ids = ids(&batch);
            let result = client.describe_proxies(&session, &ids).await;
            (batch, session, result)
        }));
    }

    fn finish(&mut self, mut batch: Batch, session: &Session, result: Result<DescribeAnswer, CallError>) {
        let account = Some(session.account());
        let asked = ids(&batch);
        let now = self.clock.now().monotonic;
        let gone = result.as_ref().is_err_and(|error| error.class() == Class::Gone);
        let refused = result.as_ref().is_err_and(CallError::may_concern_one_id);
        match batch.as_slice() {
            [only] if gone || refused => self.waiting.set_apart(only, now),
            _ if gone => return self.waiting.split(batch),
            // Handed to all, it would hold up for minutes those whom it says nothing about.
            _ if refused => match self.waiting.split_refused(batch, now) {
                Ok(()) => return,
                Err(back) => batch = back,
            },
            _ => {}
        }
        answer_all(batch, account, |id| Look::of(&result, &asked, id));
    }
}

fn ids(batch: &Batch) -> Vec<ProxyId> {
    batch.iter().map(|row| row.id.clone()).collect()
}

fn answer_all(batch: Batch, account: Option<&Account>, look: impl Fn(&ProxyId) -> Look) {
    for row in batch {
        let look = look(&row.id);
        for answer in row.askers {
            // Who no longer waits does not need the answer.
            let _ = answer.send((look.clone(), account.cloned()));
        }
    }
}

fn no_session(state: SessionState) -> CallError {
    match state {
        SessionState::Refused(error) | SessionState::Unreachable(error) => error,
        SessionState::Missing(detail) => {
            CallError::local(Action::DescribeProxies, ErrorKind::CredentialsMissing { detail })
        }
        SessionState::Waiting | SessionState::Ready(_) => {
            CallError::local(Action::DescribeProxies, ErrorKind::AccountUnknown)
        }
    }
}

#[cfg(test)]
mod tests;
