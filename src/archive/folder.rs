//! An archive that is a folder.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::container::NOT_UTF8;
use super::{ArchiveError, Entry, EntryKind, Listing, Place, Tree};
use crate::error::{IoContext, IoError};
use crate::finding::{Code, Finding};
use crate::platform;

/// A folder. Links in it are listed and never followed.
pub(super) struct FolderTree {
    root: PathBuf,
}

impl FolderTree {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
        }
    }

    fn entry(&self, found: &DirEntry, findings: &mut Vec<Finding>) -> Result<Entry, ArchiveError> {
        let file_type = found.file_type();
        let mut kind = if file_type.is_file() {
            EntryKind::File
        } else if file_type.is_dir() {
            EntryKind::Directory
        } else if file_type.is_symlink() {
            EntryKind::Symlink
        } else {
            EntryKind::Other("a device, a socket or a pipe")
        };
        let path = match relative(found.path(), &self.root) {
            Ok(path) => path,
            Err(lossy) => {
                findings.push(Finding::at(
                    Code::PathNotPortable,
                    &lossy,
                    "its name is not valid UTF-8",
                ));
                kind = NOT_UTF8;
                lossy
            }
        };
        let size = match kind {
            EntryKind::File => found.metadata().map_err(|error| self.failed(error))?.len(),
            _ => 0,
        };
        Ok(Entry {
            path,
            kind,
            size,
            place: Place::Folder,
        })
    }

    fn failed(&self, error: walkdir::Error) -> IoError {
        IoError {
            action: "read",
            path: error.path().unwrap_or(&self.root).to_path_buf(),
            source: error.into(),
        }
    }
}

/// The path from `root` with `/` between components, or the nearest to it that is UTF-8.
fn relative(path: &Path, root: &Path) -> Result<String, String> {
    let mut text = String::new();
    let mut is_exact = true;
    for component in path.strip_prefix(root).unwrap_or(path).components() {
        let Component::Normal(name) = component else {
            continue;
        };
        if !text.is_empty() {
            text.push('/');
        }
        is_exact &= name.to_str().is_some();
        text.push_str(&name.to_string_lossy());
    }
    if is_exact { Ok(text) } else { Err(text) }
}

impl Tree for FolderTree {
    fn describe(&self) -> String {
        format!("the folder {}", self.root.display())
    }

    fn list(&self) -> Result<Listing, ArchiveError> {
        let mut findings = Vec::new();
        let mut entries = Vec::new();
        for found in WalkDir::new(&self.root).min_depth(1) {
            let found = found.map_err(|error| self.failed(error))?;
            entries.push(self.entry(&found, &mut findings)?);
        }
        Ok(Listing::of_tree(entries, findings))
    }

    fn open<'a>(&'a self, entry: &Entry) -> Result<Box<dyn Read + Send + 'a>, ArchiveError> {
        if let Some(error) = entry.refusal(self) {
            return Err(error);
        }
        let file = platform::open_below(&self.root, &entry.path)
            .at("open", self.root.join(&entry.path))?;
        Ok(Box::new(file))
    }
}
