//! By what a server shows that it is ready.

use std::path::Path;

use tokio::net::UnixStream;

use crate::api::Api;

/// Something that can be looked at again and again until it is there.
///
/// A trait and not an async closure: a future that holds a borrowing one is not `Send`, and a control plane could not
/// be started inside a spawned task.
pub(crate) trait Sign {
    /// Looks once. The error says what is still missing.
    fn look(&self) -> impl Future<Output = Result<(), String>> + Send;
}

/// Somebody accepts connections on this socket.
pub(crate) struct Accepts<'a>(pub(crate) &'a Path);

impl Sign for Accepts<'_> {
    async fn look(&self) -> Result<(), String> {
        UnixStream::connect(self.0).await.map(drop).map_err(|error| error.to_string())
    }
}

/// The API server answers each of these paths with 200.
pub(crate) struct Answers<'a> {
    pub(crate) api: &'a Api,
    pub(crate) paths: &'static [&'static str],
}

impl Sign for Answers<'_> {
    async fn look(&self) -> Result<(), String> {
        for path in self.paths {
            self.api.is_ok(path).await?;
        }
        Ok(())
    }
}
