//! Reading an archive, whatever holds it, and writing one.
//!
//! A [`Tree`] is the archive as seen by every workflow: a folder, a zip, a tar or a store. What holds it
//! may be hostile. Bytes that cannot be read are an [`ArchiveError`]; a container that is read,
//! but broken, contradictory or ambiguous, gives findings, and never more than one reading.

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use self::error::ArchiveError;
pub use self::pack::{Form, pack, pack_tar, pack_zip};
pub(crate) use self::read_store::in_folder;
pub use self::read_store::in_store;
pub use self::records::Records;
pub use self::staging::{FileWriter, StagedFile, Staging, Written};
use crate::error::IoContext;
use crate::finding::Finding;

mod checked;
mod container;
mod error;
mod folder;
mod listing;
mod pack;
mod read_store;
mod read_tar;
mod read_zip;
mod records;
mod staging;
mod zip_fields;

use self::container::Container;

/// Files under paths, wherever they are kept.
pub trait Tree: Send + Sync {
    /// What this is and where, for messages: "the folder out/pump-2.4.0".
    fn describe(&self) -> String;

    /// Everything in it, by byte order of path.
    fn list(&self) -> Result<Listing, ArchiveError>;

    /// The bytes of a file. Several threads may read at once.
    ///
    /// The reader fails, rather than yield more or less than [`Entry::size`] bytes, where the
    /// entry is compressed or cut off. Fails with [`ArchiveError::NotAFile`] for other entries.
    fn open<'a>(&'a self, entry: &Entry) -> Result<Box<dyn Read + Send + 'a>, ArchiveError>;

    /// How many files are best read at once, where reading is mostly waiting.
    fn transfers(&self) -> usize {
        1
    }
}

/// One thing in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path from the root, `/` between components; as stored, and not checked. Bytes that
    /// are not UTF-8 are replaced, and the entry is then [`EntryKind::Other`].
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Its size in bytes, before compression; 0 for all but files.
    pub size: u64,
    place: Place,
}

impl Entry {
    /// Why this entry of `tree` cannot be opened, if it is no file.
    fn refusal(&self, tree: &dyn Tree) -> Option<ArchiveError> {
        let found = match self.kind {
            EntryKind::File => return None,
            EntryKind::Directory => "a folder",
            EntryKind::Symlink => "a symbolic link",
            EntryKind::Other(what) => what,
        };
        Some(ArchiveError::NotAFile {
            tree: tree.describe(),
            entry: self.path.clone(),
            found,
        })
    }

    /// The error for an entry that another tree listed.
    fn foreign(&self, tree: &dyn Tree) -> ArchiveError {
        ArchiveError::NotAFile {
            tree: tree.describe(),
            entry: self.path.clone(),
            found: "an entry of another tree",
        }
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder with nothing in it. Folders that hold something are not listed.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Something that no archive holds, in words: "a hard link".
    Other(&'static str),
}

/// Where an entry's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a file of the entry's path.
    Folder,
    /// In a container, as they are.
    Stored { offset: u64 },
    /// In a zip.
    Zip(read_zip::ZipPlace),
    /// In an object of the entry's path.
    Store,
}

/// What a tree holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Its files, links, empty folders and so on, by byte order of path; no path twice.
    pub entries: Vec<Entry>,
    /// What is wrong with what holds them: ambiguous names, bytes that belong to no entry,
    /// headers that contradict each other. Paths and kinds are left for the caller to judge.
    pub findings: Vec<Finding>,
}

/// Opens a folder, a zip or an uncompressed tar; which of them, the content decides.
///
/// Fails with [`ArchiveError::NotAnArchive`] if it is none.
pub fn open(path: &Path) -> Result<Box<dyn Tree>, ArchiveError> {
    let file = File::open(path);
    // Windows opens no folder as a file, so the folder is asked for by its path.
    if path.is_dir() {
        return Ok(Box::new(folder::FolderTree::new(path)));
    }
    let container = Container::new(file.at("open", path)?, path)?;
    match container.format()? {
        Some(container::Format::Zip) => Ok(Box::new(read_zip::ZipTree(container))),
        Some(container::Format::Tar) => Ok(Box::new(read_tar::TarTree(container))),
        None => Err(ArchiveError::NotAnArchive {
            path: path.to_path_buf(),
        }),
    }
}
