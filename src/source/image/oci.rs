//! Reading an OCI image layout: a folder, or a tar of one (OCI image specification 1.1).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tar::EntryType;

use super::canonical::{Canonical, StoredLayer};
use super::config::{self, LARGEST_JSON, json};
use super::error::require_size;
use super::layer::read_error;
use super::tar_entries::{self, Bounded, Budget, tar_error};
use super::{Fetched, ImageError, is_platform};
use crate::digest::{Hasher, Sha256};
use crate::error::IoContext;
use crate::monitor::Task;
use crate::platform;

/// How deep indexes may nest: a layout's index, an image's, and one to spare.
const DEEPEST: usize = 3;
/// The layout's version, of all versions of the specification so far.
const VERSION: &str = "1.0.0";

const MANIFESTS: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

#[derive(Deserialize)]
struct LayoutVersion {
    #[serde(rename = "imageLayoutVersion")]
    version: String,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Clone, Deserialize)]
struct Descriptor {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<Platform>,
}

#[derive(Clone, Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: String,
}

impl Descriptor {
    fn platform(&self) -> String {
        let named = self.platform.as_ref();
        named.map_or_else(String::new, |named| {
            config::platform(&named.os, &named.architecture, &named.variant)
        })
    }
}

/// Reads the one image of the layout at `path`, or the one for `platform`.
pub(super) fn read(
    path: &Path,
    platform: Option<&str>,
    canonical: &mut Canonical,
    task: &Task<'_>,
) -> Result<Fetched, ImageError> {
    let layout = Layout::open(path)?;
    layout
        .read(platform, canonical, task)
        .map_err(|error| match error {
            ImageError::Cancelled(_) | ImageError::Io(_) | ImageError::Several { .. } => error,
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
        wanted: Option<&str>,
        canonical: &mut Canonical,
        task: &Task<'_>,
    ) -> Result<Fetched, ImageError> {
        self.require_version()?;
        let bytes = self.small("index.json", None)?;
        let index: Index = json("index.json", &bytes)?;
        let descriptor = self.choose(index, wanted)?;
        let manifest: Manifest = json("the image's manifest", &self.blob(&descriptor)?)?;
        let config = self.blob(&manifest.config)?;
        // A blob that stands for several layers is read once.
        let mut pending = BTreeMap::new();
        for layer in &manifest.layers {
            if !pending.contains_key(&layer.digest) {
                pending.insert(&layer.digest, self.layer(layer, canonical, task)?);
            }
        }
        let mut stored = BTreeMap::new();
        for (digest, layer) in pending {
            stored.insert(digest, canonical.settle(layer)?);
        }
        let layers = manifest.layers.iter();
        let layers = layers.filter_map(|layer| stored.get(&layer.digest).copied());
        let layers: Vec<StoredLayer> = layers.collect();
        canonical.finish("the image's config", &config, &layers)
    }

    fn require_version(&self) -> Result<(), ImageError> {
        let bytes = self.small("oci-layout", None)?;
        let layout: LayoutVersion = json("oci-layout", &bytes)?;
        if layout.version == VERSION {
            return Ok(());
        }
        Err(ImageError::Malformed {
            part: "oci-layout".to_owned(),
            problem: format!("its version is {:?}, not {VERSION:?}", layout.version),
        })
    }

    /// The one manifest, or the one for the platform wanted, through nested indexes.
    fn choose(&self, index: Index, wanted: Option<&str>) -> Result<Descriptor, ImageError> {
        let mut candidates = Vec::new();
        self.collect(index, DEEPEST, &mut BTreeSet::new(), &mut candidates)?;
        if candidates.len() > 1 {
            let is_wanted = |one: &Descriptor| {
                wanted.is_some_and(|wanted| is_platform(wanted, &one.platform()))
            };
            if candidates.iter().any(is_wanted) {
                candidates.retain(is_wanted);
            }
        }
        match (candidates.pop(), candidates.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => Err(ImageError::Missing {
                part: "an image manifest".to_owned(),
            }),
            (Some(last), false) => {
                candidates.push(last);
                let names = candidates.iter().map(|one| match one.platform() {
                    platform if platform.is_empty() => one.digest.clone(),
                    platform => platform,
                });
                Err(ImageError::Several {
                    candidates: names.collect::<Vec<_>>().join(", "),
                })
            }
        }
    }

    fn collect(
        &self,
        index: Index,
        depth: usize,
        seen: &mut BTreeSet<String>,
        found: &mut Vec<Descriptor>,
    ) -> Result<(), ImageError> {
        for descriptor in index.manifests {
            // An image stands once for each of its tags.
            if !seen.insert(descriptor.digest.clone()) {
                continue;
            }
            let media_type = descriptor.media_type.as_str();
            if MANIFESTS.contains(&media_type) {
                // Build attestations stand beside images, for the platform "unknown/unknown".
                if descriptor.platform() != "unknown/unknown" {
                    found.push(descriptor);
                }
            } else if INDEXES.contains(&media_type) && depth > 0 {
                let bytes = self.blob(&descriptor)?;
                let nested: Index = json(&descriptor.digest, &bytes)?;
                self.collect(nested, depth - 1, seen, found)?;
            } else {
                return Err(ImageError::Malformed {
                    part: descriptor.digest.clone(),
                    problem: format!("the media type {media_type:?} is not supported here"),
                });
            }
        }
        Ok(())
    }

    /// A small blob, compared with its descriptor.
    fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
        let expected = config::digest("a descriptor", &descriptor.digest)?;
        let part = format!("blobs/sha256/{expected}");
        let bytes = self.small(&part, Some(descriptor.size))?;
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
        let expected = config::digest("a descriptor", &descriptor.digest)?;
        let part = format!("blobs/sha256/{expected}");
        let (reader, size) = self.file(&part)?;
        require_size(&part, descriptor.size, size)?;
        let mut hashing = HashingReader {
            inner: reader,
            hasher: Hasher::new(),
        };
        let layer = canonical.add_layer(&part, &mut hashing, task)?;
        require_digest(&part, expected, hashing.hasher.finish())?;
        Ok(layer)
    }

    /// A file's bytes, if it is small.
    fn small(&self, part: &str, expected: Option<u64>) -> Result<Vec<u8>, ImageError> {
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
            index.insert(name, (entry.raw_file_position(), entry.size()));
        }
    }
}

fn require_digest(part: &str, expected: Sha256, found: Sha256) -> Result<(), ImageError> {
    if expected == found {
        return Ok(());
    }
    Err(ImageError::Digest {
        part: part.to_owned(),
        expected,
        found,
    })
}

/// Hashes what is read: a blob as stored, before it is decompressed.
struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
