//! Programs of the machine.

use std::ffi::OsString;
use std::path::PathBuf;

/// The programs of this name, in the order in which a shell would find them.
pub(crate) fn on_path(program: &str) -> Vec<PathBuf> {
    std::env::split_paths(&search_path())
        .map(|folder| folder.join(program))
        .filter(|candidate| candidate.is_absolute() && candidate.is_file())
        .collect()
}

/// PATH, and then the folders of programs for administrators, which a user's PATH need not name.
pub(crate) fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}
