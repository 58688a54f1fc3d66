//! What becomes of a finished archive: store, retention, products registry, service manual.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where archives are published.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// The store that `publish` copies to unless told otherwise: a folder, or a URL as in
    /// `s3://BUCKET/PREFIX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The release's folder in the design history file, which gets a copy of `Design Outputs`: a
    /// folder or a URL with `{version}` in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dhf: Option<String>,
}

/// How long archives are kept, and what keeps them (21 CFR 820.180, ISO 13485 4.2.5, MDR Art. 10(8)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionConfig {
    /// The rule that asks for it, as in "MDR Art. 10(8)".
    pub rule: String,
    /// The event from which the time counts, as in "last device placed on the market".
    pub trigger: String,
    /// The least time in years. Counted from the release until the trigger's date is known.
    pub minimum_years: u16,
    /// How a store with object lock locks the archive; not at all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<LockMode>,
    /// Whether the archive is also held until a person lifts the hold.
    #[serde(default)]
    pub legal_hold: bool,
}

/// How a store locks objects, the weaker first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum LockMode {
    /// Persons with a special permission may lift the lock.
    Governance,
    /// Nobody may lift the lock before its end.
    Compliance,
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Governance => "governance",
            Self::Compliance => "compliance",
        })
    }
}

/// The products registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryConfig {
    /// The store that holds `registry.csv`; `storage.to` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The product's phase, as the registry shows it.
    #[serde(default = "default_phase")]
    pub phase: String,
    /// How many are installed when the release is registered.
    #[serde(default)]
    pub quantity_installed: u64,
    /// A Markdown file in a git repository that shows the registry as a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub markdown: Option<GitFileConfig>,
}

fn default_phase() -> String {
    "Production".to_owned()
}

/// The service manual.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceManualConfig {
    /// The file of the repository with the entry of this release, in TOML; beside this file unless
    /// it starts with `/`.
    pub record: String,
    /// The manual's path in the store.
    #[serde(default = "default_manual")]
    pub file: String,
    /// The manual in a git repository, instead of one in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitFileConfig>,
}

fn default_manual() -> String {
    "service-manual.md".to_owned()
}

/// A text file on a branch of a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitFileConfig {
    /// The repository that is pushed to: a URL, or a path relative to this file's folder.
    pub repository: String,
    /// The branch.
    #[serde(default = "default_branch")]
    pub branch: String,
    /// The file's path in the repository.
    pub file: String,
}

fn default_branch() -> String {
    "main".to_owned()
}
