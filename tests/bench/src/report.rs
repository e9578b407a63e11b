//! The file and the table. Each row is in the file as soon as it is measured: a run that is cut off has not been for
//! nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::goals::Goal;

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What was measured.
    pub measure: &'static str,
    /// With how many resources or deletions.
    pub n: usize,
    /// `idle`, `relist`, `after_deletion`, `p50`, `p99`, or empty.
    pub case: &'static str,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
}

/// What `target/bench.json` holds.
#[derive(Debug, Serialize)]
struct Document {
    versions: BTreeMap<&'static str, String>,
    machine: Value,
    settings: Value,
    rows: Vec<Row>,
}

/// The figures so far.
#[derive(Debug)]
pub struct Report {
    path: PathBuf,
    document: Document,
}

impl Report {
    /// An empty report that is kept in this file.
    pub fn new(path: &Path, versions: BTreeMap<&'static str, String>, machine: Value, settings: Value) -> Self {
        Self { path: path.to_owned(), document: Document { versions, machine, settings, rows: Vec::new() } }
    }

    /// Adds a figure, writes the file and shows the figure.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(
        &mut self,
        measure: &'static str,
        n: usize,
        case: &'static str,
        value: f64,
        unit: &'static str,
    ) -> Result<()> {
        // What is measured is not known to more than this, and a table of long fractions cannot be read.
        let row = Row { measure, n, case, value: (value * 10_000.0).round() / 10_000.0, unit };
        progress(&cells(&row).join("  "));
        self.document.rows.push(row);
        self.write()
    }

    fn write(&self) -> Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
        let text = serde_json::to_string_pretty(&self.document).unwrap_or_default();
        // Moved into place: whoever reads it during a run finds a whole file.
        let aside = self.path.with_extension("json.new");
        std::fs::write(&aside, text + "\n").map_err(Error::file("write", &aside))?;
        std::fs::rename(&aside, &self.path).map_err(Error::file("write", &self.path))
    }

    /// All figures, with what they are held against.
    pub fn table(&self) -> String {
        let mut lines = vec![["MEASURE", "N", "CASE", "VALUE", "UNIT", "GOAL"].map(str::to_owned)];
        lines.extend(self.document.rows.iter().map(cells));
        let widths: Vec<usize> = (0..6)
            .map(|column| lines.iter().filter_map(|line| line.get(column)).map(String::len).max().unwrap_or(0))
            .collect();
        let padded = |line: &[String; 6]| {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        lines.iter().map(padded).collect::<Vec<_>>().join("\n")
    }

    /// The counts that are above their goal.
    pub fn missed(&self) -> Vec<&Row> {
        let missed =
            |row: &&Row| Goal::of(row.measure, row.n).is_some_and(|goal| goal.count && !goal.is_met(row.value));
        self.document.rows.iter().filter(missed).collect()
    }
}

fn cells(row: &Row) -> [String; 6] {
    let goal = Goal::of(row.measure, row.n).map_or_else(String::new, |goal| {
        let verdict = if goal.is_met(row.value) { "met" } else { "NOT MET" };
        format!("at most {}: {verdict}", goal.at_most)
    });
    let texts = [row.measure, row.case, row.unit].map(str::to_owned);
    let [measure, case, unit] = texts;
    [measure, row.n.to_string(), case, row.value.to_string(), unit, goal]
}

/// Tells how far the run is. Standard error, because standard output is for the table.
pub fn progress(line: &str) {
    control_plane::say(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_count_above_its_goal_fails_the_run() {
        let folder = std::env::temp_dir().join(format!("gaap-bench-test-{}", std::process::id()));
        let mut report = Report::new(&folder.join("bench.json"), BTreeMap::new(), Value::Null, Value::Null);
        report.add("destroy_calls_per_deletion", 300, "", 1.0, "calls").unwrap();
        report.add("rss_mb", 10_000, "idle", 99.0, "MB").unwrap();
        assert_eq!(report.missed(), Vec::<&Row>::new());
        report.add("destroy_calls_per_deletion", 1_000, "", 1.001, "calls").unwrap();
        assert_eq!(report.missed().len(), 1);
        assert!(report.table().contains("99     MB     at most 35: NOT MET"), "{}", report.table());
        let written: Value = serde_json::from_slice(&std::fs::read(folder.join("bench.json")).unwrap()).unwrap();
        assert_eq!(written["rows"][0]["measure"], "destroy_calls_per_deletion");
        assert_eq!(written["rows"].as_array().unwrap().len(), 3, "each row is in the file at once");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
