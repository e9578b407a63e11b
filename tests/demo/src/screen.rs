//! What the reader sees: headings with step numbers and seconds, commands, their output, tables.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use tokio::time::Instant;

use crate::error::{Error, Result};

/// Standard output. Every line is one write, so that lines of several tasks do not mix.
#[derive(Debug)]
pub struct Screen {
    colour: bool,
    begun: Instant,
    steps: usize,
}

impl Screen {
    /// A screen whose clock starts now, for a demo of so many steps.
    pub fn new(steps: usize) -> Self {
        // https://no-color.org
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colour: wanted && std::io::stdout().is_terminal(), begun: Instant::now(), steps }
    }

    /// Seconds since the demo began.
    pub fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// The heading of a step: its number, the seconds since the beginning, and what happens in one line.
    pub fn step(&self, number: usize, what: &str) -> Result<()> {
        let number = format!("{number}/{}", self.steps);
        let heading = format!("[{number:>5}] {:4.1} s  {what}", self.seconds());
        self.print(&format!("\n{}", self.painted("1", heading)))
    }

    /// A line of our own.
    pub fn say(&self, line: impl Display) -> Result<()> {
        self.print(&format!("  {line}"))
    }

    /// A command as a user types it.
    pub fn command(&self, line: &str) -> Result<()> {
        self.say(self.painted("36", format!("$ {line}")))
    }

    /// A line that a command printed.
    pub fn output(&self, line: &str) -> Result<()> {
        // Without blanks at the ends of lines, which kubectl leaves in its tables.
        self.print(format!("  {line}").trim_end())
    }

    /// A table under our own words.
    pub fn table<const COLUMNS: usize>(&self, header: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> Result<()> {
        aligned(header, rows).iter().try_for_each(|line| self.output(&format!("  {line}")))
    }

    /// A line that holds no matter what, at the left edge.
    pub fn conclude(&self, line: &str) -> Result<()> {
        self.print(&format!("\n{}", self.painted("32", line.to_owned())))
    }

    /// An empty line, or a line at the left edge.
    pub fn print(&self, line: &str) -> Result<()> {
        let line = format!("{line}\n");
        let mut output = std::io::stdout().lock();
        output.write_all(line.as_bytes()).and_then(|()| output.flush()).map_err(Error::Output)
    }

    fn painted(&self, code: &str, text: String) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text }
    }
}

/// Something for standard error. `eprintln!` would panic where nobody reads it any more, as in `make demo 2>&1 | head`.
pub fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(format!("\n{text}\n").as_bytes());
}

/// Columns as wide as their widest cell, three blanks apart as kubectl has them.
fn aligned<const COLUMNS: usize>(header: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> Vec<String> {
    let mut widths = header.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("   ").trim_end().to_owned()
    };
    std::iter::once(line(header.to_vec()))
        .chain(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_wide_as_its_widest_cell_and_letters_count_once() {
        let rows = [["link-1".to_owned(), "通道…".to_owned(), "x".to_owned()]];
        assert_eq!(aligned(["ID", "A", "ANSWER"], &rows), ["ID       A     ANSWER", "link-1   通道…   x"]);
    }

    #[test]
    fn a_table_without_rows_has_its_header() {
        assert_eq!(aligned(["ID", "STATUS"], &[]), ["ID   STATUS"]);
    }
}
