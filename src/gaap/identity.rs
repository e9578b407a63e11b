//! Who we are: reads the credentials, asks STS for their account, and hands out a [`Session`] once it answered.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::gaap::client::Client;
use crate::gaap::codes::Class;
use crate::gaap::credentials::{Credentials, CredentialsSource, MissingCredentials};
use crate::gaap::error::CallError;
use crate::gaap::proxy::Account;
use crate::gaap::session::{AuthReports, Session, SessionState};
use crate::process::clock::Clock;

/// First and longest pause between two questions to STS that got no answer.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The waits that a test makes shorter.
#[derive(Clone, Copy, Debug)]
struct Timing {
    /// How often the files are read. Reading beats watching: not every watcher sees the swap of a mounted Secret.
    poll: Duration,
    /// Pause after a refusal: only a person changes it, and a change of the files is noticed at once.
    refused: Duration,
    /// Least time between two questions that reports of refused calls cause.
    report_spacing: Duration,
}

const TIMING: Timing =
    Timing { poll: Duration::from_secs(1), refused: Duration::from_secs(300), report_spacing: Duration::from_secs(30) };

/// The identity of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Identity {
    state: watch::Receiver<SessionState>,
    reports: Arc<AuthReports>,
}

impl Identity {
    /// Starts the task that keeps the session; it ends with `cancel`.
    pub fn spawn(client: Client, source: CredentialsSource, clock: Arc<dyn Clock>, cancel: CancellationToken) -> Self {
        Self::with_timing(client, source, clock, cancel, TIMING)
    }

    fn with_timing(
        client: Client,
        source: CredentialsSource,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
        timing: Timing,
    ) -> Self {
        let (sender, state) = watch::channel(SessionState::Waiting);
        let reports = Arc::new(AuthReports::default());
        let keeper = Keeper { client, source, clock, sender, reports: reports.clone(), timing, generation: 0 };
        tokio::spawn(async move { cancel.run_until_cancelled(keeper.run()).await });
        Self { state, reports }
    }

    /// What is known now.
    pub fn current(&self) -> SessionState {
        self.state.borrow().clone()
    }

    /// Follows the state. It changes only when what it says changes, a RequestId aside.
    pub fn subscribe(&self) -> watch::Receiver<SessionState> {
        self.state.clone()
    }

    /// A call signed with the credentials of this generation was refused because of them: reads them again and asks
    /// STS again, at most every 30 s. [`Client`] reports by itself what it sees.
    pub fn report_auth_failure(&self, generation: u64) {
        self.reports.report(generation);
    }
}

struct Keeper {
    client: Client,
    source: CredentialsSource,
    clock: Arc<dyn Clock>,
    sender: watch::Sender<SessionState>,
    reports: Arc<AuthReports>,
    timing: Timing,
    /// Counts the credentials that were loaded.
    generation: u64,
}

type Loaded = Result<Credentials, MissingCredentials>;

impl Keeper {
    async fn run(mut self) {
        let mut loaded = self.load().await;
        loop {
            self.generation += 1;
            loaded = match loaded {
                Ok(credentials) => {
                    self.tell(SessionState::Waiting);
                    let known = Ok(credentials.clone());
                    tokio::select! {
                        changed = self.change(&known) => changed,
                        never = self.keep(&credentials) => match never {},
                    }
                }
                Err(missing) => {
                    self.tell(SessionState::Missing(missing.0.clone()));
                    self.change(&Err(missing)).await
                }
            };
        }
    }

    async fn load(&self) -> Loaded {
        let source = self.source.clone();
        tokio::task::spawn_blocking(move || source.load())
            .await
            .unwrap_or_else(|_| Err(MissingCredentials("the credentials could not be read".to_owned())))
    }

    /// Waits until something else is there.
    async fn change(&self, known: &Loaded) -> Loaded {
        loop {
            if self.source.can_change() {
                sleep(self.timing.poll).await;
            } else {
                std::future::pending::<()>().await;
            }
            let now = self.load().await;
            if now != *known {
                tracing::info!("the credentials have changed");
                return now;
            }
        }
    }

    /// Asks STS until it answers, and again when a call was refused. Dropped when the credentials change.
    async fn keep(&self, credentials: &Credentials) -> std::convert::Infallible {
        loop {
            let asked = self.clock.now().monotonic;
            self.establish(credentials).await;
            self.reports.on(self.generation).await;
            let since = self.clock.now().monotonic.saturating_sub(asked);
            sleep(self.timing.report_spacing.saturating_sub(since)).await;
            tracing::info!("a call was refused because of the credentials: asking for their account again");
        }
    }

    /// Asks STS until it answers with an account.
    async fn establish(&self, credentials: &Credentials) {
        let mut pauses = pauses();
        loop {
            let error = match self.client.caller_identity(credentials).await {
                Ok(id) => return self.ready(credentials, id),
                Err(error) => error,
            };
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            let refused = matches!(error.class(), Class::User | Class::Config);
            tracing::warn!(%error, "the account of the credentials is unknown");
            self.failed(error, refused);
            sleep(if refused { self.timing.refused } else { pause }).await;
        }
    }

    fn ready(&self, credentials: &Credentials, id: String) {
        let account = Account { id, endpoint: self.client.endpoint().to_owned() };
        tracing::info!(account = account.id, endpoint = account.endpoint, "the credentials are good");
        let session = Session::new(credentials.clone(), account, self.generation, self.reports.clone());
        self.tell(SessionState::Ready(session));
    }

    fn failed(&self, error: CallError, refused: bool) {
        if refused {
            self.tell(SessionState::Refused(error));
        } else if !matches!(*self.sender.borrow(), SessionState::Ready(_)) {
            // A session that was good is not lost because STS is silent now.
            self.tell(SessionState::Unreachable(error));
        }
    }

    /// Every notification wakes every resource, so a state that differs in its RequestId only is stored silently.
    fn tell(&self, new: SessionState) {
        self.sender.send_if_modified(|state| {
            let differs = gist(state) != gist(&new);
            *state = new;
            differs
        });
    }
}

fn gist(state: &SessionState) -> SessionState {
    let plain = |error: &CallError| CallError { request_id: None, ..error.clone() };
    match state {
        SessionState::Refused(error) => SessionState::Refused(plain(error)),
        SessionState::Unreachable(error) => SessionState::Unreachable(plain(error)),
        other => other.clone(),
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests;
