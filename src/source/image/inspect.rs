//! What an engine says of an image before it exports it.

use bollard::models::OciPlatform;
use serde::Deserialize;

use super::config::{digest, platform};
use super::{ImageError, descriptor};
use crate::digest::Sha256;

/// The kind of a manifest that is an image's, and not an attestation's or one yet to be thought of.
const IMAGE: &str = "image";

/// An image, as engines of any age and make describe it: what is not needed is not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Inspected {
    #[serde(default)]
    id: String,
    size: Option<i64>,
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
    manifests: Option<Vec<Summary>>,
}

/// One of the manifests that an image consists of.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    descriptor: Stored,
    #[serde(default)]
    available: bool,
    kind: Option<String>,
    image_data: Option<ImageData>,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    digest: String,
    platform: Option<OciPlatform>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImageData {
    platform: Option<OciPlatform>,
}

/// An export to ask for.
pub(super) struct Export {
    /// The digest that must lead to the image's config.
    pub(super) id: Sha256,
    /// The platform to ask for, as an index has it, where the engine takes one.
    pub(super) platform: Option<OciPlatform>,
    /// The platforms to choose from what comes.
    pub(super) wanted: Vec<String>,
}

impl Inspected {
    /// The image's id: the digest of its config, or of its manifest or index.
    pub(super) fn id(&self) -> Result<Sha256, ImageError> {
        digest("the engine's answer", &self.id)
    }

    /// The size that the engine names, which is near that of the layers together.
    pub(super) fn size(&self) -> Option<u64> {
        self.size.and_then(|size| u64::try_from(size).ok())
    }

    /// Whether the engine knows it by any name.
    pub(super) fn has_name(&self) -> bool {
        self.repo_tags.as_ref().is_some_and(|tags| !tags.is_empty())
    }

    /// The digests under which registries have it.
    pub(super) fn repo_digests(&self) -> Vec<String> {
        let mut digests = self.repo_digests.clone().unwrap_or_default();
        digests.sort();
        digests
    }

    /// What to ask for: the whole image, or where the engine has it for several platforms, one
    /// export for each of those wanted.
    pub(super) fn exports(&self, wanted: &[String]) -> Result<Vec<Export>, ImageError> {
        let whole = Export {
            id: self.id()?,
            platform: None,
            wanted: wanted.to_vec(),
        };
        let summaries = self.manifests.as_deref().unwrap_or_default();
        let images = summaries
            .iter()
            .filter(|summary| summary.kind.as_deref() == Some(IMAGE));
        let (present, absent): (Vec<_>, Vec<_>) = images.partition(|summary| summary.available);
        if present.is_empty() && absent.is_empty() {
            return Ok(vec![whole]);
        }
        let names = |of: &[&Summary]| of.iter().map(|one| name(one)).collect::<Vec<_>>();
        let (names, absent) = (names(&present), names(&absent));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if wanted.is_empty() {
            descriptor::choose(&names, &absent, &[])?;
            return Ok(vec![whole]);
        }
        let mut exports: Vec<Export> = Vec::new();
        for wanted in wanted.chunks(1) {
            for at in descriptor::choose(&names, &absent, wanted)? {
                let id = digest("the engine's answer", &present[at].descriptor.digest)?;
                if exports.iter().all(|export| export.id != id) {
                    exports.push(Export {
                        id,
                        platform: platform_of(present[at]).cloned(),
                        wanted: wanted.to_vec(),
                    });
                }
            }
        }
        Ok(exports)
    }
}

fn platform_of(summary: &Summary) -> Option<&OciPlatform> {
    let data = summary.image_data.as_ref();
    let found = data.and_then(|data| data.platform.as_ref());
    found.or(summary.descriptor.platform.as_ref())
}

fn name(summary: &Summary) -> String {
    let named = platform_of(summary).map(|found| {
        let field = |value: &Option<String>| value.clone().unwrap_or_default();
        platform(
            &field(&found.os),
            &field(&found.architecture),
            &field(&found.variant),
        )
    });
    let named = named.filter(|name| !name.is_empty());
    named.unwrap_or_else(|| summary.descriptor.digest.clone())
}
