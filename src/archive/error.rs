//! What can go wrong with the files that make up an archive.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::error::{Cancelled, IoError};
use crate::finding::Finding;
use crate::manifest::ManifestError;
use crate::path::PathError;
use crate::store::StoreError;

/// An archive that could not be read or written.
#[derive(Debug, Error, Diagnostic)]
pub enum ArchiveError {
    /// The operating system refused.
    #[error(transparent)]
    #[diagnostic(help(
        "check that the file is there, who may read or write it, and the space left on its disk"
    ))]
    Io(#[from] IoError),

    /// A stop was asked for.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cancelled(#[from] Cancelled),

    /// The store that holds the archive cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),

    /// No archive at an address in a store.
    #[error("there is no archive at {url}")]
    #[diagnostic(help("`dhfpack list` shows the archives of a store"))]
    NotThere {
        /// The address.
        url: String,
    },

    /// A path that no archive may have was to be written.
    #[error(transparent)]
    #[diagnostic(help("rename the file; an archive must open on every system"))]
    NotPortable(#[from] PathError),

    /// Neither a folder nor a container that can be read.
    #[error("{} is no archive: expected a folder, a zip or an uncompressed tar", path.display())]
    #[diagnostic(help("decompress a .tar.gz or .tar.zst first, or name the archive's folder"))]
    NotAnArchive {
        /// The file.
        path: PathBuf,
    },

    /// A path under which no archive can be written.
    #[error("{} does not name an archive: expected a folder and a name in it", path.display())]
    #[diagnostic(help("give a path that ends in the archive's name, such as out/pump-2.4.0"))]
    NoName {
        /// The path.
        path: PathBuf,
    },

    /// Something has the name already; it was not touched.
    #[error("{} exists already, and an archive is never overwritten", path.display())]
    #[diagnostic(help("verify what is there, or choose another destination"))]
    Exists {
        /// The destination.
        path: PathBuf,
    },

    /// A file was to be written twice.
    #[error("{} was to be written twice", path.display())]
    #[diagnostic(help("two sources give this path; change one of them in the configuration"))]
    WrittenTwice {
        /// The file in the staging folder.
        path: PathBuf,
    },

    /// A path that no archive may have.
    #[error("{tree} cannot be packed")]
    #[diagnostic(help("rename the file; an archive must open on every system"))]
    Path {
        /// The tree.
        tree: String,
        /// What is wrong.
        source: PathError,
    },

    /// Something other than a file was to be read or packed.
    #[error("`{}` in {tree} is {found}: expected a file", entry.escape_debug())]
    #[diagnostic(help("an archive holds regular files only; remove it or replace it by a file"))]
    NotAFile {
        /// The tree.
        tree: String,
        /// The entry's path.
        entry: String,
        /// What it is.
        found: &'static str,
    },

    /// A tree with findings was to be packed.
    #[error("{tree} is damaged and was not packed: {finding}")]
    #[diagnostic(help("pack an archive that verifies"))]
    Damaged {
        /// The tree.
        tree: String,
        /// The first finding.
        finding: Finding,
    },

    /// A file that has to be read is not there, or is not what it has to be.
    #[error("{tree} cannot be read as an archive: {path} {problem}")]
    #[diagnostic(help(
        "name the archive's top folder, or its zip or tar; `dhfpack verify` shows what else is wrong"
    ))]
    Record {
        /// The tree.
        tree: String,
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// A file is not what the manifest says.
    #[error("`{}` in {tree} is not as the manifest lists it: {problem}", entry.escape_debug())]
    #[diagnostic(help("verify the archive; if it is damaged, fetch another copy"))]
    NotAsListed {
        /// The tree.
        tree: String,
        /// The file.
        entry: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// The manifest cannot be understood.
    #[error("{tree} cannot be read as an archive")]
    #[diagnostic(help("`dhfpack verify` shows what else is wrong"))]
    Manifest {
        /// The tree.
        tree: String,
        /// Why.
        source: ManifestError,
    },

    /// Nothing to pack.
    #[error("{tree} has no file below `{folder}`")]
    #[diagnostic(help("list the archive's folders in its manifest and name one of them"))]
    NothingBelow {
        /// The tree.
        tree: String,
        /// The folder asked for; empty for the whole tree.
        folder: String,
    },

    /// A file shrank or grew between listing and reading.
    #[error("`{entry}` in {tree} changed while it was read: expected {expected} bytes, found {}", found.map_or("more".to_owned(), |count| count.to_string()))]
    #[diagnostic(help("let nothing write into the tree and run again"))]
    SizeChanged {
        /// The tree.
        tree: String,
        /// The entry's path.
        entry: String,
        /// The size listed.
        expected: u64,
        /// The size read; none if there was more than listed.
        found: Option<u64>,
    },

    /// A file's bytes could not be read from what holds them.
    #[error("cannot read `{}` from {tree}", entry.escape_debug())]
    #[diagnostic(help("verify the archive; if it is damaged, fetch another copy"))]
    Read {
        /// The tree.
        tree: String,
        /// The entry's path.
        entry: String,
        /// Why.
        source: io::Error,
    },

    /// The packed form could not be written.
    #[error("cannot write the packed form of {tree}")]
    #[diagnostic(help("check the space left at the destination"))]
    Write {
        /// The tree.
        tree: String,
        /// Why.
        source: io::Error,
    },
}
