//! A folder as a store: on a disk, or on a network share.

use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Opener, Published, StoreError, StoreFile, in_publishing_order};
use crate::digest::{HashingWriter, Sha256, copy};
use crate::error::{Cancelled, IoContext, IoError};
use crate::monitor::{Monitor, Task, Unit};
use crate::path::ArchivePath;
use crate::platform;

/// Publishes an archive to `to/name`.
///
/// Every file is written under a temporary name beside the archive's folder, made durable, read
/// back and compared with its digest, and only then renamed into place, replacing nothing. Files
/// that are there with the same bytes are skipped. `Manifest/manifest.json` comes last, after
/// all else in `Manifest/`; otherwise the order is that of `files`.
///
/// Before anything is written, everything that is there is compared: fails with
/// [`StoreError::Differs`] at the first file with other bytes, with nothing changed.
pub fn publish(
    name: &str,
    files: &[StoreFile],
    open: Opener,
    to: &Path,
    monitor: &dyn Monitor,
) -> Result<Published, StoreError> {
    let bad_name = || StoreError::Name {
        name: name.to_owned(),
    };
    let name: ArchivePath = name.parse().map_err(|_| bad_name())?;
    if name.as_str().contains('/') {
        return Err(bad_name());
    }
    let store = Folder::lock(to, name.as_str())?;
    let published = store.publish(files, open, monitor);
    store.unlock();
    published
}

/// The archive's folder in the store, and a locked one beside it for files not yet whole.
struct Folder {
    location: PathBuf,
    parts: PathBuf,
    lock: File,
}

impl Folder {
    fn lock(to: &Path, name: &str) -> Result<Self, StoreError> {
        let location = to.join(name);
        let parts = to.join(format!(".{name}.dhfpack-parts"));
        make_folder(&parts)?;
        let lock_path = parts.join("lock");
        refuse_link(&lock_path)?;
        let lock = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&lock_path)
            .at("open", &lock_path)?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy { location }),
            // A share without locks: each part still has a name of its own.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(source)) => return Err(failed("lock", &lock_path, source)),
            Ok(()) => {}
        }
        Ok(Self {
            location,
            parts,
            lock,
        })
    }

    /// Leaves nothing behind but the archive. What cannot be removed is removed by the next run.
    fn unlock(self) {
        // Still locked: nobody else can have begun to use the folder.
        let _ = fs::remove_dir_all(&self.parts);
        drop(self.lock);
    }

    fn publish(
        &self,
        files: &[StoreFile],
        open: Opener,
        monitor: &dyn Monitor,
    ) -> Result<Published, StoreError> {
        let total = files
            .iter()
            .fold(0_u64, |sum, file| sum.saturating_add(file.size));
        let task = Task::begin(monitor, "publishing", Some(total), Unit::Bytes);
        let mut missing = Vec::new();
        for file in in_publishing_order(files) {
            if !self.holds(file, &task)? {
                missing.push(file);
            }
        }
        for file in &missing {
            self.copy(file, open, &task)?;
        }
        let copied = missing.len() as u64;
        Ok(Published {
            location: self.location.clone(),
            copied,
            skipped: files.len() as u64 - copied,
        })
    }

    /// True if the file is there with the bytes listed; false if there is none.
    fn holds(&self, file: &StoreFile, task: &Task) -> Result<bool, StoreError> {
        let Some(place) = self.look(&file.path)? else {
            return Ok(false);
        };
        let relative = self.relative(&file.path);
        let existing = platform::open_below(self.above(), &relative).at("open", &place)?;
        let found = digest(&mut task.reader(existing), &place)?;
        if found == file.sha256 {
            return Ok(true);
        }
        Err(StoreError::Differs {
            path: place,
            expected: file.sha256,
            found,
        })
    }

    fn above(&self) -> &Path {
        self.location.parent().unwrap_or(&self.location)
    }

    fn relative(&self, path: &ArchivePath) -> String {
        let name = self.location.file_name().unwrap_or_default();
        format!("{}/{path}", name.to_string_lossy())
    }

    /// The place of a file if there is something; refuses whatever cannot be a file of the
    /// archive, or a folder above it.
    fn look(&self, path: &ArchivePath) -> Result<Option<PathBuf>, StoreError> {
        let mut place = self.location.clone();
        for component in path.as_str().split('/') {
            let Some(metadata) = metadata(&place)? else {
                return Ok(None);
            };
            expect_folder(&place, &metadata)?;
            place.push(component);
        }
        match metadata(&place)? {
            None => Ok(None),
            Some(metadata) if metadata.is_file() => Ok(Some(place)),
            Some(metadata) => Err(obstacle(&place, "a file", &metadata)),
        }
    }

    fn copy(&self, file: &StoreFile, open: Opener, task: &Task) -> Result<(), StoreError> {
        let place = self.location.join(file.path.as_str());
        let mut part = tempfile::Builder::new()
            .tempfile_in(&self.parts)
            .at("create a file in", &self.parts)?;
        let (found, found_size) = write(file, open, part.as_file_mut(), task)?;
        if (found, found_size) != (file.sha256, file.size) {
            return Err(StoreError::SourceChanged {
                path: file.path.clone(),
                expected: file.sha256,
                expected_size: file.size,
                found,
                found_size,
            });
        }
        platform::set_plain_mode(part.path(), false).at("set the mode of", part.path())?;
        part.as_file().sync_all().at("sync", part.path())?;
        platform::forget_cached(part.as_file());
        let mut written = File::open(part.path()).at("open", part.path())?;
        let found = digest(&mut written, part.path())?;
        if found != file.sha256 {
            return Err(StoreError::ReadBack {
                path: place,
                expected: file.sha256,
                found,
            });
        }
        self.put(part.into_temp_path(), &file.path, &place)
    }

    /// Renames a whole file into place, in folders that are made one by one and are no links.
    fn put(
        &self,
        part: tempfile::TempPath,
        path: &ArchivePath,
        place: &Path,
    ) -> Result<(), StoreError> {
        let mut folder = self.location.clone();
        make_folder(&folder)?;
        let mut rest = path.as_str();
        while let Some((name, below)) = rest.split_once('/') {
            folder.push(name);
            make_folder(&folder)?;
            rest = below;
        }
        platform::rename_no_replace(&part, place).at("create", place)?;
        // Renamed away; nothing is left to remove under the old name.
        let _ = part.keep();
        platform::sync_folder(&folder).at("sync", &folder)?;
        Ok(())
    }
}

fn write(
    file: &StoreFile,
    open: Opener,
    part: &mut File,
    task: &Task,
) -> Result<(Sha256, u64), StoreError> {
    let path = Path::new(file.path.as_str());
    let reader = open(&file.path).at("open", path)?;
    let mut writer = HashingWriter::new(part);
    copy(&mut task.reader(reader), &mut writer)
        .map_err(|error| stopped_or_failed("copy", path, error))?;
    let (_, size, digest) = writer.finish();
    Ok((digest, size))
}

/// The digest of a file in the store.
fn digest(reader: &mut dyn Read, path: &Path) -> Result<Sha256, StoreError> {
    Sha256::of_reader(reader)
        .map(|(digest, _)| digest)
        .map_err(|error| stopped_or_failed("read", path, error))
}

fn stopped_or_failed(action: &'static str, path: &Path, error: io::Error) -> StoreError {
    match error.downcast::<Cancelled>() {
        Ok(cancelled) => cancelled.into(),
        Err(source) => failed(action, path, source),
    }
}

/// Makes a folder unless it is there; nothing but a folder may be.
fn make_folder(path: &Path) -> Result<(), StoreError> {
    match fs::create_dir(path) {
        Ok(()) => {
            platform::set_plain_mode(path, true).at("set the mode of", path)?;
            let above = path.parent().unwrap_or(path);
            platform::sync_folder(above).at("sync", above)?;
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = fs::symlink_metadata(path).at("read", path)?;
            expect_folder(path, &metadata)
        }
        Err(source) => Err(failed("create", path, source)),
    }
}

fn metadata(path: &Path) -> Result<Option<Metadata>, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("read", path, source)),
    }
}

fn expect_folder(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    if metadata.is_dir() {
        return Ok(());
    }
    Err(obstacle(path, "a folder", metadata))
}

fn refuse_link(path: &Path) -> Result<(), StoreError> {
    match metadata(path)? {
        Some(metadata) if !metadata.is_file() => Err(obstacle(path, "a file", &metadata)),
        _ => Ok(()),
    }
}

fn obstacle(path: &Path, expected: &'static str, metadata: &Metadata) -> StoreError {
    let found = if metadata.is_symlink() {
        "a link"
    } else if metadata.is_dir() {
        "a folder"
    } else if metadata.is_file() {
        "a file"
    } else {
        "a device, a socket or a pipe"
    };
    StoreError::Obstacle {
        path: path.to_path_buf(),
        expected,
        found,
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    let path = path.to_path_buf();
    IoError {
        action,
        path,
        source,
    }
    .into()
}
