//! Proving that an archive restores: everything it holds of the source code and of the images is
//! put together again, from the archive alone, and compared with what the manifest records.
//!
//! Nothing of the archive is trusted but the bytes whose digests its manifest lists; they are
//! hashed again as they are read. What is restored lies in a temporary folder, which goes away.

use std::path::PathBuf;

use miette::Diagnostic;
use serde::Serialize;
use thiserror::Error;

use crate::archive::{ArchiveError, Tree};
use crate::error::{Cancelled, IoContext, IoError};
use crate::finding::Finding;
use crate::manifest::Manifest;
use crate::monitor::{Monitor, Task, Unit};
use crate::source::git::GitError;
use crate::source::image::ImageError;

mod images;
mod lfs;
mod listed;
mod source;
mod source_tree;

use listed::Listed;

/// Where images are loaded for a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineAt {
    /// In this engine, which has to answer.
    Required(String),
    /// In this engine, if it is there.
    IfThere(String),
}

/// Something that was restored and found equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// What: "repository", "submodule libs/pump", "Git LFS", "source tree", "image install".
    pub part: String,
    /// What was proved of it.
    pub proved: String,
}

/// What came of restoring.
#[derive(Debug, Default)]
#[must_use = "what nobody reads proves nothing"]
pub struct Restored {
    /// What was restored, in the order in which it was done.
    pub proofs: Vec<Proof>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What was not looked at, and why.
    pub notes: Vec<String>,
}

impl Restored {
    fn proved(&mut self, part: impl Into<String>, proved: impl Into<String>) {
        self.proofs.push(Proof {
            part: part.into(),
            proved: proved.into(),
        });
    }
}

/// Why it cannot be found out whether an archive restores.
#[derive(Debug, Error, Diagnostic)]
pub enum RestoreError {
    /// The archive cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// A file has other bytes than a moment ago, when it was verified.
    #[error("{path} was changed while it was restored")]
    #[diagnostic(help(
        "somebody writes to the archive: copy it to a quiet place and verify the copy"
    ))]
    Changed {
        /// The file.
        path: String,
    },
    /// A file of the archive cannot be read.
    #[error("cannot read {path}")]
    #[diagnostic(help("the archive's disk or share may be failing: copy it and verify the copy"))]
    Read {
        /// The file.
        path: String,
        /// What the operating system answered.
        source: std::io::Error,
    },
    /// The temporary folder cannot take what is restored.
    #[error(transparent)]
    #[diagnostic(help(
        "restoring needs room for the history and the files of the release: set TMPDIR to a folder that has it"
    ))]
    Scratch(#[from] IoError),
    /// Git failed because of this machine.
    #[error("git cannot restore in {}", folder.display())]
    #[diagnostic(help(
        "restoring needs room for the history and the files of the release: set TMPDIR to a folder that has it"
    ))]
    Machine {
        /// The temporary folder.
        folder: PathBuf,
        /// What git said.
        source: Box<GitError>,
    },
    /// Git cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Git(Box<GitError>),
    /// An image cannot be looked at, or the engine asked for does not take it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Image(Box<ImageError>),
    /// Stopped on request.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Restores what `tree` holds. `manifest` is that of an archive which passed verification as far
/// as its integrity goes; restoring says nothing of an archive that did not.
pub fn restore(
    tree: &dyn Tree,
    manifest: &Manifest,
    engine: &EngineAt,
    monitor: &dyn Monitor,
) -> Result<Restored, RestoreError> {
    let scratch = tempfile::Builder::new()
        .prefix("dhfpack-restore-")
        .tempdir()
        .at("create a folder in", std::env::temp_dir())?;
    let listed = Listed::of(tree, manifest)?;
    let task = Task::begin(monitor, "restore", None, Unit::Bytes);
    let mut restored = Restored::default();
    if manifest.amends.is_some() {
        let note = "no source code was restored: the archive that this one amends has it";
        restored.notes.push(note.to_owned());
    } else {
        let scratch = scratch.path();
        source::restore(&listed, manifest, scratch, &task, monitor, &mut restored)?;
    }
    images::restore(&listed, manifest, engine, &task, &mut restored)?;
    drop(task);
    // Removed here, so that a failure to do so is heard of.
    let folder = scratch.path().to_path_buf();
    scratch.close().at("remove", folder)?;
    Ok(restored)
}
