//! The JSON documents of an image: of the OCI image specification, and Docker's `manifest.json` beside them, which is how
//! Docker itself saves images today.
//!
//! Structs and not `json!`: their fields keep their order, and the digest is one of bytes. Hand-written and not those of
//! the crate oci-spec: it would bring a builder framework for these fifty lines.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::recipe::Recipe;
use crate::reference::Reference;

/// Before every clock: an image has no time of its own, and tools that show one expect a value.
const EPOCH: &str = "1970-01-01T00:00:00Z";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Not compressed: what gzip makes differs with its version, and with it every digest. Clients compress at a push.
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Marks the archive as an OCI image layout.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Layout {
    image_layout_version: &'static str,
}

impl Layout {
    pub(crate) const CURRENT: Self = Self { image_layout_version: "1.0.0" };
}

#[derive(Clone, Serialize)]
struct Platform {
    architecture: &'static str,
    os: &'static str,
}

/// The configuration: what runs and as whom.
#[derive(Serialize)]
pub(crate) struct Config {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    config: Process,
    rootfs: RootFilesystem,
    history: Vec<History>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Process {
    user: String,
    entrypoint: Vec<String>,
    working_dir: &'static str,
    labels: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct RootFilesystem {
    r#type: &'static str,
    diff_ids: Vec<String>,
}

#[derive(Serialize)]
struct History {
    created: &'static str,
    created_by: &'static str,
}

impl Config {
    pub(crate) fn new(recipe: &Recipe, architecture: &'static str, layer_digest: &str) -> Self {
        Self {
            created: EPOCH,
            architecture,
            os: "linux",
            config: Process {
                user: recipe.user.clone(),
                entrypoint: recipe.entrypoint.clone(),
                working_dir: "/",
                labels: recipe.labels.clone(),
            },
            rootfs: RootFilesystem { r#type: "layers", diff_ids: vec![layer_digest.to_owned()] },
            history: vec![History { created: EPOCH, created_by: "image-archive" }],
        }
    }
}

/// Names a blob.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    media_type: &'static str,
    digest: String,
    size: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
}

impl Descriptor {
    fn new(media_type: &'static str, digest: &str, size: usize) -> Self {
        Self { media_type, digest: digest.to_owned(), size, annotations: BTreeMap::new(), platform: None }
    }
}

/// The manifest: configuration and layer. Its digest is the digest of the image.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    schema_version: u8,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

impl Manifest {
    pub(crate) fn new((config, config_size): (&str, usize), (layer, layer_size): (&str, usize)) -> Self {
        Self {
            schema_version: 2,
            media_type: MANIFEST,
            config: Descriptor::new(CONFIG, config, config_size),
            layers: vec![Descriptor::new(LAYER, layer, layer_size)],
        }
    }
}

/// The index: the manifest once for each name.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    schema_version: u8,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

impl Index {
    pub(crate) fn new(manifest: (&str, usize), architecture: &'static str, names: &[Reference]) -> Self {
        let plain = Descriptor {
            platform: Some(Platform { architecture, os: "linux" }),
            ..Descriptor::new(MANIFEST, manifest.0, manifest.1)
        };
        let named = |name: &Reference| Descriptor {
            annotations: BTreeMap::from([
                // containerd, and with it kind and k3s, takes the whole name from here.
                ("io.containerd.image.name", name.full()),
                ("org.opencontainers.image.ref.name", name.tag().to_owned()),
            ]),
            ..plain.clone()
        };
        Self { schema_version: 2, media_type: INDEX, manifests: names.iter().map(named).collect() }
    }
}

/// The one entry of Docker's `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DockerManifest {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

impl DockerManifest {
    pub(crate) fn new(config: String, layer: String, names: &[Reference]) -> Self {
        Self { config, repo_tags: names.iter().map(ToString::to_string).collect(), layers: vec![layer] }
    }
}
