//! Wiring of the controller: watches in, reconciles out.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::SelectAll;
use futures::{Stream, StreamExt};
use kube::api::Api;
use kube::runtime::watcher::Event;
use kube::runtime::{Controller, WatchStreamExt, controller, reflector, watcher};
use kube::{Resource as _, ResourceExt};

use crate::controller::backoff;
use crate::controller::context::Context;
use crate::controller::crd_wait::{CRD, wait_for_crd};
use crate::controller::kube_call::is_unserved;
use crate::controller::object::WatchedProxy;
use crate::controller::reconcile::reconcile;
use crate::controller::scopes::Join;
use crate::gaap::SessionState;
use crate::process::readiness::Readiness;

/// Name of the readiness condition.
pub const FIRST_LIST: &str = "first list";
/// Name of the readiness condition.
pub const CREDENTIALS: &str = "credentials";

/// The API server ends a watch after this; kube takes a watch for dead 5 s later, so a dead one is noticed within
/// 60 s (L5).
const WATCH_SECONDS: u32 = 55;

/// Runs until the shutdown token of the context is cancelled and running reconciles have ended.
pub async fn run(context: Arc<Context>, namespaces: &[String], concurrency: u16, readiness: Readiness) {
    tokio::select! {
        () = wait_for_crd(&context.kube, &readiness) => {}
        () = context.shutdown.cancelled() => return,
    }
    let (reader, writer) = reflector::store();
    let events = reflector::reflector(writer, joined(&context, namespaces, &readiness).map(Ok));
    let settings = controller::Config::default().concurrency(concurrency);
    Controller::for_stream(events.applied_objects(), reader)
        .with_config(settings)
        .reconcile_on(context.wakes.stream())
        .reconcile_all_on(sessions(&context, readiness))
        .reconcile_all_on(begun(&context))
        .graceful_shutdown_on(context.shutdown.clone().cancelled_owned())
        .run(reconcile, |_, error: &Infallible, _| match *error {}, context.clone())
        .for_each(|result| async {
            match result {
                // A resource that was woken, or came due, after it was gone.
                Ok(_) | Err(controller::Error::ObjectNotFound(_)) => {}
                Err(error) => tracing::warn!(%error, "the controller's queue failed"),
            }
        })
        .await;
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
        let config = watcher::Config::default().timeout(WATCH_SECONDS);
        watches.push(watcher(api, config).backoff(backoff::of_watch()).map(move |event| (scope, event)).boxed());
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
                watch_failed(&error, join.complete(), &readiness);
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

fn watch_failed(error: &watcher::Error, listed: bool, readiness: &Readiness) {
    tracing::warn!(%error, "watching gaapproxies failed; it is tried again");
    if !listed {
        readiness.set_waiting(FIRST_LIST, format!("gaapproxies cannot be listed: {error}"));
    }
    let missing = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => is_unserved(status),
        _ => false,
    };
    if missing {
        readiness.set_waiting(CRD, "the API server no longer serves gaapproxies");
    }
}

/// Brings the index of claims up to an event, wakes those whom it concerns, forgets what is gone.
fn index(context: &Context, event: &Event<WatchedProxy>) {
    let concerned = match event {
        Event::Apply(object) | Event::InitApply(object) => {
            if let Some(uid) = object.uid() {
                let deleting = object.meta().deletion_timestamp.is_some();
                context.memories.meet(&uid, context.clock.now().monotonic, deleting);
                context.metrics.meet(&uid);
            }
            context.claims.put(object)
        }
        Event::Delete(object) => {
            let uid = object.uid().unwrap_or_default();
            context.memories.forget(&uid);
            context.metrics.forget(&uid);
            context.queue.leave(&uid);
            context.claims.remove(&uid)
        }
        Event::InitDone => {
            context.claims.set_complete();
            Vec::new()
        }
        Event::Init => Vec::new(),
    };
    for reference in concerned {
        context.wakes.wake(reference);
    }
}

/// Wakes every resource when this process begins to lead: nothing was done for any of them while it stood by.
fn begun(context: &Arc<Context>) -> impl Stream<Item = ()> + Send + use<> {
    let mut leadership = context.leadership.clone();
    futures::stream::once(async move { leadership.begins().await })
}

/// Wakes every resource when the account or its credentials change, and keeps the readiness true.
fn sessions(context: &Arc<Context>, readiness: Readiness) -> impl Stream<Item = ()> + Send + use<> {
    let context = context.clone();
    let states = context.cloud.identity.subscribe();
    futures::stream::unfold((states, true), move |(mut states, first)| {
        let (context, readiness) = (context.clone(), readiness.clone());
        async move {
            if !first {
                states.changed().await.ok()?;
            }
            tell(&readiness, &states.borrow_and_update());
            context.memories.lift_holds();
            Some(((), (states, false)))
        }
    })
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
