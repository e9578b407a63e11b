//! Which of several operators did something: by the key that signed a request to the cloud, and by the token with which
//! it came to the API server.

use crate::audit::Call;
use crate::cloud::Request;
use crate::context::Context;
use crate::moment::Moment;

/// One operator, over all starts.
#[derive(Clone, Debug)]
pub(crate) struct Process<'a> {
    secret_id: &'a str,
    credential: &'a str,
    host: &'a str,
    starts: Vec<Moment>,
}

/// The operators that can be told apart. Empty: nobody said how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Processes<'a>(Vec<Process<'a>>);

impl<'a> Processes<'a> {
    pub fn read(context: &'a Context) -> Self {
        let read = |replica: &'a crate::context::Replica| Process {
            secret_id: &replica.secret_id,
            credential: &replica.credential,
            host: &replica.host,
            starts: replica.starts.iter().filter_map(|text| Moment::parse(text)).collect(),
        };
        Self(context.replicas.iter().map(read).collect())
    }

    /// Who sent a request to the cloud.
    pub fn of_request(&self, request: &Request<'_>) -> Option<&Process<'a>> {
        let secret_id = request.secret_id?;
        self.0.iter().find(|process| process.secret_id == secret_id)
    }

    /// Who sent a request to the API server.
    pub fn of_call(&self, call: &Call<'_>) -> Option<&Process<'a>> {
        let credential = call.credential?;
        self.0.iter().find(|process| process.credential == credential)
    }
}

impl Process<'_> {
    /// Its last start before this moment.
    pub fn start(&self, moment: Moment) -> Option<Moment> {
        self.starts.iter().copied().filter(|start| *start <= moment).max()
    }

    /// All its starts.
    pub fn starts(&self) -> Vec<Moment> {
        self.starts.clone()
    }

    /// Whether an identity in the Lease is its own.
    pub fn is_holder(&self, identity: &str) -> bool {
        identity.strip_prefix(self.host).is_some_and(|rest| rest.starts_with('_'))
    }

    /// Whether this is the sender of a request, as far as its log tells.
    pub fn sent(&self, request: &Request<'_>) -> bool {
        request.secret_id.is_none_or(|id| id == self.secret_id)
    }

    /// Whether this is the sender of a request to the API server, as far as its log tells.
    pub fn called(&self, call: &Call<'_>) -> bool {
        call.credential.is_none_or(|credential| credential == self.credential)
    }
}
