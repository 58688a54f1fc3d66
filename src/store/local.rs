//! A folder as a store: on a disk, or on a network share.
//!
//! An object is written under a temporary name, made durable, read back and compared, and only
//! then renamed into place, replacing nothing. Links are not followed anywhere in it.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use walkdir::WalkDir;

use self::parts::Parts;
use super::{
    Address, Children, Created, Document, Edition, Object, Promises, Store, StoreError, Swapped,
};
use crate::digest::{Sha256, copy};
use crate::error::{Cancelled, IoContext, IoError};
use crate::monitor::Monitor;
use crate::platform;

mod parts;

/// Objects are written by one thread for each core of a small machine: disks gain little more.
const TRANSFERS: usize = 4;

/// A folder.
pub(super) struct LocalStore<'m> {
    root: PathBuf,
    address: Address,
    monitor: &'m dyn Monitor,
    /// For files not yet whole; made when the first is.
    parts: Mutex<Option<Parts>>,
}

impl<'m> LocalStore<'m> {
    pub(super) fn new(root: &Path, monitor: &'m dyn Monitor) -> Self {
        Self {
            root: root.to_path_buf(),
            address: Address::Folder(root.to_path_buf()),
            monitor,
            parts: Mutex::new(None),
        }
    }

    /// A new file, not yet under its name.
    fn part(&self) -> Result<tempfile::NamedTempFile, StoreError> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = match &mut *parts {
            Some(parts) => parts,
            none => none.insert(Parts::begin(&self.root)?),
        };
        parts.file()
    }

    /// The place of an object, if something is there that can be one.
    fn look(&self, path: &str) -> Result<Option<(PathBuf, u64)>, StoreError> {
        let mut place = self.root.clone();
        let mut names = checked(path)?.split('/').peekable();
        while let Some(name) = names.next() {
            place.push(name);
            let Some(found) = metadata(&place)? else {
                return Ok(None);
            };
            match names.peek() {
                Some(_) => expect_folder(&place, &found)?,
                None if found.is_file() => return Ok(Some((place, found.len()))),
                None => return Err(obstacle(&place, "a file", &found)),
            }
        }
        Ok(None)
    }

    /// Makes the folders above an object, one by one; none of them may be a link.
    fn make_folders(&self, path: &str) -> Result<PathBuf, StoreError> {
        let mut folder = self.root.clone();
        let mut rest = path;
        while let Some((name, below)) = rest.split_once('/') {
            folder.push(name);
            make_folder(&folder)?;
            rest = below;
        }
        Ok(folder)
    }

    /// Stops if it was asked to.
    fn check(&self) -> Result<(), Cancelled> {
        if self.monitor.is_cancelled() {
            return Err(Cancelled);
        }
        Ok(())
    }

    fn open(&self, path: &str, place: &Path) -> Result<File, StoreError> {
        Ok(platform::open_below(&self.root, path).at("open", place)?)
    }

    fn object(&self, found: &walkdir::DirEntry) -> Result<Option<Object>, StoreError> {
        let metadata = found
            .metadata()
            .map_err(|error| walk_failed(error, &self.root))?;
        if metadata.is_dir() {
            return Ok(None);
        }
        if !metadata.is_file() {
            return Err(obstacle(found.path(), "a file", &metadata));
        }
        let relative = found
            .path()
            .strip_prefix(&self.root)
            .unwrap_or(found.path());
        let names: Vec<_> = relative.iter().map(|name| name.to_string_lossy()).collect();
        Ok(Some(plain(names.join("/"), metadata.len())))
    }
}

fn plain(path: String, size: u64) -> Object {
    Object {
        path,
        size,
        version: None,
        checksum: None,
    }
}

impl Store for LocalStore<'_> {
    fn address(&self) -> &Address {
        &self.address
    }

    fn promises(&self) -> Promises {
        Promises {
            reads_back: Some(u64::MAX),
            transfers: TRANSFERS,
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<Object>, StoreError> {
        let root = self.root.join(folder);
        match metadata(&root)? {
            None => return Ok(Vec::new()),
            // The store's own folder may be reached by a link, as a mounted share often is.
            Some(_) if folder.is_empty() => {}
            Some(found) => expect_folder(&root, &found)?,
        }
        let mut objects = Vec::new();
        let walk = WalkDir::new(&root).min_depth(1).into_iter();
        for found in walk.filter_entry(|entry| !parts::is_own(&self.root, entry.path())) {
            self.check()?;
            let found = found.map_err(|error| walk_failed(error, &root))?;
            objects.extend(self.object(&found)?);
        }
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
    }

    fn children(&self, folder: &str) -> Result<Children, StoreError> {
        let root = self.root.join(folder);
        let mut children = Children::default();
        // A store that is not there may be a share that is not mounted: it is not empty.
        if !folder.is_empty() && metadata(&root)?.is_none() {
            return Ok(children);
        }
        let walk = WalkDir::new(&root).min_depth(1).max_depth(1).into_iter();
        for found in walk.filter_entry(|entry| !parts::is_own(&self.root, entry.path())) {
            let found = found.map_err(|error| walk_failed(error, &root))?;
            // Reading below a link fails, and says so; left out, what it leads to would be missed.
            if found.file_type().is_dir() || found.path_is_symlink() && found.path().is_dir() {
                let name = found.file_name().to_string_lossy().into_owned();
                children.folders.push(name);
            } else if found.file_type().is_file() {
                children.objects.extend(self.object(&found)?);
            }
        }
        children.folders.sort();
        children.objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(children)
    }

    fn stat(&self, path: &str) -> Result<Option<Object>, StoreError> {
        let found = self.look(path)?;
        Ok(found.map(|(_, size)| plain(path.to_owned(), size)))
    }

    fn read<'a>(&'a self, path: &str) -> Result<Box<dyn Read + Send + 'a>, StoreError> {
        let place = self.root.join(checked(path)?);
        Ok(Box::new(self.open(path, &place)?))
    }

    fn create(
        &self,
        path: &str,
        size: u64,
        sha256: Sha256,
        content: &mut (dyn Read + Send),
    ) -> Result<Created, StoreError> {
        if self.look(path)?.is_some() {
            return Ok(Created::Exists);
        }
        let place = self.root.join(path);
        let part = self.part()?;
        copy(content, &mut part.as_file())
            .map_err(|error| stopped_or_failed("write", &place, error))?;
        settle(&part)?;
        let mut again = File::open(part.path()).at("open", part.path())?;
        let (found, read) = Sha256::of_reader(&mut again)
            .map_err(|error| stopped_or_failed("read", part.path(), error))?;
        if (found, read) != (sha256, size) {
            return Err(StoreError::ReadBack {
                place: place.display().to_string(),
                expected: sha256,
                found,
            });
        }
        let folder = self.make_folders(path)?;
        let part = part.into_temp_path();
        match platform::rename_no_replace(&part, &place) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Ok(Created::Exists);
            }
            Err(source) => return Err(failed("create", &place, source)),
        }
        // Renamed away; nothing is left to remove under the old name.
        let _ = part.keep();
        platform::sync_folder(&folder).at("sync", &folder)?;
        Ok(Created::New(plain(path.to_owned(), size)))
    }

    fn load(&self, path: &str, limit: u64) -> Result<Option<Document>, StoreError> {
        let Some((place, _)) = self.look(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let file = self.open(path, &place)?;
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .at("read", &place)?;
        if bytes.len() as u64 > limit {
            return Err(StoreError::TooLarge {
                place: place.display().to_string(),
                limit,
            });
        }
        let edition = Edition(Sha256::of(&bytes).to_string());
        Ok(Some(Document { bytes, edition }))
    }

    fn swap(
        &self,
        path: &str,
        bytes: &[u8],
        current: Option<&Edition>,
    ) -> Result<Swapped, StoreError> {
        checked(path)?;
        let folder = self.make_folders(path)?;
        let place = self.root.join(path);
        let _lock = parts::lock_document(&place, self.monitor)?;
        let there = self.load(path, u64::MAX - 1)?;
        if there.as_ref().map(|document| &document.edition) != current {
            return Ok(Swapped::Changed);
        }
        let mut part = self.part()?;
        part.write_all(bytes).at("write", part.path())?;
        settle(&part)?;
        let part = part.into_temp_path();
        fs::rename(&part, &place).at("replace", &place)?;
        let _ = part.keep();
        platform::sync_folder(&folder).at("sync", &folder)?;
        Ok(Swapped::Done)
    }

    fn tidy(&self) {
        // A folder that is not there, or that nobody may list, is no reason to stop: a write that
        // needs it says so.
        let _ = parts::remove_abandoned(&self.root);
    }
}

/// Makes a written file durable and readable to all, and has it read from the disk next time.
fn settle(part: &tempfile::NamedTempFile) -> Result<(), StoreError> {
    platform::set_plain_mode(part.path(), false).at("set the mode of", part.path())?;
    part.as_file().sync_all().at("sync", part.path())?;
    platform::forget_cached(part.as_file());
    Ok(())
}

/// A path that stays below the store's folder.
fn checked(path: &str) -> Result<&str, StoreError> {
    let strange = |name: &str| matches!(name, "" | "." | "..") || name.contains(['\\', '\0', ':']);
    if path.split('/').any(strange) {
        return Err(StoreError::BadPath {
            path: path.to_owned(),
        });
    }
    Ok(path)
}

fn stopped_or_failed(action: &'static str, path: &Path, error: io::Error) -> StoreError {
    match error.downcast::<StoreError>() {
        Ok(error) => error,
        Err(error) => match error.downcast::<Cancelled>() {
            Ok(cancelled) => cancelled.into(),
            Err(source) => failed(action, path, source),
        },
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
        place: path.display().to_string(),
        expected,
        found,
    }
}

fn walk_failed(error: walkdir::Error, root: &Path) -> StoreError {
    let path = error.path().unwrap_or(root).to_path_buf();
    failed("list", &path, error.into())
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
