//! Files that are not yet whole, and locks.
//!
//! Each run writes into a folder of its own, locked while it runs, so that the next run can tell
//! what a killed one left and remove it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use tempfile::{NamedTempFile, TempDir};

use super::{StoreError, failed, metadata, obstacle};
use crate::error::{Cancelled, IoContext};
use crate::monitor::Monitor;

/// How the names of our own files begin. No archive has such a name.
const PREFIX: &str = ".dhfpack-";
const PARTS: &str = ".dhfpack-parts-";
const LOCK: &str = "lock";
/// How often a wait for a lock looks whether it should stop.
const TICK: Duration = Duration::from_millis(5);

/// Whether this is a file or folder of ours, directly below the store's folder.
pub(super) fn is_own(root: &Path, path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    path.parent() == Some(root) && name.is_some_and(|name| name.starts_with(PREFIX))
}

/// The folder of one run, removed when dropped.
pub(super) struct Parts {
    // Dropped first: Windows removes no open file.
    _lock: File,
    folder: TempDir,
}

impl Parts {
    pub(super) fn begin(root: &Path) -> Result<Self, StoreError> {
        remove_abandoned(root)?;
        let folder = tempfile::Builder::new()
            .prefix(PARTS)
            .tempdir_in(root)
            .at("create a folder in", root)?;
        // It gets its name when it is locked, so that no clean-up can find it free.
        let unnamed = folder.path().join("lock.new");
        let lock = File::create_new(&unnamed).at("create", &unnamed)?;
        match lock.try_lock() {
            // A share without locks: what a killed run leaves there, no other run removes either.
            Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => {
                return Err(failed("lock", &unnamed, error));
            }
            _ => {}
        }
        let named = folder.path().join(LOCK);
        fs::rename(&unnamed, &named).at("create", &named)?;
        Ok(Self {
            _lock: lock,
            folder,
        })
    }

    pub(super) fn file(&self) -> Result<NamedTempFile, StoreError> {
        let file = tempfile::Builder::new().tempfile_in(self.folder.path());
        Ok(file.at("create a file in", self.folder.path())?)
    }
}

/// Removes what killed runs left. What cannot be removed is no reason to stop.
pub(super) fn remove_abandoned(root: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(root).at("list", root)? {
        let entry = entry.at("list", root)?;
        let folder = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let name = entry.file_name();
        if !is_folder || !name.to_string_lossy().starts_with(PARTS) {
            continue;
        }
        // Not yet locked, or no longer there: somebody is at work in it.
        let Ok(lock) = File::open(folder.join(LOCK)) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            drop(lock);
            let _ = fs::remove_dir_all(&folder);
        }
    }
    Ok(())
}

/// Waits until nobody else changes the document at `place`. The lock ends when the file returned
/// is dropped; its own file stays, since removing it would part those who wait for it.
pub(super) fn lock_document(place: &Path, monitor: &dyn Monitor) -> Result<File, StoreError> {
    let path = lock_path(place);
    match metadata(&path)? {
        Some(found) if !found.is_file() => return Err(obstacle(&path, "a file", &found)),
        _ => {}
    }
    let lock = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .at("open", &path)?;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if monitor.is_cancelled() => {
                return Err(Cancelled.into());
            }
            Err(TryLockError::WouldBlock) => thread::sleep(TICK),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path, source)),
        }
    }
}

fn lock_path(place: &Path) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    place.with_file_name(format!("{PREFIX}lock-{name}"))
}
