//! Documents: files of a git repository at a revision, or of a folder outside any.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

use super::git::{FileKind, GitError, Mirror, ObjectReader};
use crate::digest;
use crate::error::{IoContext, IoError};
use crate::manifest::DocumentRecord;
use crate::plan::{Found, FoundKind, Place};

mod index;

/// A Git LFS pointer is shorter than this and begins with [`LFS_POINTER`].
const LFS_POINTER_LIMIT: u64 = 1024;
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

const NOT_UTF8: FoundKind = FoundKind::Irregular("a file whose name is not valid UTF-8");

/// Why documents cannot be read.
#[derive(Debug, Error, Diagnostic)]
pub enum DocumentsError {
    /// Reading a folder failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Io(#[from] IoError),
    /// Git failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Git(#[from] GitError),
    /// A folder named in the configuration is not there.
    #[error("the folder `{name}` is not at {}", path.display())]
    #[diagnostic(help("make it, or say where it is with --folder {name}=PATH"))]
    NoFolder {
        /// Its name in the configuration.
        name: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A folder could not be walked.
    #[error("cannot list {}", path.display())]
    #[diagnostic(help("make sure that everything in the folder can be read"))]
    Walk {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        source: walkdir::Error,
    },
    /// A Git LFS pointer stands where a document should be.
    #[error("{path} is a Git LFS pointer, not the document")]
    #[diagnostic(help(
        "commit the document itself, or export it into a folder and name that in [[folder]]"
    ))]
    LfsPointer {
        /// The file, with its place.
        path: String,
    },
    /// The file changed between listing and reading.
    #[error("{path} changed while it was read: {expected} bytes were listed, {found} read")]
    #[diagnostic(help("let nothing write there while the archive is built, and build again"))]
    Changed {
        /// The file.
        path: String,
        /// The size listed.
        expected: u64,
        /// The size read.
        found: u64,
    },
    /// The index of a folder cannot be read.
    #[error("the index {} cannot be used:\n  {}", path.display(), problems.join("\n  "))]
    #[diagnostic(help(
        "the index is a CSV file, UTF-8, with the columns file, id, revision, approver, approval_date, origin separated by commas; one line per document"
    ))]
    Index {
        /// The index file.
        path: PathBuf,
        /// What is wrong with it, with the lines.
        problems: Vec<String>,
    },
}

/// All places that documents come from.
#[derive(Default)]
pub struct Library<'a> {
    places: BTreeMap<Place, Shelf<'a>>,
}

enum Shelf<'a> {
    Git {
        mirror: &'a Mirror,
        files: Vec<Found>,
    },
    Folder {
        root: PathBuf,
        files: Vec<Found>,
        index: BTreeMap<String, DocumentRecord>,
    },
}

impl<'a> Library<'a> {
    /// Adds the files of `mirror` at `commit`.
    pub fn add_git(
        &mut self,
        place: Place,
        mirror: &'a Mirror,
        commit: &str,
    ) -> Result<(), DocumentsError> {
        let files = mirror
            .files(commit)?
            .into_iter()
            .map(|file| {
                let (path, is_text) = text(&file.path);
                Found {
                    path,
                    kind: match file.kind {
                        _ if !is_text => NOT_UTF8,
                        FileKind::File | FileKind::Executable => FoundKind::File,
                        FileKind::Symlink => FoundKind::Irregular("a symbolic link"),
                        FileKind::Submodule => FoundKind::Irregular("a submodule"),
                    },
                    size: file.size,
                    key: file.object,
                }
            })
            .collect();
        self.places.insert(place, Shelf::Git { mirror, files });
        Ok(())
    }

    /// Adds the files of a folder, with what its index says of them.
    pub fn add_folder(
        &mut self,
        name: &str,
        root: &Path,
        index: Option<&str>,
    ) -> Result<(), DocumentsError> {
        if !root.is_dir() {
            return Err(DocumentsError::NoFolder {
                name: name.to_owned(),
                path: root.to_path_buf(),
            });
        }
        let files = walk(root)?;
        let index = match index {
            Some(file) => index::read(&root.join(file), &files)?,
            None => BTreeMap::new(),
        };
        let shelf = Shelf::Folder {
            root: root.to_path_buf(),
            files,
            index,
        };
        self.places.insert(Place::Named(name.to_owned()), shelf);
        Ok(())
    }

    /// What each place holds.
    pub fn listing(&self) -> BTreeMap<Place, Vec<Found>> {
        let files = |shelf: &Shelf<'_>| match shelf {
            Shelf::Git { files, .. } | Shelf::Folder { files, .. } => files.clone(),
        };
        self.places
            .iter()
            .map(|(place, shelf)| (place.clone(), files(shelf)))
            .collect()
    }

    /// What the index of its folder says of a document.
    pub fn record(&self, place: &Place, found: &Found) -> Option<DocumentRecord> {
        match self.places.get(place)? {
            Shelf::Folder { index, .. } => index.get(&found.path).cloned(),
            Shelf::Git { .. } => None,
        }
    }

    /// A reader of documents; keeps one git process per repository.
    pub fn desk(&self) -> Desk<'_> {
        Desk {
            library: self,
            objects: BTreeMap::new(),
        }
    }
}

/// Reads documents one after the other.
pub struct Desk<'l> {
    library: &'l Library<'l>,
    objects: BTreeMap<Place, ObjectReader>,
}

impl Desk<'_> {
    /// Writes a document's bytes to `out`; nothing is written for a Git LFS pointer.
    pub fn copy(
        &mut self,
        place: &Place,
        found: &Found,
        out: &mut dyn Write,
    ) -> Result<u64, DocumentsError> {
        let shown = || format!("{place}{}", found.path);
        let mut guard = PointerGuard {
            out,
            held: Vec::new(),
            holding: found.size < LFS_POINTER_LIMIT,
        };
        let size = match self.library.places.get(place) {
            Some(Shelf::Git { mirror, .. }) => {
                let reader = match self.objects.entry(place.clone()) {
                    std::collections::btree_map::Entry::Occupied(reader) => reader.into_mut(),
                    std::collections::btree_map::Entry::Vacant(slot) => {
                        slot.insert(mirror.objects()?)
                    }
                };
                reader.copy(&found.key, &mut guard)?
            }
            Some(Shelf::Folder { root, .. }) => copy_file(root, &found.path, &mut guard)?,
            None => 0,
        };
        if guard.held.starts_with(LFS_POINTER) {
            return Err(DocumentsError::LfsPointer { path: shown() });
        }
        guard.release().at("write", shown())?;
        if size != found.size {
            return Err(DocumentsError::Changed {
                path: shown(),
                expected: found.size,
                found: size,
            });
        }
        Ok(size)
    }
}

fn copy_file(root: &Path, below: &str, out: &mut dyn Write) -> Result<u64, DocumentsError> {
    let path = root.join(below);
    let mut file = crate::platform::open_below(root, below).at("open", &path)?;
    Ok(digest::copy(&mut file, out).at("copy", path)?)
}

/// Holds back a short file until it is known to be no Git LFS pointer.
struct PointerGuard<'o> {
    out: &'o mut dyn Write,
    held: Vec<u8>,
    holding: bool,
}

impl PointerGuard<'_> {
    fn release(&mut self) -> std::io::Result<()> {
        self.holding = false;
        self.out.write_all(&std::mem::take(&mut self.held))
    }
}

impl Write for PointerGuard<'_> {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        if self.holding {
            self.held.extend_from_slice(data);
            // A file that grew since it was listed is no pointer; it is refused later for its size.
            if self.held.len() as u64 >= LFS_POINTER_LIMIT {
                self.release()?;
            }
            return Ok(data.len());
        }
        self.out.write(data)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

fn walk(root: &Path) -> Result<Vec<Found>, DocumentsError> {
    let failed = |source| DocumentsError::Walk {
        path: root.to_path_buf(),
        source,
    };
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type();
        if kind.is_dir() {
            continue;
        }
        let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let (path, is_text) = path_text(below);
        files.push(Found {
            path,
            kind: match () {
                () if !is_text => NOT_UTF8,
                () if kind.is_file() => FoundKind::File,
                () if kind.is_symlink() => FoundKind::Irregular("a symbolic link"),
                () => FoundKind::Irregular("a device, pipe or socket"),
            },
            size: entry.metadata().map_err(failed)?.len(),
            key: String::new(),
        });
    }
    Ok(files)
}

/// Bytes as text, and whether nothing had to be replaced.
fn text(bytes: &[u8]) -> (String, bool) {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(exact) => (exact.to_owned(), true),
        Cow::Owned(replaced) => (replaced, false),
    }
}

/// A relative path with `/` between components, and whether nothing had to be replaced.
fn path_text(path: &Path) -> (String, bool) {
    let names = path.components().map(Component::as_os_str);
    let is_text = names.clone().all(|name| name.to_str().is_some());
    let parts: Vec<Cow<'_, str>> = names.map(std::ffi::OsStr::to_string_lossy).collect();
    (parts.join("/"), is_text)
}
