//! The canonical form: an OCI image layout that follows from config and layers alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::config::Config;
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
    pub(super) fn settle(&self, layer: PendingLayer) -> Result<StoredLayer, ImageError> {
        let (path, size) = (layer.path().to_path_buf(), layer.size());
        let diff_id = layer.digest()?;
        let name = self.blobs.join(diff_id.to_string());
        if name.exists() {
            fs::remove_file(&path).at("remove", &path)?;
        } else {
            fs::rename(&path, &name).at("rename", &path)?;
        }
        Ok(StoredLayer { diff_id, size })
    }

    /// Removes a layer that no image refers to.
    pub(super) fn discard(&self, layer: StoredLayer) -> Result<(), ImageError> {
        let path = self.blobs.join(layer.diff_id.to_string());
        Ok(fs::remove_file(&path).at("remove", &path)?)
    }

    /// Compares the layers with the config and writes everything else.
    pub(super) fn finish(
        &self,
        part: &str,
        config_bytes: &[u8],
        layers: &[StoredLayer],
    ) -> Result<Fetched, ImageError> {
        let config = Config::parse(part, config_bytes)?;
        compare(part, &config, layers)?;
        let id = Sha256::of(config_bytes);
        let mut files = BTreeMap::new();
        for layer in layers {
            let path = blob(&layer.diff_id);
            files.insert(path.clone(), file(path, layer.size, layer.diff_id, false));
        }
        let mut store = |path: String, bytes: &[u8], generated| -> Result<Sha256, ImageError> {
            let digest = Sha256::of(bytes);
            write(&self.into.join(&path), bytes)?;
            files.insert(
                path.clone(),
                file(path, bytes.len() as u64, digest, generated),
            );
            Ok(digest)
        };
        store(blob(&id), config_bytes, false)?;
        let manifest = manifest(&id, config_bytes.len(), layers).to_string();
        let digest = Sha256::of(manifest.as_bytes());
        store(blob(&digest), manifest.as_bytes(), true)?;
        let index = index(&digest, manifest.len()).to_string();
        store("index.json".to_owned(), index.as_bytes(), true)?;
        let layout = json!({ "imageLayoutVersion": "1.0.0" }).to_string();
        store("oci-layout".to_owned(), layout.as_bytes(), true)?;
        let docker = docker_manifest(&id, layers).to_string();
        store("manifest.json".to_owned(), docker.as_bytes(), true)?;
        let image = Image {
            id,
            diff_ids: config.diff_ids,
            blobs: Vec::new(),
            manifest: None,
            platform: config.platform,
            labels: config.labels,
        };
        Ok(Fetched {
            images: vec![image],
            index: None,
            repo_digests: Vec::new(),
            files: files.into_values().collect(),
        })
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

fn blob(digest: &Sha256) -> String {
    format!("blobs/sha256/{digest}")
}

fn file(path: String, size: u64, sha256: Sha256, generated: bool) -> ImageFile {
    ImageFile {
        path,
        size,
        sha256,
        generated,
        uncompressed: None,
    }
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

fn index(manifest: &Sha256, size: usize) -> Value {
    json!({
        "manifests": [{ "digest": format!("sha256:{manifest}"), "mediaType": MANIFEST, "size": size }],
        "mediaType": INDEX,
        "schemaVersion": 2,
    })
}

/// What engines without the OCI layout read.
fn docker_manifest(id: &Sha256, layers: &[StoredLayer]) -> Value {
    let layers: Vec<String> = layers.iter().map(|layer| blob(&layer.diff_id)).collect();
    json!([{ "Config": blob(id), "Layers": layers, "RepoTags": null }])
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), IoError> {
    use std::io::Write;
    let mut file = fs::File::create_new(path).at("create", path)?;
    file.write_all(bytes).at("write", path)?;
    platform::set_plain_mode(path, false).at("set the mode of", path)
}
