//! One run of `go build`: guarded, shown, and taken only when it is whole.

use std::fs::File;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::Child;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::error::{Error, Result, tail};
use crate::guard::Guard;
use crate::progress::{Durations, INTERVAL, Took, human, say};
use crate::recipe::{GO_ENVIRONMENT, Recipe};

/// Builds `recipe` and moves the result to `binary`, which is in a folder of the file system of `cache`.
///
/// When the caller gives up or dies, Go and its compilers end and the half result goes.
pub(crate) async fn build(cache: &Path, recipe: &Recipe, toolchain: &str, binary: &Path) -> Result<()> {
    let durations = Durations::in_folder(cache);
    announce(recipe, toolchain, durations.last(recipe.binary))?;
    let guard = Guard::new(cache, "building").await?;
    let module = guard.folder().join("module");
    let write = |name: &str, text: &str| {
        let path = module.join(name);
        std::fs::write(&path, text).map_err(|error| Error::file("write", &path, error))
    };
    std::fs::create_dir(&module).map_err(|error| Error::file("make", &module, error))?;
    let scratch = guard.folder().join("scratch");
    std::fs::create_dir(&scratch).map_err(|error| Error::file("make", &scratch, error))?;
    write("go.mod", recipe.module.go_mod)?;
    write("go.sum", recipe.module.go_sum)?;

    let output = guard.folder().join(recipe.binary);
    let mut go = guard.command("go", Path::new("go"));
    go.args(recipe.arguments(&output)?).current_dir(&module);
    // Go removes its scratch folders itself, but not when it is killed.
    go.env("GOTMPDIR", &scratch).stdout(Stdio::null()).stderr(Stdio::piped());
    for (name, value) in GO_ENVIRONMENT {
        match value {
            Some(value) => go.env(name, value),
            None => go.env_remove(name),
        };
    }
    let start = Instant::now();
    let mut go = go.spawn().map_err(|source| Error::Start { program: "go".into(), source })?;
    let mut watched = Watched::new(recipe.binary, start);
    let status = watched.follow(&mut go, say).await?;
    if !status.success() {
        let tail = tail(&watched.last_lines.join("\n"));
        return Err(Error::Build { what: recipe.binary.into(), reason: status.to_string(), tail });
    }
    take(&output, binary)?;
    let took = Took { seconds: start.elapsed().as_secs(), packages: watched.packages };
    durations.remember(recipe.binary, took);
    say(&format!("built {} in {}", recipe.binary, took.describe()));
    guard.end().await
}

fn announce(recipe: &Recipe, toolchain: &str, last: Option<Took>) -> Result<()> {
    let expected = match last {
        Some(took) => format!("the last build took {}", took.describe()),
        None => format!(
            "never built here before; without a build cache it takes about {} min on two cores",
            recipe.first_build_minutes
        ),
    };
    let version = recipe.module.version()?;
    say(&format!("building {} {version} from its Go module with {toolchain}; {expected}", recipe.binary));
    Ok(())
}

/// Moves a finished binary to its place. The content has to be on the disk before the name is: after a power cut
/// some file systems otherwise keep the name with nothing in it.
fn take(output: &Path, binary: &Path) -> Result<()> {
    File::open(output).and_then(|file| file.sync_all()).map_err(|error| Error::file("save", output, error))?;
    std::fs::rename(output, binary).map_err(|error| Error::file("make", binary, error))
}

/// What `go build -v` has printed so far: one line for each package it begins to compile.
struct Watched {
    binary: &'static str,
    start: Instant,
    packages: usize,
    downloads: usize,
    last_lines: Vec<String>,
}

impl Watched {
    fn new(binary: &'static str, start: Instant) -> Self {
        Self { binary, start, packages: 0, downloads: 0, last_lines: Vec::new() }
    }

    /// Reads the output until the process has ended, and tells how far it is once in every [`INTERVAL`].
    async fn follow(&mut self, go: &mut Child, mut tell: impl FnMut(&str)) -> Result<ExitStatus> {
        let mut ticks = interval_at(self.start + INTERVAL, INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut lines = go.stderr.take().map(|stderr| BufReader::new(stderr).lines());
        loop {
            tokio::select! {
                line = next(&mut lines) => match line {
                    Some(line) => self.note(line),
                    None => lines = None,
                },
                status = go.wait(), if lines.is_none() => {
                    return status.map_err(|source| Error::Start { program: "go".into(), source });
                }
                _ = ticks.tick() => tell(&self.state()),
            }
        }
    }

    fn note(&mut self, line: String) {
        if line.starts_with("go: downloading ") {
            self.downloads += 1;
        } else if !line.contains(' ') {
            self.packages += 1;
        }
        // Only the end is ever shown; a failing build prints its errors last.
        const KEPT: usize = 100;
        if self.last_lines.len() >= KEPT {
            self.last_lines.drain(..KEPT / 2);
        }
        self.last_lines.push(line);
    }

    fn state(&self) -> String {
        let elapsed = human(self.start.elapsed());
        let modules = match self.downloads {
            0 => String::new(),
            number => format!("{number} modules downloaded, "),
        };
        format!("building {}: {elapsed}, {modules}{} packages compiled", self.binary, self.packages)
    }
}

/// The next line, `None` at the end of the output; an unreadable line ends it, and the status tells the rest.
async fn next<R: AsyncRead + Unpin>(lines: &mut Option<Lines<BufReader<R>>>) -> Option<String> {
    match lines {
        Some(lines) => lines.next_line().await.ok().flatten(),
        // Never again: the caller then waits for the process alone.
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_build_that_prints_nothing_still_shows_every_15_seconds_that_it_moves() {
        let mut silent = tokio::process::Command::new("cat");
        silent.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut silent = silent.spawn().unwrap();
        let mut lifeline = silent.stdin.take();
        let mut told = Vec::new();
        let tell = |line: &str| {
            told.push(line.to_owned());
            if told.len() == 5 {
                // It ends, and not before.
                lifeline = None;
            }
        };
        let status = Watched::new("helm", Instant::now()).follow(&mut silent, tell).await.unwrap();
        assert!(status.success());
        for (line, elapsed) in told.iter().zip(["15 s", "30 s", "45 s", "1 min 0 s", "1 min 15 s"]) {
            assert_eq!(*line, format!("building helm: {elapsed}, 0 packages compiled"));
        }
    }

    #[test]
    fn packages_and_downloads_are_counted_and_other_lines_only_kept_for_the_error() {
        let mut watched = Watched::new("etcd", Instant::now());
        for line in ["go: downloading k8s.io/api v0.37.2", "internal/cpu", "bufio", "x.go:1:2: undefined: y"] {
            watched.note(line.to_owned());
        }
        assert_eq!((watched.downloads, watched.packages), (1, 2));
        assert!(watched.state().ends_with("0 s, 1 modules downloaded, 2 packages compiled"));
        for number in 0..1000 {
            watched.note(format!("package-{number}"));
        }
        assert!(watched.last_lines.len() <= 100);
        assert_eq!(watched.last_lines.last().unwrap(), "package-999");
    }
}
