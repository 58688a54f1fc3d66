//! The archive that is published: read once, and found to be what was sealed.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::{PublishError, StoreFile};
use crate::archive::{ArchiveError, Entry, Listing, Records, Tree};
use crate::config::ResolvedConfig;
use crate::digest::Sha256;
use crate::finding::{Class, Finding};
use crate::manifest::{self, Manifest};
use crate::monitor::Monitor;
use crate::path::ArchivePath;
use crate::plan::own;
use crate::verify::{self, Policy};

/// An archive that is what was sealed, whoever answers for it.
pub struct Source<'t> {
    tree: Listed<'t>,
    entries: BTreeMap<String, Entry>,
    manifest: Manifest,
    digest: Sha256,
    signatures: BTreeMap<String, Vec<u8>>,
}

impl<'t> Source<'t> {
    /// Reads every file of `tree` with `jobs` threads. Fails with [`PublishError::Damaged`] at a
    /// draft, and at what is not what was sealed.
    pub fn verify(
        tree: &'t dyn Tree,
        jobs: usize,
        monitor: &dyn Monitor,
    ) -> Result<Self, PublishError> {
        let tree = Listed {
            tree,
            listing: tree.list()?,
        };
        let policy = Policy::integrity(jiff::Timestamp::now());
        let verdict = verify::verify(&tree, &policy, jobs, monitor)?;
        let (Some(manifest), Some(digest)) = (verdict.intact(), verdict.manifest_sha256()) else {
            let findings = verdict.findings().iter();
            let wrong = findings.filter(|finding| finding.code.class() == Class::Integrity);
            return Err(PublishError::Damaged {
                findings: wrong.cloned().collect(),
            });
        };
        let signatures = Records::of(&tree)?.signatures()?;
        let entries = tree.listing.entries.iter();
        Ok(Self {
            entries: entries
                .map(|entry| (entry.path.clone(), entry.clone()))
                .collect(),
            manifest: manifest.clone(),
            digest,
            signatures,
            tree,
        })
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The digest of its manifest.
    pub fn digest(&self) -> Sha256 {
        self.digest
    }

    /// The digest of its checksums.
    pub fn sums(&self) -> Sha256 {
        Sha256::of(self.manifest.sums(&self.digest).as_bytes())
    }

    /// The files among its signatures, by name.
    pub fn signatures(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.signatures
    }

    /// As a tree, which is not listed anew.
    pub fn tree(&self) -> &dyn Tree {
        &self.tree
    }

    /// The configuration it was built by, as archived.
    pub fn config(&self) -> Result<ResolvedConfig, PublishError> {
        let records = Records::of(&self.tree)?;
        let bytes = records.read_listed(&self.manifest, own::RESOLVED)?;
        serde_json::from_slice(&bytes).map_err(PublishError::Config)
    }

    /// Opens a file of the archive.
    pub fn open<'a>(&'a self, path: &ArchivePath) -> io::Result<Box<dyn Read + Send + 'a>> {
        let entry = self.entries.get(path.as_str());
        let entry = entry.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        self.tree.open(entry).map_err(io::Error::other)
    }

    /// Every file of the archive, with these among its signatures.
    pub(super) fn files(
        &self,
        signatures: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Vec<StoreFile>, PublishError> {
        let listed = self.manifest.files.iter().map(|file| StoreFile {
            path: file.path.clone(),
            size: file.size,
            sha256: file.sha256,
        });
        let mut files: Vec<StoreFile> = listed.collect();
        let mut add = |path: &str, size: u64, sha256| -> Result<(), ArchiveError> {
            let path = path.parse()?;
            files.push(StoreFile { path, size, sha256 });
            Ok(())
        };
        let sums = self.manifest.sums(&self.digest);
        add(manifest::SUMS, sums.len() as u64, self.sums())?;
        for (name, bytes) in signatures {
            let path = format!("{}/{name}", manifest::SIGNATURES);
            add(&path, bytes.len() as u64, Sha256::of(bytes))?;
        }
        let own = self.entries.get(manifest::MANIFEST);
        add(
            manifest::MANIFEST,
            own.map_or(0, |entry| entry.size),
            self.digest,
        )?;
        Ok(files)
    }
}

/// A tree with what was listed at first: what was verified is published, and nothing else.
struct Listed<'t> {
    tree: &'t dyn Tree,
    listing: Listing,
}

impl Tree for Listed<'_> {
    fn describe(&self) -> String {
        self.tree.describe()
    }

    fn list(&self) -> Result<Listing, ArchiveError> {
        Ok(self.listing.clone())
    }

    fn open<'a>(&'a self, entry: &Entry) -> Result<Box<dyn Read + Send + 'a>, ArchiveError> {
        self.tree.open(entry)
    }
}

/// One finding a line.
pub(super) fn lines(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("  {finding}"))
        .collect();
    lines.join("\n")
}
