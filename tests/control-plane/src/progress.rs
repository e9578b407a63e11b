//! What a person sees during a long build, and how long builds took before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A line at least this often shows that a build moves.
pub(crate) const INTERVAL: Duration = Duration::from_secs(15);

/// Tells the user something. Standard error, because standard output is for what `up` and `binaries` print.
pub fn say(line: &str) {
    eprintln!("{line}");
}

/// A duration as people write it: `4 min 9 s`.
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 { format!("{seconds} s") } else { format!("{} min {} s", seconds / 60, seconds % 60) }
}

/// What a build took.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Took {
    /// From start to end.
    pub seconds: u64,
    /// Packages compiled: few when Go's own build cache was warm, which explains a short time.
    pub packages: usize,
}

impl Took {
    /// For a person: `4 min 9 s, 2078 packages compiled`.
    pub fn describe(self) -> String {
        format!("{}, {} packages compiled", human(Duration::from_secs(self.seconds)), self.packages)
    }
}

/// What the last build of each binary took, in a small file of the cache.
///
/// It only serves to tell the user what to expect: a file that cannot be read or written is as good as none.
#[derive(Debug)]
pub struct Durations {
    path: PathBuf,
}

impl Durations {
    /// Those remembered in this folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join("durations.json") }
    }

    fn all(&self) -> BTreeMap<String, Took> {
        std::fs::read(&self.path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// What the last build of this name took, if one is remembered.
    pub fn last(&self, binary: &str) -> Option<Took> {
        self.all().get(binary).copied()
    }

    /// Remembers what a build took.
    pub fn remember(&self, binary: &str, took: Took) {
        let mut all = self.all();
        all.insert(binary.to_owned(), took);
        if let Ok(text) = serde_json::to_vec_pretty(&all) {
            let _ = std::fs::write(&self.path, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_remembered_and_a_broken_file_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let durations = Durations::in_folder(folder.path());
        assert_eq!(durations.last("etcd"), None);
        let took = Took { seconds: 249, packages: 2078 };
        durations.remember("kube-apiserver", took);
        durations.remember("etcd", Took { seconds: 18, packages: 326 });
        assert_eq!(durations.last("kube-apiserver"), Some(took));
        assert_eq!(took.describe(), "4 min 9 s, 2078 packages compiled");
        std::fs::write(folder.path().join("durations.json"), "{half").unwrap();
        assert_eq!(durations.last("etcd"), None);
    }
}
