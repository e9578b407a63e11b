//! The election among replicas: a Lease in the API server, read and written by the rules of `process::leader`.
//!
//! Own code, for the one crate on this version of kube (kube-lease-manager 0.13) sees a lease that was given back only
//! when it would have expired, never makes a deleted one again, renews without a resourceVersion, and compares wall
//! clocks. Here every write carries the resourceVersion that was seen, so of two candidates one gets a conflict; and a
//! watch tells at once that the lease was given back.
//!
//! A watch may be behind what this process wrote or read itself. A standby is told nothing wrong by that, since its
//! write would then be refused; a leader asks the API server before it believes that it is none any more.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use tokio_util::sync::CancellationToken;

use crate::controller::backoff::{self, jittered};
use crate::controller::kube_call::{KubeError, kube_call_within};
use crate::process::clock::Clock;
use crate::process::leader::{Candidate, LEASE_DURATION, LeadershipSender, RETRY_PERIOD, Record, Step};
use crate::process::readiness::Readiness;

/// Name of the Lease.
pub const LEASE: &str = "gaap-operator";
/// Name of the readiness condition: the Lease can be written.
const LEADER_ELECTION: &str = "leader election";
/// Name of the readiness condition: the Lease can be watched.
const LEASE_WATCH: &str = "leader election (watch)";

/// Deadline of one call: several fit into the time in which a leader must have renewed.
const CALL_LIMIT: Duration = Duration::from_secs(3);
/// Time for giving the lease back. With the drain before it, the process is gone within 2 s of SIGTERM.
const RELEASE_LIMIT: Duration = Duration::from_millis(400);
/// Pause after somebody else's write came first: long enough not to spin, short enough not to be noticed.
const CONFLICT_PAUSE: Duration = Duration::from_millis(200);

/// This process was the leader and is none any more.
#[derive(Debug, thiserror::Error)]
#[error(
    "the Lease {lease} could not be renewed in time, or another replica has it: this process stops at once, and stands \
     by after its restart. Nothing is lost: whoever leads now looks at each proxy and goes on"
)]
pub struct LeaseLost {
    lease: String,
}

/// One replica's part in the election.
pub struct Election {
    api: Api<Lease>,
    namespace: String,
    candidate: Candidate,
    /// The Lease as it was read or written last: what is not ours in it stays.
    object: Option<Lease>,
    sender: LeadershipSender,
    readiness: Readiness,
    clock: Arc<dyn Clock>,
    /// The process is ending: nothing is taken any more.
    shutdown: CancellationToken,
    /// A write was asked for: whatever became of it, this process may be the holder.
    asked: bool,
}

impl Election {
    /// Stands for election in this namespace. `identity` has to be another one in every process.
    pub fn new(
        kube: kube::Client,
        namespace: &str,
        identity: String,
        sender: LeadershipSender,
        readiness: Readiness,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) -> Self {
        readiness.set_waiting(LEASE_WATCH, "the Lease has not been read yet");
        Election {
            api: Api::namespaced(kube, namespace),
            namespace: namespace.to_owned(),
            candidate: Candidate::new(identity),
            object: None,
            sender,
            readiness,
            clock,
            shutdown,
            asked: false,
        }
    }

    /// Takes the lease as soon as nobody has it, and keeps it. Before anything acts on a new leadership, `begin` is
    /// called. Ends only with the loss of a leadership.
    pub async fn campaign(&mut self, begin: impl Fn()) -> LeaseLost {
        let mut watch = pin!(watch(self.api.clone()));
        loop {
            match self.candidate.next(self.now()) {
                Step::Create | Step::Write if self.shutdown.is_cancelled() && !self.candidate.leads() => {
                    return std::future::pending().await;
                }
                Step::Create | Step::Write => self.write(&begin).await,
                Step::Wait(left) => {
                    // Bounded, so that a clock that was stopped is noticed soon after it goes on.
                    tokio::select! {
                        Some(seen) = watch.next() => self.heard(seen).await,
                        () = tokio::time::sleep(left.min(RETRY_PERIOD)) => {}
                    }
                }
                Step::Lost => {
                    self.sender.ends();
                    return LeaseLost { lease: self.name() };
                }
            }
        }
    }

    /// Gives the lease back, if this process has it: another replica then acts at once and not after its expiry. The
    /// caller has ended everything that acts; a leadership that was lost leaves nothing to give back.
    pub async fn release(self) {
        self.sender.ends();
        if !self.asked {
            return;
        }
        match tokio::time::timeout(RELEASE_LIMIT, self.give_back()).await {
            Ok(Ok(true)) => tracing::info!(lease = self.name(), "gave the lease back"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                tracing::warn!(lease = self.name(), %error, "the lease could not be given back; it expires")
            }
            Err(_) => tracing::warn!(lease = self.name(), "no time to give the lease back; it expires"),
        }
    }

    /// Whether there was something to give back. A write of ours that was cut off may come in after the first read: then
    /// the second round finds it.
    async fn give_back(&self) -> Result<bool, KubeError> {
        match self.try_to_give_back().await {
            Err(error) if error.is_conflict() => self.try_to_give_back().await,
            result => result,
        }
    }

    async fn try_to_give_back(&self) -> Result<bool, KubeError> {
        let found = kube_call_within(RELEASE_LIMIT, "reading the Lease", self.api.get_opt(LEASE)).await?;
        let Some(mut lease) = found.filter(|lease| record(lease).holder == self.candidate.identity()) else {
            return Ok(false);
        };
        let spec = lease.spec.get_or_insert_default();
        // As client-go does it: an empty holder, and a duration that keeps nobody who does not know that away.
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(self.micro_time());
        let parameters = PostParams::default();
        let call = self.api.replace(LEASE, &parameters, &lease);
        kube_call_within(RELEASE_LIMIT, "giving the Lease back", call).await.map(|_| true)
    }

    /// Writes this process into the Lease.
    async fn write(&mut self, begin: &impl Fn()) {
        let asked = self.now();
        let limit = CALL_LIMIT.min(self.candidate.patience(asked));
        let lease = self.ours();
        let parameters = PostParams::default();
        self.asked = true;
        let written = match lease.metadata.resource_version {
            Some(_) => {
                let call = self.api.replace(LEASE, &parameters, &lease);
                kube_call_within(limit, "writing the Lease", call).await
            }
            None => {
                let call = self.api.create(&parameters, &lease);
                kube_call_within(limit, "making the Lease", call).await
            }
        };
        match written {
            Ok(lease) => self.wrote(lease, asked, begin),
            Err(error) => self.failed(error).await,
        }
    }

    fn wrote(&mut self, lease: Lease, asked: Duration, begin: &impl Fn()) {
        let gained = !self.candidate.leads();
        self.candidate.wrote(record(&lease), asked, self.now());
        self.object = Some(lease);
        self.readiness.set_ready(LEADER_ELECTION);
        if gained {
            tracing::info!(lease = self.name(), identity = self.candidate.identity(), "leading");
            begin();
        }
        if let Some(term) = self.candidate.term() {
            self.sender.leads(term);
        }
    }

    async fn failed(&mut self, error: KubeError) {
        // A Lease that cannot be made for want of its namespace is 404 as well, and nobody outran us.
        let outrun = error.is_conflict() || (error.is_not_found() && self.object.is_some());
        let pause = if outrun { CONFLICT_PAUSE } else { jittered(RETRY_PERIOD, fastrand::f64()) };
        self.candidate.failed(self.now(), pause);
        let trouble = if outrun { self.refresh().await.err() } else { Some(error) };
        match trouble {
            Some(error) => self.tell(LEADER_ELECTION, &error, error.is_forbidden()),
            None => self.readiness.set_ready(LEADER_ELECTION),
        }
    }

    /// Reads the Lease from the API server.
    async fn refresh(&mut self) -> Result<(), KubeError> {
        let limit = CALL_LIMIT.min(self.candidate.patience(self.now()));
        let found = kube_call_within(limit, "reading the Lease", self.api.get_opt(LEASE)).await?;
        self.take_in(found);
        Ok(())
    }

    fn take_in(&mut self, lease: Option<Lease>) {
        self.candidate.saw(lease.as_ref().map(record), self.now());
        self.object = lease;
    }

    /// Takes in what the watch told.
    async fn heard(&mut self, seen: Result<Option<Lease>, watcher::Error>) {
        if seen.is_ok() {
            self.readiness.set_ready(LEASE_WATCH);
        }
        match seen {
            Ok(lease) if !self.candidate.leads() => self.take_in(lease),
            // Ours: the answer to our write was newer or the same.
            Ok(Some(lease)) if record(&lease).holder == self.candidate.identity() => {}
            Ok(_) => {
                if let Err(error) = self.refresh().await {
                    self.tell(LEADER_ELECTION, &error, error.is_forbidden());
                }
            }
            Err(error) => {
                let forbidden = is_forbidden(&error);
                self.tell(LEASE_WATCH, &error, forbidden);
            }
        }
    }

    /// Says what keeps this replica from the election. A missing permission, or a Lease that was never read, is for
    /// somebody to mend and makes a standby unready; all else passes, as the restart of an API server does. A leader that
    /// cannot renew ends soon, and says so then.
    fn tell(&self, what: &'static str, error: &(dyn std::error::Error + Send + Sync), forbidden: bool) {
        let mut missing = format!("the Lease {} cannot be read or written: {error}", self.name());
        if forbidden {
            missing.push_str(
                ". The ServiceAccount needs get, list, watch and update on it, and create on leases.coordination.k8s.io \
                 in that namespace (the chart grants it)",
            );
        }
        tracing::warn!(missing, "leader election failed; it is tried again");
        if !self.candidate.leads() && (forbidden || self.object.is_none()) {
            self.readiness.set_waiting(what, missing);
        }
    }

    /// The Lease with this process as its holder.
    fn ours(&self) -> Lease {
        let before = self.object.clone().unwrap_or_default();
        let was = before.spec.unwrap_or_default();
        let same = was.holder_identity.as_deref() == Some(self.candidate.identity());
        let now = self.micro_time();
        let spec = LeaseSpec {
            holder_identity: Some(self.candidate.identity().to_owned()),
            lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
            acquire_time: if same { was.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(was.lease_transitions.unwrap_or_default().saturating_add(i32::from(!same))),
            ..was
        };
        let metadata = ObjectMeta { name: Some(LEASE.to_owned()), ..before.metadata };
        Lease { metadata, spec: Some(spec) }
    }

    fn name(&self) -> String {
        format!("{}/{LEASE}", self.namespace)
    }

    fn now(&self) -> Duration {
        self.clock.now().monotonic
    }

    /// For people: nobody compares it with another clock.
    fn micro_time(&self) -> MicroTime {
        MicroTime(Timestamp::try_from(std::time::UNIX_EPOCH + self.clock.now().unix).unwrap_or(Timestamp::UNIX_EPOCH))
    }
}

fn is_forbidden(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => status.is_forbidden(),
        watcher::Error::WatchError(status) => status.is_forbidden(),
        _ => false,
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        duration: seconds.map_or(LEASE_DURATION, Duration::from_secs),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}

fn watch(api: Api<Lease>) -> impl Stream<Item = Result<Option<Lease>, watcher::Error>> + Send {
    watcher::watch_object(api, LEASE).backoff(backoff::of_watch())
}

/// An identity for the election: who it is, for people, and a part that no other process has.
pub fn identity(name: Option<String>) -> String {
    format!("{}_{:016x}", name.unwrap_or_else(|| LEASE.to_owned()), fastrand::u64(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_without_a_spec_is_free() {
        let free = record(&Lease::default());
        assert_eq!((free.holder.as_str(), free.duration), ("", LEASE_DURATION));
    }

    #[test]
    fn two_processes_of_one_name_are_two_candidates() {
        assert_ne!(identity(Some("pod".to_owned())), identity(Some("pod".to_owned())));
        assert!(identity(Some("pod".to_owned())).starts_with("pod_"));
    }
}
