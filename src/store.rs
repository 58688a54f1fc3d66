//! Where archives are kept.
//!
//! A store is written once: what lies there is never replaced. Publishing an archive again
//! completes an interrupted run, or finds that everything is there already.

use std::io::{self, Read};
use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

pub use self::local::publish;
use crate::digest::Sha256;
use crate::error::{Cancelled, IoError};
use crate::manifest::{FOLDER, MANIFEST};
use crate::path::ArchivePath;

mod local;

/// A file to publish, as its manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFile {
    /// Its path from the archive's root.
    pub path: ArchivePath,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub sha256: Sha256,
}

/// Opens a file of the archive that is published.
pub type Opener<'a> = &'a dyn Fn(&ArchivePath) -> io::Result<Box<dyn Read + Send + 'a>>;

/// What publishing did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Where the archive is now.
    pub location: PathBuf,
    /// How many files were written.
    pub copied: u64,
    /// How many were there, with the same bytes.
    pub skipped: u64,
}

/// An archive that could not be published.
#[derive(Debug, Error, Diagnostic)]
pub enum StoreError {
    /// The operating system refused.
    #[error(transparent)]
    #[diagnostic(help(
        "check that the store is reachable, who may write there, and the space left; run again \
         to go on where this run stopped"
    ))]
    Io(#[from] IoError),

    /// A stop was asked for.
    #[error(transparent)]
    #[diagnostic(help("run again to go on where this run stopped"))]
    Cancelled(#[from] Cancelled),

    /// The archive's name is no name of a folder.
    #[error("{name:?} cannot name an archive in a store: expected one portable component")]
    #[diagnostic(help("set product and version so that they make a name every system accepts"))]
    Name {
        /// The name given.
        name: String,
    },

    /// Another run publishes the same archive.
    #[error("another run is publishing to {}", location.display())]
    #[diagnostic(help("wait for it to end and run again; what it wrote is then skipped"))]
    Busy {
        /// Where it publishes to.
        location: PathBuf,
    },

    /// Other bytes have the name already. Nothing was written.
    #[error("{} holds other bytes: expected sha256 {expected}, found {found}", path.display())]
    #[diagnostic(help(
        "the store holds another archive of this name, or a damaged one: verify it; a correction \
         needs a new revision or an addendum"
    ))]
    Differs {
        /// The file in the store.
        path: PathBuf,
        /// The digest of the file to publish.
        expected: Sha256,
        /// The digest of the file in the store.
        found: Sha256,
    },

    /// A link, a device or a folder lies where a file or folder of the archive belongs.
    #[error("{} is {found}: expected {expected}", path.display())]
    #[diagnostic(help("remove it: publishing follows no link out of the store's folder"))]
    Obstacle {
        /// What lies there.
        path: PathBuf,
        /// What belongs there.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },

    /// The archive itself does not hold the bytes listed. The file was not published.
    #[error(
        "`{path}` is not what the manifest lists: expected {expected} ({expected_size} bytes), \
         found {found} ({found_size} bytes)"
    )]
    #[diagnostic(help("verify the archive before it is published"))]
    SourceChanged {
        /// The file's path in the archive.
        path: ArchivePath,
        /// The digest listed.
        expected: Sha256,
        /// The size listed.
        expected_size: u64,
        /// The digest read.
        found: Sha256,
        /// The size read.
        found_size: u64,
    },

    /// What was read back is not what was written. The file was not published.
    #[error("{} reads back as sha256 {found}: expected {expected}", path.display())]
    #[diagnostic(help("the store's disk, network or memory is damaged: publish elsewhere"))]
    ReadBack {
        /// The file in the store.
        path: PathBuf,
        /// The digest written.
        expected: Sha256,
        /// The digest read back.
        found: Sha256,
    },
}

/// The order of publishing: content, then what lies in `Manifest/`, and the manifest itself at
/// the very end, so that an archive with a manifest is whole.
fn in_publishing_order(files: &[StoreFile]) -> Vec<&StoreFile> {
    let rank = |file: &StoreFile| match file.path.as_str() {
        MANIFEST => 2,
        _ if file.path.below(FOLDER).is_some() => 1,
        _ => 0,
    };
    let mut ordered: Vec<&StoreFile> = files.iter().collect();
    ordered.sort_by_key(|file| rank(file));
    ordered
}
