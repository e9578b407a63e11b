//! How far a build is, read from what it prints.

use std::process::ExitStatus;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::Child;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::error::{Error, Result, tail};
use crate::progress::{INTERVAL, Took, human, say};

/// Follows a build, a child with its standard error piped, and tells once in every 15 s how far it is.
///
/// It understands `go build -v` and `cargo build`: both print one line for each package they begin to compile.
///
/// # Errors
/// When the build fails, with the end of what it printed.
pub async fn watch(what: &str, build: &mut Child) -> Result<Took> {
    let mut watched = Watched::new(what, Instant::now());
    let status = watched.follow(build, say).await?;
    if !status.success() {
        let tail = tail(&watched.last_lines.join("\n"));
        return Err(Error::Build { what: what.to_owned(), reason: status.to_string(), tail });
    }
    Ok(Took { seconds: watched.start.elapsed().as_secs(), packages: watched.packages })
}

/// What the build has printed so far.
struct Watched<'a> {
    what: &'a str,
    start: Instant,
    packages: usize,
    downloads: usize,
    last_lines: Vec<String>,
}

impl<'a> Watched<'a> {
    fn new(what: &'a str, start: Instant) -> Self {
        Self { what, start, packages: 0, downloads: 0, last_lines: Vec::new() }
    }

    /// Reads the output until the process has ended, and tells how far it is once in every [`INTERVAL`].
    async fn follow(&mut self, build: &mut Child, mut tell: impl FnMut(&str)) -> Result<ExitStatus> {
        let mut ticks = interval_at(self.start + INTERVAL, INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut lines = build.stderr.take().map(|stderr| BufReader::new(stderr).lines());
        loop {
            tokio::select! {
                line = next(&mut lines) => match line {
                    Some(line) => self.note(line),
                    None => lines = None,
                },
                status = build.wait(), if lines.is_none() => {
                    return status.map_err(|source| Error::Start { program: self.what.into(), source });
                }
                _ = ticks.tick() => tell(&self.state()),
            }
        }
    }

    fn note(&mut self, line: String) {
        // Cargo indents its verbs, and Go names a package alone on its line.
        let text = line.trim_start();
        if text.starts_with("go: downloading ") || text.starts_with("Downloaded ") {
            self.downloads += 1;
        } else if text.starts_with("Compiling ") || !text.contains(' ') {
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
        let downloads = match self.downloads {
            0 => String::new(),
            number => format!("{number} downloaded, "),
        };
        format!("building {}: {elapsed}, {downloads}{} packages compiled", self.what, self.packages)
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
    use std::process::Stdio;

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
        for line in ["  Downloaded tokio v1.53.1", "   Compiling tokio v1.53.1", "error[E0432]: unresolved import"] {
            watched.note(line.to_owned());
        }
        assert_eq!((watched.downloads, watched.packages), (2, 3));
        assert!(watched.state().ends_with("0 s, 2 downloaded, 3 packages compiled"));
        for number in 0..1000 {
            watched.note(format!("package-{number}"));
        }
        assert!(watched.last_lines.len() <= 100);
        assert_eq!(watched.last_lines.last().unwrap(), "package-999");
    }
}
