//! The table tests/COVERAGE.md against what there is: every code of the cloud, every fault the simulator can make,
//! every crash point of the protocol, every effect of a deletion and every fault of the way to the API server has a row,
//! and every row names tests that exist. A row without a test fails.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Crash points of one deletion that exist in this design. There is no stored intent before a send (so no crash
/// between the two), and no lease yet.
const CRASH_POINTS: &[&str] =
    &["c0", "c1", "c2", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11", "c12", "c13", "c14"];

/// Effects of a deletion at which every fault of the way to the API server strikes, and those faults, as the table of
/// `tests/fire` names them.
const EFFECTS: &[&str] = &[
    "finalizer stored (E0)",
    "status: Available",
    "look (DescribeProxies)",
    "read before the send",
    "send (DestroyProxies, E2)",
    "status: accepted",
    "status: attempt raised",
    "finalizer removed (E4)",
    "event",
    "first list",
    "watch opened",
    "watch, open",
    "lease renewed",
    "watch of the lease opened",
];
const WIRE_FAULTS: &[&str] = &[
    "409",
    "410",
    "410 in the stream",
    "429, Retry-After",
    "500",
    "503, Retry-After",
    "500 after commit",
    "connection cut before",
    "connection cut after commit",
    "hang before",
    "hang after commit",
    "late, after the caller gave up",
    "cut in mid-line",
    "silent",
    "kill -9 before",
    "kill -9 with it on its way",
    "kill -9 after commit",
    "leader SIGSTOP, replaced, CONT",
    "installed twice, SIGSTOP, CONT",
    "API server kill -9, restarted",
];

struct Row {
    kind: String,
    item: String,
    tests: Vec<String>,
}

#[expect(clippy::expect_used, reason = "a broken table must fail the test")]
fn rows(table: &str) -> Vec<Row> {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    table
        .lines()
        .filter(|line| {
            ["code", "fault", "crash", "effect", "wire"].iter().any(|kind| line.starts_with(&format!("| {kind} ")))
        })
        .map(|line| {
            let [kind, item, tests] = cells(line).try_into().expect("three cells are needed");
            let tests = tests.split(',').map(|test| test.trim().to_owned()).filter(|test| !test.is_empty()).collect();
            Row { kind, item, tests }
        })
        .collect()
}

/// `path::function`, and for a test that walks through a table `path::function(row)`: the file must hold the
/// function as a test, and the row as a word in quotes.
fn exists(root: &Path, test: &str, sources: &mut BTreeMap<String, String>) -> Result<(), String> {
    let (path, function) = test.rsplit_once("::").ok_or(format!("'{test}' is not path::function"))?;
    let (function, row) = match function.split_once('(') {
        Some((function, row)) => (function, Some(row.trim_end_matches(')'))),
        None => (function, None),
    };
    let source =
        sources.entry(path.to_owned()).or_insert_with(|| std::fs::read_to_string(root.join(path)).unwrap_or_default());
    let Some(place) = source.find(&format!("fn {function}(")) else {
        return Err(format!("{path} has no function {function}"));
    };
    let before = &source[..place];
    let attributes = &before[before.rfind("\n\n").unwrap_or(0)..];
    if !attributes.contains("test") || attributes.contains("#[ignore") {
        return Err(format!("{path}::{function} is not a test that runs"));
    }
    match row {
        Some(row) if !source.contains(&format!("\"{row}\"")) => Err(format!("{path} has no row \"{row}\"")),
        _ => Ok(()),
    }
}

/// Where the table of `tests/fire` gets its rows from: its test walks through the product of two lists.
const FIRE: &[&str] = &["calls", "cloud_wire", "kills", "kube_wire", "processes", "two"];

fn is_in_the_table_of_fire(root: &Path, item: &str) -> bool {
    let quoted = format!("\"{item}\"");
    let sources = FIRE.iter().map(|file| std::fs::read_to_string(root.join(format!("tests/fire/{file}.rs"))));
    sources.flatten().any(|source| source.contains(&quoted))
}

#[test]
fn every_code_fault_crash_point_and_effect_has_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("tests/COVERAGE.md")).unwrap();
    let rows = rows(&table);
    let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
    wanted.extend(gaap_operator::gaap::known_codes().map(|row| ("code".to_owned(), row.code.to_owned())));
    wanted.extend(gaap_simulator::CATALOGUE.iter().map(|row| ("fault".to_owned(), row.name.to_owned())));
    wanted.extend(CRASH_POINTS.iter().map(|point| ("crash".to_owned(), (*point).to_owned())));
    wanted.extend(EFFECTS.iter().map(|effect| ("effect".to_owned(), (*effect).to_owned())));
    wanted.extend(WIRE_FAULTS.iter().map(|fault| ("wire".to_owned(), (*fault).to_owned())));

    let mut wrong = Vec::new();
    let mut sources = BTreeMap::new();
    let mut covered = BTreeSet::new();
    for row in &rows {
        let key = (row.kind.clone(), row.item.clone());
        if !wanted.contains(&key) {
            wrong.push(format!("{} {}: nothing of that name exists any more", row.kind, row.item));
        }
        if row.tests.is_empty() {
            wrong.push(format!("{} {}: no test", row.kind, row.item));
            continue;
        }
        if matches!(row.kind.as_str(), "effect" | "wire") && !is_in_the_table_of_fire(root, &row.item) {
            wrong.push(format!("{} {}: tests/fire has no such row any more", row.kind, row.item));
        }
        let missing: Vec<_> = row.tests.iter().filter_map(|test| exists(root, test, &mut sources).err()).collect();
        if missing.is_empty() {
            covered.insert(key);
        }
        wrong.extend(missing.into_iter().map(|why| format!("{} {}: {why}", row.kind, row.item)));
    }
    wrong.extend(wanted.difference(&covered).map(|(kind, item)| format!("{kind} {item}: not covered")));
    println!("coverage: {} of {} codes, faults, crash points and effects", covered.len(), wanted.len());
    assert!(wrong.is_empty(), "tests/COVERAGE.md:\n{}", wrong.join("\n"));
}
