//! The binaries that were built before: one folder a module and key, in the cache folder of the user.
//!
//! A binary is built under another name and moved to its own at the end, so one that is there is whole. One lock for
//! the cache lets one build run at a time: a second one would only take the cores from the first, and finds its result.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::build;
use crate::error::{Error, Result};
use crate::progress::{self, say};
use crate::recipe::{GO_ENVIRONMENT, Module, Recipe};

/// How many folders of one module stay: the present one, and two for a branch with other versions.
const KEPT_FOLDERS: usize = 3;

/// Go reads a few files to answer; a toolchain that has to be fetched first takes its time.
const GO_ENV_LIMIT: Duration = Duration::from_secs(300);

/// The cache folder of the user.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// `$XDG_CACHE_HOME/gaap-operator/control-plane`, by default in `~/.cache`; made when it is missing.
    pub(crate) fn of_the_user() -> Result<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .ok_or(Error::NoCacheFolder)?;
        let folder = base.join("gaap-operator").join("control-plane");
        std::fs::create_dir_all(&folder).map_err(|error| Error::file("make", &folder, error))?;
        Ok(Self { folder })
    }

    /// The binary of `recipe`, built first if it is not there.
    pub(crate) async fn find_or_build(&self, recipe: &Recipe) -> Result<PathBuf> {
        let folder = self.find_or_build_all(&[recipe]).await?;
        Ok(folder.join(recipe.binary))
    }

    /// The folder with the binaries of `recipes`, all of one module; those that are missing are built in one run first.
    pub(crate) async fn find_or_build_all(&self, recipes: &[&Recipe]) -> Result<PathBuf> {
        let Some(first) = recipes.first() else { return Ok(self.folder.clone()) };
        let missing = |folder: &Path| -> Vec<&Recipe> {
            recipes.iter().copied().filter(|recipe| !folder.join(recipe.binary).exists()).collect()
        };
        let toolchain = self.toolchain(first).await?;
        let folder = self.folder.join(first.module.key(&toolchain)?);
        if let Some(wanted) = missing(&folder).first() {
            // Held until the end of this function; the kernel gives it back when a process dies.
            let _lock = self.lock(wanted.binary).await?;
            // Another process may have built them meanwhile.
            let missing = missing(&folder);
            if !missing.is_empty() {
                std::fs::create_dir_all(&folder).map_err(|error| Error::file("make", &folder, error))?;
                build::build(&self.folder, &missing, &toolchain, &folder).await?;
                self.prune(first.module, &folder);
            }
        }
        Ok(folder)
    }

    /// The folder of the cache.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until nobody else fills the cache; `wanted` is what the caller is after.
    pub(crate) async fn lock(&self, wanted: &str) -> Result<File> {
        let path = self.folder.join("lock");
        let file = File::create(&path).map_err(|error| Error::file("make", &path, error))?;
        let start = Instant::now();
        let mut told: Option<Instant> = None;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(Error::file("lock", &path, error)),
            }
            if told.is_none_or(|told| told.elapsed() >= progress::INTERVAL) {
                let waited = progress::human(start.elapsed());
                say(&format!("another build is running, {wanted} is looked for again when it ends: {waited}"));
                told = Some(Instant::now());
            }
            // Trying again, not blocking: a blocked thread could not be given up when the caller goes away.
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Version and target of the Go toolchain that builds this recipe, for example `go1.26.8 linux/amd64`.
    ///
    /// Asked in the cache folder: a go.mod where the caller happens to be could choose another toolchain.
    async fn toolchain(&self, recipe: &Recipe) -> Result<String> {
        let mut go = Command::new("go");
        go.args(["env", "GOVERSION", "GOHOSTOS", "GOHOSTARCH"])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        for (name, value) in GO_ENVIRONMENT {
            match value {
                Some(value) => go.env(name, value),
                None => go.env_remove(name),
            };
        }
        let failed = |reason: String, tail: String| Error::Build { what: recipe.binary.into(), reason, tail };
        let output = match timeout(GO_ENV_LIMIT, go.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NoGo { what: recipe.binary.into() });
            }
            Ok(Err(source)) => return Err(Error::Start { program: "go".into(), source }),
            Err(_) => return Err(failed("go env did not answer in time".into(), String::new())),
        };
        if !output.status.success() {
            let tail = crate::error::tail(&String::from_utf8_lossy(&output.stderr));
            return Err(failed(format!("go env: {}", output.status), tail));
        }
        let answer = String::from_utf8_lossy(&output.stdout);
        let mut lines = answer.lines().map(str::trim);
        let mut next = || lines.next().unwrap_or_default();
        Ok(format!("{} {}/{}", next(), next(), next()))
    }

    /// Removes the oldest folders of a module, so that new versions do not fill the disk for ever.
    fn prune(&self, module: &Module, current: &Path) {
        let prefix = format!("{}-", module.name);
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut folders: Vec<_> = entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix) && entry.path() != current)
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        folders.sort();
        let surplus = folders.len().saturating_sub(KEPT_FOLDERS.saturating_sub(1));
        for (_, folder) in folders.into_iter().take(surplus) {
            // A folder that stays costs room only, and the next build tries again.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::ETCD_SERVER;

    #[test]
    fn pruning_keeps_the_newest_folders_of_a_module_and_all_others() {
        let parent = tempfile::tempdir().unwrap();
        let cache = Cache { folder: parent.path().to_owned() };
        let epoch = std::time::SystemTime::UNIX_EPOCH;
        for (name, age) in [("etcd-1", 1), ("etcd-2", 2), ("etcd-3", 3), ("etcd-4", 4), ("helm-1", 1)] {
            std::fs::create_dir(parent.path().join(name)).unwrap();
            let folder = File::open(parent.path().join(name)).unwrap();
            folder.set_modified(epoch + Duration::from_secs(age)).unwrap();
        }
        // The present folder stays even when it is the oldest, as after a return to an older version.
        cache.prune(ETCD_SERVER.module, &parent.path().join("etcd-1"));
        let mut left: Vec<_> =
            std::fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["etcd-1", "etcd-3", "etcd-4", "helm-1"]);
    }
}
