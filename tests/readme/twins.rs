//! README.md and README.zh-CN.md say the same: what can be compared without knowing the languages.

use std::collections::BTreeSet;

use crate::markdown::{Block, Section, Table, read, spans};

/// Defaults that are no constants of the code, and how the Chinese table of settings writes them.
const DEFAULTS: [(&str, &str); 5] = [
    ("all namespaces", "所有命名空间"),
    (
        "the GAAP endpoint with `gaap.` replaced by `sts.`; any other host as it is",
        "把 GAAP 接口地址里的 `gaap.` 换成 `sts.`；其他域名原样使用",
    ),
    ("none", "无"),
    ("off", "关"),
    ("the namespace of the pod, or of the kubeconfig", "Pod 所在的命名空间，或 kubeconfig 的命名空间"),
];

/// What of `twin` is not in step with `text`, one line each.
pub fn differences(text: &str, twin: &str) -> Vec<String> {
    let (ours, theirs) = (read(text), read(twin));
    let outline = outline(&ours, &theirs);
    if !outline.is_empty() {
        // Below a heading too many everything would differ.
        return outline;
    }
    ours.iter().zip(&theirs).flat_map(|(ours, theirs)| section(ours, theirs)).collect()
}

/// The headings by place: their levels. The first that differs is told; more could only follow from it.
fn outline(ours: &[Section], theirs: &[Section]) -> Vec<String> {
    let shown = |section: Option<&Section>| match section {
        Some(section) => format!("'{} {}'", "#".repeat(section.level), section.title),
        None => "no heading".to_owned(),
    };
    (0..ours.len().max(theirs.len()))
        .map(|place| (ours.get(place), theirs.get(place)))
        .find(|(a, b)| a.map(|section| section.level) != b.map(|section| section.level))
        .map(|(a, b)| format!("the headings part at {}, where the twin has {}", shown(a), shown(b)))
        .into_iter()
        .collect()
}

fn section(ours: &Section, theirs: &Section) -> Vec<String> {
    let place = format!("'{}' ('{}')", ours.title, theirs.title);
    let mut found = Vec::new();
    if ours.blocks.len() != theirs.blocks.len() {
        found.push(format!("{place}: {} fenced blocks and {}", ours.blocks.len(), theirs.blocks.len()));
    }
    if ours.tables.len() != theirs.tables.len() {
        found.push(format!("{place}: {} tables and {}", ours.tables.len(), theirs.tables.len()));
    }
    found.extend(ours.blocks.iter().zip(&theirs.blocks).filter_map(|(a, b)| block(&place, a, b)));
    found.extend(ours.tables.iter().zip(&theirs.tables).flat_map(|(a, b)| table(&place, a, b)));
    found.extend(of_one_only(&ours.spans, &theirs.spans).map(|what| format!("{place}: {what}")));
    found
}

fn of_one_only<'a>(ours: &'a BTreeSet<String>, theirs: &'a BTreeSet<String>) -> impl Iterator<Item = String> + 'a {
    let missing = ours.difference(theirs).map(|span| format!("`{span}` is missing in the twin"));
    missing.chain(theirs.difference(ours).map(|span| format!("`{span}` is in the twin only")))
}

/// The first line that differs.
fn block(place: &str, ours: &Block, theirs: &Block) -> Option<String> {
    if ours.language != theirs.language {
        return Some(format!("{place}: a block of '{}' and one of '{}'", ours.language, theirs.language));
    }
    let (a, b) = (commands(ours), commands(theirs));
    let line = (0..a.len().max(b.len())).find(|line| a.get(*line) != b.get(*line))?;
    let shown = |lines: &[String]| lines.get(line).map_or("its end".to_owned(), |text| format!("'{text}'"));
    Some(format!("{place}: a block has {}, and the twin {}", shown(&a), shown(&b)))
}

/// The lines of a block without their comments, which may be in another language; of a diagram who talks to whom.
fn commands(block: &Block) -> Vec<String> {
    let diagram = |line: &str| match line.trim().split_once(':') {
        Some((arrow, _)) => arrow.to_owned(),
        None => line.split_whitespace().next().unwrap_or_default().to_owned(),
    };
    let plain = |line: &str| match line.starts_with("# ") {
        true => String::new(),
        false => line.split_once(" # ").map_or(line, |(command, _)| command).trim_end().to_owned(),
    };
    let lines = block.lines.iter().map(|line| if block.language == "mermaid" { diagram(line) } else { plain(line) });
    lines.filter(|line| !line.is_empty()).collect()
}

fn table(place: &str, ours: &Table, theirs: &Table) -> Vec<String> {
    let head = ours.first().map(|row| row.join(" | ")).unwrap_or_default();
    let place = format!("{place}: table '{head}'");
    if ours.len() != theirs.len() {
        let names = |table: &Table| table.iter().filter_map(|row| row.first().cloned()).collect::<BTreeSet<_>>();
        let (a, b) = (names(ours), names(theirs));
        let of_code = |name: &&String| name.starts_with('`');
        let missing: Vec<&String> = a.difference(&b).filter(of_code).collect();
        let more: Vec<&String> = b.difference(&a).filter(of_code).collect();
        return vec![format!(
            "{place}: {} rows and {}; missing in the twin: {missing:?}, only there: {more:?}",
            ours.len(),
            theirs.len()
        )];
    }
    let settings = ours.iter().any(|row| row.first().is_some_and(|cell| cell.starts_with("`--")));
    let rows = ours.iter().zip(theirs).enumerate();
    rows.filter_map(|(number, (a, b))| Some(format!("{place}: row {number}: {}", row(a, b, settings && number > 0)?)))
        .collect()
}

/// Cells have the same code in them; those of settings are the same, but for the meaning.
fn row(ours: &[String], theirs: &[String], setting: bool) -> Option<String> {
    if ours.len() != theirs.len() {
        return Some(format!("{} columns and {}: {ours:?}", ours.len(), theirs.len()));
    }
    let meaning = ours.len().saturating_sub(1);
    ours.iter().zip(theirs).enumerate().find_map(|(column, (a, b))| {
        let same = match setting && column < meaning {
            true => a == b || DEFAULTS.contains(&(a.as_str(), b.as_str())),
            // The first column says which: what is a name alone in one language is one in the other.
            false => code(a) == code(b) && (column > 0 || all_code(a) == all_code(b)),
        };
        (!same).then(|| format!("'{a}' is '{b}' in the twin"))
    })
}

/// In any order: languages order words in their own ways.
fn code(cell: &str) -> Vec<String> {
    let mut code = spans(cell);
    code.sort();
    code
}

fn all_code(cell: &str) -> bool {
    cell.len() > 2 && spans(cell).iter().any(|span| span.len() + 2 == cell.len())
}
