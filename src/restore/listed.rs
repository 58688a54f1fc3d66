//! The files of an archive, read again, and only as its manifest lists them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::RestoreError;
use crate::archive::{Entry, EntryKind, Tree};
use crate::digest::{Hasher, copy};
use crate::error::{Cancelled, IoContext};
use crate::manifest::{FileEntry, Manifest};
use crate::monitor::Task;
use crate::source::image::ImageFolder;

/// The files of an archive that its manifest lists.
pub(super) struct Listed<'t> {
    tree: &'t dyn Tree,
    files: BTreeMap<&'t str, (&'t FileEntry, Entry)>,
    /// Why reading a file failed: whoever reads it knows only that it did.
    failure: Mutex<Option<RestoreError>>,
}

impl<'t> Listed<'t> {
    pub(super) fn of(tree: &'t dyn Tree, manifest: &'t Manifest) -> Result<Self, RestoreError> {
        let entries = tree.list()?.entries.into_iter();
        let mut entries: BTreeMap<String, Entry> = entries
            .filter(|entry| entry.kind == EntryKind::File)
            .map(|entry| (entry.path.clone(), entry))
            .collect();
        let mut files = BTreeMap::new();
        for file in &manifest.files {
            let path = file.path.as_str();
            let entry = entries.remove(path).ok_or_else(|| changed(path))?;
            files.insert(path, (file, entry));
        }
        Ok(Self {
            tree,
            files,
            failure: Mutex::default(),
        })
    }

    /// What the manifest says of the file at `path`.
    pub(super) fn file(&self, path: &str) -> Option<&'t FileEntry> {
        self.files.get(path).map(|(file, _)| *file)
    }

    /// The file's bytes, which are those that were verified if the reader comes to its end.
    pub(super) fn open(&self, path: &str) -> Result<Reader<'_, 't>, RestoreError> {
        let (file, entry) = self.files.get(path).ok_or_else(|| changed(path))?;
        Ok(Reader {
            listed: self,
            file,
            inner: self.tree.open(entry)?,
            hasher: Some(Hasher::new()),
            left: file.size,
        })
    }

    /// Copies a file out of the archive, to a new file.
    pub(super) fn extract(
        &self,
        path: &str,
        into: &Path,
        task: &Task<'_>,
    ) -> Result<(), RestoreError> {
        let reader = self.open(path)?;
        let mut file = File::create_new(into).at("create", into)?;
        match copy(&mut task.reader(reader), &mut file) {
            Ok(_) => Ok(()),
            Err(error) if is_stop(&error) => Err(Cancelled.into()),
            Err(error) => {
                self.failure()?;
                Err(Err::<(), _>(error).at("write", into).unwrap_err().into())
            }
        }
    }

    /// Fails if reading a file failed; then whatever was concluded from it is void.
    pub(super) fn failure(&self) -> Result<(), RestoreError> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take().map_or(Ok(()), Err)
    }

    fn fail(&self, error: RestoreError) -> io::Error {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
        io::Error::other("the archive could not be read")
    }
}

/// True if an error stands for a stop on request.
pub(super) fn is_stop(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<Cancelled>)
}

fn changed(path: &str) -> RestoreError {
    RestoreError::Changed {
        path: path.to_owned(),
    }
}

/// See [`Listed::open`].
pub(super) struct Reader<'l, 't> {
    listed: &'l Listed<'t>,
    file: &'t FileEntry,
    inner: Box<dyn Read + Send + 'l>,
    hasher: Option<Hasher>,
    left: u64,
}

impl Read for Reader<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let path = self.file.path.as_str();
        let count = match self.inner.read(buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(source) => {
                return Err(self.listed.fail(RestoreError::Read {
                    path: path.to_owned(),
                    source,
                }));
            }
        };
        if count as u64 > self.left {
            return Err(self.listed.fail(changed(path)));
        }
        self.left -= count as u64;
        if let Some(hasher) = self.hasher.as_mut() {
            hasher.update(&buffer[..count]);
        }
        let at_end = count == 0 && !buffer.is_empty();
        if at_end
            && let Some(hasher) = self.hasher.take()
            && (self.left > 0 || hasher.finish() != self.file.sha256)
        {
            return Err(self.listed.fail(changed(path)));
        }
        Ok(count)
    }
}

/// A folder of the archive that holds an image.
pub(super) struct Below<'l, 't> {
    pub(super) listed: &'l Listed<'t>,
    pub(super) folder: &'l str,
}

impl ImageFolder for Below<'_, '_> {
    fn size(&self, path: &str) -> Option<u64> {
        let file = self.listed.file(&format!("{}/{path}", self.folder));
        file.map(|file| file.size)
    }

    fn open<'a>(&'a self, path: &str) -> io::Result<Box<dyn Read + Send + 'a>> {
        match self.listed.open(&format!("{}/{path}", self.folder)) {
            Ok(reader) => Ok(Box::new(reader)),
            Err(error) => Err(self.listed.fail(error)),
        }
    }
}
