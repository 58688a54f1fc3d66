//! What an engine's export sends: a tar whose last entries say what the first ones were.
//!
//! Engines up to 24 send `ID/layer.tar` and symbolic links for equal layers; later ones the blobs
//! of an OCI layout; Podman `DIFF_ID.tar`. All have a `manifest.json` that names config and
//! layers, and that is what counts here. No name in the tar is ever used as a path.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde::Deserialize;
use tar::EntryType;

use super::canonical::{Canonical, StoredLayer};
use super::config::{LARGEST_JSON, json};
use super::error::require_size;
use super::layer::{PendingLayer, fill};
use super::tar_entries::{self, Bounded, Budget, tar_error};
use super::{Fetched, ImageError};
use crate::digest::{BUFFER, Sha256};
use crate::monitor::Task;

/// How many links may lead from one to the next.
const MOST_LINKS: usize = 8;
/// How much of an entry is looked at to tell JSON from a layer.
const START: usize = 512;

#[derive(Deserialize)]
struct Exported {
    #[serde(rename = "Config")]
    config: String,
    #[serde(rename = "Layers")]
    layers: Option<Vec<String>>,
}

/// What a manifest or an index leads to.
#[derive(Deserialize)]
struct Named {
    config: Option<Reference>,
    #[serde(default)]
    manifests: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    digest: String,
}

/// An entry of the tar.
enum Part {
    Json(Vec<u8>),
    Layer(PendingLayer),
    Link(String),
    Other,
}

/// The entries of the tar, by name.
#[derive(Default)]
struct Parts {
    parts: BTreeMap<String, Part>,
    json_size: u64,
}

/// Reads the tar once, from front to end, and writes the image, if it is the one that the engine
/// calls `id`.
pub(super) fn read(
    stream: &mut dyn Read,
    id: Sha256,
    canonical: &mut Canonical,
    task: &Task<'_>,
) -> Result<Fetched, ImageError> {
    let mut parts = Parts::default();
    let budget = Budget::new();
    let mut archive = tar::Archive::new(Bounded::new(&mut *stream, &budget));
    let mut entries = archive.entries().map_err(tar_error)?.enumerate();
    loop {
        budget.headers();
        let Some((count, entry)) = entries.next() else {
            break;
        };
        let mut entry = entry.map_err(tar_error)?;
        tar_entries::check_count(count)?;
        let name = tar_entries::name(&entry.path_bytes())?;
        budget.data();
        let part = match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                parts.file(&name, &mut entry, canonical, task)?
            }
            EntryType::Symlink | EntryType::Link => link(&name, &entry)?,
            EntryType::Directory => continue,
            other => {
                return Err(ImageError::Malformed {
                    part: name,
                    problem: format!("an image has no entry of the kind {other:?}"),
                });
            }
        };
        std::io::copy(&mut entry, &mut std::io::sink()).map_err(tar_error)?;
        parts.insert(name, part)?;
    }
    budget.data();
    require_end(stream)?;
    parts.finish(id, canonical)
}

/// The end of the tar need not be that of the stream: zeros may follow, and instead of them the
/// engine's word that something went wrong.
fn require_end(stream: &mut dyn Read) -> Result<(), ImageError> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match fill(stream, &mut buffer).map_err(tar_error)? {
            0 => return Ok(()),
            count if buffer[..count].iter().all(|byte| *byte == 0) => {}
            _ => {
                return Err(ImageError::Malformed {
                    part: "the tar".to_owned(),
                    problem: "there is something behind its end".to_owned(),
                });
            }
        }
    }
}

fn link<R: Read>(name: &str, entry: &tar::Entry<'_, R>) -> Result<Part, ImageError> {
    let target = tar_entries::name(&entry.link_name_bytes().unwrap_or_default())?;
    let target = if entry.header().entry_type() == EntryType::Link {
        Some(target)
    } else {
        beside(name, &target)
    };
    target.map(Part::Link).ok_or_else(|| ImageError::Malformed {
        part: name.to_owned(),
        problem: "it is a link that leads out of the image".to_owned(),
    })
}

impl Parts {
    fn insert(&mut self, name: String, part: Part) -> Result<(), ImageError> {
        if self.parts.contains_key(&name) {
            return Err(ImageError::Malformed {
                part: name,
                problem: "the tar has it twice".to_owned(),
            });
        }
        self.parts.insert(name, part);
        Ok(())
    }

    fn file<R: Read>(
        &mut self,
        name: &str,
        entry: &mut tar::Entry<'_, R>,
        canonical: &mut Canonical,
        task: &Task<'_>,
    ) -> Result<Part, ImageError> {
        let size = entry.size();
        let mut start = [0; START];
        let length = fill(entry, &mut start).map_err(tar_error)?;
        let start = &start[..length];
        // Other JSON, such as build attestations of any size, passes as a layer that is not used.
        if is_json(start) && size <= LARGEST_JSON.saturating_sub(self.json_size) {
            self.json_size += size;
            let mut bytes = start.to_vec();
            entry.read_to_end(&mut bytes).map_err(tar_error)?;
            require_size(name, size, bytes.len() as u64)?;
            return Ok(Part::Json(bytes));
        }
        if !is_layer(name) {
            // `VERSION` and the like.
            return Ok(Part::Other);
        }
        let mut counted = Counted {
            inner: start.chain(entry),
            count: 0,
        };
        let layer = canonical.add_layer(name, &mut counted, task)?;
        require_size(name, size, counted.count)?;
        Ok(Part::Layer(layer))
    }

    fn finish(mut self, id: Sha256, canonical: &Canonical) -> Result<Fetched, ImageError> {
        let exported = self.exported()?;
        let config = self.resolve(&exported.config)?;
        let Some(Part::Json(config_bytes)) = self.parts.remove(&config) else {
            return Err(missing(&config));
        };
        self.require_id(id, Sha256::of(&config_bytes))?;
        let names = exported.layers.unwrap_or_default();
        let names = names.iter().map(|name| self.resolve(name));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let mut stored = BTreeMap::new();
        for (name, part) in self.parts {
            if let Part::Layer(layer) = part {
                stored.insert(name, canonical.settle(layer)?);
            }
        }
        let layers = names.iter().map(|name| stored.get(name).copied());
        let layers: Option<Vec<StoredLayer>> = layers.collect();
        let layers = layers.ok_or_else(|| {
            let absent = names.iter().find(|name| !stored.contains_key(*name));
            missing(absent.map_or("a layer", |name| name))
        })?;
        // Equal unused layers share a file, so each digest is dropped once.
        let mut unused: Vec<StoredLayer> = stored.into_values().collect();
        unused.sort_by_key(|layer| layer.diff_id);
        unused.dedup();
        for layer in unused.into_iter().filter(|layer| !layers.contains(layer)) {
            canonical.discard(layer)?;
        }
        canonical.finish(&config, &config_bytes, &layers)
    }

    /// The one image that `manifest.json` names.
    fn exported(&self) -> Result<Exported, ImageError> {
        let Some(Part::Json(listing)) = self.parts.get("manifest.json") else {
            return Err(missing("manifest.json"));
        };
        let mut exported: Vec<Exported> = json("manifest.json", listing)?;
        let count = exported.len();
        match exported.pop() {
            Some(exported) if count == 1 => Ok(exported),
            _ => Err(ImageError::Malformed {
                part: "manifest.json".to_owned(),
                problem: format!("it names {count} images, and one was asked for"),
            }),
        }
    }

    /// An engine's id is the digest of the config; with the containerd store, it is that of a
    /// manifest or an index, which must lead to the config.
    fn require_id(&self, id: Sha256, config: Sha256) -> Result<(), ImageError> {
        let mut open = vec![id];
        let mut seen = BTreeSet::new();
        while let Some(digest) = open.pop() {
            if digest == config {
                return Ok(());
            }
            if !seen.insert(digest) {
                continue;
            }
            let name = format!("blobs/sha256/{digest}");
            if let Some(Part::Json(bytes)) = self.parts.get(&name)
                && Sha256::of(bytes) == digest
            {
                let named: Named = json(&name, bytes)?;
                for descriptor in named.config.iter().chain(&named.manifests) {
                    open.push(super::config::digest(&name, &descriptor.digest)?);
                }
            }
        }
        Err(ImageError::Digest {
            part: "the image".to_owned(),
            expected: id,
            found: config,
        })
    }

    /// Follows links to the name of a file.
    fn resolve(&self, name: &str) -> Result<String, ImageError> {
        let mut name = name;
        for _ in 0..MOST_LINKS {
            match self.parts.get(name) {
                Some(Part::Link(target)) => name = target,
                _ => return Ok(name.to_owned()),
            }
        }
        Err(ImageError::Malformed {
            part: name.to_owned(),
            problem: "its links lead in a circle".to_owned(),
        })
    }
}

/// JSON holds no NUL, and the header that a layer begins with always does, even that of a file
/// whose name begins with a bracket.
fn is_json(start: &[u8]) -> bool {
    let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(first, Some(b'{' | b'[')) && !start.contains(&0)
}

fn is_layer(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension == Some("tar") || name.starts_with("blobs/")
}

fn missing(part: &str) -> ImageError {
    ImageError::Missing {
        part: part.to_owned(),
    }
}

/// The name that `target` means in a link beside `name`; none if it leads out of the tar.
fn beside(name: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Counts what passes: the bytes as they were in the tar, before decompression.
struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_followed_inside_the_tar_only() {
        assert_eq!(
            beside("a/layer.tar", "../b/layer.tar").as_deref(),
            Some("b/layer.tar")
        );
        assert_eq!(beside("a/layer.tar", "../../b"), None);
        assert_eq!(beside("a/layer.tar", "/etc/passwd"), None);
    }

    #[test]
    fn a_layer_whose_first_name_begins_with_a_bracket_is_no_json() {
        assert!(is_json(b"{}") && is_json(b"\n [1]"));
        assert!(!is_json(b"{{name}}/file\0\0\0") && !is_json(b"") && !is_json(b"usr/"));
    }
}
