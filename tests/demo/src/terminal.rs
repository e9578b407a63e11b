//! Commands of the user: shown as typed, run, their output shown as it comes.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use control_plane::{ControlPlane, Guard};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::screen::Screen;

/// No command of the demo takes longer on a machine that works.
const LIMIT: Duration = Duration::from_secs(60);

/// The terminal of somebody who administers the cluster.
#[derive(Debug)]
pub struct Terminal<'a> {
    /// Where everything is shown.
    pub screen: &'a Screen,
    /// The cluster that kubectl and helm talk to.
    pub plane: &'a ControlPlane,
    /// Ends what still runs when the demo ends, however that happens.
    pub guard: &'a Guard,
    commands: Cell<usize>,
}

impl<'a> Terminal<'a> {
    /// A terminal in the current folder.
    pub fn new(screen: &'a Screen, plane: &'a ControlPlane, guard: &'a Guard) -> Self {
        Self { screen, plane, guard, commands: Cell::new(0) }
    }

    /// Shows and runs kubectl.
    ///
    /// # Errors
    /// When it fails, or does not end in time.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<()> {
        self.show("kubectl", arguments, &self.plane.binaries().kubectl, &self.plane.kubectl()).await
    }

    /// Shows and runs helm.
    ///
    /// # Errors
    /// When it fails, or does not end in time.
    pub async fn helm(&self, arguments: &[&str]) -> Result<()> {
        self.show("helm", arguments, &self.plane.binaries().helm, &self.plane.helm()).await
    }

    /// Asks kubectl something that is not shown. `None` when it fails, as for a resource that is not there.
    ///
    /// # Errors
    /// When it cannot be started or does not end in time.
    pub async fn ask_kubectl(&self, arguments: &[&str]) -> Result<Option<String>> {
        let program = &self.plane.binaries().kubectl;
        let (name, mut command) = self.command("kubectl", program, &self.plane.kubectl())?;
        command.args(arguments).stderr(Stdio::null()).stdout(Stdio::piped());
        let output = self.limited("kubectl", arguments, async {
            command.output().await.map_err(|source| Error::Start { program: "kubectl".to_owned(), source })
        });
        let output = output.await?;
        self.guard.forget(&name);
        Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// Asks kubectl something that is not shown and that has to succeed.
    ///
    /// # Errors
    /// As [`Terminal::ask_kubectl`], and when it fails.
    pub async fn kubectl_says(&self, arguments: &[&str]) -> Result<String> {
        let failed = || Error::Command {
            line: typed("kubectl", arguments),
            status: "no success".to_owned(),
            output: String::new(),
        };
        self.ask_kubectl(arguments).await?.ok_or_else(failed)
    }

    /// Shows kubectl piped into grep for a plain text, and what the lines have from there on, which is returned.
    ///
    /// # Errors
    /// When kubectl fails, or does not end in time.
    pub async fn kubectl_lines(&self, arguments: &[&str], text: &str) -> Result<Vec<String>> {
        self.screen.command(&format!("{} | grep -o '{text}.*'", typed("kubectl", arguments)))?;
        let said = self.kubectl_says(arguments).await?;
        let found = said.lines().filter_map(|line| line.find(text).and_then(|start| line.get(start..)));
        let lines: Vec<String> = found.map(str::to_owned).collect();
        lines.iter().try_for_each(|line| self.screen.output(line))?;
        Ok(lines)
    }

    /// Shows and starts a command of kubectl that goes on, and returns it with the first line that it says.
    ///
    /// # Errors
    /// When it cannot be started, or says nothing in time.
    pub async fn start_kubectl(&self, arguments: &[&str]) -> Result<(Child, String)> {
        self.type_in("kubectl", arguments)?;
        let program = &self.plane.binaries().kubectl;
        let (_, mut command) = self.command("kubectl", program, &self.plane.kubectl())?;
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
        let cannot = |source| Error::Start { program: "kubectl".to_owned(), source };
        let mut child = command.spawn().map_err(cannot)?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let reading = async { BufReader::new(stdout).read_line(&mut line).await.map_err(cannot) };
            self.limited("kubectl", arguments, reading).await?;
        }
        self.screen.output(line.trim())?;
        Ok((child, line.trim().to_owned()))
    }

    /// Shows a command that is run in another way.
    ///
    /// # Errors
    /// When nobody reads the output.
    pub fn type_in(&self, tool: &str, arguments: &[&str]) -> Result<()> {
        self.screen.command(&folded(&typed(tool, arguments)))
    }

    async fn show(&self, tool: &str, arguments: &[&str], program: &Path, like: &Command) -> Result<()> {
        self.type_in(tool, arguments)?;
        let (name, mut command) = self.command(tool, program, like)?;
        command.args(arguments);
        let (succeeded, status, output) = self.limited(tool, arguments, self.run(tool, command)).await?;
        self.guard.forget(&name);
        if succeeded { Ok(()) } else { Err(Error::Command { line: typed(tool, arguments), status, output }) }
    }

    /// Runs a command and shows each line as it comes.
    async fn run(&self, tool: &str, mut command: Command) -> Result<(bool, String, String)> {
        let cannot = |source| Error::Start { program: tool.to_owned(), source };
        // One pipe for both outputs keeps their order, as a terminal does.
        let (reader, writer) = std::io::pipe().map_err(cannot)?;
        command.stdout(writer.try_clone().map_err(cannot)?).stderr(writer);
        let mut child = command.spawn().map_err(cannot)?;
        // It holds the writing end, which would keep the pipe open.
        drop(command);
        let mut lines = BufReader::new(pipe::Receiver::from_owned_fd(reader.into()).map_err(cannot)?).lines();
        let mut output = Vec::new();
        while let Some(line) = lines.next_line().await.map_err(cannot)? {
            self.screen.output(&line)?;
            output.push(line);
        }
        let status = child.wait().await.map_err(cannot)?;
        Ok((status.success(), status.to_string(), output.join("\n")))
    }

    async fn limited<T>(&self, tool: &str, arguments: &[&str], run: impl Future<Output = Result<T>>) -> Result<T> {
        let late = || Error::Late {
            what: format!("The end of `{}`", typed(tool, arguments)),
            seconds: LIMIT.as_secs(),
            last: String::new(),
        };
        timeout(LIMIT, run).await.unwrap_or_else(|_| Err(late()))
    }

    /// A command with the settings of `like` that ends with the guard, and the name the guard knows it by.
    fn command(&self, tool: &str, program: &Path, like: &Command) -> Result<(String, Command)> {
        let name = format!("{tool}-{}", self.commands.replace(self.commands.get() + 1));
        let mut command = self.guard.command(&name, &link(self.guard, tool, program)?);
        for (variable, value) in like.as_std().get_envs() {
            match value {
                Some(value) => command.env(variable, value),
                None => command.env_remove(variable),
            };
        }
        Ok((name, command))
    }
}

/// A link to a program inside the guarded folder: the guard tells its processes from strangers by a path in there.
///
/// # Errors
/// When the link cannot be made.
pub fn link(guard: &Guard, name: &str, program: &Path) -> Result<PathBuf> {
    let folder = guard.folder().join("bin");
    std::fs::create_dir_all(&folder).map_err(Error::file("make", &folder))?;
    let link = folder.join(name);
    if !link.exists() {
        std::os::unix::fs::symlink(program, &link).map_err(Error::file("make", &link))?;
    }
    Ok(link)
}

/// The line as a user types it. Nothing in the demo needs more quoting than blanks and brackets do.
fn typed(tool: &str, arguments: &[&str]) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-_./:=,@+".contains(letter);
    let quoted = arguments.iter().map(|argument| match argument.chars().all(plain) {
        true => (*argument).to_owned(),
        false => format!("'{argument}'"),
    });
    std::iter::once(tool.to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}

/// A line as typed, continued with backslashes before flags where it is too long to read.
fn folded(line: &str) -> String {
    const WIDTH: usize = 110;
    let mut lines = vec![String::new()];
    for part in line.split(" -").enumerate().map(|(n, part)| if n == 0 { part.to_owned() } else { format!("-{part}") })
    {
        match lines.last_mut() {
            Some(last) if last.is_empty() => *last = part,
            Some(last) if last.len() + part.len() < WIDTH => *last = format!("{last} {part}"),
            _ => lines.push(part),
        }
    }
    lines.join(" \\\n      ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_typed() {
        assert_eq!(typed("kubectl", &["delete", "gaapproxy", "edge-sg"]), "kubectl delete gaapproxy edge-sg");
        assert_eq!(typed("kubectl", &["-o", "jsonpath={.spec}"]), "kubectl -o 'jsonpath={.spec}'");
    }

    #[test]
    fn a_long_command_goes_on_in_the_next_line_and_keeps_flags_whole() {
        let value = "v".repeat(60);
        let line = folded(&format!("helm install a b-c --set {value} --set {value} -n d"));
        assert_eq!(line, format!("helm install a b-c --set {value} \\\n      --set {value} -n d"));
        assert_eq!(folded("kubectl version"), "kubectl version");
    }
}
