//! What an engine says of an image before it exports it.

use serde::Deserialize;
use serde_json::Value;

use super::client::ApiVersion;
use super::config::{digest, platform};
use super::{ImageError, descriptor};
use crate::digest::Sha256;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Inspected {
    id: String,
    repo_digests: Option<Vec<String>>,
    size: Option<i64>,
    /// From version 1.48 on, and only with the containerd store.
    manifests: Option<Vec<Summary>>,
}

/// An image or an attestation that an index of the containerd store lists.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    descriptor: Descriptor,
    #[serde(default)]
    available: bool,
    #[serde(default)]
    kind: String,
    image_data: Option<ImageData>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    platform: Option<Value>,
}

#[derive(Deserialize)]
struct ImageData {
    #[serde(rename = "Platform")]
    platform: Option<Value>,
}

/// An export to ask for.
pub(super) struct Export {
    /// The digest that must lead to the image's config.
    pub(super) id: Sha256,
    /// The platform to ask for, as an index has it, where the engine takes one.
    pub(super) platform: Option<Value>,
    /// The platforms to choose from what comes.
    pub(super) wanted: Vec<String>,
}

impl Inspected {
    /// The request for it; `reference` consists of characters that need no escape.
    pub(super) fn path(reference: &str, version: ApiVersion) -> String {
        let path = format!("/images/{reference}/json");
        if version >= ApiVersion::PLATFORMS {
            format!("{path}?manifests=1")
        } else {
            path
        }
    }

    /// The image's id: the digest of its config, or of its manifest or index.
    pub(super) fn id(&self) -> Result<Sha256, ImageError> {
        digest("the engine's answer", &self.id)
    }

    /// The size that the engine names, which is near that of the layers together.
    pub(super) fn size(&self) -> Option<u64> {
        self.size.and_then(|size| u64::try_from(size).ok())
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
        let images = summaries.iter().filter(|summary| summary.kind == "image");
        let (present, absent): (Vec<_>, Vec<_>) = images.partition(|summary| summary.available);
        if present.is_empty() && absent.is_empty() {
            return Ok(vec![whole]);
        }
        let names = |of: &[&Summary]| of.iter().map(|one| one.name()).collect::<Vec<_>>();
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
                        platform: present[at].platform().cloned(),
                        wanted: wanted.to_vec(),
                    });
                }
            }
        }
        Ok(exports)
    }
}

impl Summary {
    fn platform(&self) -> Option<&Value> {
        let data = self.image_data.as_ref();
        let found = data.and_then(|data| data.platform.as_ref());
        found.or(self.descriptor.platform.as_ref())
    }

    fn name(&self) -> String {
        let field = |name: &str| {
            let platform = self.platform().and_then(|platform| platform.get(name));
            platform.and_then(Value::as_str).unwrap_or_default()
        };
        match platform(field("os"), field("architecture"), field("variant")) {
            name if name.is_empty() => self.descriptor.digest.clone(),
            name => name,
        }
    }
}
