//! What `docker save` writes: a tar whose last entries say what the first ones were.
//!
//! Engines up to 24 send `ID/layer.tar` and symbolic links for equal layers; later ones the blobs
//! of an OCI layout; Podman `DIFF_ID.tar`. All have a `manifest.json` that names config and
//! layers, and that is what counts here. The containerd store's names one platform only; its
//! `index.json` leads to the others. No name in the tar is ever used as a path.

use std::collections::BTreeMap;
use std::io::Read;

use tar::EntryType;

use super::canonical::{Canonical, Selected, StoredLayer};
use super::config::LARGEST_JSON;
use super::error::require_size;
use super::layer::{PendingLayer, fill};
use super::tar_entries::{self, Bounded, Budget, tar_error};
use super::{ImageError, listing};
use crate::digest::{BUFFER, Sha256};
use crate::monitor::Task;

/// How many links may lead from one to the next.
const MOST_LINKS: usize = 8;
/// The size of all JSON together, which is held in memory until the end.
const MOST_JSON: u64 = 4 * LARGEST_JSON;
/// How much of an entry is looked at to tell JSON from a layer.
const START: usize = 512;

/// Which of the images in the tar to take: for each of the platforms, or for the only one.
pub(super) struct Choice<'c> {
    /// The one that the engine calls so.
    pub(super) id: Option<Sha256>,
    /// The one with this name.
    pub(super) reference: Option<&'c str>,
    /// Its platforms, as in "linux/arm64".
    pub(super) platforms: &'c [String],
}

/// An entry of the tar.
pub(super) enum Part {
    Json(Vec<u8>),
    Layer(PendingLayer),
    Link(String),
    Other,
}

/// The entries of the tar, by name.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) parts: BTreeMap<String, Part>,
    json_size: u64,
}

/// Reads the tar once, from front to end, and writes the layers of the images chosen.
pub(super) fn read(
    stream: &mut dyn Read,
    choice: &Choice<'_>,
    canonical: &mut Canonical,
    task: &Task<'_>,
) -> Result<Vec<Selected>, ImageError> {
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
    parts.finish(choice, canonical)
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
            return Err(tar_entries::twice(name));
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
        if is_json(start) && size <= LARGEST_JSON.min(MOST_JSON - self.json_size) {
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

    fn finish(
        mut self,
        choice: &Choice<'_>,
        canonical: &mut Canonical,
    ) -> Result<Vec<Selected>, ImageError> {
        let chosen = listing::choose(&self, choice)?;
        let mut images = Vec::new();
        for image in chosen {
            let part = self.resolve(&image.config)?;
            let Some(Part::Json(config)) = self.parts.get(&part) else {
                return Err(missing(&part));
            };
            let layers = image.layers.iter().map(|name| self.resolve(name));
            images.push((part, config.clone(), layers.collect::<Result<Vec<_>, _>>()?));
        }
        let mut stored = BTreeMap::new();
        for (name, part) in std::mem::take(&mut self.parts) {
            if let Part::Layer(layer) = part {
                stored.insert(name, canonical.settle(layer)?);
            }
        }
        let selected = images.into_iter().map(|(part, config, names)| {
            let layers = names.iter().map(|name| {
                let layer: Option<StoredLayer> = stored.get(name).copied();
                layer.ok_or_else(|| missing(name))
            });
            let layers = layers.collect::<Result<Vec<_>, _>>()?;
            Ok(Selected {
                part,
                config,
                layers,
            })
        });
        selected.collect()
    }

    /// A JSON file of the tar, by name.
    pub(super) fn json(&self, name: &str) -> Option<&[u8]> {
        match self.parts.get(name) {
            Some(Part::Json(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// Follows links to the name of a file.
    pub(super) fn resolve(&self, name: &str) -> Result<String, ImageError> {
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

/// Whether what is called so may be a layer: as engines call it, or as builders do, that pack each
/// layer by itself.
fn is_layer(name: &str) -> bool {
    let mut extensions = name.rsplit('.');
    let last = extensions.next();
    let packed = matches!(last, Some("gz" | "zst")) && extensions.next() == Some("tar");
    packed || matches!(last, Some("tar" | "tgz")) || name.starts_with("blobs/")
}

pub(super) fn missing(part: &str) -> ImageError {
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
