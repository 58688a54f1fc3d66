//! The kept form of an image from a registry: an OCI image layout with the registry's own bytes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::config::{Config, blob};
use super::{ImageError, ImageFile};
use crate::digest::Sha256;
use crate::error::{IoContext, IoError};
use crate::platform;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What the layout's `index.json` lists: the registry's index, or its one manifest.
pub(super) struct Top {
    pub(super) digest: Sha256,
    pub(super) media_type: String,
    pub(super) size: u64,
    /// Of a manifest, as in "linux/arm64/v8".
    pub(super) platform: Option<String>,
}

/// An image for one platform, as the registry has it.
pub(super) struct RawImage {
    pub(super) manifest: Sha256,
    pub(super) id: Sha256,
    pub(super) config_bytes: Vec<u8>,
    pub(super) config: Config,
    pub(super) layers: Vec<RawLayer>,
}

/// A layer, as the registry has it.
pub(super) struct RawLayer {
    pub(super) digest: Sha256,
    pub(super) size: u64,
    pub(super) diff_id: Sha256,
}

/// A blob that lies in the folder, hashed.
pub(super) struct StoredBlob {
    pub(super) digest: Sha256,
    pub(super) size: u64,
    pub(super) uncompressed: Option<Sha256>,
}

/// An image folder being written. Dropped before [`RawFolder::finish`], it is removed.
pub(super) struct RawFolder {
    into: PathBuf,
    files: BTreeMap<String, ImageFile>,
    is_kept: bool,
}

impl Drop for RawFolder {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed lies in a staging folder that is removed as a whole.
            let _ = fs::remove_dir_all(&self.into);
        }
    }
}

impl RawFolder {
    pub(super) fn begin(into: &Path) -> Result<Self, ImageError> {
        fs::create_dir(into).at("create", into)?;
        let folder = Self {
            into: into.to_path_buf(),
            files: BTreeMap::new(),
            is_kept: false,
        };
        platform::set_plain_mode(into, true).at("set the mode of", into)?;
        for below in [into.join("blobs"), into.join("blobs/sha256")] {
            fs::create_dir(&below).at("create", &below)?;
            platform::set_plain_mode(&below, true).at("set the mode of", &below)?;
        }
        Ok(folder)
    }

    /// Where the blob with this digest lies.
    pub(super) fn blob(&self, digest: &Sha256) -> PathBuf {
        self.into.join(blob(digest))
    }

    /// A new file of the folder.
    pub(super) fn create(path: &Path) -> Result<File, IoError> {
        let file = File::create_new(path).at("create", path)?;
        platform::set_plain_mode(path, false).at("set the mode of", path)?;
        Ok(file)
    }

    /// Writes a small blob that the registry gave, once.
    pub(super) fn keep_bytes(&mut self, digest: Sha256, bytes: &[u8]) -> Result<(), ImageError> {
        if self.files.contains_key(&blob(&digest)) {
            return Ok(());
        }
        self.write(blob(&digest), bytes, false)
    }

    /// Lists a blob that was written by somebody else.
    pub(super) fn add(&mut self, stored: &StoredBlob) {
        let file = ImageFile {
            path: blob(&stored.digest),
            size: stored.size,
            sha256: stored.digest,
            generated: false,
            uncompressed: stored.uncompressed,
        };
        self.files.insert(file.path.clone(), file);
    }

    /// Writes what readers of a layout need beside the blobs, and keeps the folder.
    pub(super) fn finish(
        mut self,
        top: &Top,
        images: &[RawImage],
    ) -> Result<Vec<ImageFile>, ImageError> {
        // `Value` keeps its keys sorted, so these are the same bytes each time.
        let layout = json!({ "imageLayoutVersion": "1.0.0" });
        let generated = [
            ("index.json", index(top)),
            ("oci-layout", layout),
            ("manifest.json", docker_manifest(images)),
        ];
        for (path, value) in generated {
            self.write(path.to_owned(), value.to_string().as_bytes(), true)?;
        }
        self.is_kept = true;
        Ok(std::mem::take(&mut self.files).into_values().collect())
    }

    fn write(&mut self, path: String, bytes: &[u8], generated: bool) -> Result<(), ImageError> {
        let whole = self.into.join(&path);
        Self::create(&whole)?.write_all(bytes).at("write", &whole)?;
        let file = ImageFile {
            size: bytes.len() as u64,
            sha256: Sha256::of(bytes),
            generated,
            uncompressed: None,
            path: path.clone(),
        };
        self.files.insert(path, file);
        Ok(())
    }
}

fn index(top: &Top) -> Value {
    let mut listed = json!({
        "digest": format!("sha256:{}", top.digest),
        "mediaType": top.media_type,
        "size": top.size,
    });
    if let Some(platform) = &top.platform {
        let keys = ["os", "architecture", "variant"];
        for (key, value) in keys.into_iter().zip(platform.split('/')) {
            listed["platform"][key] = value.into();
        }
    }
    json!({ "manifests": [listed], "mediaType": INDEX, "schemaVersion": 2 })
}

/// What engines without the OCI layout read: they unpack the layers themselves.
fn docker_manifest(images: &[RawImage]) -> Value {
    let listed = images.iter().map(|image| {
        let layers = image.layers.iter().map(|layer| blob(&layer.digest));
        let layers: Vec<String> = layers.collect();
        json!({ "Config": blob(&image.id), "Layers": layers, "RepoTags": null })
    });
    listed.collect()
}
