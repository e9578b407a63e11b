//! The tables of README.md say what the code says: Tencent codes, settings, reasons. README.zh-CN.md says the same as
//! README.md, and links between documents lead somewhere.
//!
//! `UPDATE_README=1 cargo test --test readme` writes the made tables anew (`make generate` does that); without the
//! variable a difference fails.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is wrong"
)]

#[path = "readme/links.rs"]
mod links;
#[path = "readme/markdown.rs"]
mod markdown;
#[path = "readme/twins.rs"]
mod twins;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

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

/// A document of the repository by its path from the root.
fn document(path: &Path) -> Option<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

#[test]
fn the_chinese_readme_is_in_step_with_the_english_one() {
    if std::env::var_os("UPDATE_README").is_some() {
        // The English tables are being made anew: the next run says what of them is to be translated.
        return;
    }
    let chinese = document(Path::new("README.zh-CN.md")).expect("README.zh-CN.md");
    let found = twins::differences(&readme(), &chinese);
    assert!(found.is_empty(), "README.zh-CN.md is not in step with README.md:\n{}", found.join("\n"));
}

#[test]
fn each_readme_names_the_other_in_its_first_lines() {
    for (path, other) in [("README.md", "(README.zh-CN.md)"), ("README.zh-CN.md", "(README.md)")] {
        let text = document(Path::new(path)).expect(path);
        assert!(text.lines().take(3).any(|line| line.contains(other)), "{path} does not link {other}");
    }
}

#[test]
fn links_between_the_documents_lead_to_files_and_headings_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = std::fs::read_dir(root.join("docs")).expect("docs").map(|entry| entry.expect("an entry").file_name());
    let in_docs = names.map(|name| Path::new("docs").join(name)).filter(|path| path.extension() == Some("md".as_ref()));
    let mut count = 0;
    for path in ["README.md", "README.zh-CN.md"].map(PathBuf::from).into_iter().chain(in_docs) {
        let text = document(&path).expect("a document");
        let dead = links::dead(&path, &text, |path| root.join(path).exists(), document);
        assert!(dead.is_empty(), "{}: links that lead nowhere: {dead:#?}", path.display());
        count += markdown::links(&text).len();
    }
    assert!(count > 50, "only {count} links were found: are they still read?");
}

const TEXT: &str = "\
# Name

Set `--flag`.

## Do

```sh
# first
run it      # and wait
```

| flag | environment | default | meaning |
|---|---|---|---|
| `--flag` | `FLAG` | none | what `--flag` does |
| `--more` | `MORE` | `5s` | a bar: `a|b` |

### Done

```mermaid
  A->>B: hello
  loop every day
```
";

/// The same in another language, and then what is wrong with it.
fn twin(changes: &[(&str, &str)]) -> String {
    let right = [
        ("Set `--flag`.", "`--flag` 要设置。"),
        ("## Do\n", "## 做\n"),
        ("# first", "# 首先"),
        ("# and wait", "# 等待"),
        ("| none | what `--flag` does |", "| 无 | `--flag` 的作用 |"),
        ("a bar: `a|b`", "`a|b` 竖线"),
        ("### Done", "### 完成"),
        ("A->>B: hello", "A->>B: 你好"),
        ("loop every day", "loop 每天"),
    ];
    right.iter().chain(changes).fold(TEXT.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old} is not in\n{text}");
        text.replacen(old, new, 1)
    })
}

#[test]
fn a_translation_that_is_in_step_passes_and_each_kind_of_difference_is_told_with_its_place() {
    assert_eq!(twins::differences(TEXT, &twin(&[])), Vec::<String>::new());
    for (change, words) in [
        (("### 完成", "#### 完成"), ["'### Done'", "'#### 完成'"]),
        (("### 完成\n", ""), ["'### Done'", "no heading"]),
        (("### 完成", "## 多余\n### 完成"), ["'### Done'", "'## 多余'"]),
        (("run it ", "run that "), ["'Do' ('做')", "'run that'"]),
        (("run it      # 等待\n", ""), ["'run it'", "its end"]),
        (("```sh\n", "```json\n"), ["'sh'", "'json'"]),
        (("```\n\n|", "```\n\n```\nmore\n```\n\n|"), ["1 fenced blocks", "2"]),
        (("| `--more` | `MORE` | `5s` | `a|b` 竖线 |\n", ""), ["3 rows and 2", "`--more`"]),
        (("| `5s` | `a|b`", "| `a|b`"), ["row 2", "4 columns and 3"]),
        (("`5s`", "`6s`"), ["row 2", "'`6s`'"]),
        (("`MORE`", "`LESS`"), ["row 2", "`LESS`"]),
        (("| 无 |", "| 关 |"), ["row 1", "'关'"]),
        (("| `--flag` 的作用", "| `--flags` 的作用"), ["row 1", "`--flags`"]),
        (("A->>B", "A->>C"), ["'Done' ('完成')", "'A->>C'"]),
        (("| `--flag` | `FLAG`", "| 参数 `--flag` | `FLAG`"), ["row 1", "'参数 `--flag`'"]),
        (("`--flag` 要设置。", "要设置。"), ["'Name'", "`--flag` is missing"]),
        (("### 完成", "x\n\n| 表 |\n|---|\n| 行 |\n\n### 完成"), ["1 tables", "2"]),
    ] {
        let found = twins::differences(TEXT, &twin(&[change])).join("\n");
        assert!(words.iter().all(|word| found.contains(word)), "{change:?}: {words:?} are not in: {found}");
    }
}

#[test]
fn a_link_to_a_file_or_heading_that_is_not_there_is_told() {
    let text = "# A b\n[a](#a-b) [b](other.md#c) [c](https://x.y/#z) `[d](code)`\n```\n[e](block)\n```\n";
    let dead = |text: &str| {
        let other = |path: &Path| (path == Path::new("docs/other.md")).then(|| "## C\n## C\n".to_owned());
        let exists = |path: &Path| path == Path::new("docs/it.md") || other(path).is_some();
        links::dead(Path::new("docs/it.md"), text, exists, other)
    };
    assert_eq!(dead(text), Vec::<String>::new());
    assert_eq!(dead("# 甲，乙 C\n[a](#甲乙-c) [b](../docs/other.md#c-1)"), Vec::<String>::new());
    for wrong in ["#a-c", "other.md#d", "others.md", "other.md#c-2"] {
        assert_eq!(dead(&format!("# A b\n[x]({wrong})")), [wrong]);
    }
}
