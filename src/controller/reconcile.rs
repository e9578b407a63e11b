//! One reconcile: observe, decide, act, until there is nothing to do now.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::core::ObjectMeta;
use kube::runtime::controller::Action;
use tokio::sync::OwnedSemaphorePermit;

use crate::controller::act::{self, ActError};
use crate::controller::backoff::jittered;
use crate::controller::context::Context;
use crate::controller::decide::{Decision, Release, Step, decide};
use crate::controller::kube_call::KubeError;
use crate::controller::memory::Outcome;
use crate::controller::object::WatchedProxy;
use crate::controller::observation::{Cloud, Observation, Resource};
use crate::controller::observe::observe;
use crate::controller::report::{self, Account};
use crate::controller::send_queue::{near, stay_away};
use crate::controller::status::Plan;
use crate::gaap::{self, SessionState, Turn};
use crate::process::leader::RETRY_PERIOD;

/// More steps than any path through `decide` takes; reaching it is a defect, and the pause that follows keeps a
/// defect from becoming a hot loop.
const STEP_LIMIT: usize = 12;
/// Pause after an error of the API server; a watch event ends it early.
const KUBE_PAUSE: Duration = Duration::from_secs(5);
/// A request that waits longer than this for its turn says so in the status.
const LONG_TURN: Duration = Duration::from_secs(60);

/// What kube calls for an object that changed, was woken, or is due.
///
/// # Errors
/// None: a failed reconcile is reported here and tried again after a pause, so that one place decides on pauses.
pub async fn reconcile(object: Arc<WatchedProxy>, context: Arc<Context>) -> Result<Action, Infallible> {
    let started = context.clock.now();
    if !context.leadership.acts(started.monotonic) {
        return Ok(Action::await_change());
    }
    let running = context.metrics.reconcile_begins();
    let mut account = Account::default();
    let resource = read(&object);
    let malformed = resource.is_err();
    let result = match resource {
        Ok(resource) => {
            let cached = resource.resource_version.clone();
            let account = &mut account;
            let mut reconcile = Reconcile { context: &context, account, resource, turn: None, read_at: Duration::ZERO };
            let result = reconcile.run().await;
            if reconcile.resource.resource_version == cached {
                context.memories.rest(&reconcile.resource);
            }
            result
        }
        Err((metadata, reason)) => {
            account.note_malformed(&metadata, object.held);
            report::malformed(&context, &metadata, &reason).await
        }
    };
    if matches!(&result, Err(ActError::Kube(error)) if error.is_forbidden()) {
        context.refusals.note();
    }
    // Whoever cannot be brought to send must not keep the others from it.
    if let (true, Some(uid)) = (result.is_err() || malformed, &object.uid) {
        context.queue.leave(uid);
    }
    let took = context.clock.now().monotonic.saturating_sub(started.monotonic);
    report::finish(&context, &object, &account, result.as_ref().err(), took);
    running.ends(result.is_err(), result.as_ref().is_ok_and(Option::is_some), took);
    let again = match result {
        Ok(again) => again.unwrap_or_else(|| jittered(context.timing.resync, fastrand::f64())),
        Err(_) => jittered(KUBE_PAUSE, fastrand::f64()),
    };
    let short = context.agenda.set(&object.key, context.clock.now().monotonic, again);
    Ok(short.map_or_else(Action::await_change, Action::requeue))
}

fn read(object: &WatchedProxy) -> Result<Resource, (Box<ObjectMeta>, String)> {
    match object.read() {
        Ok(object) => Resource::read(&object).map_err(|reason| (Box::new(object.metadata), reason)),
        Err(invalid) => Err((Box::new(invalid.metadata), invalid.error)),
    }
}

/// The state of one reconcile.
struct Reconcile<'a> {
    context: &'a Arc<Context>,
    account: &'a mut Account,
    resource: Resource,
    /// The turn to send, and a place among the requests that are open. While they are held, `resource` is what the API
    /// server said a moment ago.
    turn: Option<(Turn, OwnedSemaphorePermit)>,
    /// When it was asked for that, on the monotonic clock.
    read_at: Duration,
}

/// Whether to go on deciding, or when to come back.
enum Next {
    Decide,
    Return(Option<Duration>),
}

impl Reconcile<'_> {
    async fn run(&mut self) -> Result<Option<Duration>, ActError> {
        for _ in 0..STEP_LIMIT {
            let now = self.context.clock.now();
            // Lost on the way: the process is ending.
            if !self.context.leadership.acts(now.monotonic) {
                return Ok(None);
            }
            let observation = observe(self.context, &self.resource, self.turn.is_some(), now);
            let decision = decide(&observation, now);
            self.account.note(&decision, &self.resource);
            report::show(self.context, &self.resource.uid, self.account);
            if !matches!(decision.step, Step::Destroy(_)) {
                self.turn = None;
            }
            // Whoever only waits for an answer of the cloud keeps the place in line; with hundreds in line it would
            // never come to the front again.
            if matches!(decision.step, Step::Release(_)) || (decision.step == Step::Wait && decision.status.is_some()) {
                self.context.queue.leave(&self.resource.uid);
            }
            match self.perform(decision, &observation).await? {
                Next::Decide => {}
                Next::Return(again) => return Ok(again),
            }
        }
        tracing::error!(resource = self.resource.key(), "a reconcile did not come to rest; it goes on after a pause");
        Ok(Some(KUBE_PAUSE))
    }

    async fn perform(&mut self, decision: Decision, observation: &Observation) -> Result<Next, ActError> {
        match decision.step {
            Step::AddFinalizer => match act::add_finalizer(self.context, &self.resource).await {
                Ok(resource) => {
                    self.resource = resource;
                    Ok(Next::Decide)
                }
                Err(ActError::Kube(error)) if error.is_outdated() => self.catch_up(error).await,
                Err(ActError::Kube(error)) if error.is_not_found() => Ok(Next::Return(None)),
                Err(error) => Err(error),
            },
            Step::Look => {
                act::look(self.context, &self.resource);
                Ok(Next::Return(None))
            }
            Step::Prepare { look_first } => {
                self.prepare(look_first, decision.status.as_ref(), observation.memory.deleting_since).await
            }
            Step::Destroy(request) => Ok(self.destroy(&request, &observation.cloud).await),
            Step::Store => match &decision.status {
                Some(plan) => Ok(self.store(plan).await?.unwrap_or(Next::Decide)),
                None => Ok(Next::Decide),
            },
            Step::Release(release) => self.release(&release).await,
            Step::Wait => {
                let next = match &decision.status {
                    Some(plan) => self.store(plan).await?,
                    None => None,
                };
                Ok(next.unwrap_or(Next::Return(decision.again)))
            }
        }
    }

    /// Stores a status; a change of the headline is also an event. Returns what to do instead when the resource is not
    /// what it was decided on any more.
    async fn store(&mut self, plan: &Plan) -> Result<Option<Next>, ActError> {
        let before = report::headline(&self.resource.status);
        let written = match act::write_status(self.context, &self.resource, plan).await {
            Ok(written) => written,
            Err(ActError::Kube(error)) if error.is_outdated() => return self.catch_up(error).await.map(Some),
            Err(ActError::Kube(error)) if error.is_not_found() => return Ok(Some(Next::Return(None))),
            Err(error) => return Err(error),
        };
        if let Some(resource) = written {
            self.account.wrote_status = true;
            let (reason, message) = plan.headline();
            if before.as_deref() != Some(reason.as_str()) {
                report::event(self.context, &resource, reason.as_str(), message, plan.stalled.is_some()).await;
            }
            self.resource = resource;
        }
        Ok(None)
    }

    /// A write was refused because the resource changed since it was read: what it is now decides.
    async fn catch_up(&mut self, error: KubeError) -> Result<Next, ActError> {
        match act::read_fresh(self.context, &self.resource).await? {
            Some(fresh) if fresh.resource_version != self.resource.resource_version => {
                self.resource = fresh;
                Ok(Next::Decide)
            }
            Some(_) => Err(error.into()),
            None => Ok(Next::Return(None)),
        }
    }

    /// Waits for the turn to send, then reads the resource from the API server: S1 wants that read right before the
    /// send, so nothing that can take long may come after it.
    async fn prepare(
        &mut self,
        look_first: bool,
        plan: Option<&Plan>,
        noticed: Option<Duration>,
    ) -> Result<Next, ActError> {
        if self.context.shutdown.is_cancelled() {
            return Ok(Next::Return(None));
        }
        if self.may_not_send() {
            return Ok(Next::Return(Some(RETRY_PERIOD)));
        }
        let ahead = self.context.queue.join(&self.resource.namespace, &self.resource.uid);
        // Gone since this reconcile began: the watch has cleared up before, and would not do it again.
        if !self.context.memories.knows(&self.resource.uid) {
            self.context.queue.leave(&self.resource.uid);
            return Ok(Next::Return(None));
        }
        let (inside, per_second) = (self.context.waiting_inside, self.context.requests_per_second);
        let most_ahead = if look_first { near(inside, per_second) } else { inside };
        if let Some(pause) = stay_away(ahead, most_ahead, per_second) {
            let now = self.context.clock.now().monotonic;
            let waited = noticed.map_or(Duration::ZERO, |noticed| now.saturating_sub(noticed));
            // The pace may be far below what was set, so the line may stand for longer than it seems.
            if let Some(plan) = plan.filter(|_| pause > LONG_TURN || waited > LONG_TURN)
                && let Some(next) = self.store(plan).await?
            {
                return Ok(next);
            }
            return Ok(Next::Return(Some(pause)));
        }
        if look_first {
            act::look(self.context, &self.resource);
            return Ok(Next::Return(None));
        }
        // Before the turn: what is read after it must not become old here.
        let open = tokio::select! {
            open = self.context.open_requests.clone().acquire_owned() => open,
            () = self.context.shutdown.cancelled() => return Ok(Next::Return(None)),
        };
        let Ok(place) = open else { return Ok(Next::Return(None)) };
        let turn = tokio::select! {
            turn = self.context.cloud.client.pace().turn(gaap::Action::DestroyProxies) => turn,
            () = self.context.shutdown.cancelled() => return Ok(Next::Return(None)),
        };
        self.read_at = self.context.clock.now().monotonic;
        let Some(fresh) = act::read_fresh(self.context, &self.resource).await? else {
            self.context.queue.leave(&self.resource.uid);
            return Ok(Next::Return(None));
        };
        self.resource = fresh;
        // The rest of the wait comes before the last decision, so that it sees every claim delivered meanwhile (S5).
        turn.due().await;
        self.turn = Some((turn, place));
        Ok(Next::Decide)
    }

    async fn destroy(&mut self, request: &gaap::DestroyRequest, cloud: &Cloud) -> Next {
        let session = match self.context.cloud.identity.current() {
            SessionState::Ready(session) if matches!(cloud, Cloud::Ready(account) if account == session.account()) => {
                session
            }
            // The credentials changed since the observation: decide anew.
            _ => {
                self.turn = None;
                return Next::Decide;
            }
        };
        let Some((turn, place)) = self.turn.take() else { return Next::Decide };
        if self.context.shutdown.is_cancelled() {
            return Next::Return(None);
        }
        if self.may_not_send() {
            return Next::Return(Some(RETRY_PERIOD));
        }
        // A process that was stopped for a while goes on here: what it read then is no authority any more (S1).
        if !read_holds(self.read_at, self.context.clock.now().monotonic) {
            return Next::Decide;
        }
        // Not when it is answered: a slow cloud would slow the line.
        self.context.queue.sent(&self.resource.uid);
        let outcome = act::destroy(self.context, &self.resource, &session, turn, request).await;
        drop(place);
        self.account.sent = Some(match &outcome {
            Outcome::Accepted { .. } => "accepted".to_owned(),
            other => other.failure().map(|failure| failure.code.clone()).unwrap_or_default(),
        });
        Next::Decide
    }

    /// A request to destroy must be over before another replica can act. That fails while the API server takes long to
    /// renew the lease: rarely, and said in the log.
    fn may_not_send(&self) -> bool {
        let now = self.context.clock.now().monotonic;
        let may = self.context.leadership.acts_alone_for(self.context.request_timeout, now);
        if !may {
            let resource = self.resource.key();
            tracing::warn!(resource, "nothing is sent: the lease was not renewed for too long; tried again in 2 s");
        }
        !may
    }

    async fn release(&mut self, release: &Release) -> Result<Next, ActError> {
        // The cache may be behind: an owner that is gone would leave the proxy to nobody.
        if let Release::NotOwner { owner } = release
            && !act::exists(self.context, owner).await?
        {
            self.context.claims.remove(&owner.uid);
            return Ok(Next::Decide);
        }
        let retained = *release == Release::Retained;
        match act::remove_finalizer(self.context, &self.resource, retained).await {
            Ok(true) => {}
            Ok(false) => return Ok(Next::Return(None)),
            Err(ActError::Kube(error)) if error.is_outdated() => return self.catch_up(error).await,
            Err(error) => return Err(error),
        }
        let (reason, note, warning) = act::release_note(release, &self.resource);
        if matches!(release, Release::Gone | Release::NeverSeen) {
            let now = Timestamp::try_from(std::time::UNIX_EPOCH + self.context.clock.now().unix);
            if let (Some(deleted), Ok(now)) = (self.resource.deleted, now) {
                self.context.metrics.deletion_ended(now.as_second().saturating_sub(deleted));
            }
        }
        self.account.released = Some(reason);
        report::event(self.context, &self.resource, reason, &note, warning).await;
        Ok(Next::Return(None))
    }
}

/// A read that was asked for at `read_at` is still authority for a request that is sent now.
pub fn read_holds(read_at: Duration, now: Duration) -> bool {
    now.saturating_sub(read_at) <= act::READ_LIMIT
}
