//! The canonical form: an OCI image layout that follows from config and layers alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::config::{Config, blob};
use super::layer::{self, PendingLayer};
use super::{Fetched, Image, ImageError, ImageFile};
use crate::digest::Sha256;
use crate::error::{IoContext, IoError};
use crate::monitor::Task;
use crate::platform;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An image folder being written. Dropped without [`Canonical::keep`], it is removed.
pub(super) struct Canonical {
    into: PathBuf,
    blobs: PathBuf,
    partial: usize,
    settled: BTreeSet<Sha256>,
    is_kept: bool,
}

impl Drop for Canonical {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed lies in a staging folder that is removed as a whole.
            let _ = fs::remove_dir_all(&self.into);
        }
    }
}

/// An image that was read: its config, and its layers, lowest first.
pub(super) struct Selected {
    /// What its config is called where it was.
    pub(super) part: String,
    pub(super) config: Vec<u8>,
    pub(super) layers: Vec<StoredLayer>,
}

/// A layer that lies in the folder under its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoredLayer {
    pub(super) diff_id: Sha256,
    pub(super) size: u64,
}

impl Canonical {
    pub(super) fn begin(into: &Path) -> Result<Self, ImageError> {
        fs::create_dir(into).at("create", into)?;
        let canonical = Self {
            into: into.to_path_buf(),
            blobs: into.join("blobs/sha256"),
            partial: 0,
            settled: BTreeSet::new(),
            is_kept: false,
        };
        platform::set_plain_mode(into, true).at("set the mode of", into)?;
        for folder in [&into.join("blobs"), &canonical.blobs] {
            fs::create_dir(folder).at("create", folder)?;
            platform::set_plain_mode(folder, true).at("set the mode of", folder)?;
        }
        Ok(canonical)
    }

    /// The folder is whole and wanted.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }

    /// Writes a layer under a temporary name, uncompressed.
    pub(super) fn add_layer(
        &mut self,
        part: &str,
        source: &mut dyn Read,
        task: &Task<'_>,
    ) -> Result<PendingLayer, ImageError> {
        self.partial += 1;
        let path = self.blobs.join(format!(".partial-{}", self.partial));
        layer::write(part, source, &path, task)
    }

    /// Gives a layer its digest as name; a second one with equal bytes is dropped.
    pub(super) fn settle(&mut self, layer: PendingLayer) -> Result<StoredLayer, ImageError> {
        let (path, size) = (layer.path().to_path_buf(), layer.size());
        let diff_id = layer.digest()?;
        if self.settled.insert(diff_id) {
            let name = self.blobs.join(diff_id.to_string());
            fs::rename(&path, &name).at("rename", &path)?;
        } else {
            fs::remove_file(&path).at("remove", &path)?;
        }
        Ok(StoredLayer { diff_id, size })
    }

    /// Compares the layers with the configs and writes everything else. Layers that no image
    /// has are removed.
    pub(super) fn finish(&self, images: &[Selected]) -> Result<Fetched, ImageError> {
        let mut platforms = BTreeMap::new();
        for image in images {
            let config = Config::parse(&image.part, &image.config)?;
            compare(&image.part, &config, &image.layers)?;
            // By platform, so that their order where they come from changes no byte.
            let id = Sha256::of(&image.config);
            platforms.insert((config.platform.clone(), id), (config, image));
        }
        let mut files = Files {
            root: &self.into,
            files: BTreeMap::new(),
        };
        let mut used = BTreeSet::new();
        for layer in images.iter().flat_map(|image| &image.layers) {
            used.insert(layer.diff_id);
            files.add(blob(&layer.diff_id), layer.size, layer.diff_id, false);
        }
        for unused in self.settled.difference(&used) {
            let path = self.blobs.join(unused.to_string());
            fs::remove_file(&path).at("remove", &path)?;
        }
        let mut found = Vec::new();
        let (mut manifests, mut docker) = (Vec::new(), Vec::new());
        let several = platforms.len() > 1;
        for ((platform, id), (config, image)) in platforms {
            files.store(blob(&id), &image.config, false)?;
            let manifest = manifest(&id, image.config.len(), &image.layers).to_string();
            let digest = Sha256::of(manifest.as_bytes());
            files.store(blob(&digest), manifest.as_bytes(), true)?;
            let platform_object = config.platform_object.filter(|_| several);
            manifests.push(descriptor(&digest, manifest.len(), platform_object));
            docker.push(docker_entry(&id, &image.layers));
            found.push(Image {
                id,
                diff_ids: config.diff_ids,
                blobs: Vec::new(),
                manifest: None,
                platform,
                labels: config.labels,
            });
        }
        let index = json!({ "manifests": manifests, "mediaType": INDEX, "schemaVersion": 2 });
        let layout = json!({ "imageLayoutVersion": "1.0.0" });
        for (path, content) in [
            ("index.json", index),
            ("oci-layout", layout),
            ("manifest.json", Value::Array(docker)),
        ] {
            files.store(path.to_owned(), content.to_string().as_bytes(), true)?;
        }
        Ok(Fetched {
            images: found,
            index: None,
            repo_digests: Vec::new(),
            files: files.files.into_values().collect(),
        })
    }
}

/// The files of an image's folder, and what is to be said of them.
struct Files<'f> {
    root: &'f Path,
    files: BTreeMap<String, ImageFile>,
}

impl Files<'_> {
    /// Notes a file that is there.
    fn add(&mut self, path: String, size: u64, sha256: Sha256, generated: bool) {
        let file = ImageFile {
            path: path.clone(),
            size,
            sha256,
            generated,
            uncompressed: None,
        };
        self.files.insert(path, file);
    }

    /// Writes a file.
    fn store(&mut self, path: String, bytes: &[u8], generated: bool) -> Result<(), ImageError> {
        write(&self.root.join(&path), bytes)?;
        self.add(path, bytes.len() as u64, Sha256::of(bytes), generated);
        Ok(())
    }
}

fn compare(part: &str, config: &Config, layers: &[StoredLayer]) -> Result<(), ImageError> {
    if config.diff_ids.len() != layers.len() {
        return Err(ImageError::Malformed {
            part: part.to_owned(),
            problem: format!(
                "it names {} layers, and there are {}",
                config.diff_ids.len(),
                layers.len()
            ),
        });
    }
    for (number, (expected, layer)) in config.diff_ids.iter().zip(layers).enumerate() {
        if *expected != layer.diff_id {
            return Err(ImageError::Digest {
                part: format!("layer {}", number + 1),
                expected: *expected,
                found: layer.diff_id,
            });
        }
    }
    Ok(())
}

// `Value` keeps its keys sorted, so these are the same bytes each time.

fn manifest(id: &Sha256, config_size: usize, layers: &[StoredLayer]) -> Value {
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| json!({ "digest": format!("sha256:{}", layer.diff_id), "mediaType": LAYER, "size": layer.size }))
        .collect();
    json!({
        "config": { "digest": format!("sha256:{id}"), "mediaType": CONFIG, "size": config_size },
        "layers": layers,
        "mediaType": MANIFEST,
        "schemaVersion": 2,
    })
}

fn descriptor(manifest: &Sha256, size: usize, platform: Option<Value>) -> Value {
    let digest = format!("sha256:{manifest}");
    let mut descriptor = json!({ "digest": digest, "mediaType": MANIFEST, "size": size });
    if let Some(platform) = platform {
        descriptor["platform"] = platform;
    }
    descriptor
}

/// What engines without the OCI layout read.
fn docker_entry(id: &Sha256, layers: &[StoredLayer]) -> Value {
    let layers: Vec<String> = layers.iter().map(|layer| blob(&layer.diff_id)).collect();
    json!({ "Config": blob(id), "Layers": layers, "RepoTags": null })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), IoError> {
    use std::io::Write;
    let mut file = fs::File::create_new(path).at("create", path)?;
    file.write_all(bytes).at("write", path)?;
    platform::set_plain_mode(path, false).at("set the mode of", path)
}
