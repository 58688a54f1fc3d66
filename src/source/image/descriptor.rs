//! Descriptors, manifests and indexes of an OCI image layout, and the choice among what they list
//! (OCI image specification 1.1; Docker's manifests and lists have the same form).

use std::collections::BTreeSet;

use serde::Deserialize;

use super::config::{self, Config, digest, json};
use super::{ImageError, is_platform};
use crate::digest::Sha256;

/// How deep indexes may nest: a layout's index, an image's, and one to spare.
const DEEPEST: usize = 3;
/// More manifests than any image has platforms and attestations.
pub(super) const MOST_MANIFESTS: usize = 1000;

pub(super) const MANIFESTS: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
pub(super) const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const CONFIGS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
const LAYERS: [&str; 2] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
];
/// Layers that are fetched from elsewhere and may not be passed on.
const FOREIGN: [&str; 2] = [
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
];

#[derive(Deserialize)]
pub(super) struct Index {
    #[serde(default)]
    pub(super) manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
pub(super) struct Manifest {
    pub(super) config: Descriptor,
    #[serde(default)]
    pub(super) layers: Vec<Descriptor>,
}

#[derive(Clone, Deserialize)]
pub(super) struct Descriptor {
    #[serde(rename = "mediaType", default)]
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(default)]
    urls: Vec<String>,
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
    pub(super) fn platform(&self) -> String {
        let named = self.platform.as_ref();
        named.map_or_else(String::new, |named| {
            config::platform(&named.os, &named.architecture, &named.variant)
        })
    }

    /// The digest, as bytes.
    pub(super) fn sha256(&self) -> Result<Sha256, ImageError> {
        digest("a descriptor", &self.digest)
    }

    pub(super) fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }

    pub(super) fn is_manifest(&self) -> bool {
        is_manifest(&self.media_type)
    }

    /// Whether it names a build attestation: they stand beside images, for a platform that does
    /// not exist.
    pub(super) fn is_attestation(&self) -> bool {
        self.platform() == "unknown/unknown"
    }

    /// What it is called: the platform, or the digest where none is said.
    pub(super) fn name(&self) -> String {
        match self.platform() {
            platform if platform.is_empty() => self.digest.clone(),
            platform => platform,
        }
    }

    pub(super) fn unsupported(&self) -> ImageError {
        ImageError::MediaType {
            part: self.digest.clone(),
            media_type: self.media_type.clone(),
        }
    }
}

pub(super) fn is_index(media_type: &str) -> bool {
    INDEXES.contains(&media_type)
}

pub(super) fn is_manifest(media_type: &str) -> bool {
    MANIFESTS.contains(&media_type)
}

impl Manifest {
    /// Reads a manifest, and refuses what is no image or cannot be kept.
    pub(super) fn parse(part: &str, bytes: &[u8]) -> Result<Self, ImageError> {
        let manifest: Self = json(part, bytes)?;
        manifest.require_image()?;
        Ok(manifest)
    }

    /// Refuses what is no container image, and layers that cannot be kept.
    pub(super) fn require_image(&self) -> Result<(), ImageError> {
        if !CONFIGS.contains(&self.config.media_type.as_str()) {
            return Err(self.config.unsupported());
        }
        self.layers.iter().try_for_each(check_layer)
    }
}

fn check_layer(layer: &Descriptor) -> Result<(), ImageError> {
    let part = || layer.digest.clone();
    let media_type = layer.media_type.as_str();
    if media_type.ends_with("+encrypted") {
        return Err(ImageError::Encrypted { part: part() });
    }
    let endings = ["+gzip", "+zstd", ".gzip", ".zstd"];
    let bare = endings.iter().find_map(|end| media_type.strip_suffix(end));
    let bare = bare.unwrap_or(media_type);
    // One that is kept elsewhere may be another tomorrow.
    if FOREIGN.contains(&bare) || !layer.urls.is_empty() {
        return Err(ImageError::NotDistributable { part: part() });
    }
    if LAYERS.contains(&bare) {
        return Ok(());
    }
    Err(layer.unsupported())
}

/// Where small blobs are: in a layout, or in what was read of a tar.
pub(super) trait Blobs {
    /// The blob, equal to its descriptor; none if it is not there.
    fn small(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, ImageError>;
}

/// An image that an index lists and whose manifest is there.
#[derive(Clone)]
pub(super) struct Candidate {
    pub(super) manifest: Descriptor,
    pub(super) config: Descriptor,
    pub(super) platform: String,
}

/// What an index leads to.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) present: Vec<Candidate>,
    /// The images whose manifest or config is not there, by platform.
    pub(super) absent: Vec<String>,
    seen: BTreeSet<String>,
}

impl Listed {
    /// Goes through an index and those it names.
    pub(super) fn collect(blobs: &dyn Blobs, index: Index) -> Result<Self, ImageError> {
        let mut listed = Self::default();
        listed.add(blobs, index, DEEPEST)?;
        Ok(listed)
    }

    fn add(&mut self, blobs: &dyn Blobs, index: Index, depth: usize) -> Result<(), ImageError> {
        for descriptor in index.manifests {
            // An image stands once for each of its tags.
            if !self.seen.insert(descriptor.digest.clone()) {
                continue;
            }
            if self.seen.len() > MOST_MANIFESTS {
                return Err(ImageError::Malformed {
                    part: "the index".to_owned(),
                    problem: format!("it lists more than {MOST_MANIFESTS} manifests"),
                });
            }
            if descriptor.is_manifest() {
                self.add_manifest(blobs, descriptor)?;
            } else if descriptor.is_index() && depth > 0 {
                match blobs.small(&descriptor)? {
                    Some(bytes) => {
                        let nested = json(&descriptor.digest, &bytes)?;
                        self.add(blobs, nested, depth - 1)?;
                    }
                    None => self.absent.push(descriptor.name()),
                }
            } else {
                return Err(descriptor.unsupported());
            }
        }
        Ok(())
    }

    fn add_manifest(&mut self, blobs: &dyn Blobs, manifest: Descriptor) -> Result<(), ImageError> {
        if manifest.is_attestation() {
            return Ok(());
        }
        let mut platform = manifest.platform();
        let Some(bytes) = blobs.small(&manifest)? else {
            self.absent.push(manifest.name());
            return Ok(());
        };
        let config = Manifest::parse(&manifest.digest, &bytes)?.config;
        let Some(bytes) = blobs.small(&config)? else {
            self.absent.push(manifest.name());
            return Ok(());
        };
        if platform.is_empty() {
            platform = Config::parse("the image's config", &bytes)?.platform;
        }
        self.present.push(Candidate {
            manifest,
            config,
            platform,
        });
        Ok(())
    }

    /// One image for each platform wanted; where none is, the only one.
    pub(super) fn choose(self, wanted: &[String]) -> Result<Vec<Candidate>, ImageError> {
        let platforms: Vec<&str> = self.present.iter().map(|one| &*one.platform).collect();
        let chosen = choose(&platforms, &self.absent, wanted)?;
        let chosen = chosen.into_iter().map(|index| self.present[index].clone());
        Ok(chosen.collect())
    }
}

/// Which of the images present, given by platform, are one for each platform wanted; where none
/// is wanted, the only one. They are in the order in which they are wanted.
pub(super) fn choose(
    present: &[&str],
    absent: &[String],
    wanted: &[String],
) -> Result<Vec<usize>, ImageError> {
    let several = |found: &[usize]| ImageError::Several {
        candidates: join(found.iter().map(|index| present[*index])),
    };
    let all: Vec<usize> = (0..present.len()).collect();
    if present.is_empty() && absent.is_empty() {
        return Err(ImageError::Missing {
            part: "an image manifest".to_owned(),
        });
    }
    if present.is_empty() {
        return Err(ImageError::NoneThere {
            absent: join(absent.iter().map(String::as_str)),
        });
    }
    if wanted.is_empty() {
        return match all.as_slice() {
            [only] => Ok(vec![*only]),
            all => Err(several(all)),
        };
    }
    let mut chosen = Vec::new();
    for wanted in wanted {
        let exact = all.iter().filter(|index| present[**index] == wanted);
        let exact: Vec<usize> = exact.copied().collect();
        let alike = all.iter().filter(|at| is_platform(wanted, present[**at]));
        let alike: Vec<usize> = alike.copied().collect();
        match (exact.as_slice(), alike.as_slice()) {
            // Two wanted may be one: a platform, and its variant.
            ([only], _) | (_, [only]) if chosen.contains(only) => {}
            ([only], _) | (_, [only]) => chosen.push(*only),
            (_, []) => return Err(not_there(present, absent, wanted)),
            (_, found) => return Err(several(found)),
        }
    }
    Ok(chosen)
}

/// A platform that is listed only is another matter than one that nobody heard of.
fn not_there(present: &[&str], absent: &[String], wanted: &str) -> ImageError {
    let found = join(present.iter().copied());
    let wanted_text = wanted.to_owned();
    if absent.iter().any(|absent| is_platform(wanted, absent)) {
        return ImageError::ListedOnly {
            wanted: wanted_text,
            found,
        };
    }
    ImageError::OtherPlatform {
        wanted: wanted_text,
        found,
    }
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
