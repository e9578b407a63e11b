//! A session: credentials whose account is known. Every cloud call but the question for the account needs one, so a
//! write with unverified credentials cannot be expressed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::gaap::credentials::Credentials;
use crate::gaap::error::CallError;
use crate::gaap::proxy::Account;

/// One verified pair of credentials and account. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    credentials: Credentials,
    account: Account,
    generation: u64,
    reports: Arc<AuthReports>,
}

impl Session {
    /// Only `identity` makes one, and only after STS answered.
    pub(super) fn new(credentials: Credentials, account: Account, generation: u64, reports: Arc<AuthReports>) -> Self {
        Self { inner: Arc::new(Inner { credentials, account, generation, reports }) }
    }

    /// The account that STS named for the credentials, and the endpoint.
    pub fn account(&self) -> &Account {
        &self.inner.account
    }

    /// Counts the credentials: raised each time other ones are loaded.
    pub fn generation(&self) -> u64 {
        self.inner.generation
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.inner.credentials
    }

    /// A call was refused because of the credentials.
    pub(super) fn report_auth_failure(&self) {
        self.inner.reports.report(self.inner.generation);
    }
}

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        self.generation() == other.generation() && self.account() == other.account()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner } = self;
        f.debug_struct("Session").field("account", &inner.account).field("generation", &inner.generation).finish()
    }
}

/// What is known of the account now.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionState {
    /// Credentials are there, and STS is being asked for their account.
    Waiting,
    /// Calls can be made.
    Ready(Session),
    /// No usable credentials: what is missing, with the file or variable.
    Missing(String),
    /// STS refused the credentials.
    Refused(CallError),
    /// STS gave no usable answer.
    Unreachable(CallError),
}

/// Reports that a call was refused because of its credentials, by their generation.
#[derive(Debug, Default)]
pub(super) struct AuthReports {
    latest: AtomicU64,
    notify: Notify,
}

impl AuthReports {
    pub(super) fn report(&self, generation: u64) {
        self.latest.fetch_max(generation, Ordering::Relaxed);
        self.notify.notify_one();
    }

    /// Waits for a report on these credentials.
    pub(super) async fn on(&self, generation: u64) {
        loop {
            self.notify.notified().await;
            if self.latest.load(Ordering::Relaxed) >= generation {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_report_on_earlier_credentials_says_nothing_of_the_present_ones() {
        let reports = AuthReports::default();
        reports.report(1);
        timeout(Duration::from_secs(1), reports.on(2)).await.unwrap_err();
        reports.report(2);
        timeout(Duration::from_secs(1), reports.on(2)).await.unwrap();
    }
}
