//! Manifests and indexes, as registries keep them (OCI image specification 1.1; Docker's have the
//! same form).

use serde::Deserialize;
use serde_json::Value;

use super::client::{Client, Small};
use super::{Reference, RegistryError, Version};
use crate::digest::Sha256;
use crate::source::image::ImageError;
use crate::source::image::config::{self, LARGEST_JSON, digest};
use crate::source::image::error::require_size;

const MANIFESTS: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+";
const CONFIGS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
const LAYERS: [&str; 2] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
];
const FOREIGN: [&str; 2] = [
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
];
const COMPRESSIONS: [&str; 4] = ["+gzip", "+zstd", ".gzip", ".zstd"];

/// A manifest or an index, with its bytes as the registry has them.
pub(super) struct Document {
    pub(super) url: String,
    pub(super) digest: Sha256,
    pub(super) bytes: Vec<u8>,
    pub(super) media_type: String,
    pub(super) content: Content,
}

pub(super) enum Content {
    Index(Vec<Descriptor>),
    Manifest(Manifest),
}

pub(super) struct Manifest {
    pub(super) config: Descriptor,
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
    pub(super) platform: Option<Value>,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(rename = "schemaVersion", default)]
    schema: u64,
    #[serde(rename = "mediaType", default)]
    media_type: String,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

impl Descriptor {
    pub(super) fn sha256(&self) -> Result<Sha256, ImageError> {
        digest("a descriptor", &self.digest)
    }

    /// As in "linux/arm64/v8"; empty if it says nothing.
    pub(super) fn platform(&self) -> String {
        let named = |key| {
            let platform = self.platform.as_ref()?;
            platform.get(key)?.as_str()
        };
        let part = |key| named(key).unwrap_or_default();
        config::platform(part("os"), part("architecture"), part("variant"))
    }

    pub(super) fn is_index(&self) -> bool {
        INDEXES.contains(&self.media_type.as_str())
    }

    pub(super) fn is_manifest(&self) -> bool {
        MANIFESTS.contains(&self.media_type.as_str())
    }
}

/// What a reference names.
pub(super) fn named(client: &Client<'_>, reference: &Reference) -> Result<Document, ImageError> {
    match &reference.version {
        Version::Digest(digest) => fetch(client, reference, &format!("sha256:{digest}"), *digest),
        Version::Tag(tag) => {
            let small = get(client, tag)?;
            let found = Sha256::of(&small.bytes);
            if let Some(said) = &small.digest {
                require_digest(&small.url, digest("Docker-Content-Digest", said)?, found)?;
            }
            read(small, reference, found)
        }
    }
}

/// What an index lists.
pub(super) fn listed(
    client: &Client<'_>,
    reference: &Reference,
    descriptor: &Descriptor,
) -> Result<Document, ImageError> {
    let document = fetch(client, reference, &descriptor.digest, descriptor.sha256()?)?;
    require_size(&document.url, descriptor.size, document.bytes.len() as u64)?;
    Ok(document)
}

/// A small blob, equal to its descriptor.
pub(super) fn blob(client: &Client<'_>, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
    let expected = descriptor.sha256()?;
    if descriptor.size > LARGEST_JSON {
        return Err(ImageError::Malformed {
            part: descriptor.digest.clone(),
            problem: format!("{} bytes are far too many", descriptor.size),
        });
    }
    let name = format!("sha256:{expected}");
    let small = client.small("blobs", &name, &[], descriptor.size)?;
    require_size(&small.url, descriptor.size, small.bytes.len() as u64)?;
    require_digest(&small.url, expected, Sha256::of(&small.bytes))?;
    Ok(small.bytes)
}

fn fetch(
    client: &Client<'_>,
    reference: &Reference,
    name: &str,
    expected: Sha256,
) -> Result<Document, ImageError> {
    let small = get(client, name)?;
    require_digest(&small.url, expected, Sha256::of(&small.bytes))?;
    read(small, reference, expected)
}

fn get(client: &Client<'_>, name: &str) -> Result<Small, ImageError> {
    let accept = [MANIFESTS[0], MANIFESTS[1], INDEXES[0], INDEXES[1]];
    client.small("manifests", name, &accept, LARGEST_JSON)
}

fn require_digest(url: &str, expected: Sha256, found: Sha256) -> Result<(), RegistryError> {
    if expected == found {
        return Ok(());
    }
    Err(RegistryError::Digest {
        url: url.to_owned(),
        expected,
        found,
    })
}

fn read(small: Small, reference: &Reference, digest: Sha256) -> Result<Document, ImageError> {
    let Small {
        url,
        bytes,
        media_type,
        ..
    } = small;
    let stored: Stored = config::json(&url, &bytes)?;
    let header = media_type.split(';').next().unwrap_or_default().trim();
    // What stands in the document is covered by its digest; the header is not.
    let media_type = if stored.media_type.is_empty() {
        header.to_owned()
    } else {
        stored.media_type.clone()
    };
    if stored.schema == 1 || media_type.starts_with(SCHEMA_1) {
        return Err(RegistryError::Schema1 {
            reference: reference.to_string(),
        }
        .into());
    }
    let malformed = |problem: &str| ImageError::Malformed {
        part: url.clone(),
        problem: problem.to_owned(),
    };
    let content = match (stored.manifests, stored.config, stored.layers) {
        // One document must not be read in two ways.
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            return Err(malformed("it is an index and a manifest in one"));
        }
        (Some(manifests), None, None) if INDEXES.contains(&media_type.as_str()) => {
            Content::Index(manifests)
        }
        (None, Some(config), layers) if MANIFESTS.contains(&media_type.as_str()) => {
            let layers = layers.unwrap_or_default();
            check(&url, &config, &layers)?;
            Content::Manifest(Manifest { config, layers })
        }
        _ => return Err(RegistryError::MediaType { url, media_type }.into()),
    };
    Ok(Document {
        url,
        digest,
        bytes,
        media_type,
        content,
    })
}

/// Refuses what is no container image, and layers that cannot be kept.
fn check(url: &str, config: &Descriptor, layers: &[Descriptor]) -> Result<(), ImageError> {
    let unsupported = |descriptor: &Descriptor| RegistryError::MediaType {
        url: format!("{url}, {}", descriptor.digest),
        media_type: descriptor.media_type.clone(),
    };
    if !CONFIGS.contains(&config.media_type.as_str()) {
        return Err(unsupported(config).into());
    }
    for layer in layers {
        let mut bare = COMPRESSIONS.iter();
        let bare = bare.find_map(|end| layer.media_type.strip_suffix(end));
        let bare = bare.unwrap_or(&layer.media_type);
        if FOREIGN.contains(&bare) || !layer.urls.is_empty() {
            let digest = layer.sha256()?;
            return Err(RegistryError::Foreign { digest }.into());
        }
        if !LAYERS.contains(&bare) {
            return Err(unsupported(layer).into());
        }
    }
    Ok(())
}
