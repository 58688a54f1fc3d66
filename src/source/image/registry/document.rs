//! Manifests and indexes, as registries keep them (OCI image specification 1.1; Docker's have the
//! same form).

use serde::Deserialize;

use super::client::{Client, Small};
use super::{Reference, RegistryError, Version};
use crate::digest::Sha256;
use crate::source::image::ImageError;
use crate::source::image::config::{self, LARGEST_JSON, digest};
use crate::source::image::descriptor::{
    Descriptor, INDEXES, MANIFESTS, Manifest, is_index, is_manifest,
};
use crate::source::image::error::{malformed, require_size};

const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+";

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
        let problem = format!("{} bytes are far too many", descriptor.size);
        return Err(malformed(&descriptor.digest, &problem));
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
    let accept = [&MANIFESTS[..], &INDEXES[..]].concat();
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
    let content = match (stored.manifests, stored.config, stored.layers) {
        // One document must not be read in two ways.
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            return Err(malformed(&url, "it is an index and a manifest in one"));
        }
        (Some(manifests), None, None) if is_index(&media_type) => Content::Index(manifests),
        (None, Some(config), layers) if is_manifest(&media_type) => {
            let layers = layers.unwrap_or_default();
            let manifest = Manifest { config, layers };
            manifest.require_image()?;
            Content::Manifest(manifest)
        }
        _ => {
            return Err(ImageError::MediaType {
                part: url,
                media_type,
            });
        }
    };
    Ok(Document {
        url,
        digest,
        bytes,
        media_type,
        content,
    })
}
