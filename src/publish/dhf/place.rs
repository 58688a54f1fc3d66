//! The folder of a release in the design history file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::DhfError;
use crate::error::IoContext;
use crate::manifest::Manifest;
use crate::platform;
use crate::store::{Address, StoreError};

/// What stands for the version in the address.
const VERSION: &str = "{version}";

/// The folder of a release in the design history file: `{version}` in `written` becomes the
/// version, and for an archive made anew or an addendum also what its name ends with, as in
/// `2.4.0-r1`. Fails if the version stands nowhere in the address.
pub fn address(written: &str, manifest: &Manifest) -> Result<Address, DhfError> {
    let prefix = format!("{}-", manifest.product.id);
    let version = &manifest.release.version;
    let full = manifest.name.strip_prefix(&prefix).unwrap_or(version);
    let text = written.replace(VERSION, full);
    if !names_version(&text, version) {
        return Err(DhfError::NoVersion {
            address: text,
            version: version.clone(),
        });
    }
    let address = text.parse().map_err(StoreError::Address)?;
    Ok(address)
}

/// Whether a path has the version in it, not as a part of another one.
fn names_version(path: &str, version: &str) -> bool {
    let digit = |c: char| c.is_ascii_digit() || c == '.';
    path.match_indices(version).any(|(start, _)| {
        let (before, after) = (&path[..start], &path[start + version.len()..]);
        !before.ends_with(digit) && !after.starts_with(digit)
    })
}

/// The folders on a disk that are made for a release, the highest first: those from the first that
/// has the version in its name.
fn own_folders(address: &Address, version: &str) -> Vec<PathBuf> {
    let Address::Folder(path) = address else {
        return Vec::new();
    };
    let mut folder = PathBuf::new();
    let mut folders = Vec::new();
    for component in path.components() {
        folder.push(component);
        let name = component.as_os_str().to_string_lossy();
        if !folders.is_empty() || names_version(&name, version) {
            folders.push(folder.clone());
        }
    }
    folders
}

/// The folder above, if it has a name.
fn above(folder: &Path) -> Option<&Path> {
    let above = folder.parent();
    above.filter(|above| !above.as_os_str().is_empty())
}

/// Fails unless what lies above a release's own folders is there, so that nothing is written below
/// a share that is not mounted.
pub(super) fn require(address: &Address, version: &str) -> Result<(), StoreError> {
    let folders = own_folders(address, version);
    let Some(above) = folders.first().and_then(|first| above(first)) else {
        return Ok(());
    };
    let found = fs::metadata(above).at("find the folder", above)?;
    if found.is_dir() {
        return Ok(());
    }
    let not_one = Err(io::Error::from(io::ErrorKind::NotADirectory));
    Ok(not_one.at("find the folder", above)?)
}

/// Makes a release's own folders, as far as they are not there.
pub(super) fn make(address: &Address, version: &str) -> Result<(), StoreError> {
    for folder in own_folders(address, version) {
        match fs::create_dir(&folder) {
            Ok(()) => {
                platform::set_plain_mode(&folder, true).at("set the mode of", &folder)?;
                if let Some(above) = above(&folder) {
                    platform::sync_folder(above).at("sync", above)?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).at("create", &folder).map_err(StoreError::Io),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_gets_a_folder_of_its_own() {
        let text = include_bytes!(
            "../../../tests/golden/format-1/infusion-monitor-2.4.0/Manifest/manifest.json"
        );
        let mut manifest = Manifest::parse(text).unwrap();
        let place = |manifest: &Manifest| address("dhf/{version}", manifest).unwrap().to_string();
        assert_eq!(place(&manifest), "dhf/2.4.0");
        manifest.name.push_str("-r1");
        assert_eq!(place(&manifest), "dhf/2.4.0-r1");
    }

    #[test]
    fn a_version_is_not_a_part_of_another_one() {
        for path in [
            "dhf/2.4.0",
            "/dhf/pump v2.4.0/x",
            "s3://b/2.4.0-r1",
            "2.4.0",
        ] {
            assert!(names_version(path, "2.4.0"), "{path}");
        }
        for path in ["dhf", "12.4.0", "2.4.01", "2.4.0.1", "1.2.4.0", "2.4"] {
            assert!(!names_version(path, "2.4.0"), "{path}");
        }
    }
}
