//! Publishing: a sealed archive, verified, into a store.

use std::collections::BTreeMap;
use std::io;

use miette::Diagnostic;
use thiserror::Error;

use crate::archive::{ArchiveError, Entry, Records, Tree};
use crate::digest::Sha256;
use crate::finding::{Class, Finding};
use crate::manifest::{self, Manifest};
use crate::monitor::Monitor;
use crate::path::ArchivePath;
use crate::store::{Store, StoreError};
use crate::verify::{self, Policy, VerifyError};

mod exchange;
mod git_file;
pub mod registry;
mod upload;

pub use exchange::{GrowingDocument, InStore, exchange};
pub use git_file::GitFile;
pub use upload::{Opener, Published, ReadBack, StoreFile, upload};

/// Why an archive cannot be published.
#[derive(Debug, Error, Diagnostic)]
pub enum PublishError {
    /// The archive cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// The archive cannot be verified.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Verify(#[from] VerifyError),
    /// The archive is not what was sealed.
    #[error(
        "the archive is not what was sealed, and was not published:\n{}",
        list(findings)
    )]
    #[diagnostic(help("publish an intact copy; `dhfpack verify` shows the whole verdict"))]
    Damaged {
        /// What is wrong with it.
        findings: Vec<Finding>,
    },
    /// Copying failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
}

fn list(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("  {finding}"))
        .collect();
    lines.join("\n")
}

/// Copies the archive into `store`, under its own name. A pending archive may be published, and
/// stays pending; a damaged one or a draft may not.
pub fn publish(
    tree: &dyn Tree,
    store: &dyn Store,
    read_back: ReadBack,
    jobs: usize,
    monitor: &dyn Monitor,
) -> Result<Published, PublishError> {
    let policy = Policy::integrity(jiff::Timestamp::now());
    let verdict = verify::verify(tree, &policy, jobs, monitor)?;
    if verdict.has(Class::Integrity) {
        let findings = verdict.findings().iter();
        return Err(PublishError::Damaged {
            findings: findings
                .filter(|finding| finding.code.class() == Class::Integrity)
                .cloned()
                .collect(),
        });
    }
    // What was verified is published: the store compares every byte with it.
    let (Some(manifest), Some(digest)) = (verdict.unverified_manifest(), verdict.manifest_sha256())
    else {
        return Err(PublishError::Damaged {
            findings: verdict.findings().to_vec(),
        });
    };
    let files = files(&Records::of(tree)?, manifest, digest)?;
    let entries: BTreeMap<String, Entry> = tree
        .list()?
        .entries
        .into_iter()
        .map(|entry| (entry.path.clone(), entry))
        .collect();
    let open = |path: &ArchivePath| {
        let entry = entries.get(path.as_str());
        let entry = entry.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        tree.open(entry).map_err(io::Error::other)
    };
    Ok(upload(
        store,
        &manifest.name,
        &files,
        &open,
        read_back,
        monitor,
    )?)
}

/// Every file of the archive: those that the manifest lists, and those about it.
fn files(
    records: &Records<'_>,
    manifest: &Manifest,
    digest: Sha256,
) -> Result<Vec<StoreFile>, ArchiveError> {
    let mut files: Vec<StoreFile> = manifest
        .files
        .iter()
        .map(|file| StoreFile {
            path: file.path.clone(),
            size: file.size,
            sha256: file.sha256,
        })
        .collect();
    let mut about = vec![(manifest::SUMS.to_owned(), records.read(manifest::SUMS)?)];
    for (name, bytes) in records.signatures()? {
        about.push((format!("{}/{name}", manifest::SIGNATURES), bytes));
    }
    about.push((
        manifest::MANIFEST.to_owned(),
        records.read(manifest::MANIFEST)?,
    ));
    for (path, bytes) in about {
        let sha256 = if path == manifest::MANIFEST {
            digest
        } else {
            Sha256::of(&bytes)
        };
        files.push(StoreFile {
            path: path.parse()?,
            size: bytes.len() as u64,
            sha256,
        });
    }
    Ok(files)
}
