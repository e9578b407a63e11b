//! As much of Markdown as the documents of this repository use: headings, fenced blocks, tables, code spans, links.

use std::collections::{BTreeMap, BTreeSet};

/// A heading and what stands below it, to the next heading.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Section {
    pub level: usize,
    pub title: String,
    pub blocks: Vec<Block>,
    pub tables: Vec<Table>,
    /// Code spans outside of tables.
    pub spans: BTreeSet<String>,
}

/// A fenced block.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Block {
    pub language: String,
    pub lines: Vec<String>,
}

/// The rows of a table, its head first, without the line below the head.
pub type Table = Vec<Vec<String>>;

/// Reads a document. What stands above the first heading is a section of level 0.
pub fn read(text: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    let (mut in_table, mut block) = (false, None::<Block>);
    for line in text.lines() {
        let section = sections.last_mut().unwrap();
        let fence = line.trim_start().strip_prefix("```");
        match (&mut block, fence) {
            (Some(_), Some(_)) => section.blocks.extend(block.take()),
            (Some(open), None) => open.lines.push(line.to_owned()),
            (None, Some(language)) => block = Some(Block { language: language.to_owned(), lines: Vec::new() }),
            (None, None) => {
                let level = line.bytes().take_while(|byte| *byte == b'#').count();
                if level > 0 && line[level..].starts_with(' ') {
                    sections.push(Section { level, title: line[level..].trim().to_owned(), ..Section::default() });
                } else if line.starts_with('|') {
                    if !in_table {
                        section.tables.push(Table::new());
                    }
                    section.tables.last_mut().unwrap().extend(row(line));
                } else {
                    section.spans.extend(spans(line));
                }
            }
        }
        in_table = block.is_none() && line.starts_with('|');
    }
    sections
}

/// The cells of a row; none for the line below the head. A bar in a code span or behind a backslash parts nothing.
fn row(line: &str) -> Option<Vec<String>> {
    let (mut cells, mut in_code, mut escaped) = (vec![String::new()], false, false);
    for letter in line.trim().trim_start_matches('|').chars() {
        if letter == '|' && !in_code && !escaped {
            cells.push(String::new());
        } else {
            in_code ^= letter == '`';
            cells.last_mut().unwrap().push(letter);
        }
        escaped = letter == '\\';
    }
    cells.pop();
    let cells: Vec<String> = cells.into_iter().map(|cell| cell.trim().to_owned()).collect();
    let ruler = cells.iter().all(|cell| !cell.is_empty() && cell.bytes().all(|byte| b"-:".contains(&byte)));
    (!ruler).then_some(cells)
}

/// The code spans of a text.
pub fn spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Where the links of a document lead, without those of code.
pub fn links(text: &str) -> Vec<String> {
    let (mut links, mut in_block) = (Vec::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            let prose: String = line.split('`').step_by(2).collect();
            links.extend(prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
        }
    }
    links
}

/// The anchors of the headings of a document, as GitHub makes them.
pub fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::<String, usize>::new();
    let mut anchors = BTreeSet::new();
    for section in read(text) {
        let kept = section.title.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        let name: String = kept.flat_map(char::to_lowercase).map(|l| if l == ' ' { '-' } else { l }).collect();
        let count = seen.entry(name.clone()).or_default();
        anchors.insert(if *count == 0 { name } else { format!("{name}-{count}") });
        *count += 1;
    }
    anchors
}
