//! Verifying an archive: every file against the manifest, every signature against it, fail closed.

mod checker;
mod images;
mod lfs;
#[cfg(feature = "native")]
mod tree;

pub use checker::{Checker, Policy, Wanted};
#[cfg(feature = "native")]
pub use tree::{VerifyError, verify};

use serde::Serialize;

use crate::digest::Sha256;
use crate::finding::{Class, Finding};
use crate::layout::{self, Layout};
use crate::manifest::Manifest;
use crate::sign::SignerReport;
use crate::toml_file::TomlText;

/// How far an archive has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Sealed with gaps; never passes.
    Draft,
    /// Sealed, and not yet signed by every required role.
    Pending,
    /// Passed, and signed with the meaning *release* by every role that its own layout names.
    Released,
}

/// What verification found.
#[derive(Debug)]
#[must_use = "a verdict that nobody reads verifies nothing"]
pub struct Verdict {
    manifest: Option<(Manifest, Sha256)>,
    findings: Vec<Finding>,
    /// Every role that the archive's own layout names has signed too.
    layout_signed: bool,
    signers: Vec<SignerReport>,
    notes: Vec<String>,
    files: u64,
    bytes: u64,
}

/// A manifest that belongs to an archive without findings. Only verification makes one.
#[derive(Debug, Clone)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// What was verified.
    pub fn get(&self) -> &T {
        &self.0
    }
}

impl Verdict {
    /// True if nothing is wrong and everyone required has signed.
    pub fn passed(&self) -> bool {
        self.findings.is_empty() && self.manifest.is_some()
    }

    /// The manifest, if the archive passed.
    pub fn verified(&self) -> Option<Verified<&Manifest>> {
        match &self.manifest {
            Some((manifest, _)) if self.passed() => Some(Verified(manifest)),
            _ => None,
        }
    }

    /// The manifest, if the archive is what was sealed, whoever answers for it.
    pub fn intact(&self) -> Option<&Manifest> {
        match &self.manifest {
            Some((manifest, _)) if !self.has(Class::Integrity) => Some(manifest),
            _ => None,
        }
    }

    /// Adds what a closer look found, and what it did not evaluate.
    pub fn extend(&mut self, findings: Vec<Finding>, notes: Vec<String>) {
        self.findings.extend(findings);
        // Integrity before trust, and files in the order of their paths.
        self.findings
            .sort_by(|a, b| (a.code.class(), a).cmp(&(b.code.class(), b)));
        self.notes.extend(notes);
    }

    /// The manifest as found, verified or not, for showing.
    pub fn unverified_manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref().map(|(manifest, _)| manifest)
    }

    /// The digest of the manifest's bytes.
    pub fn manifest_sha256(&self) -> Option<Sha256> {
        self.manifest.as_ref().map(|(_, digest)| *digest)
    }

    /// Everything wrong, integrity first.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// True if a finding is of this class.
    pub fn has(&self, class: Class) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.code.class() == class)
    }

    /// Everyone who signed.
    pub fn signers(&self) -> &[SignerReport] {
        &self.signers
    }

    /// What was not evaluated, and said so.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How many files were read.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// How many bytes were read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How far the archive has come, by what could be verified. Where the caller asks for fewer
    /// roles than the layout names, an archive may pass and still be pending.
    pub fn status(&self) -> Status {
        match &self.manifest {
            Some((manifest, _)) if manifest.draft => Status::Draft,
            _ if self.passed() && self.layout_signed => Status::Released,
            _ => Status::Pending,
        }
    }
}

/// The roles that a release needs unless the caller says otherwise: those of the built-in
/// layouts, never what an archive claims of itself.
pub fn default_roles() -> Vec<String> {
    let mut roles: Vec<String> = layout::BUILT_IN
        .iter()
        .filter_map(|(name, text)| {
            let text = TomlText {
                name: (*name).to_owned(),
                text: (*text).to_owned(),
            };
            text.parse::<Layout>().ok()
        })
        .flat_map(|layout| layout.roles.into_iter().map(|role| role.name))
        .collect();
    roles.sort();
    roles.dedup();
    roles
}
