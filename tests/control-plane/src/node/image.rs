//! Container images of a few files, made without any tool and without a registry.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::error::{Error, Result};

/// The image of the sandbox container of every pod.
pub(crate) const PAUSE_IMAGE: &str = "localhost/gaap-pause:1";

/// An image of one layer. Everything in it is root's and can be read and run by everybody.
///
/// Pods use it with `imagePullPolicy: Never`, by a name of the host `localhost`, so that no registry is ever asked.
#[derive(Clone, Debug)]
pub struct Image {
    reference: String,
    files: Vec<(PathBuf, String)>,
    entrypoint: Vec<String>,
    user: String,
    environment: Vec<String>,
}

impl Image {
    /// An image without files, for example `localhost/probe:1`, whose containers run as user and group 65532.
    pub fn new(reference: impl Into<String>) -> Self {
        let user = "65532:65532".to_owned();
        Self { reference: reference.into(), files: Vec::new(), entrypoint: Vec::new(), user, environment: Vec::new() }
    }

    /// Also the file `source`, at the absolute path `target` of the image.
    #[must_use]
    pub fn file(mut self, source: impl Into<PathBuf>, target: &str) -> Self {
        self.files.push((source.into(), target.trim_start_matches('/').to_owned()));
        self
    }

    /// Also the program `source`, at the absolute path `target` of the image, and with it the shared libraries that it
    /// is linked to, each at the path that it has here. A static program has none.
    ///
    /// # Errors
    /// When `ldd` is not there.
    pub fn program(self, source: &Path, target: &str) -> Result<Self> {
        let output = Command::new("ldd").arg(source).stdin(Stdio::null()).output();
        let output = output.map_err(|source| Error::Start { program: "ldd".into(), source })?;
        // It fails for a static program, whose text then names no path.
        let text = if output.status.success() { output.stdout } else { Vec::new() };
        let text = String::from_utf8_lossy(&text).into_owned();
        let libraries = text.lines().filter_map(library);
        Ok(libraries.fold(self.file(source, target), |image, library| image.file(library, library)))
    }

    /// What a container runs when its pod does not say.
    #[must_use]
    pub fn entrypoint(mut self, words: &[&str]) -> Self {
        self.entrypoint = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// The user and group of containers whose pod does not say.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    /// A variable of the environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push(format!("{name}={value}"));
        self
    }

    /// Writes the image as `docker save` would.
    ///
    /// # Errors
    /// When one of its files cannot be read, or the archive not be written.
    pub fn write(&self, archive: &Path) -> Result<()> {
        let layer = self.layer()?;
        let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        let config = json!({
            "os": "linux",
            "architecture": architecture(),
            "config": {
                "User": self.user,
                "Entrypoint": self.entrypoint,
                "Env": self.environment,
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(&layer))]},
        })
        .to_string();
        let config_name = format!("{}.json", digest(config.as_bytes()));
        let manifest =
            json!([{"Config": config_name, "RepoTags": [self.reference], "Layers": ["layer.tar"]}]).to_string();
        let cannot = |error| Error::file("write", archive, error);
        let mut builder = Builder::new(File::create(archive).map_err(cannot)?);
        let members =
            [("manifest.json", manifest.as_bytes()), (&config_name, config.as_bytes()), ("layer.tar", &layer[..])];
        for (name, content) in members {
            builder
                .append_data(&mut header(EntryType::Regular, 0o644, content.len() as u64), name, content)
                .map_err(cannot)?;
        }
        builder.finish().map_err(cannot)
    }

    fn layer(&self) -> Result<Vec<u8>> {
        let mut builder = Builder::new(Vec::new());
        let folders: BTreeSet<&Path> = self
            .files
            .iter()
            .flat_map(|(_, target)| Path::new(target).ancestors().skip(1))
            .filter(|folder| !folder.as_os_str().is_empty())
            .collect();
        for folder in folders {
            let mut header = header(EntryType::Directory, 0o755, 0);
            builder
                .append_data(&mut header, folder, std::io::empty())
                .map_err(|error| Error::file("pack", folder, error))?;
        }
        for (source, target) in &self.files {
            let failed = |error| Error::file("pack", source, error);
            let file = File::open(source).map_err(failed)?;
            let size = file.metadata().map_err(failed)?.len();
            builder.append_data(&mut header(EntryType::Regular, 0o755, size), target, file).map_err(failed)?;
        }
        builder.into_inner().map_err(|error| Error::file("pack", Path::new(&self.reference), error))
    }
}

/// The path in a line of ldd: `libc.so.6 => /lib/libc.so.6 (0x1)`, or of the loader, `/lib/ld-linux.so.2 (0x1)`.
fn library(line: &str) -> Option<&str> {
    let file = line.split_once("=>").map_or(line, |(_, file)| file);
    file.split_whitespace().next().filter(|path| path.starts_with('/'))
}

/// Without times and owners of this machine, so that the same files make the same image.
fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// The processor, as Go and images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader_are_found_and_what_the_kernel_gives_is_not_looked_for() {
        let text = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n\tlibmissing.so => not found\n";
        let found: Vec<&str> = text.lines().filter_map(library).collect();
        assert_eq!(found, ["/lib/x/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
    }

    #[test]
    fn the_same_files_make_the_same_image_whose_layer_has_the_digest_that_its_settings_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("program"), "content").unwrap();
        let write = |name: &str| {
            let archive = folder.path().join(name);
            let image = Image::new("localhost/x:1").file(folder.path().join("program"), "/usr/bin/x");
            image.entrypoint(&["/usr/bin/x"]).write(&archive).unwrap();
            std::fs::read(archive).unwrap()
        };
        let bytes = write("one.tar");
        assert_eq!(bytes, write("two.tar"));

        let mut members = std::collections::BTreeMap::new();
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            members.insert(entry.path().unwrap().display().to_string(), content);
        }
        let manifest: serde_json::Value = serde_json::from_slice(&members["manifest.json"]).unwrap();
        let config = manifest.pointer("/0/Config").unwrap().as_str().unwrap();
        let config: serde_json::Value = serde_json::from_slice(&members[config]).unwrap();
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&members["layer.tar"])));
        assert_eq!(config.pointer("/rootfs/diff_ids/0").unwrap(), &digest);

        let layer = &members["layer.tar"][..];
        let names: Vec<String> = tar::Archive::new(layer)
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["usr", "usr/bin", "usr/bin/x"]);
    }
}
