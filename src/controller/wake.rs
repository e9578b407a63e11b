//! Waking resources from outside the watch: an answer of the cloud, a changed claim of another resource.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures::Stream;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Notify;

use crate::controller::object::WatchedProxy;

/// The resources to reconcile next. A set and not a queue: a resource stands in it once, so it is bounded by the
/// resources there are, however often they are woken.
#[derive(Clone, Debug, Default)]
pub struct Wakes {
    inner: Arc<(Mutex<HashSet<ObjectRef<WatchedProxy>>>, Notify)>,
}

impl Wakes {
    /// Has this resource reconciled soon.
    pub fn wake(&self, reference: ObjectRef<WatchedProxy>) {
        self.inner.0.lock().unwrap_or_else(PoisonError::into_inner).insert(reference);
        self.inner.1.notify_one();
    }

    /// The resources that are woken, as they come. For one reader.
    pub fn stream(&self) -> impl Stream<Item = ObjectRef<WatchedProxy>> + Send + use<> {
        futures::stream::unfold((self.clone(), Vec::new()), |(wakes, mut ready)| async move {
            loop {
                if let Some(reference) = ready.pop() {
                    return Some((reference, (wakes, ready)));
                }
                let woken = std::mem::take(&mut *wakes.inner.0.lock().unwrap_or_else(PoisonError::into_inner));
                if woken.is_empty() {
                    wakes.inner.1.notified().await;
                }
                ready.extend(woken);
            }
        })
    }
}
