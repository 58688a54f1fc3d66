//! Reading an archived image back: whether its folder holds the whole image, and the one recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use serde::Deserialize;

use super::ImageError;
use super::compression::plain;
use super::config::{Config, LARGEST_JSON, blob, digest, json};
use super::error::{malformed, require_digest, require_size};
use super::layer::read_error;
use crate::digest::{HashingReader, Sha256};
use crate::manifest::ImageIdentity;
use crate::monitor::Task;

/// How deep indexes may lie in one another.
const DEEPEST: usize = 4;
/// How many manifests and indexes are read.
const MOST_MANIFESTS: usize = 1024;

/// The files of an archived image's folder, whatever holds them.
pub trait ImageFolder: Sync {
    /// The size in bytes of the file at this path; none if there is none.
    fn size(&self, path: &str) -> Option<u64>;

    /// The bytes of that file.
    fn open<'a>(&'a self, path: &str) -> io::Result<Box<dyn Read + Send + 'a>>;
}

/// The parts of an image, as its folder holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The digest of its config.
    pub config: Sha256,
    /// The digest of its manifest.
    pub manifest: Sha256,
    /// The manifest's media type.
    pub media_type: String,
    /// The digests of its layers as stored, lowest first.
    pub layers: Vec<Sha256>,
}

#[derive(Deserialize)]
struct Layout {
    #[serde(rename = "imageLayoutVersion")]
    version: String,
}

/// A manifest, or an index of manifests.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(default)]
    manifests: Vec<Descriptor>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    #[serde(default)]
    layers: Vec<String>,
}

/// Reads every part of the image, layers unpacked, and compares it with what is recorded.
///
/// Fails with [`ImageError::Differs`] where the folder holds another image than recorded, and
/// with other errors where what it holds is no whole image.
pub fn read_back(
    folder: &dyn ImageFolder,
    recorded: &ImageIdentity,
    task: &Task<'_>,
) -> Result<Parts, ImageError> {
    let layout: Layout = json("oci-layout", &small(folder, "oci-layout")?)?;
    if layout.version != "1.0.0" {
        return Err(malformed("oci-layout", "its version is not 1.0.0"));
    }
    let name = blob(&recorded.id);
    let config_bytes = small(folder, &name)?;
    require_digest(&name, recorded.id, Sha256::of(&config_bytes))?;
    compare_config(recorded, &Config::parse(&name, &config_bytes)?)?;
    let layers = if recorded.blobs.is_empty() {
        recorded.diff_ids.clone()
    } else {
        recorded.blobs.clone()
    };
    require_layers(folder, &layers, &recorded.diff_ids, task)?;
    let (manifest, media_type) = find_manifest(folder, recorded, &config_bytes, &layers)?;
    require_docker_entry(folder, recorded, &layers)?;
    Ok(Parts {
        config: recorded.id,
        manifest,
        media_type,
        layers,
    })
}

fn compare_config(recorded: &ImageIdentity, found: &Config) -> Result<(), ImageError> {
    let differs = |what| {
        Err(ImageError::Differs {
            image: recorded.name.clone(),
            what,
        })
    };
    if found.diff_ids != recorded.diff_ids {
        return differs("other layers");
    }
    if found.platform != recorded.platform {
        return differs("another platform");
    }
    if found.labels != recorded.labels {
        return differs("other labels");
    }
    Ok(())
}

/// Each layer as stored has its digest, and unpacked its `diff_id`.
fn require_layers(
    folder: &dyn ImageFolder,
    stored: &[Sha256],
    diff_ids: &[Sha256],
    task: &Task<'_>,
) -> Result<(), ImageError> {
    if stored.len() != diff_ids.len() {
        return Err(malformed(
            "the record of its layers",
            "there is not one stored layer for each `diff_id`",
        ));
    }
    let pairs: BTreeSet<(&Sha256, &Sha256)> = stored.iter().zip(diff_ids).collect();
    for (stored, diff_id) in pairs {
        let path = blob(stored);
        let mut packed = HashingReader::new(task.reader(open(folder, &path)?));
        if stored != diff_id {
            let unpacked = Sha256::of_reader(&mut plain(&path, &mut packed)?);
            let (found, _) = unpacked.map_err(|error| read_error(&path, &error))?;
            require_digest(&format!("{path}, unpacked"), *diff_id, found)?;
        }
        io::copy(&mut packed, &mut io::sink()).map_err(|error| read_error(&path, &error))?;
        require_digest(&path, *stored, packed.finish())?;
    }
    Ok(())
}

/// The manifest of the recorded image that `index.json` leads to, with its media type.
fn find_manifest(
    folder: &dyn ImageFolder,
    recorded: &ImageIdentity,
    config: &[u8],
    layers: &[Sha256],
) -> Result<(Sha256, String), ImageError> {
    let found = Manifests::of(folder)?;
    for (manifest, (descriptor, listed)) in &found.manifests {
        let Some(named) = &listed.config else {
            continue;
        };
        let part = blob(manifest);
        if digest(&part, &named.digest)? != recorded.id
            || recorded.manifest.is_some_and(|one| one != *manifest)
        {
            continue;
        }
        require_size(&part, named.size, config.len() as u64)?;
        let mut named_layers = Vec::new();
        for layer in &listed.layers {
            let layer_digest = digest(&part, &layer.digest)?;
            let size = folder.size(&blob(&layer_digest)).unwrap_or_default();
            require_size(&blob(&layer_digest), layer.size, size)?;
            named_layers.push(layer_digest);
        }
        if named_layers != layers {
            return Err(malformed(&part, "it names other layers than are recorded"));
        }
        if let Some(index) = &recorded.index
            && !found.is_below(index, manifest)
        {
            return Err(malformed(
                &blob(index),
                "the recorded index does not lead to the recorded manifest",
            ));
        }
        return Ok((*manifest, descriptor.media_type.clone()));
    }
    Err(ImageError::Missing {
        part: format!("a manifest of the image sha256:{}", recorded.id),
    })
}

/// Every manifest and index that `index.json` leads to and the folder holds.
#[derive(Default)]
struct Manifests {
    manifests: BTreeMap<Sha256, (Descriptor, Listed)>,
    /// Which digests an index names.
    below: BTreeMap<Sha256, Vec<Sha256>>,
}

impl Manifests {
    fn of(folder: &dyn ImageFolder) -> Result<Self, ImageError> {
        let top: Listed = json("index.json", &small(folder, "index.json")?)?;
        let mut all = Self::default();
        all.add("index.json", &top.manifests, folder, DEEPEST)?;
        Ok(all)
    }

    fn add(
        &mut self,
        part: &str,
        named: &[Descriptor],
        folder: &dyn ImageFolder,
        deeper: usize,
    ) -> Result<Vec<Sha256>, ImageError> {
        let mut digests = Vec::new();
        for descriptor in named {
            let name = digest(part, &descriptor.digest)?;
            digests.push(name);
            let path = blob(&name);
            // A registry's index also names platforms that are not archived.
            let Some(size) = folder.size(&path) else {
                continue;
            };
            if self.manifests.contains_key(&name) || self.below.contains_key(&name) {
                continue;
            }
            if deeper == 0 || self.manifests.len() + self.below.len() >= MOST_MANIFESTS {
                return Err(malformed(part, "it leads to too many manifests"));
            }
            require_size(&path, descriptor.size, size)?;
            let bytes = small(folder, &path)?;
            require_digest(&path, name, Sha256::of(&bytes))?;
            let listed: Listed = json(&path, &bytes)?;
            if listed.config.is_some() {
                self.manifests.insert(name, (descriptor.clone(), listed));
            } else {
                self.below.insert(name, Vec::new());
                let below = self.add(&path, &listed.manifests, folder, deeper - 1)?;
                self.below.insert(name, below);
            }
        }
        Ok(digests)
    }

    fn is_below(&self, index: &Sha256, manifest: &Sha256) -> bool {
        let mut open = vec![index];
        let mut seen = BTreeSet::new();
        while let Some(one) = open.pop() {
            if one == manifest {
                return true;
            }
            if seen.insert(one) {
                open.extend(self.below.get(one).into_iter().flatten());
            }
        }
        false
    }
}

/// `manifest.json`, by which engines load, names the image with its layers.
fn require_docker_entry(
    folder: &dyn ImageFolder,
    recorded: &ImageIdentity,
    layers: &[Sha256],
) -> Result<(), ImageError> {
    let part = "manifest.json";
    let entries: Vec<DockerEntry> = json(part, &small(folder, part)?)?;
    let config = blob(&recorded.id);
    let layers: Vec<String> = layers.iter().map(blob).collect();
    let is_named = |entry: &DockerEntry| entry.config == config && entry.layers == layers;
    if entries.iter().any(is_named) {
        return Ok(());
    }
    Err(malformed(
        part,
        "it does not name the recorded image with its layers",
    ))
}

pub(super) fn open<'f>(
    folder: &'f dyn ImageFolder,
    path: &str,
) -> Result<Box<dyn Read + Send + 'f>, ImageError> {
    if folder.size(path).is_none() {
        return Err(ImageError::Missing {
            part: path.to_owned(),
        });
    }
    folder.open(path).map_err(|error| read_error(path, &error))
}

/// The bytes of a file that is held in memory.
pub(super) fn small(folder: &dyn ImageFolder, path: &str) -> Result<Vec<u8>, ImageError> {
    let reader = open(folder, path)?;
    if folder.size(path).is_some_and(|size| size > LARGEST_JSON) {
        return Err(malformed(
            path,
            "it is far too large to be what it is called",
        ));
    }
    let mut bytes = Vec::new();
    reader
        .take(LARGEST_JSON + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| read_error(path, &error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_of_several_frames_is_unpacked_to_its_end() {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        let pack = |text: &[u8]| ruzstd::encoding::compress_to_vec(text, level);
        let packed = [pack(b"one "), pack(b"two")].concat();
        let mut packed = &packed[..];
        let mut unpacked = plain("a layer", &mut packed).unwrap();
        let (found, _) = Sha256::of_reader(&mut unpacked).unwrap();
        assert_eq!(found, Sha256::of(b"one two"));
    }
}
