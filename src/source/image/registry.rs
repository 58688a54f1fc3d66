//! Images from a registry (OCI distribution specification 1.1, and Docker's before it): manifests,
//! index and compressed blobs kept byte for byte, so that the registry's digests can be verified
//! from the archive.

use std::path::Path;

use super::{Fetched, Image, ImageError, ImageFile};
use crate::monitor::{Monitor, Task, Unit};

mod access;
mod attempts;
mod blob;
mod challenge;
mod client;
mod docker_config;
mod document;
mod error;
mod helper;
mod reference;
mod resolve;
mod sink;
mod token;
mod transport;

pub use access::{Access, Login, Secret};
pub use error::RegistryError;
pub use reference::{Reference, Version};

use super::raw::RawFolder;
use client::Client;

/// An image in a registry, and how to get at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryImage {
    /// Which image.
    pub reference: Reference,
    /// Logins and certificates of this machine.
    pub access: Access,
}

/// Fetches the image into the folder `into`, which must not exist and is made. On any failure
/// nothing is left of it.
pub(super) fn fetch(
    image: &RegistryImage,
    platforms: &[String],
    into: &Path,
    monitor: &dyn Monitor,
) -> Result<Fetched, ImageError> {
    let reference = &image.reference;
    let client = Client::connect(reference, &image.access, monitor)?;
    let resolved = resolve::resolve(&client, reference, platforms)?;
    let found = resolved.images.iter();
    super::require_platforms(platforms, found.map(|image| &*image.config.platform))?;
    let mut folder = RawFolder::begin(into)?;
    for document in &resolved.documents {
        folder.keep_bytes(document.digest, &document.bytes)?;
    }
    for image in &resolved.images {
        folder.keep_bytes(image.id, &image.config_bytes)?;
    }
    let jobs = blob::jobs(&resolved.images)?;
    let total = jobs.iter().map(|job| job.size).sum();
    let task = Task::begin(monitor, "image", Some(total), Unit::Bytes);
    for stored in blob::download(&client, jobs, &folder, &task, monitor)? {
        folder.add(&stored);
    }
    let files = folder.finish(&resolved.top, &resolved.images)?;
    Ok(fetched(reference, &resolved, files))
}

fn fetched(reference: &Reference, resolved: &resolve::Resolved, files: Vec<ImageFile>) -> Fetched {
    let images = resolved.images.iter().map(|image| {
        let stored: Vec<_> = image.layers.iter().map(|layer| layer.digest).collect();
        let is_plain = stored == image.config.diff_ids;
        Image {
            id: image.id,
            diff_ids: image.config.diff_ids.clone(),
            blobs: if is_plain { Vec::new() } else { stored },
            manifest: Some(image.manifest),
            platform: image.config.platform.clone(),
            labels: image.config.labels.clone(),
        }
    });
    Fetched {
        images: images.collect(),
        index: resolved.index,
        repo_digests: vec![format!(
            "{}@sha256:{}",
            reference.name(),
            resolved.top.digest
        )],
        files,
    }
}
