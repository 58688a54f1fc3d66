//! `dhfpack.toml`: what a product's releases are made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::manifest::{Reference, Superseded};

mod check;
mod environment;
mod publication;
mod remote;

pub use environment::{
    BuildEnvironmentConfig, BuilderImageConfig, ImageDigest, NotAnImageDigest, SbomConfig,
    ToolConfig,
};
pub use publication::{
    GitFileConfig, LockMode, RegistryConfig, RetentionConfig, ServiceManualConfig, StorageConfig,
};
#[cfg(feature = "native")]
pub(crate) use remote::is_remote_url;

/// The usual name of the file.
pub const FILE_NAME: &str = "dhfpack.toml";

/// A product's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A built-in layout's name, or the path of a layout file in the repository, starting with `./`.
    pub layout: String,
    /// The product.
    pub product: Product,
    /// Where the product is marketed; each market has a class of its own.
    #[serde(rename = "market", default, skip_serializing_if = "Vec::is_empty")]
    pub markets: Vec<Market>,
    /// The release.
    pub release: ReleaseConfig,
    /// Where configuration and documents are read.
    #[serde(default)]
    pub records: RecordsConfig,
    /// The source repository.
    #[serde(default)]
    pub source: SourceConfig,
    /// The container images to archive.
    #[serde(rename = "image", default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageConfig>,
    /// What the release is built with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_environment: Option<BuildEnvironmentConfig>,
    /// Folders outside the repository that hold documents.
    #[serde(rename = "folder", default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<FolderConfig>,
    /// Other git repositories that hold documents.
    #[serde(rename = "repository", default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<RepositoryConfig>,
    /// What fills the layout's slots.
    #[serde(rename = "slot", default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<SlotConfig>,
    /// How the archive is signed when it is built.
    #[serde(default)]
    pub signing: SigningConfig,
    /// Where archives are published.
    #[serde(default)]
    pub storage: StorageConfig,
    /// How long archives are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionConfig>,
    /// The products registry that gets a row for each release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistryConfig>,
    /// The service manual that gets an entry for each release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_manual: Option<ServiceManualConfig>,
}

/// A configuration with the command line's overrides applied, as archived for building again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolvedConfig {
    /// The configuration's folder in the repository, empty for the root.
    pub base: String,
    /// The configuration.
    pub config: Config,
}

/// The name under which the command line gives the location of `source.repository`.
pub const SOURCE: &str = "source";

/// The product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The product's name, as labelled.
    pub name: String,
    /// The name used for files: lower-case letters, digits and hyphens.
    pub id: String,
    /// The legal manufacturer.
    pub manufacturer: String,
    /// The software items with their IEC 62304 safety classes.
    #[serde(rename = "software_item", default)]
    pub software_items: Vec<SoftwareItem>,
}

/// A software item and its safety class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftwareItem {
    /// The item's name.
    pub name: String,
    /// Its IEC 62304 software safety class (4.3).
    pub safety_class: SafetyClass,
}

/// IEC 62304 software safety class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SafetyClass {
    /// No injury or damage to health is possible.
    A,
    /// Injury that is not serious is possible.
    B,
    /// Death or serious injury is possible.
    C,
}

/// A market, with what differs from one market to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Market {
    /// The regime: "us-fda", "eu-mdr" or another in your own words.
    pub regime: String,
    /// The device's class there, as in `II` or `IIa`.
    pub device_class: String,
    /// FDA's documentation level for device software: "basic" or "enhanced".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation_level: Option<DocumentationLevel>,
    /// The Basic UDI-DI, where the regime has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_udi_di: Option<String>,
    /// The clearance, approval or certificate under which the release is distributed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearance: Option<String>,
}

/// FDA's documentation level for device software functions (guidance of 2023).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DocumentationLevel {
    /// Basic documentation.
    Basic,
    /// Enhanced documentation.
    Enhanced,
}

/// Which release this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseConfig {
    /// The version, as in "2.4.0".
    pub version: String,
    /// The tag's pattern, with `{version}` where the version stands.
    #[serde(default = "default_tag")]
    pub tag: String,
    /// The device identifier of the UDI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udi_di: Option<String>,
    /// The production identifier of the UDI; for software, usually the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udi_pi: Option<String>,
    /// 0 for a first archive; the number of the archive made anew for the same version.
    #[serde(default)]
    pub revision: u32,
    /// The archive that a revision replaces, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Superseded>,
    /// The archive of this version that this one is an addendum to, and why. An addendum holds
    /// what its configuration names, and the source code stays in the archive that it amends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amends: Option<Amended>,
    /// Manifest digest of the product's previous release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<Sha256>,
}

/// The archive that an addendum amends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amended {
    /// Manifest digest of the amended archive.
    pub manifest: Sha256,
    /// Counts the addenda to it, from 1.
    #[serde(default = "first")]
    pub number: u32,
    /// Why the addendum is made.
    pub reason: String,
}

const fn first() -> u32 {
    1
}

fn default_tag() -> String {
    "v{version}".to_owned()
}

/// Where configuration and documents are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordsConfig {
    /// A tag, branch or commit of the repository; the release tag by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rev: Option<String>,
}

/// The source repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// The repository that the release tag is in, where it is not the one of this file: a path
    /// relative to the checkout's folder that holds this file, or a URL. `records.rev` must then
    /// name a revision of this file's repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// An OpenSSH allowed signers file in the repository, beside this file unless it starts with `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_signers: Option<String>,
    /// A file of the repository with the `OpenPGP` public keys that may sign, armoured, found as
    /// `allowed_signers` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openpgp_keys: Option<String>,
    /// A PEM file of the repository with the X.509 certificates whose holders may sign, or that
    /// certify those holders, found as `allowed_signers` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x509_certificates: Option<String>,
    /// The URL from which is fetched what the clone at hand lacks: history, and submodules, whose
    /// relative URLs count from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Whether Git LFS objects that are not at hand may be fetched with `git lfs fetch`.
    #[serde(default)]
    pub fetch_lfs: bool,
    /// Refuse a tag whose signature is not known to be good.
    #[serde(default)]
    pub require_signed_tag: bool,
}

/// A container image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageConfig {
    /// The name of its folder in the archive.
    pub name: String,
    /// `docker:REFERENCE` for an image in the Docker Engine, `registry:HOST/REPOSITORY:TAG` or
    /// `registry:HOST/REPOSITORY@sha256:DIGEST` for one in a registry, `docker-archive:PATH` or
    /// `docker-archive:PATH:NAME:TAG` for one in a tar of `docker save`, `oci:PATH` for an OCI
    /// layout, as folder or tar. `{version}` stands for the version.
    pub source: String,
    /// Which platforms to take where the source has several, as in "linux/arm64".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
}

/// A folder outside the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderConfig {
    /// The name that stands before the colon in a slot's `files`.
    pub name: String,
    /// The folder, relative to the checkout's folder that holds this file. `{version}` stands for
    /// the version.
    pub path: String,
    /// A CSV file in the folder with the columns file, id, revision, approver, `approval_date`, origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
}

/// Another git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepositoryConfig {
    /// The name that stands before the colon in a slot's `files`.
    pub name: String,
    /// Its path, relative to the checkout's folder that holds this file, or its URL.
    pub location: String,
    /// The tag to read, with `{version}` where the version stands.
    pub tag: String,
}

/// What fills a slot: one of `files`, `reference` and `not_applicable`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotConfig {
    /// The slot's id in the layout.
    pub id: String,
    /// Globs, relative to this file's folder, or to the repository's root where they start with
    /// `/`; `NAME:GLOB` looks in the folder or repository of that name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// A document kept elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// Why the slot does not apply to this release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_applicable: Option<String>,
}

/// How the archive is signed when it is built. Secrets are never part of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SigningConfig {
    /// The role that the builder's statement names.
    #[serde(default = "default_role")]
    pub role: String,
    /// What the builder's signature means.
    #[serde(default)]
    pub meaning: Meaning,
}

impl Default for SigningConfig {
    fn default() -> Self {
        Self {
            role: default_role(),
            meaning: Meaning::default(),
        }
    }
}

fn default_role() -> String {
    crate::layout::RELEASE_BUILDER.to_owned()
}

/// What a signature means (21 CFR 11.50).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Meaning {
    /// Made it.
    #[default]
    Author,
    /// Looked through it.
    Review,
    /// Agrees with it.
    Approve,
    /// Authorises the release.
    Release,
}

impl Meaning {
    /// The word in statements and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::Review => "review",
            Self::Approve => "approve",
            Self::Release => "release",
        }
    }
}

impl Config {
    /// The tag that the pattern gives for the version.
    pub fn tag(&self) -> String {
        self.with_version(&self.release.tag)
    }

    /// `text` with the version in place of `{version}`.
    pub fn with_version(&self, text: &str) -> String {
        text.replace("{version}", &self.release.version)
    }

    /// The archive's name: product and version, the revision unless it is the first, and the
    /// number of an addendum.
    pub fn archive_name(&self) -> String {
        let mut name = format!("{}-{}", self.product.id, self.release.version);
        if self.release.revision > 0 {
            name = format!("{name}-r{}", self.release.revision);
        }
        if let Some(amends) = &self.release.amends {
            name = format!("{name}-addendum-{}", amends.number);
        }
        name
    }

    /// What fills the slot with this id.
    pub fn slot(&self, id: &str) -> Option<&SlotConfig> {
        self.slots.iter().find(|slot| slot.id == id)
    }
}
