//! An image's config, as far as it has to be understood (OCI image specification, config.md).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::ImageError;
use crate::digest::Sha256;

/// Configs, manifests and indexes are small; a larger one is none. Registries take manifests of
/// 4 MiB (OCI distribution specification, "Pushing Manifests").
pub(super) const LARGEST_JSON: u64 = 4 * 1024 * 1024;

/// What of the config identifies the image.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) diff_ids: Vec<Sha256>,
    pub(super) platform: String,
    /// The same, as an index has it.
    pub(super) platform_object: Option<Value>,
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    variant: String,
    config: Option<Runtime>,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct Runtime {
    #[serde(rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Option<Vec<String>>,
}

impl Config {
    /// Reads a config; `part` names it in errors.
    pub(super) fn parse(part: &str, bytes: &[u8]) -> Result<Self, ImageError> {
        let stored: Stored = json(part, bytes)?;
        let platform_object = platform_object(&stored);
        let diff_ids = stored.rootfs.diff_ids.unwrap_or_default();
        Ok(Self {
            diff_ids: diff_ids
                .iter()
                .map(|text| digest(part, text))
                .collect::<Result<_, _>>()?,
            platform: platform(&stored.os, &stored.architecture, &stored.variant),
            platform_object,
            labels: stored
                .config
                .and_then(|config| config.labels)
                .unwrap_or_default(),
        })
    }
}

/// An index's `platform` needs both a system and an architecture.
fn platform_object(stored: &Stored) -> Option<Value> {
    if stored.os.is_empty() || stored.architecture.is_empty() {
        return None;
    }
    let mut object = serde_json::json!({ "architecture": stored.architecture, "os": stored.os });
    if !stored.variant.is_empty() {
        object["variant"] = Value::String(stored.variant.clone());
    }
    Some(object)
}

/// As in "linux/arm64/v8".
pub(super) fn platform(os: &str, architecture: &str, variant: &str) -> String {
    let parts = [os, architecture, variant];
    let known: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    known.join("/")
}

/// Reads JSON; `part` names it in errors.
pub(super) fn json<'a, T: Deserialize<'a>>(part: &str, bytes: &'a [u8]) -> Result<T, ImageError> {
    serde_json::from_slice(bytes).map_err(|error| ImageError::Malformed {
        part: part.to_owned(),
        problem: error.to_string(),
    })
}

/// Where a blob lies in an OCI image layout.
pub(super) fn blob(digest: &Sha256) -> String {
    format!("blobs/sha256/{digest}")
}

/// Reads `sha256:…`; `part` is where it stands.
pub(super) fn digest(part: &str, text: &str) -> Result<Sha256, ImageError> {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    hex.parse().map_err(|_| ImageError::Malformed {
        part: part.to_owned(),
        problem: format!("{text:?} is no SHA-256 digest"),
    })
}
