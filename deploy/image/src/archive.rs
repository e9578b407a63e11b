//! From a recipe to the bytes of the archive.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::documents::{Config, DockerManifest, Index, Layout, Manifest};
use crate::error::Error;
use crate::layer::Tar;
use crate::program;
use crate::recipe::Recipe;
use crate::reference::Reference;

/// An image, ready to be written.
#[derive(Debug)]
pub struct Image {
    /// Digest of the manifest: what a registry calls the image if it is pushed as it is.
    pub digest: String,
    /// Architecture of its program.
    pub architecture: &'static str,
    /// What its files take on a disk.
    pub unpacked: usize,
    /// The archive.
    pub archive: Vec<u8>,
}

/// A part of an image, stored under its digest.
struct Blob {
    digest: String,
    bytes: Vec<u8>,
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        Self { digest: format!("sha256:{}", hex::encode(Sha256::digest(&bytes))), bytes }
    }

    fn path(&self) -> String {
        format!("blobs/{}", self.digest.replacen(':', "/", 1))
    }

    fn named(&self) -> (&str, usize) {
        (&self.digest, self.bytes.len())
    }
}

impl Image {
    /// Makes the image of a recipe under these names. Files come from below `root`, programs from the folder `programs`.
    ///
    /// # Errors
    /// A file that cannot be read, a program that could not run in the image.
    pub fn make(recipe: &Recipe, root: &Path, programs: &Path, names: &[Reference]) -> Result<Self, Error> {
        let Layer { tar, architecture, unpacked } = layer(recipe, root, programs)?;
        let layer = Blob::new(tar);
        let config = Blob::new(json(&Config::new(recipe, architecture, &layer.digest))?);
        let manifest = Blob::new(json(&Manifest::new(config.named(), layer.named()))?);

        let mut tar = Tar::new();
        // First, because readers that stream decide by it what they have before them.
        tar.file("oci-layout", 0o644, &json(&Layout::CURRENT)?)?;
        tar.file("index.json", 0o644, &json(&Index::new(manifest.named(), architecture, names))?)?;
        tar.file("manifest.json", 0o644, &json(&[DockerManifest::new(config.path(), layer.path(), names)])?)?;
        tar.folder("blobs")?;
        tar.folder("blobs/sha256")?;
        for blob in [&config, &manifest, &layer] {
            tar.file(&blob.path(), 0o644, &blob.bytes)?;
        }
        Ok(Self { digest: manifest.digest, architecture, unpacked, archive: tar.end()? })
    }
}

/// Writes an archive under a name beside it first, so that nobody loads half of one.
///
/// # Errors
/// When it cannot be written.
pub fn write(image: &Image, path: &Path) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
    }
    let unfinished = path.with_extension("tar.unfinished");
    fs::write(&unfinished, &image.archive).map_err(Error::file("write", &unfinished))?;
    fs::rename(&unfinished, path).map_err(Error::file("write", path))
}

struct Layer {
    tar: Vec<u8>,
    architecture: &'static str,
    unpacked: usize,
}

fn layer(recipe: &Recipe, root: &Path, programs: &Path) -> Result<Layer, Error> {
    let mut files: Vec<_> = recipe.files.iter().collect();
    files.sort_unstable_by(|a, b| a.to.cmp(&b.to));
    let (mut tar, mut folders) = (Tar::new(), BTreeSet::new());
    let (mut architecture, mut unpacked) = (None, 0);
    for file in files {
        let source = file.source(root, programs);
        let bytes = fs::read(&source).map_err(Error::file("read", &source))?;
        if Some(&file.to) == recipe.entrypoint.first() {
            architecture = Some(program::architecture(&source, &bytes)?);
        }
        let path = file.to.trim_start_matches('/');
        for (end, _) in path.match_indices('/') {
            let folder = path.split_at(end).0;
            if folders.insert(folder.to_owned()) {
                tar.folder(folder)?;
            }
        }
        let mode = file.mode().map_err(|why| Error::Recipe { path: source, why })?;
        tar.file(path, mode, &bytes)?;
        unpacked += bytes.len();
    }
    let no_program = || Error::Recipe { path: root.to_owned(), why: "the entrypoint is none of the files".to_owned() };
    Ok(Layer { tar: tar.end()?, architecture: architecture.ok_or_else(no_program)?, unpacked })
}

fn json(document: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(document).map_err(|error| Error::Archive(error.into()))
}

#[cfg(test)]
mod tests;
