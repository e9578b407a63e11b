//! Links inside the repository lead somewhere.

use std::path::{Path, PathBuf};

use crate::markdown::{anchors, links};

/// The links of a document at `path` that lead nowhere. `document` reads another one, if it is there; `exists` tells of any
/// file.
pub fn dead(
    path: &Path,
    text: &str,
    exists: impl Fn(&Path) -> bool,
    document: impl Fn(&Path) -> Option<String>,
) -> Vec<String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let outside = |link: &&String| link.contains("://") || link.starts_with("mailto:");
    let is_dead = |link: &String| {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() { path.to_owned() } else { plain(&folder.join(file)) };
        let lacks_anchor = || {
            let other = if target == path { Some(text.to_owned()) } else { document(&target) };
            !other.is_some_and(|other| anchors(&other).contains(anchor))
        };
        !exists(&target) || (!anchor.is_empty() && lacks_anchor())
    };
    let links = links(text);
    links.iter().filter(|link| !outside(link)).filter(|link| is_dead(link)).cloned().collect()
}

/// Without `..`, by words alone.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}
