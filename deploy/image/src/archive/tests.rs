use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::*;
use crate::recipe::File;

const NAMES: [&str; 2] = ["gaap-operator:0.1.0", "registry.example.com:5000/team/gaap:1"];

fn file(from: &str, to: &str, mode: &str) -> File {
    File { from: from.to_owned(), to: to.to_owned(), mode: mode.to_owned() }
}

fn recipe(files: Vec<File>) -> Recipe {
    Recipe {
        user: "65532:65532".to_owned(),
        entrypoint: vec!["/program".to_owned()],
        labels: BTreeMap::from([("org.opencontainers.image.title".to_owned(), "program".to_owned())]),
        files,
    }
}

/// A folder with a program and a file of this age.
fn folder(age: Duration) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("program", program::empty_program(62)), ("LICENSE", b"words".to_vec())] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let time = SystemTime::UNIX_EPOCH + age;
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }
    folder
}

fn make(recipe: &Recipe, folder: &Path) -> Result<Image, Error> {
    let names: Vec<Reference> = NAMES.iter().map(|name| name.parse().unwrap()).collect();
    Image::make(recipe, folder, folder, &names)
}

fn image() -> Image {
    let files =
        vec![file("{programs}/program", "/program", "0755"), file("LICENSE", "/usr/share/program/LICENSE", "0644")];
    make(&recipe(files), folder(Duration::ZERO).path()).unwrap()
}

/// Path and bytes of every file of a tar. Fails at an entry with a time or an owner of its own.
fn entries(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(tar);
    let read = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let header = entry.header();
        let times = (header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap());
        assert_eq!(times, (0, 0, 0), "time, user and group of {:?}", entry.path());
        assert_eq!((header.username().unwrap(), header.groupname().unwrap()), (Some(""), Some("")));
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    });
    read.collect()
}

fn document(entries: &BTreeMap<String, Vec<u8>>, path: &str) -> Value {
    serde_json::from_slice(&entries[path]).unwrap()
}

/// The blob that a descriptor names, which must have the size and the digest that it says.
fn blob<'a>(entries: &'a BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
    let digest = descriptor["digest"].as_str().unwrap();
    let bytes = &entries[&format!("blobs/sha256/{}", digest.strip_prefix("sha256:").unwrap())];
    assert_eq!(descriptor["size"], json!(bytes.len()));
    assert_eq!(digest, format!("sha256:{}", hex::encode(Sha256::digest(bytes))));
    bytes
}

#[test]
fn the_same_files_give_the_same_archive_whatever_their_age_place_and_order() {
    let files = vec![file("{programs}/program", "/program", "0755"), file("LICENSE", "/LICENSE", "0644")];
    let reversed = files.iter().rev().cloned().collect();
    let young = make(&recipe(files), folder(Duration::from_secs(2_000_000_000)).path()).unwrap();
    let old = make(&recipe(reversed), folder(Duration::from_secs(1)).path()).unwrap();
    assert_eq!(young.digest, old.digest);
    assert!(young.archive == old.archive, "the archives differ");
}

#[test]
fn another_byte_or_mode_gives_another_digest() {
    let base = |mode| recipe(vec![file("{programs}/program", "/program", mode), file("LICENSE", "/LICENSE", "0644")]);
    let place = folder(Duration::ZERO);
    let first = make(&base("0755"), place.path()).unwrap().digest;
    assert_ne!(make(&base("0555"), place.path()).unwrap().digest, first);
    std::fs::write(place.path().join("LICENSE"), "other words").unwrap();
    assert_ne!(make(&base("0755"), place.path()).unwrap().digest, first);
}

#[test]
fn the_documents_name_each_other_by_digest_down_to_the_files() {
    let image = image();
    let entries = entries(&image.archive);
    assert_eq!(document(&entries, "oci-layout"), json!({"imageLayoutVersion": "1.0.0"}));
    let index = document(&entries, "index.json");
    let manifest: Value = serde_json::from_slice(blob(&entries, &index["manifests"][0])).unwrap();
    assert_eq!(index["manifests"][0]["digest"], json!(image.digest));
    let config: Value = serde_json::from_slice(blob(&entries, &manifest["config"])).unwrap();
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], json!(["/program"]));
    assert_eq!((&config["architecture"], &config["os"]), (&json!("amd64"), &json!("linux")));
    // The layer is not compressed, so that both its names are one.
    assert_eq!(config["rootfs"]["diff_ids"], json!([manifest["layers"][0]["digest"]]));

    let layer = blob(&entries, &manifest["layers"][0]);
    let mut archive = tar::Archive::new(layer);
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        found.push((entry.path().unwrap().display().to_string(), entry.header().mode().unwrap()));
    }
    let expected = [
        ("program", 0o755),
        ("usr/", 0o755),
        ("usr/share/", 0o755),
        ("usr/share/program/", 0o755),
        ("usr/share/program/LICENSE", 0o644),
    ];
    assert_eq!(found, expected.map(|(path, mode)| (path.to_owned(), mode)));
    assert_eq!(self::entries(layer)["usr/share/program/LICENSE"], b"words");
}

#[test]
fn every_name_is_there_for_containerd_and_for_docker() {
    let entries = entries(&image().archive);
    let index = document(&entries, "index.json");
    let manifests = index["manifests"].as_array().unwrap();
    let names: Vec<_> = manifests.iter().map(|each| each["annotations"]["io.containerd.image.name"].clone()).collect();
    assert_eq!(names, ["docker.io/library/gaap-operator:0.1.0", "registry.example.com:5000/team/gaap:1"]);
    let docker = document(&entries, "manifest.json");
    assert_eq!(docker[0]["RepoTags"], json!(NAMES));
    for path in [&docker[0]["Config"], &docker[0]["Layers"][0]] {
        assert!(entries.contains_key(path.as_str().unwrap()), "{path}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = make(&recipe(vec![file("{programs}/absent", "/program", "0755")]), Path::new("/nowhere")).unwrap_err();
    assert!(error.to_string().starts_with("cannot read /nowhere/absent"), "{error}");
}

#[test]
fn an_archive_is_written_whole_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image/program.tar");
    let image = image();
    write(&image, &path).unwrap();
    assert!(std::fs::read(&path).unwrap() == image.archive);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}
