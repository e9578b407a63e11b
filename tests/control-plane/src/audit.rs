//! Reading the audit log of the API server: one JSON object a line, written before the request counts as answered.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::error::{Error, Result};

/// The audit policy, in the order in which the API server tries its rules.
///
/// A get entry holds the object that was read, a patch entry the patch and its result: that is what the promises of
/// the operator are judged by. A write of a Lease holds who has it. Lists and watches are not worth their size.
pub(crate) const POLICY: &str = r#"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [list, watch]
  resources: [{group: gaap-operator.io, resources: [gaapproxies, gaapproxies/*]}]
- level: RequestResponse
  resources: [{group: gaap-operator.io, resources: [gaapproxies, gaapproxies/*]}]
- level: Request
  resources: [{group: coordination.k8s.io, resources: [leases]}]
- level: Metadata
"#;

/// A place between two entries of the log; the default is its beginning.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Position(u64);

/// The audit log of one control plane.
#[derive(Clone, Debug)]
pub struct AuditLog {
    path: PathBuf,
    foreign: bool,
}

impl AuditLog {
    /// The log in this file, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), foreign: false }
    }

    /// That of a cluster of somebody else, which keeps it to itself: reading it is always an error.
    pub(crate) fn foreign() -> Self {
        Self { path: PathBuf::new(), foreign: true }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The end of the last whole entry: what is asked for `since` here comes later.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn position(&self) -> Result<Position> {
        let text = self.read(Position::default())?;
        Ok(Position(whole_lines(&text).len() as u64))
    }

    /// The entries after `since`, each as the API server wrote it (`audit.k8s.io/v1`, kind Event), in its order.
    ///
    /// A last line that is only half written is left for the next call.
    ///
    /// # Errors
    /// When the file cannot be read, or when a whole line is not JSON.
    pub fn entries(&self, since: Position) -> Result<Vec<Value>> {
        self.entries_and_position(since).map(|(entries, _)| entries)
    }

    /// The entries after `since` and the position after the last of them, to go on from.
    ///
    /// # Errors
    /// As [`AuditLog::entries`].
    pub fn entries_and_position(&self, since: Position) -> Result<(Vec<Value>, Position)> {
        let text = self.read(since)?;
        let whole = whole_lines(&text);
        let entries = whole
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).map_err(|error| Error::file("read", &self.path, error.into())))
            .collect::<Result<_>>()?;
        Ok((entries, Position(since.0 + whole.len() as u64)))
    }

    /// Waits for the first entry after `since` that `wanted` accepts.
    ///
    /// The API server may finish an entry an instant after its client has the answer.
    ///
    /// # Errors
    /// When none comes within `limit` (`what` names it in the message), or when the log cannot be read.
    pub async fn wait_for(
        &self,
        what: &str,
        since: Position,
        limit: Duration,
        mut wanted: impl FnMut(&Value) -> bool,
    ) -> Result<Value> {
        let start = Instant::now();
        let mut position = since;
        loop {
            let (entries, next) = self.entries_and_position(position)?;
            if let Some(entry) = entries.into_iter().find(|entry| wanted(entry)) {
                return Ok(entry);
            }
            if start.elapsed() >= limit {
                return Err(Error::NoAuditEntry { what: what.to_owned(), seconds: limit.as_secs() });
            }
            position = next;
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Cuts off a half-written last line, which a killed API server leaves and the next one would write on.
    pub(crate) fn mend(&self) -> Result<()> {
        let Position(end) = self.position()?;
        if self.path.exists() {
            let file = std::fs::OpenOptions::new().write(true).open(&self.path);
            file.and_then(|file| file.set_len(end)).map_err(|error| Error::file("mend", &self.path, error))?;
        }
        Ok(())
    }

    fn read(&self, since: Position) -> Result<Vec<u8>> {
        if self.foreign {
            return Err(Error::Foreign { what: "the audit log" });
        }
        let mut text = Vec::new();
        let read = std::fs::File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(since.0))?;
            file.read_to_end(&mut text)
        });
        match read {
            Ok(_) => Ok(text),
            // Nothing was asked of the API server yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(text),
            Err(error) => Err(Error::file("read", &self.path, error)),
        }
    }
}

fn whole_lines(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_half_written_last_line_waits_for_its_other_half() {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::new(folder.path().join("audit.log"));
        assert_eq!(log.entries(Position::default()).unwrap(), Vec::<Value>::new(), "no file, no entry");
        let mut file = std::fs::File::create(log.path()).unwrap();
        file.write_all(b"{\"n\":1}\n{\"n\":2}\n{\"n\"").unwrap();
        let (entries, position) = log.entries_and_position(Position::default()).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(position, log.position().unwrap());
        assert!(log.entries(position).unwrap().is_empty());
        file.write_all(b":3}\n").unwrap();
        assert_eq!(log.entries(position).unwrap(), [serde_json::json!({"n": 3})]);
    }

    #[test]
    fn a_whole_line_that_is_not_json_is_an_error_because_an_entry_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::new(folder.path().join("audit.log"));
        std::fs::write(log.path(), "{\"n\":1}\n{\"n\"{\"n\":2}\n").unwrap();
        assert!(log.entries(Position::default()).is_err());
    }

    #[test]
    fn mending_removes_what_a_killed_server_did_not_finish() {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::new(folder.path().join("audit.log"));
        log.mend().unwrap();
        std::fs::write(log.path(), "{\"n\":1}\n{\"n\"").unwrap();
        log.mend().unwrap();
        assert_eq!(std::fs::read_to_string(log.path()).unwrap(), "{\"n\":1}\n");
    }
}
