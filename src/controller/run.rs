//! Wiring of the controller: watches in, reconciles out.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::SelectAll;
use futures::{Stream, StreamExt, TryStreamExt};
use kube::api::Api;
use kube::runtime::watcher::Event;
use kube::runtime::{Controller, WatchStreamExt, controller, reflector, watcher};

use crate::controller::agenda::PORTION;
use crate::controller::backoff;
use crate::controller::context::Context;
use crate::controller::crd_wait::{CRD, wait_for_crd};
use crate::controller::kube_call::is_unserved;
use crate::controller::object::WatchedProxy;
use crate::controller::permissions;
use crate::controller::reconcile::reconcile;
use crate::controller::scopes::Join;
use crate::gaap::{self, SessionState};
use crate::process::readiness::Readiness;

/// Name of the readiness condition.
pub const FIRST_LIST: &str = "first list";
/// Name of the readiness condition.
pub const CREDENTIALS: &str = "credentials";

/// The API server ends a watch after this; kube takes a watch for dead 5 s later, so a dead one is noticed within
/// 60 s (L5).
const WATCH_SECONDS: u32 = 55;

/// Objects a page of a list. kube's 500 need 2 MB while a page is read, and a heap does not become smaller again; with fewer,
/// more requests of one list can fail, and a list begins anew when one does.
const PAGE_SIZE: u32 = 250;

/// Runs until the shutdown token of the context is cancelled and running reconciles have ended.
pub async fn run(context: Arc<Context>, namespaces: &[String], concurrency: u16, readiness: Readiness) {
    tokio::select! {
        () = wait_for_crd(&context.kube, &readiness) => {}
        () = context.shutdown.cancelled() => return,
    }
    let (reader, writer) = reflector::store();
    let events = reflector::reflector(writer, joined(&context, namespaces, &readiness).map(Ok));
    let settings = controller::Config::default().concurrency(concurrency);
    // The first list triggers nothing: at its end all are woken, in portions.
    let changed = events.try_filter_map(|event| async move {
        Ok(match event {
            Event::Apply(object) => Some(object),
            _ => None,
        })
    });
    let controller = Controller::for_stream(changed, reader)
        .with_config(settings)
        .reconcile_on(context.wakes.stream())
        .reconcile_on(context.agenda.stream(context.clock.clone(), room(&context)))
        .graceful_shutdown_on(context.shutdown.clone().cancelled_owned())
        .run(reconcile, |_, error: &Infallible, _| match *error {}, context.clone())
        .for_each(|result| async {
            match result {
                // A resource that was woken, or came due, after it was gone.
                Ok(_) | Err(controller::Error::ObjectNotFound(_)) => {}
                Err(error) => tracing::warn!(%error, "the controller's queue failed"),
            }
        });
    let waking = async {
        tokio::join!(
            begun(&context),
            sessions(&context, &readiness),
            permissions::tell(&context, namespaces, &readiness),
        );
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = controller => {}
        () = waking => {}
    }
}

/// How many resources may be handed over at once when all are due: as many as the cloud can be asked for meanwhile, and
/// fewer while it is slow to answer.
fn room(context: &Arc<Context>) -> impl Fn() -> usize + Send + use<> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a setting of at most a few hundred")]
    let calls = (context.requests_per_second * PORTION.as_secs_f64()).ceil() as usize;
    let (most, context) = (calls.max(1) * gaap::DESCRIBE_LIMIT, context.clone());
    // None before the first list is complete: kube would put all that is handed over aside until then.
    move || if context.claims.is_complete() { most.min(context.open_looks.available_permits()) } else { 0 }
}

/// The events of all watches as one stream, after the index of claims has taken them in.
fn joined(
    context: &Arc<Context>,
    namespaces: &[String],
    readiness: &Readiness,
) -> impl Stream<Item = Event<WatchedProxy>> + Send + use<> {
    let apis: Vec<Api<WatchedProxy>> = if namespaces.is_empty() {
        vec![Api::all(context.kube.clone())]
    } else {
        namespaces.iter().map(|namespace| Api::namespaced(context.kube.clone(), namespace)).collect()
    };
    let join = Arc::new(Mutex::new(Join::new(apis.len())));
    let mut watches = SelectAll::new();
    for (scope, api) in apis.into_iter().enumerate() {
        let config = watcher::Config::default().timeout(WATCH_SECONDS).page_size(PAGE_SIZE);
        let watch = watcher(api, config).modify(WatchedProxy::forget_version).backoff(backoff::of_watch());
        watches.push(watch.map(move |event| (scope, event)).boxed());
    }
    readiness.set_waiting(FIRST_LIST, "the first list of gaapproxies is under way");
    let (context, readiness) = (context.clone(), readiness.clone());
    watches.flat_map(move |(scope, event)| {
        let mut join = join.lock().unwrap_or_else(PoisonError::into_inner);
        let events = match event {
            Ok(event) => {
                readiness.set_ready(CRD);
                join.take(scope, event)
            }
            // Not handed on: kube would hold back every trigger, the answers of the cloud too, for the back-off of
            // one watch. The watch itself goes on after its own back-off.
            Err(error) => {
                watch_failed(&error, join.complete(), &readiness, &context);
                Vec::new()
            }
        };
        for event in &events {
            index(&context, event);
            if matches!(event, Event::InitDone) {
                readiness.set_ready(FIRST_LIST);
            }
        }
        futures::stream::iter(events)
    })
}

fn watch_failed(error: &watcher::Error, listed: bool, readiness: &Readiness, context: &Context) {
    tracing::warn!(%error, "watching gaapproxies failed; it is tried again");
    if !listed {
        readiness.set_waiting(FIRST_LIST, format!("gaapproxies cannot be listed: {error}"));
    }
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))) = error
    else {
        return;
    };
    if status.is_forbidden() {
        context.refusals.note();
    }
    if is_unserved(status) {
        readiness.set_waiting(CRD, "the API server no longer serves gaapproxies");
    }
}

/// Brings the index of claims up to an event, wakes those whom it concerns, forgets what is gone.
fn index(context: &Context, event: &Event<WatchedProxy>) {
    let concerned = match event {
        Event::Apply(object) | Event::InitApply(object) => {
            if let Some(uid) = &object.uid {
                context.memories.meet(uid, context.clock.now().monotonic, object.deleting);
                context.metrics.meet(uid);
            }
            context.agenda.meet(&object.key, object.is_urgent());
            context.claims.put(object)
        }
        Event::Delete(object) => {
            let uid = object.uid.as_deref().unwrap_or_default();
            context.memories.forget(uid);
            context.metrics.forget(uid);
            context.queue.leave(uid);
            context.agenda.forget(&object.key);
            context.claims.remove(uid)
        }
        Event::InitDone => {
            context.claims.set_complete();
            context.agenda.wake_all();
            Vec::new()
        }
        Event::Init => Vec::new(),
    };
    for reference in concerned {
        context.wakes.wake(reference);
    }
}

/// Wakes every resource when this process begins to lead: nothing was done for any of them while it stood by.
async fn begun(context: &Context) {
    context.leadership.clone().begins().await;
    context.agenda.wake_all();
}

/// Wakes every resource when the account or its credentials change, and keeps the readiness true.
async fn sessions(context: &Context, readiness: &Readiness) {
    let mut states = context.cloud.identity.subscribe();
    loop {
        tell(readiness, &states.borrow_and_update());
        context.memories.lift_holds();
        context.agenda.wake_all();
        if states.changed().await.is_err() {
            return;
        }
    }
}

fn tell(readiness: &Readiness, state: &SessionState) {
    match state {
        SessionState::Waiting => readiness.set_waiting(CREDENTIALS, "the account of the credentials is being asked"),
        SessionState::Ready(_) => readiness.set_ready(CREDENTIALS),
        SessionState::Missing(what) => readiness.set_waiting(CREDENTIALS, what.clone()),
        SessionState::Refused(error) => readiness.set_waiting(CREDENTIALS, error.to_string()),
        // Not our trouble: a restart or another replica would see the same.
        SessionState::Unreachable(_) => readiness.set_ready(CREDENTIALS),
    }
}

/// How long running reconciles may take after SIGTERM; then they are dropped. The protocol makes that safe, and the
/// process must be gone within 2 s.
pub const DRAIN: Duration = Duration::from_millis(1000);
