//! Regenerating an archive from what its manifest names, and comparing the two.

use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

use crate::archive::{ArchiveError, Form, Records, Tree};
use crate::assemble::{self, Archived, BuildError, ConfigSource, Locations, Request};
use crate::config::ResolvedConfig;
use crate::diff::{self, Comparison};
use crate::digest::Sha256;
use crate::manifest::Manifest;
use crate::monitor::Monitor;
use crate::plan::own;

/// Why an archive cannot be rebuilt.
#[derive(Debug, Error, Diagnostic)]
pub enum RebuildError {
    /// The archive cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// An archived text is none.
    #[error("{path} is not valid UTF-8")]
    NotText {
        /// The file.
        path: &'static str,
    },
    /// The archived configuration cannot be understood.
    #[error("{} cannot be understood", own::RESOLVED)]
    #[diagnostic(help(
        "it was written by another version: use the one that the builder's statement names"
    ))]
    Config(#[source] serde_json::Error),
    /// Building failed.
    #[error("the archive cannot be built again")]
    #[diagnostic(help("--repo, --image, --folder and --repository say where its sources are now"))]
    Build(
        #[from]
        #[diagnostic_source]
        BuildError,
    ),
}

/// A rebuilt archive, compared.
#[derive(Debug)]
pub struct Rebuilt {
    /// How it compares with the archive.
    pub comparison: Comparison,
    /// Where it lies.
    pub path: PathBuf,
    /// The digest of the archive's manifest.
    pub archive_manifest: Sha256,
    /// The digest of the rebuilt manifest.
    pub rebuilt_manifest: Sha256,
}

/// Builds the archive again from `repository` into the folder `output`, and compares.
pub fn rebuild(
    tree: &dyn Tree,
    repository: &Path,
    locations: Locations,
    output: &Path,
    jobs: usize,
    monitor: &dyn Monitor,
) -> Result<Rebuilt, RebuildError> {
    let records = Records::of(tree)?;
    let (archived, archive_manifest) = records.manifest()?;
    let resolved: ResolvedConfig =
        serde_json::from_slice(&records.read_listed(&archived, own::RESOLVED)?)
            .map_err(RebuildError::Config)?;
    let request = Request {
        repository: repository.to_path_buf(),
        tag: Some(archived.release.tag.clone()),
        records: None,
        amends: None,
        earlier: None,
        locations,
        draft: archived.draft,
        jobs,
        config: ConfigSource::Archive(Box::new(Archived {
            text: text(&records, &archived, own::CONFIG)?,
            resolved,
            layout: text(&records, &archived, own::LAYOUT)?,
            records: archived.records.clone(),
        })),
    };
    let built = assemble::build(&request, output, Form::Folder, None, monitor)?;
    let mut comparison = diff::compare(&archived, &built.manifest);
    // Equal fields in other bytes would be a manifest that nobody's version writes.
    comparison.identical = archive_manifest == built.manifest_sha256;
    Ok(Rebuilt {
        comparison,
        path: built.path,
        archive_manifest,
        rebuilt_manifest: built.manifest_sha256,
    })
}

fn text(
    records: &Records<'_>,
    manifest: &Manifest,
    path: &'static str,
) -> Result<String, RebuildError> {
    let bytes = records.read_listed(manifest, path)?;
    String::from_utf8(bytes).map_err(|_| RebuildError::NotText { path })
}
