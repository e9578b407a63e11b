//! `gaap-oracle`: judges an audit log and a request log from files, and prints the verdict.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use oracle::{Context, judge, parse_duration};
use serde_json::Value;

/// Judges whether gaap-operator kept its promises, from the audit log of the API server and the request log of the
/// cloud simulator. Exit status 0: kept; 1: broken, or a log cannot be read whole; 2: wrong arguments.
#[derive(Debug, Parser)]
#[command(name = "gaap-oracle", version)]
struct Arguments {
    /// Audit log: one JSON object a line, or a JSON array.
    #[arg(long)]
    audit: PathBuf,
    /// Request log: the answer of GET /_sim/requests, or one JSON object a line.
    #[arg(long)]
    requests: PathBuf,
    /// User name of the operator, such as system:serviceaccount:NAMESPACE:NAME; with ':' at the end, all users whose
    /// names begin so. Repeatable.
    #[arg(long, required = true)]
    operator_user: Vec<String>,
    /// When a process of the operator was started (RFC 3339). Repeatable.
    #[arg(long)]
    operator_start: Vec<String>,
    /// Judge only objects in this namespace. Repeatable.
    #[arg(long)]
    namespace: Vec<String>,
    /// --watch-namespace of the operator. Repeatable.
    #[arg(long)]
    watch_namespace: Vec<String>,
    /// --absence-spacing of the operator.
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    absence_spacing: Duration,
    /// --minimum-age of the operator.
    #[arg(long, default_value = "120s", value_parser = parse_duration)]
    minimum_age: Duration,
    /// --settle-time of the operator.
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    settle_time: Duration,
    /// File with texts that must appear nowhere, one a line.
    #[arg(long)]
    secrets: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("gaap-oracle: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    let audit = entries(&arguments.audit)?;
    let requests = entries(&arguments.requests)?;
    let secrets = arguments.secrets.as_deref().map(text).transpose()?.unwrap_or_default();
    let context = Context {
        operator_users: arguments.operator_user.clone(),
        operator_starts: arguments.operator_start.clone(),
        namespaces: arguments.namespace.clone(),
        watched_namespaces: arguments.watch_namespace.clone(),
        absence_spacing: arguments.absence_spacing,
        minimum_age: arguments.minimum_age,
        settle_time: arguments.settle_time,
        secrets: secrets.lines().filter(|line| !line.is_empty()).map(Into::into).collect(),
        ..Context::default()
    };
    let verdict = judge(&audit, &requests, &context);
    // A reader that closes the pipe early has seen enough; the exit status stays true.
    let _ = write!(std::io::stdout().lock(), "{verdict}");
    Ok(verdict.is_clean())
}

fn text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn entries(path: &Path) -> Result<Vec<Value>, String> {
    let text = text(path)?;
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()));
    }
    let line = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| format!("{} line {}: {error}", path.display(), number + 1))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(line).collect()
}
