//! What the release is built with: images, tools, lock files, bills of materials.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::Sha256;

/// The build environment (IEC 62304 5.8.5), and the SBOMs of what was built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuildEnvironmentConfig {
    /// The images that the release is built in, or that its image is based on.
    #[serde(rename = "image", default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<BuilderImageConfig>,
    /// The tools of the build: compilers, interpreters, packagers.
    #[serde(rename = "tool", default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolConfig>,
    /// Globs of lock files in the source tree at the release tag, submodules included: relative to
    /// this file's folder, or to the tree's root where they start with `/` or where
    /// `source.repository` is set. What they find is archived.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lock_files: Vec<String>,
    /// The software bills of materials to check, each archived by a slot.
    #[serde(rename = "sbom", default, skip_serializing_if = "Vec::is_empty")]
    pub sboms: Vec<SbomConfig>,
    /// Refuse an SBOM that lacks one of NTIA's minimum elements; otherwise what is missing is
    /// told and recorded.
    #[serde(default)]
    pub require_minimum_elements: bool,
}

/// An image that is used to make the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuilderImageConfig {
    /// Its name, with the tag if that says something: "docker.io/library/rust:1.95-bookworm".
    pub name: String,
    /// Its digest in the registry, which a tag cannot replace: "sha256:…".
    pub digest: ImageDigest,
}

/// A tool of the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolConfig {
    /// Its name, as in "rustc".
    pub name: String,
    /// Its exact version, as in "1.95.0".
    pub version: String,
}

/// A software bill of materials, `CycloneDX` or SPDX as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SbomConfig {
    /// A glob that finds one file, written as in a slot's `files`; a slot has to archive it.
    /// `{version}` stands for the version.
    pub file: String,
    /// The name of the image that it describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The platform that it describes, where the image has several, as in "linux/arm64".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

/// An image's digest, as container tools write it: `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageDigest(Sha256);

/// Text that is no digest of an image.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error(
    "`{0}` is no digest of an image: `sha256:` and 64 lower-case hexadecimal digits are expected, as `docker image inspect` shows them under RepoDigests; a tag can move"
)]
pub struct NotAnImageDigest(String);

impl ImageDigest {
    /// The digest.
    pub const fn sha256(self) -> Sha256 {
        self.0
    }
}

impl FromStr for ImageDigest {
    type Err = NotAnImageDigest;

    fn from_str(text: &str) -> Result<Self, NotAnImageDigest> {
        let digits = text.strip_prefix("sha256:");
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(digest) => Ok(Self(digest)),
            None => Err(NotAnImageDigest(text.chars().take(100).collect())),
        }
    }
}

impl TryFrom<String> for ImageDigest {
    type Error = NotAnImageDigest;

    fn try_from(text: String) -> Result<Self, NotAnImageDigest> {
        text.parse()
    }
}

impl fmt::Display for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl From<ImageDigest> for String {
    fn from(digest: ImageDigest) -> Self {
        digest.to_string()
    }
}

impl JsonSchema for ImageDigest {
    fn schema_name() -> Cow<'static, str> {
        "ImageDigest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "An image's SHA-256 digest, as container tools write it",
            "pattern": "^sha256:[0-9a-f]{64}$"
        })
    }
}
