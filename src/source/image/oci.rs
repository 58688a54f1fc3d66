//! Reading an OCI image layout: a folder, or a tar of one (OCI image specification 1.1).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tar::EntryType;

use super::canonical::{Canonical, Selected};
use super::config::{LARGEST_JSON, json};
use super::descriptor::{Blobs, Descriptor, Index, Listed, Manifest};
use super::error::{require_digest, require_size};
use super::layer::read_error;
use super::tar_entries::{self, Bounded, Budget, tar_error};
use super::{Fetched, ImageError};
use crate::digest::{HashingReader, Sha256};
use crate::error::IoContext;
use crate::monitor::{Monitor, Task, Unit};
use crate::platform;

/// The layout's version, of all versions of the specification so far.
const VERSION: &str = "1.0.0";

#[derive(Deserialize)]
struct LayoutVersion {
    #[serde(rename = "imageLayoutVersion")]
    version: String,
}

/// Reads the one image of the layout at `path`, or one for each of the platforms.
pub(super) fn read(
    path: &Path,
    platforms: &[String],
    canonical: &mut Canonical,
    monitor: &dyn Monitor,
) -> Result<Fetched, ImageError> {
    let task = Task::begin(monitor, "image", None, Unit::Bytes);
    let layout = Layout::open(path)?;
    layout
        .read(platforms, canonical, &task)
        .and_then(|selected| canonical.finish(&selected))
        .map_err(|error| match error {
            error if error.is_no_damage() => error,
            error => ImageError::BadLayout {
                path: path.to_path_buf(),
                source: Box::new(error),
            },
        })
}

enum Layout {
    Folder(PathBuf),
    /// A tar, with the place and size of each file.
    Tar(PathBuf, BTreeMap<String, (u64, u64)>),
}

impl Layout {
    fn open(path: &Path) -> Result<Self, ImageError> {
        if path.metadata().at("find", path)?.is_dir() {
            return Ok(Self::Folder(path.to_path_buf()));
        }
        let bad = |source| ImageError::BadLayout {
            path: path.to_path_buf(),
            source: Box::new(source),
        };
        Ok(Self::Tar(path.to_path_buf(), index_tar(path).map_err(bad)?))
    }

    fn read(
        &self,
        wanted: &[String],
        canonical: &mut Canonical,
        task: &Task<'_>,
    ) -> Result<Vec<Selected>, ImageError> {
        self.require_version()?;
        let bytes = self.small_file("index.json", None)?;
        let index: Index = json("index.json", &bytes)?;
        let chosen = Listed::collect(self, index)?.choose(wanted)?;
        let mut manifests = Vec::new();
        for candidate in &chosen {
            let manifest = self.blob(&candidate.manifest)?;
            manifests.push(Manifest::parse("the image's manifest", &manifest)?);
        }
        // A blob that stands for several layers is read once.
        let mut pending = BTreeMap::new();
        for layer in manifests.iter().flat_map(|manifest| &manifest.layers) {
            if !pending.contains_key(&layer.digest) {
                pending.insert(&layer.digest, self.layer(layer, canonical, task)?);
            }
        }
        let mut stored = BTreeMap::new();
        for (digest, layer) in pending {
            stored.insert(digest, canonical.settle(layer)?);
        }
        let selected = manifests.iter().map(|manifest| {
            let layers = manifest.layers.iter();
            let layers = layers.filter_map(|layer| stored.get(&layer.digest).copied());
            Ok(Selected {
                part: "the image's config".to_owned(),
                config: self.blob(&manifest.config)?,
                layers: layers.collect(),
            })
        });
        selected.collect()
    }

    fn require_version(&self) -> Result<(), ImageError> {
        let bytes = self.small_file("oci-layout", None)?;
        let layout: LayoutVersion = json("oci-layout", &bytes)?;
        if layout.version == VERSION {
            return Ok(());
        }
        Err(ImageError::Malformed {
            part: "oci-layout".to_owned(),
            problem: format!("its version is {:?}, not {VERSION:?}", layout.version),
        })
    }

    /// A small blob, compared with its descriptor.
    fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
        let expected = descriptor.sha256()?;
        let part = format!("blobs/sha256/{expected}");
        let bytes = self.small_file(&part, Some(descriptor.size))?;
        require_digest(&part, expected, Sha256::of(&bytes))?;
        Ok(bytes)
    }

    /// Writes a layer's uncompressed bytes, and compares the stored ones with their descriptor.
    fn layer(
        &self,
        descriptor: &Descriptor,
        canonical: &mut Canonical,
        task: &Task<'_>,
    ) -> Result<super::layer::PendingLayer, ImageError> {
        let expected = descriptor.sha256()?;
        let part = format!("blobs/sha256/{expected}");
        let (reader, size) = self.file(&part)?;
        require_size(&part, descriptor.size, size)?;
        // A blob is compared as stored, before it is decompressed.
        let mut hashing = HashingReader::new(reader);
        let layer = canonical.add_layer(&part, &mut hashing, task)?;
        require_digest(&part, expected, hashing.finish())?;
        Ok(layer)
    }

    /// A file's bytes, if it is small.
    fn small_file(&self, part: &str, expected: Option<u64>) -> Result<Vec<u8>, ImageError> {
        let (reader, size) = self.file(part)?;
        if let Some(expected) = expected {
            require_size(part, expected, size)?;
        }
        if size > LARGEST_JSON {
            return Err(ImageError::Malformed {
                part: part.to_owned(),
                problem: format!("{size} bytes are far too many"),
            });
        }
        let mut bytes = Vec::new();
        let mut reader = reader.take(LARGEST_JSON);
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| read_error(part, &error))?;
        Ok(bytes)
    }

    /// A file of the layout and its size. In a folder, links are refused.
    fn file(&self, part: &str) -> Result<(Box<dyn Read>, u64), ImageError> {
        let missing = || ImageError::Missing {
            part: part.to_owned(),
        };
        match self {
            Self::Folder(root) => {
                let file = match platform::open_below(root, part) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        return Err(missing());
                    }
                    file => file.at("open", root.join(part))?,
                };
                let size = file.metadata().at("read", root.join(part))?.len();
                Ok((Box::new(file), size))
            }
            Self::Tar(path, index) => {
                let (offset, size) = *index.get(part).ok_or_else(missing)?;
                let mut file = File::open(path).at("open", path)?;
                file.seek(SeekFrom::Start(offset)).at("read", path)?;
                Ok((Box::new(file.take(size)), size))
            }
        }
    }
}

impl Blobs for Layout {
    fn small(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, ImageError> {
        match self.blob(descriptor) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ImageError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Where each file of a tar lies; only headers are read.
fn index_tar(path: &Path) -> Result<BTreeMap<String, (u64, u64)>, ImageError> {
    let file = File::open(path).at("open", path)?;
    let budget = Budget::new();
    let mut archive = tar::Archive::new(Bounded::new(BufReader::new(file), &budget));
    let mut index = BTreeMap::new();
    let mut entries = archive.entries_with_seek().map_err(tar_error)?.enumerate();
    loop {
        budget.headers();
        let Some((count, entry)) = entries.next() else {
            return Ok(index);
        };
        let entry = entry.map_err(tar_error)?;
        tar_entries::check_count(count)?;
        if entry.header().entry_type() == EntryType::Regular {
            let name = tar_entries::name(&entry.path_bytes())?;
            let place = (entry.raw_file_position(), entry.size());
            if index.insert(name.clone(), place).is_some() {
                return Err(tar_entries::twice(name));
            }
        }
    }
}
