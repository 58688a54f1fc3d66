//! What the release was built with (IEC 62304 5.8.5), and its bills of materials.

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::path::ArchivePath;
use crate::sbom::{Link, Missing, Standard};

/// The build environment, as configured and as found at the tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildEnvironment {
    /// The images that the release was built in or on, in the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<BuilderImage>,
    /// The tools that it was built with, in the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// The lock files of its dependencies, by byte order of path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lock_files: Vec<LockFile>,
    /// Its software bills of materials, in the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sboms: Vec<SbomRecord>,
}

/// An image that is not part of the release, but was used to make it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuilderImage {
    /// Its name, as configured.
    pub name: String,
    /// The digest that pins it, as configured.
    pub digest: Sha256,
}

/// A tool of the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name, as configured.
    pub name: String,
    /// Its version, as configured.
    pub version: String,
}

/// A lock file, copied from the source tree so that it can be read without git.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockFile {
    /// Its path in the archive.
    pub path: ArchivePath,
    /// Its path in the source tree at the tag, through submodules.
    pub source: String,
    /// The digest of its bytes.
    pub sha256: Sha256,
    /// Git's id of its content.
    pub git_blob: String,
}

/// A software bill of materials, which a slot of the archive holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SbomRecord {
    /// Its path in the archive.
    pub path: ArchivePath,
    /// The digest of its bytes.
    pub sha256: Sha256,
    /// The standard it follows.
    pub format: Standard,
    /// The version of the standard.
    pub format_version: String,
    /// What it says that it is about, cut and cleaned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The archived image that it describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<SbomImage>,
    /// How many components it lists, its subject among them.
    pub components: u64,
    /// What it lacks of NTIA's minimum elements; empty if evidence of all is present.
    pub missing: Vec<Missing>,
}

/// The image that an SBOM describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SbomImage {
    /// The image's name in the configuration.
    pub name: String,
    /// Its platform, where the configuration names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// What the link rests on.
    pub link: Link,
}
