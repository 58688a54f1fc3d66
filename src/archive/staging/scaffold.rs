//! The locked folder of one run, and the removal of those whose run was killed.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::archive::ArchiveError;
use crate::error::{IoContext, IoError};
use crate::platform;

const LOCK: &str = "lock";
const PREFIX: &str = ".dhfpack-";
const RANDOM: usize = 8;
const MARKER: &[u8] =
    b"A run of dhfpack holds a lock on this file. If none runs, remove the folder.\n";

/// The folder of one run, locked; removed when dropped.
pub(super) struct Scaffold {
    // Dropped first: Windows removes no open file.
    _lock: File,
    folder: TempDir,
    parent: PathBuf,
}

impl Scaffold {
    pub(super) fn begin(parent: &Path) -> Result<Self, ArchiveError> {
        fs::create_dir_all(parent).at("create", parent)?;
        clean_abandoned(parent)?;
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .rand_bytes(RANDOM)
            .tempdir_in(parent)
            .at("create a folder in", parent)?;
        Ok(Self {
            _lock: lock_new(folder.path())?,
            folder,
            parent: parent.to_path_buf(),
        })
    }

    /// Where something of this name will appear.
    pub(super) fn destination(&self, name: &str) -> PathBuf {
        self.parent.join(name)
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Moves what is at `from`, synced, into its place; returns where that is.
    pub(super) fn publish(&self, from: &Path, name: &str) -> Result<PathBuf, ArchiveError> {
        let destination = self.destination(name);
        match platform::rename_no_replace(from, &destination) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(ArchiveError::Exists { path: destination });
            }
            Err(error) => return Err(failed("create", &destination, error)),
        }
        platform::sync_folder(&self.parent).at("sync", &self.parent)?;
        Ok(destination)
    }
}

impl Drop for Scaffold {
    fn drop(&mut self) {
        // Where an open lock cannot be removed, it goes with the folder, which `TempDir` removes.
        let _ = remove_lock_last(self.folder.path());
    }
}

pub(super) fn failed(action: &'static str, path: &Path, source: io::Error) -> ArchiveError {
    let path = path.to_path_buf();
    IoError {
        action,
        path,
        source,
    }
    .into()
}

pub(super) fn refuse_existing(destination: &Path) -> Result<(), ArchiveError> {
    match fs::symlink_metadata(destination) {
        Ok(_) => Err(ArchiveError::Exists {
            path: destination.to_path_buf(),
        }),
        // Nor can anything exist below what is no folder; making the parent will say so.
        Err(_) => Ok(()),
    }
}

/// Makes the lock file; it gets its name only when it is locked, so that no clean-up can find
/// it free. File systems without locks do without: a clean-up cannot lock there either.
fn lock_new(folder: &Path) -> Result<File, ArchiveError> {
    let unnamed = folder.join("lock.new");
    let mut file = File::create_new(&unnamed).at("create", &unnamed)?;
    match file.try_lock() {
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => {
            return Err(failed("lock", &unnamed, error));
        }
        _ => {}
    }
    // The git of a killed run may go on, and write here, for a moment.
    platform::share_with_children(&file).at("share", &unnamed)?;
    file.write_all(MARKER).at("write", &unnamed)?;
    fs::rename(&unnamed, folder.join(LOCK)).at("rename", &unnamed)?;
    Ok(file)
}

/// Removes the staging folders in `parent` that killed runs left behind: real folders of our
/// name pattern, with our marker in them, whose lock is free.
///
/// What cannot be examined or removed stays, as it stands in nobody's way.
fn clean_abandoned(parent: &Path) -> Result<(), ArchiveError> {
    for found in fs::read_dir(parent).at("read", parent)? {
        let found = found.at("read", parent)?;
        let is_folder = found.file_type().is_ok_and(|file_type| file_type.is_dir());
        let is_ours = found.file_name().to_str().is_some_and(is_staging_name);
        if is_folder && is_ours && is_abandoned(&found.path()) {
            let _ = remove_lock_last(&found.path());
        }
    }
    Ok(())
}

/// Removes a staging folder, its lock last: if this is itself killed, what it leaves is still
/// known for ours.
fn remove_lock_last(folder: &Path) -> io::Result<()> {
    for found in fs::read_dir(folder)? {
        let found = found?;
        if found.file_name() == LOCK {
            continue;
        }
        if found.file_type()?.is_dir() {
            fs::remove_dir_all(found.path())?;
        } else {
            fs::remove_file(found.path())?;
        }
    }
    fs::remove_file(folder.join(LOCK))?;
    fs::remove_dir(folder)
}

/// `.dhfpack-XXXXXXXX`
fn is_staging_name(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

fn is_abandoned(folder: &Path) -> bool {
    let Ok(file) = platform::open_below(folder, LOCK) else {
        return false;
    };
    let mut marker = Vec::new();
    let most = MARKER.len() as u64 + 1;
    let is_marked = (&file).take(most).read_to_end(&mut marker).is_ok() && marker == MARKER;
    is_marked && file.try_lock().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_name_pattern_is_a_staging_folder() {
        assert!(is_staging_name(".dhfpack-aB3dE5gH"));
        for name in [
            "dhfpack-aB3dE5gH",
            ".dhfpack-aB3dE5g",
            ".dhfpack-aB3d/5gH",
            ".git",
        ] {
            assert!(!is_staging_name(name), "{name}");
        }
    }
}
