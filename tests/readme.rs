//! The tables of README.md say what the code says: Tencent codes, settings, reasons.
//!
//! `UPDATE_README=1 cargo test --test readme` writes the made tables anew (`make generate` does that); without the
//! variable a difference fails.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends at the first thing that is wrong"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use clap::CommandFactory;
use gaap_operator::controller::reasons::Reason;
use gaap_operator::gaap::{Class, CodeRow, Refusal, known_codes};
use gaap_operator::settings::CommandLine;

fn readme_path() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"))
}

fn readme() -> String {
    std::fs::read_to_string(readme_path()).expect("README.md")
}

/// The text between the two marks of a table, without the marks.
fn between(text: &str, name: &str) -> String {
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let start = text.find(&begin).unwrap_or_else(|| panic!("README.md lacks {begin}")) + begin.len();
    let length = text[start..].find(&end).unwrap_or_else(|| panic!("README.md lacks {end}"));
    text[start..start + length].to_owned()
}

fn expect_table(name: &str, made: &str) {
    let text = readme();
    let found = between(&text, name);
    if std::env::var_os("UPDATE_README").is_some() {
        let marked = |body: &str| format!("<!-- {name}:begin -->\n{body}<!-- {name}:end -->");
        // By a rename: the other test reads the file at the same time.
        let new = readme_path().with_extension("md.new");
        std::fs::write(&new, text.replace(&marked(&found), &marked(made))).expect("README.md.new");
        std::fs::rename(&new, readme_path()).expect("README.md");
    } else {
        assert_eq!(found, made, "README.md: the table `{name}` is not what the code says. Run scripts/generate.sh");
    }
}

/// What the operator does after a DestroyProxies that was answered so.
fn does(row: &CodeRow) -> &'static str {
    match (row.destroy, row.refusal) {
        (Class::Soon, _) => "Throttled: the same request again within seconds",
        (Class::Observe, _) => "looks at the proxy, which decides",
        (Class::Backoff, _) => "looks, and tries again after growing pauses (at most 5 min)",
        (Class::Gone, _) => "proves that it is gone",
        (Class::User, Refusal::RealServerBound) => "Stalled, RealServerBound: tries every 10 min",
        (Class::User, Refusal::PermissionDenied) => "Stalled, PermissionDenied: tries every 10 min",
        (Class::User, Refusal::CredentialsInvalid) => "Stalled, CredentialsInvalid: tries every 10 min",
        (Class::User, Refusal::Other) => "Stalled, Refused: tries every 10 min",
        (Class::Config, _) => "Stalled, Refused: tries every 30 min",
    }
}

/// A cell of a Markdown table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

// The update of one table and the check of the other would race on the file: one test holds both.
#[test]
fn codes_and_settings_stand_in_the_readme_as_in_the_code() {
    expect_table("codes", &codes());
    expect_table("settings", &settings());
}

fn codes() -> String {
    // Codes that end alike share a row: a reader searches for the code and needs the answer once.
    let mut rows: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for row in known_codes() {
        match rows.iter_mut().find(|(does_so, advice, _)| (*does_so, *advice) == (does(row), row.advice)) {
            Some((_, _, codes)) => codes.push(row.code),
            None => rows.push((does(row), row.advice, vec![row.code])),
        }
    }
    let mut table = "| code | the operator | you |\n|---|---|---|\n".to_owned();
    for (does_so, advice, codes) in rows {
        let codes = codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ");
        writeln!(table, "| {codes} | {does_so} | {} |", cell(advice)).expect("a string takes all");
    }
    table
}

fn settings() -> String {
    let mut table = "| flag | environment | default | meaning |\n|---|---|---|---|\n".to_owned();
    let command = CommandLine::command();
    for argument in command.get_arguments() {
        let (Some(flag), Some(variable), Some(help)) = (argument.get_long(), argument.get_env(), argument.get_help())
        else {
            continue;
        };
        // A default that is no constant is told in the help, in brackets.
        let help = help.to_string();
        let (meaning, told) = help.split_once(" [default: ").unwrap_or((&help, ""));
        let constant = argument.get_default_values().first().map(|value| format!("`{}`", value.display()));
        let default = match (constant, told.strip_suffix(']')) {
            (Some(constant), _) if argument.get_action().takes_values() => constant,
            (_, Some(told)) => told.to_owned(),
            _ if argument.get_action().takes_values() => "none".to_owned(),
            _ => "off".to_owned(),
        };
        writeln!(table, "| `--{flag}` | `{}` | {} | {} |", variable.display(), cell(&default), cell(meaning))
            .expect("a string takes all");
    }
    table
}

#[test]
fn every_reason_is_explained_in_the_readme_and_no_other() {
    let table = between(&readme(), "reasons");
    let mut rows = BTreeMap::new();
    for line in table.lines().skip(2) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let name = cells[0].trim_matches('`').to_owned();
        assert!(!cells[2].is_empty(), "{name} has no meaning");
        assert!(rows.insert(name.clone(), cells.len()).is_none(), "{name} stands there twice");
    }
    let mut known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    known.sort_unstable();
    assert_eq!(rows.keys().map(String::as_str).collect::<Vec<_>>(), known);
}
