//! One request from receipt to answer, with the faults that act before, between and after.

use std::sync::Arc;
use std::time::Duration;

use crate::answer::Answer;
use crate::effect::Effect;
use crate::errors::ApiError;
use crate::fault::Phase;
use crate::faults::{Hit, Plan};
use crate::kinds::Kind;
use crate::log::NO_ANSWER;
use crate::request::{Inbound, Receipt};
use crate::shared::Shared;

/// How an exchange ends.
pub(crate) enum Outcome {
    /// With an answer.
    Answer(Box<Answer>, Ticket),
    /// The connection is closed.
    Close,
    /// The connection is reset.
    Reset,
}

/// Stands for the log entry of a request that is still under way; dropping it completes the entry.
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    sequence: u64,
    skew_seconds: i64,
}

impl Ticket {
    /// How far the server's clock was off for this request, beyond the setting.
    pub fn clock_skew_seconds(&self) -> i64 {
        self.skew_seconds
    }

    /// The whole readable answer is on its way.
    pub fn delivered(&self) {
        self.shared.world().log.update(self.sequence, |entry| (entry.delivered, entry.completed) = (true, true));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shared.world().log.update(self.sequence, |entry| entry.completed = true);
    }
}

impl Receipt {
    fn ticket(&self, shared: &Arc<Shared>) -> Ticket {
        Ticket { shared: shared.clone(), sequence: self.sequence, skew_seconds: self.clock_skew_seconds() }
    }
}

/// Serves one request. It runs to its end also when the caller has gone: so does the real service.
pub(crate) async fn exchange(shared: Arc<Shared>, inbound: Inbound) -> Outcome {
    let receipt = {
        let mut world = shared.world();
        // Read under the lock, so that times in the log ascend with the numbers.
        let received = shared.now();
        inbound.receive(&mut world, received)
    };
    let ticket = receipt.ticket(&shared);
    if let Some(hit) = receipt.plan.get(Kind::ConnectionRefused) {
        // The receiver lives as long as the listener; without one there is nothing left to refuse.
        let _ = shared.refuse.send(Duration::from_millis(hit.parameters.duration_ms.unwrap_or(1_000)));
        return Outcome::Reset;
    }
    if !wait(&shared, &receipt.plan, Phase::Before).await {
        return Outcome::Reset;
    }
    if let Some(outcome) = before_commit(&shared, &inbound, &receipt) {
        return match outcome {
            Ending::Answer(answer) => Outcome::Answer(Box::new(answer), ticket),
            Ending::Close => Outcome::Close,
            Ending::Reset => Outcome::Reset,
        };
    }
    let first = commit(&shared, &inbound, &receipt);
    let (decided, ticket) = match receipt.plan.get(Kind::DuplicateDelivery) {
        None => (first, ticket),
        Some(Hit { parameters, .. }) if parameters.delay_ms.is_some() => {
            // Nobody waits for what comes of it: the caller has its answer by then.
            tokio::spawn(deliver_late(shared.clone(), inbound.clone(), receipt.clone()));
            (first, ticket)
        }
        Some(hit) => {
            let second = deliver_again(&shared, &inbound, &receipt);
            if hit.parameters.answer.as_deref() == Some("first") { (first, ticket) } else { second }
        }
    };
    after_commit(&shared, &inbound, &receipt.plan, decided, ticket).await
}

enum Ending {
    Answer(Answer),
    Close,
    Reset,
}

/// What the service made of a request.
struct Decided {
    outcome: Result<Effect, ApiError>,
    request_id: String,
}

/// Delay and hang of one phase; `false` when the simulator ends meanwhile.
async fn wait(shared: &Shared, plan: &Plan, phase: Phase) -> bool {
    if let Some(hit) = plan.in_phase(Kind::Delay, Phase::After, phase)
        && !shared.pause(hit.parameters.delay_ms.unwrap_or(30_000)).await
    {
        return false;
    }
    match plan.in_phase(Kind::Hang, Phase::After, phase) {
        Some(hit) => shared.held_by(hit.fault).await,
        None => true,
    }
}

/// The faults that keep a request from having an effect.
fn before_commit(shared: &Shared, inbound: &Inbound, receipt: &Receipt) -> Option<Ending> {
    let plan = &receipt.plan;
    if plan.get(Kind::RequestLost).is_some() {
        return Some(Ending::Close);
    }
    if plan.in_phase(Kind::ResetBeforeAnswer, Phase::Before, Phase::Before).is_some() {
        return Some(Ending::Reset);
    }
    let page = |answer: Answer| {
        let status = answer.http_status;
        shared.world().log.update(receipt.sequence, |entry| entry.http_status = Some(status));
        Some(Ending::Answer(answer))
    };
    if let Some(Hit { parameters, .. }) = plan.get(Kind::Redirect) {
        let location = parameters.location.as_deref().unwrap_or("http://redirected.invalid/");
        return page(Answer::redirect(parameters.http_status.unwrap_or(301), location));
    }
    let scripted = plan.in_phase(Kind::Error, Phase::Before, Phase::Before);
    let error = if let Some(hit) = scripted.filter(|hit| !hit.parameters.uses_token) {
        hit.error("InternalError")
    } else if let Some(Hit { parameters, .. }) = plan.get(Kind::HttpError) {
        return page(Answer::page(parameters.http_status.unwrap_or(502), parameters.body.as_deref()));
    } else if let Some(hit) = plan.get(Kind::DnsFlip) {
        if hit.parameters.answer.as_deref() == Some("stranger") {
            return page(Answer::page(404, None));
        }
        ApiError::new("AuthFailure.SecretIdNotFound")
    } else if let Some(hit) = plan.get(Kind::Throttle) {
        hit.error("RequestLimitExceeded")
    } else {
        return None;
    };
    let decided = Decided { outcome: Err(error), request_id: new_request_id() };
    record(shared, receipt.sequence, &decided, None);
    Some(Ending::Answer(Answer::envelope(&decided.outcome, &decided.request_id, inbound.language(), plan)))
}

/// Lets the request have its effect.
fn commit(shared: &Shared, inbound: &Inbound, receipt: &Receipt) -> Decided {
    let mut world = shared.world();
    let now = shared.now();
    let outcome = inbound.decide(&mut world, receipt, now);
    drop(world);
    let decided = Decided { outcome, request_id: new_request_id() };
    record(shared, receipt.sequence, &decided, Some(now.rfc3339()));
    decided
}

/// Writes what was decided into the log.
fn record(shared: &Shared, sequence: u64, decided: &Decided, settled_time: Option<String>) {
    shared.world().log.update(sequence, |entry| {
        entry.request_id.clone_from(&decided.request_id);
        entry.settled_time = settled_time.filter(|settled| *settled != entry.time);
        match &decided.outcome {
            Ok(effect) => {
                "OK".clone_into(&mut entry.code);
                entry.accepted_ids.clone_from(&effect.accepted);
                entry.accepted_create_times.clone_from(&effect.accepted_create_times);
                entry.describe.clone_from(&effect.described);
                entry.replay_of = effect.replay_of;
            }
            Err(error) => entry.code = error.code.clone().into_owned(),
        }
    });
}

/// Processes the same request once more, under an entry of its own. The answer that is not given was lost on the way.
fn deliver_again(shared: &Arc<Shared>, inbound: &Inbound, receipt: &Receipt) -> (Decided, Ticket) {
    let mut world = shared.world();
    let mut first = None;
    world.log.update(receipt.sequence, |entry| first = Some(entry.clone()));
    let (account, ids) = first.as_ref().map(|first| (first.account.clone(), first.ids.clone())).unwrap_or_default();
    let mut entry = inbound.entry(shared.now(), account, ids, &receipt.raw);
    entry.secret_id = first.and_then(|first| first.secret_id);
    entry.duplicate_of = Some(receipt.sequence);
    entry.faults = vec![Kind::DuplicateDelivery.name()];
    let again = Receipt { sequence: world.log.begin(entry), plan: receipt.plan.clone(), raw: receipt.raw.clone() };
    drop(world);
    let ticket = again.ticket(shared);
    (commit(shared, inbound, &again), ticket)
}

/// The copy of a request that took another way, and arrives long after the request itself.
async fn deliver_late(shared: Arc<Shared>, inbound: Inbound, receipt: Receipt) {
    let delay = receipt.plan.get(Kind::DuplicateDelivery).and_then(|hit| hit.parameters.delay_ms).unwrap_or_default();
    if shared.pause(delay).await {
        deliver_again(&shared, &inbound, &receipt);
    }
}

/// The faults that come between the effect and the caller.
async fn after_commit(
    shared: &Shared,
    inbound: &Inbound,
    plan: &Plan,
    mut decided: Decided,
    ticket: Ticket,
) -> Outcome {
    if !wait(shared, plan, Phase::After).await {
        return Outcome::Reset;
    }
    if plan.in_phase(Kind::ResetBeforeAnswer, Phase::Before, Phase::After).is_some() {
        return Outcome::Reset;
    }
    if plan.get(Kind::AnswerLost).is_some() {
        return Outcome::Close;
    }
    let change = |change: &dyn Fn(&mut crate::log::Entry)| shared.world().log.update(ticket.sequence, change);
    if let Some(hit) = plan.in_phase(Kind::Error, Phase::Before, Phase::After) {
        decided.outcome = Err(hit.error("InternalError"));
        change(&|entry| {
            entry.code = hit.parameters.code.clone().unwrap_or_else(|| "InternalError".to_owned());
            entry.describe = None;
        });
    }
    let answer = if let Some(Hit { parameters, .. }) = plan.get(Kind::HttpErrorAfterCommit) {
        let status = parameters.http_status.unwrap_or(500);
        change(&|entry| {
            NO_ANSWER.clone_into(&mut entry.code);
            entry.request_id.clear();
            entry.describe = None;
            entry.http_status = Some(status);
        });
        Answer::page(status, parameters.body.as_deref())
    } else {
        if plan.get(Kind::NullLists).is_some_and(|hit| hit.parameters.all) {
            // The log says what the caller was told, and that is no rows.
            change(&|entry| entry.describe.iter_mut().for_each(|told| told.returned.clear()));
        }
        Answer::envelope(&decided.outcome, &decided.request_id, inbound.language(), plan)
    };
    Outcome::Answer(Box::new(answer), ticket)
}

/// A random id of the form the service uses.
fn new_request_id() -> String {
    let [a, b] = [fastrand::u64(..), fastrand::u64(..)];
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        b >> 48 & 0x3fff | 0x8000,
        b & 0xffff_ffff_ffff
    )
}
