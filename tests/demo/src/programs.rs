//! The programs of the demo: found, or built first, Rust and Go side by side where memory allows.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use control_plane::{Binaries, Durations, Guard, Took, say, watch};
use tokio::time::sleep;

use crate::error::{Error, Result};
use crate::memory::{self, SIDE_BY_SIDE};

/// The two programs of this repository.
const NAMES: [&str; 2] = ["gaap-operator", "gaap-simulator"];

/// For the messages, and the name that the duration of the build is remembered by.
const BUILD: &str = "gaap-operator and gaap-simulator";

/// Cargo takes less than this to see that there is nothing to build, which then is not worth a line.
const SILENCE: Duration = Duration::from_secs(3);

/// Runs Cargo in a shell that stays: its command line holds the path by which the guard knows its own (`$0`), and
/// the compilers are in its process group.
const CARGO: &str = r#"cargo "$@"; exit $?"#;

/// Where the programs of this repository are.
#[derive(Debug)]
pub struct Programs {
    /// The operator.
    pub operator: PathBuf,
    /// The simulated cloud.
    pub simulator: PathBuf,
}

impl Programs {
    /// Finds everything the demo runs, and builds what is not there or not up to date.
    ///
    /// # Errors
    /// When a build fails; with `build` false, when one of our programs is missing.
    pub async fn find_or_build(build: bool) -> Result<Self> {
        let own = std::env::current_exe().map_err(Error::file("find", Path::new("gaap-demo")))?;
        let folder = own.parent().unwrap_or(Path::new("."));
        let [operator, simulator] = NAMES.map(|name| folder.join(name));
        let go = async { Binaries::find_or_build(false).await.map(drop).map_err(Error::from) };
        match (build, memory::available()) {
            (false, _) => go.await?,
            (true, Some(bytes)) if bytes >= SIDE_BY_SIDE => {
                tokio::try_join!(cargo(folder, None), go)?;
            }
            (true, bytes) => {
                cargo(folder, Some(&one_after_the_other(bytes))).await?;
                go.await?;
            }
        }
        for path in [&operator, &simulator] {
            if !path.is_file() {
                return Err(Error::NotBuilt { path: path.clone() });
            }
        }
        Ok(Self { operator, simulator })
    }
}

/// The container images, which `scripts/image.sh` has made.
#[derive(Debug)]
pub struct Images {
    /// Of the operator.
    pub operator: PathBuf,
    /// Of the simulated cloud.
    pub simulator: PathBuf,
}

impl Images {
    /// Finds them, and finds or builds everything else that a node runs.
    ///
    /// # Errors
    /// When an image is missing, or a build fails.
    pub async fn find() -> Result<Self> {
        // A relative path is shorter to read: the demo runs in the folder of the repository.
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
        let [operator, simulator] = NAMES.map(|name| target.join("image").join(format!("{name}.tar")));
        for path in [&operator, &simulator] {
            if !path.is_file() {
                return Err(Error::NoImage { path: path.clone() });
            }
        }
        Binaries::find_or_build_for_node().await?;
        Ok(Self { operator, simulator })
    }
}

fn one_after_the_other(available: Option<u64>) -> String {
    let found = match available {
        #[expect(clippy::cast_precision_loss, reason = "one decimal place is shown")]
        Some(bytes) => format!("{:.1} GiB of memory are available", bytes as f64 / f64::from(1 << 30)),
        None => "it is not known how much memory is available".to_owned(),
    };
    format!("{found}, 4 GiB are needed to build Rust and Go side by side: Rust comes first, then Go")
}

/// Brings our programs up to date with Cargo.
///
/// The whole workspace is named so that every package has the features that other builds of the workspace give it:
/// `cargo build -p` would compile tokio and all that stands on it once more.
async fn cargo(folder: &Path, remark: Option<&str>) -> Result<Took> {
    let guard = Guard::new(&std::env::temp_dir(), "gaap-demo-build").await?;
    let mut command = guard.command("cargo", Path::new("sh"));
    command.args(["-c", CARGO]).arg(guard.folder().join("cargo")).args(["build", "--locked", "--workspace"]);
    command.args(NAMES.map(|name| format!("--bin={name}")));
    command.env("CARGO_TERM_PROGRESS_WHEN", "never").env("CARGO_TERM_COLOR", "never");
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    // The guard ends the whole group. Without the shell that leads it, the guard could not tell whose group it is.
    command.kill_on_drop(false);
    let mut cargo = command.spawn().map_err(|source| Error::Start { program: "cargo".to_owned(), source })?;
    let durations = Durations::in_folder(folder);
    let build = watch(BUILD, &mut cargo);
    tokio::pin!(build);
    let mut told = false;
    let took = loop {
        tokio::select! {
            took = &mut build => break took?,
            () = sleep(SILENCE), if !told => {
                told = true;
                announce(durations.last(BUILD), remark);
            }
        }
    };
    if took.packages > 0 {
        durations.remember(BUILD, took);
        say(&format!("built {BUILD} in {}", took.describe()));
    }
    guard.end().await?;
    Ok(took)
}

fn announce(last: Option<Took>, remark: Option<&str>) {
    let expected = match last {
        Some(took) => format!("the last build took {}", took.describe()),
        None => "never built here before; from nothing it takes about 3 min on two cores".to_owned(),
    };
    say(&format!("building {BUILD} with Cargo; {expected}"));
    if let Some(remark) = remark {
        say(remark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_is_told_with_what_is_done_about_it() {
        assert_eq!(
            one_after_the_other(Some(3 << 29)),
            "1.5 GiB of memory are available, 4 GiB are needed to build Rust and Go side by side: Rust comes first, \
             then Go"
        );
        assert!(one_after_the_other(None).starts_with("it is not known"));
    }
}
