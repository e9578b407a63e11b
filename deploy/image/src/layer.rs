//! Tars in which everything is fixed but names and bytes.

use std::io;

use tar::{Builder, EntryType, Header};

/// A tar that is being written, in memory: the largest is a few tens of megabytes.
pub(crate) struct Tar {
    builder: Builder<Vec<u8>>,
}

impl Tar {
    pub(crate) fn new() -> Self {
        Self { builder: Builder::new(Vec::new()) }
    }

    /// Adds a folder.
    pub(crate) fn folder(&mut self, path: &str) -> io::Result<()> {
        self.entry(EntryType::Directory, &format!("{path}/"), 0o755, &[])
    }

    /// Adds a file.
    pub(crate) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
        self.entry(EntryType::Regular, path, mode, bytes)
    }

    fn entry(&mut self, kind: EntryType, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
        // ustar and no extension: those are what different writers write differently.
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_path(path)?;
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(u64::try_from(bytes.len()).map_err(io::Error::other)?);
        header.set_cksum();
        self.builder.append(&header, bytes)
    }

    /// The whole tar.
    pub(crate) fn end(self) -> io::Result<Vec<u8>> {
        self.builder.into_inner()
    }
}
