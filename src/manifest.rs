//! `Manifest/manifest.json`: what an archive holds and which release it is.
//!
//! The manifest is deterministic: nothing in it depends on the clock, the host, the user or a
//! keyring. Its bytes are signed as stored, so they are written in one fixed form.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::{Market, Product};
use crate::digest::Sha256;
use crate::layout::Role;
use crate::path::ArchivePath;

mod environment;
mod format;
mod git_signature;
mod retention;
mod size;

#[cfg(feature = "native")]
pub(crate) use format::to_bytes as to_lines;
pub use git_signature::{GitSignature, GitSignatureStatus};

pub use environment::{BuildEnvironment, BuilderImage, LockFile, SbomImage, SbomRecord, Tool};
pub use retention::RetentionRule;
pub use size::largest;

/// The format number this version writes, and the highest it reads.
pub const FORMAT: u32 = 1;

/// The folder that holds the manifest, its checksums and the signatures.
pub const FOLDER: &str = "Manifest";
/// The manifest's own path.
pub const MANIFEST: &str = "Manifest/manifest.json";
/// The path of the checksums for `sha256sum -c`.
pub const SUMS: &str = "Manifest/SHA256SUMS";
/// The path of the instructions for verifying with stock tools.
pub const VERIFY_MD: &str = "Manifest/VERIFY.md";
/// The folder of statements and their signatures.
pub const SIGNATURES: &str = "Manifest/signatures";
/// The most bytes that the files among the signatures have together: hundreds of signers.
pub const LARGEST_SIGNATURES: u64 = 16 * 1024 * 1024;
/// The page for people.
pub const PAGE: &str = "index.html";

/// What `manifest.json` says.
///
/// A field that a reader does not know is ignored; whatever would change a verdict raises
/// [`FORMAT`] instead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format number, see [`FORMAT`].
    pub format: u32,
    /// The archive's name: product, version, and the numbers of revision and addendum where there
    /// are any.
    pub name: String,
    /// True for an archive sealed with gaps, which never passes verification.
    pub draft: bool,
    /// The product, as configured.
    pub product: Product,
    /// Where the product is marketed.
    pub markets: Vec<Market>,
    /// Which release this is.
    pub release: Release,
    /// Where configuration and documents were read.
    pub records: Records,
    /// The layout that shaped the tree.
    pub layout: LayoutIdentity,
    /// The source code's identity.
    pub source: SourceIdentity,
    /// The container images' identities, in the order of the configuration.
    pub images: Vec<ImageIdentity>,
    /// What the release was built with, where the configuration says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_environment: Option<BuildEnvironment>,
    /// How long it is to be kept, where the configuration says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionRule>,
    /// How each slot of the layout is filled, in the layout's order.
    pub slots: Vec<SlotRecord>,
    /// Manifest digest of the archive that this one is an addendum to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amends: Option<Sha256>,
    /// Which addendum to it this is, and why it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addendum: Option<Addendum>,
    /// Manifest digest of the product's previous release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<Sha256>,
    /// The archive that this revision replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Superseded>,
    /// Every file but this one, `SHA256SUMS` and those in `signatures/`, by byte order of path.
    pub files: Vec<FileEntry>,
}

/// Which release an archive is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The version, as in "2.4.0".
    pub version: String,
    /// 0 at first; counts the archives made anew for one version.
    pub revision: u32,
    /// The tag released.
    pub tag: String,
    /// The tag's date, RFC 3339 in UTC: the time of every file in the archive.
    /// The release date is another thing: when the last required role signed.
    pub source_date: jiff::Timestamp,
    /// The device identifier of the UDI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udi_di: Option<String>,
    /// The production identifier of the UDI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udi_pi: Option<String>,
}

/// The revision at which configuration and documents were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// The revision as named: the release tag unless configured otherwise.
    pub rev: String,
    /// The commit it named.
    pub commit: String,
}

/// An archive replaced by a later revision of the same version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Superseded {
    /// Manifest digest of the replaced archive.
    pub manifest: Sha256,
    /// Why it was replaced.
    pub reason: String,
}

/// Which addendum an archive is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addendum {
    /// Counts the addenda to one archive, from 1.
    pub number: u32,
    /// Why it was made.
    pub reason: String,
}

/// The layout used, by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayoutIdentity {
    /// Its name, as in "fda-classic".
    pub name: String,
    /// Digest of the layout file, which the archive holds.
    pub sha256: Sha256,
    /// The roles that the layout asks to sign a release.
    pub roles: Vec<Role>,
}

/// What identifies the released source code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceIdentity {
    /// Object id of the annotated tag, or of the commit for a lightweight one.
    pub tag_object: String,
    /// The commit that the tag names.
    pub commit: String,
    /// That commit's tree.
    pub tree: String,
    /// The signature on the tag.
    pub tag_signature: GitSignature,
    /// The signature on the commit, where it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_signature: Option<GitSignature>,
    /// The commits of other repositories that the tree names, by byte order of path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub submodules: Vec<SubmoduleIdentity>,
    /// The Git LFS objects that the history points to; none if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lfs: Option<LfsIdentity>,
    /// Where `.gitattributes` files say `export-ignore`, as in `docs/.gitattributes:3: *.tmp`. The
    /// source tree holds these files all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub export_ignore: Vec<String>,
}

/// A submodule, at any depth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmoduleIdentity {
    /// Its path from the top of the release's tree, through other submodules where it is nested.
    pub path: String,
    /// Its URL as `.gitmodules` has it, which may be relative.
    pub url: String,
    /// The commit that is pinned.
    pub commit: String,
    /// That commit's tree.
    pub tree: String,
    /// The bundle that holds it. Submodules with the same commit share one.
    pub bundle: ArchivePath,
}

/// The Git LFS objects of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LfsIdentity {
    /// The folder of the archive in which each object lies as `AA/BB/OID`, as in Git LFS's own
    /// store: `OID` is its SHA-256, `AA` and `BB` the first digits of it.
    pub folder: ArchivePath,
    /// How many objects there are.
    pub objects: u64,
    /// How many bytes they have together.
    pub bytes: u64,
}

impl LfsIdentity {
    /// Where the object with this name lies below the folder.
    pub fn place(oid: &Sha256) -> String {
        let oid = oid.to_string();
        format!("{}/{}/{oid}", &oid[..2], &oid[2..4])
    }
}

/// What identifies an archived container image. One with several platforms has an entry for
/// each, with the same name and folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageIdentity {
    /// The name in the configuration.
    pub name: String,
    /// The folder of the archive that holds its OCI layout.
    pub folder: ArchivePath,
    /// The image id: the digest of its config.
    pub id: Sha256,
    /// The digests of its uncompressed layers, lowest first.
    pub diff_ids: Vec<Sha256>,
    /// The digests of its layers as stored, in the same order; empty where these are the `diff_ids`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<Sha256>,
    /// The digest of its manifest in the registry, which the folder holds byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Sha256>,
    /// The digest of the index in the registry that names this and other platforms, which the
    /// folder holds byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Sha256>,
    /// As in "linux/amd64" or "linux/arm64/v8".
    pub platform: String,
    /// The labels in its config.
    pub labels: BTreeMap<String, String>,
}

/// How a slot is filled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRecord {
    /// The slot's neutral id.
    pub id: String,
    /// Its folder in this archive.
    pub folder: ArchivePath,
    /// Its title.
    pub title: String,
    /// What fills it.
    pub fill: Filled,
}

/// What fills a slot of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filled {
    /// This many files, inside the archive.
    Files(u64),
    /// A document kept elsewhere, by digest.
    Reference(Reference),
    /// Justified as not applicable.
    NotApplicable(String),
    /// Optional, and not filled.
    Empty,
    /// Required, and not filled: only in a draft.
    Missing,
}

/// A document that is kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Where it is kept: a document number, a URL, a place in the QMS.
    pub location: String,
    /// Its revision there.
    pub revision: String,
    /// The digest of its bytes.
    pub sha256: Sha256,
}

/// One file of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path from the archive's root.
    pub path: ArchivePath,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub sha256: Sha256,
    /// The slot it fills, if it fills one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// Where its bytes came from.
    pub origin: Origin,
    /// What stays the same where another version packs other bytes: names such as
    /// `uncompressed_sha256`, `git_tree`, `git_commit`, with their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub identity: BTreeMap<String, String>,
    /// What the index of its folder says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentRecord>,
}

impl FileEntry {
    /// What stays the same where another version packs or generates other bytes: the recorded
    /// identity, or the digest of the bytes where none is recorded.
    pub fn logical_identity(&self) -> BTreeMap<String, String> {
        if self.identity.is_empty() {
            BTreeMap::from([("sha256".to_owned(), self.sha256.to_string())])
        } else {
            self.identity.clone()
        }
    }
}

/// Where a file's bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Given, and copied unchanged.
    Input,
    /// Written by dhfpack from what it knows.
    Generated,
    /// Given, and packed into another form by dhfpack.
    Packed,
}

/// A line of an index of documents (21 CFR 820.40, ISO 13485:2016 4.2.4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentRecord {
    /// The document's number.
    pub id: String,
    /// Its revision.
    pub revision: String,
    /// Who approved it.
    pub approver: String,
    /// When, as given.
    pub approval_date: String,
    /// Where it comes from, as given.
    pub origin: String,
}

/// A manifest that cannot be read.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// Not the JSON expected.
    #[error("{MANIFEST} cannot be understood")]
    Json(#[from] serde_json::Error),
    /// Made by a later version.
    #[error("{MANIFEST} has format {0}; this version reads up to {FORMAT}: use a newer dhfpack")]
    Format(u32),
}

impl Manifest {
    /// Reads a manifest's bytes, whatever its format promises.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        /// Read first, so that a later format is named as such.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_slice(bytes)?;
        if head.format == 0 || head.format > FORMAT {
            return Err(ManifestError::Format(head.format));
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The bytes to store: JSON, one line per file, ending in a newline.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        format::to_bytes(self)
    }

    /// The content of `SHA256SUMS` that belongs to this manifest and its bytes' digest.
    pub fn sums(&self, manifest_digest: &Sha256) -> String {
        let mut lines: Vec<(&str, &Sha256)> = self
            .files
            .iter()
            .map(|file| (file.path.as_str(), &file.sha256))
            .chain([(MANIFEST, manifest_digest)])
            .collect();
        lines.sort_unstable();
        let mut text = String::with_capacity(lines.len() * 130);
        for (path, digest) in lines {
            text.push_str(&digest.to_string());
            text.push_str("  ");
            text.push_str(path);
            text.push('\n');
        }
        text
    }
}
