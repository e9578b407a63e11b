//! Programs of the machine, or else of its distribution's packages, unpacked into the cache: nothing is installed.
//!
//! For what no Go module gives: runc needs libseccomp (C), and nft is C altogether.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

use crate::cache::Cache;
use crate::error::{Error, Result, tail};
use crate::guard::Guard;
use crate::path::on_path;
use crate::progress::say;

/// A few megabytes from a mirror; a list of packages that has to be fetched first is larger.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(300);

/// A program that does not tell its version this soon is not used.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// A program that a package has.
#[derive(Debug)]
pub(crate) struct Packaged {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
    /// What its answer to `--version` must hold.
    answer: &'static str,
}

/// Pods ask for the profile RuntimeDefault, so a runc without seccomp would refuse them.
pub(crate) static RUNC: Packaged = Packaged { program: "runc", package: "runc", answer: "libseccomp" };

pub(crate) static NFT: Packaged = Packaged { program: "nft", package: "nftables", answer: "nftables" };

/// Where a program is, and where the libraries are that came with it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unpacked {
    /// The program.
    pub program: PathBuf,
    /// For `LD_LIBRARY_PATH`; empty for a program of the machine.
    pub libraries: Vec<PathBuf>,
}

impl Unpacked {
    /// The value of `LD_LIBRARY_PATH` that this program needs, if any.
    pub(crate) fn library_path(&self) -> Option<OsString> {
        // A folder whose name has a colon cannot be named there; the loader then says which library it misses.
        (!self.libraries.is_empty()).then(|| std::env::join_paths(&self.libraries).ok()).flatten()
    }
}

impl Packaged {
    /// The machine's own program, or the one of the package, fetched first if it is not in the cache.
    pub(crate) async fn find_or_fetch(&self, cache: &Cache) -> Result<Unpacked> {
        for program in on_path(self.program) {
            let found = Unpacked { program, libraries: Vec::new() };
            if self.works(&found).await {
                return Ok(found);
            }
        }
        let folder = cache.folder().join(format!("packages-{}", release())).join(self.program);
        if let Some(found) = self.unpacked(&folder) {
            return Ok(found);
        }
        let _lock = cache.lock(self.program).await?;
        if let Some(found) = self.unpacked(&folder) {
            return Ok(found);
        }
        self.fetch(cache.folder(), &folder).await?;
        let found = self.unpacked(&folder).ok_or_else(|| self.error("the package does not hold it".to_owned()))?;
        if self.works(&found).await {
            return Ok(found);
        }
        let reason = format!("{} does not run here or lacks {}", found.program.display(), self.answer);
        Err(self.error(reason))
    }

    /// Whether the package could be had, without asking a mirror.
    pub(crate) fn could_be_fetched() -> bool {
        ["apt-get", "dpkg"].iter().all(|program| !on_path(program).is_empty())
    }

    async fn works(&self, found: &Unpacked) -> bool {
        let mut command = Command::new(&found.program);
        command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        command.envs(found.library_path().map(|path| ("LD_LIBRARY_PATH", path)));
        match timeout(VERSION_LIMIT, command.output()).await {
            Ok(Ok(output)) => output.status.success() && String::from_utf8_lossy(&output.stdout).contains(self.answer),
            _ => false,
        }
    }

    fn unpacked(&self, folder: &Path) -> Option<Unpacked> {
        let program = ["usr/sbin", "usr/bin", "sbin"]
            .iter()
            .map(|place| folder.join(place).join(self.program))
            .find(|program| program.is_file())?;
        let mut libraries = Vec::new();
        for place in ["usr/lib", "lib"] {
            let entries = std::fs::read_dir(folder.join(place)).into_iter().flatten().flatten();
            libraries.extend(
                entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with("-linux-gnu")),
            );
        }
        Some(Unpacked { program, libraries })
    }

    /// Fetches the package, with what it needs and this machine has not, and unpacks all of it into `folder`.
    async fn fetch(&self, cache: &Path, folder: &Path) -> Result<()> {
        if !Self::could_be_fetched() {
            return Err(self.error("apt-get and dpkg are not here".to_owned()));
        }
        say(&format!("fetching {} (package {}) into the cache; nothing is installed", self.program, self.package));
        let guard = Guard::new(cache, "fetching").await?;
        let (archives, root) = (guard.folder().join("archives"), guard.folder().join("root"));
        for path in [archives.join("partial"), root.clone()] {
            std::fs::create_dir_all(&path).map_err(|error| Error::file("make", &path, error))?;
        }
        if self.download(&guard, &archives).await.is_err() {
            // No list of packages, or one that names versions the mirror has no more.
            self.run(guard.command("update", Path::new("apt-get")).args(["-o", &marker(&guard), "update"])).await?;
            self.download(&guard, &archives).await?;
        }
        let entries = std::fs::read_dir(&archives).map_err(|error| Error::file("read", &archives, error))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "deb") {
                self.run(guard.command("dpkg", Path::new("dpkg")).arg("-x").arg(&path).arg(&root)).await?;
            }
        }
        let parent = folder.parent().unwrap_or(cache);
        std::fs::create_dir_all(parent).map_err(|error| Error::file("make", parent, error))?;
        std::fs::rename(&root, folder).map_err(|error| Error::file("make", folder, error))?;
        guard.end().await
    }

    /// apt-get works out by itself which libraries are missing; it takes no lock, because it changes nothing.
    async fn download(&self, guard: &Guard, archives: &Path) -> Result<()> {
        let mut command = guard.command("download", Path::new("apt-get"));
        command.args(["install", "--download-only", "--yes", "--no-install-recommends"]);
        command.args(["-o", "Debug::NoLocking=true", "-o"]).arg(format!("Dir::Cache::Archives={}", archives.display()));
        self.run(command.arg(self.package)).await
    }

    async fn run(&self, command: &mut Command) -> Result<()> {
        command.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
        let output = timeout(DOWNLOAD_LIMIT, command.output())
            .await
            .map_err(|_| self.error(format!("no answer within {} s", DOWNLOAD_LIMIT.as_secs())))?
            .map_err(|error| self.error(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(self.error(format!("{}: {}", output.status, tail(&String::from_utf8_lossy(&output.stderr)))))
    }

    fn error(&self, reason: String) -> Error {
        Error::Package { program: self.program, package: self.package, reason }
    }
}

/// The watchdog tells our processes from strangers by the folder in their arguments; apt-get ignores this one.
fn marker(guard: &Guard) -> String {
    format!("GaapOperator::Folder={}", guard.folder().display())
}

/// The release of the distribution and the processor: unpacked libraries of another one would not fit.
fn release() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or("unknown").trim_matches('"').to_owned()
    };
    format!("{}-{}-{}", value("ID"), value("VERSION_ID"), std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unpacked_program_is_found_with_the_libraries_that_came_with_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(NFT.unpacked(folder.path()), None);
        for path in ["usr/sbin", "usr/lib/x86_64-linux-gnu", "usr/share"] {
            std::fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        std::fs::write(folder.path().join("usr/sbin/nft"), "").unwrap();
        let found = NFT.unpacked(folder.path()).unwrap();
        let libraries = folder.path().join("usr/lib/x86_64-linux-gnu");
        assert_eq!(found.library_path().unwrap(), libraries.as_os_str());
        assert_eq!(found.libraries, [libraries]);
    }

    #[tokio::test]
    async fn a_program_that_lacks_what_is_needed_is_not_used() {
        let found = Unpacked { program: "/bin/true".into(), libraries: Vec::new() };
        assert!(!RUNC.works(&found).await, "it succeeds and tells of no libseccomp");
    }
}
