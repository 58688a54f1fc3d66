//! The copy of a release's design outputs in the design history file (21 CFR 820.30(j), since
//! 2026-02-02 the design and development file of ISO 13485:2016 7.3.10).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Published, ReadBack, StoreFile, upload};
use crate::archive::{ArchiveError, Entry, Tree};
use crate::digest::Sha256;
use crate::error::IoContext;
use crate::manifest::Manifest;
use crate::monitor::Monitor;
use crate::path::{ArchivePath, PathError, PathSet};
use crate::platform;
use crate::store::{self, Access, Address, Created, Store, StoreError};

/// The folder of the copy.
pub const FOLDER: &str = "Design Outputs";
/// What lies beside it and says which archive it is a copy of.
pub const POINTER: &str = "Design Outputs.archive.json";
/// What the ids of the slots that are copied begin with, in every layout.
const SLOTS: &str = "design-outputs.";
/// What stands for the version in the address.
const VERSION: &str = "{version}";
/// The largest pointer in bytes.
const LARGEST: u64 = 64 * 1024;

/// Why the design outputs cannot be copied.
#[derive(Debug, Error, Diagnostic)]
pub enum DhfError {
    /// The same folder would serve every version.
    #[error("{address} does not name the version {version}")]
    #[diagnostic(help(
        "each version has a folder of its own in the design history file: put `{{version}}` where it stands, as in /mnt/dhf/pump/{{version}}"
    ))]
    NoVersion {
        /// The address.
        address: String,
        /// The version of the release.
        version: String,
    },
    /// A draft.
    #[error("{name} is a draft: expected a sealed release")]
    #[diagnostic(help("build it without --draft, once nothing is missing"))]
    Draft {
        /// The archive's name.
        name: String,
    },
    /// Nothing to copy.
    #[error(
        "{name} has no design outputs: no slot of its layout has an id beginning with `{SLOTS}`"
    )]
    #[diagnostic(help("take `storage.dhf` out, or give the layout's slots their neutral ids"))]
    Nothing {
        /// The archive's name.
        name: String,
    },
    /// The folder belongs to another archive.
    #[error("{place} is of another archive: expected the manifest {expected}, found {found}")]
    #[diagnostic(help(
        "a copy is never replaced: a revision of the archive is copied into a folder of its own"
    ))]
    OtherArchive {
        /// The pointer.
        place: String,
        /// The manifest digest of the archive to copy from.
        expected: Sha256,
        /// The one that the pointer names.
        found: Sha256,
    },
    /// Something else has the pointer's name.
    #[error("{place} does not say which archive the copy beside it is of")]
    #[diagnostic(help("look at it: dhfpack did not write it, or it is damaged"))]
    Pointer {
        /// The pointer.
        place: String,
        /// Why it cannot be understood.
        source: serde_json::Error,
    },
    /// A path that the copy cannot have.
    #[error(transparent)]
    #[diagnostic(help("shorten the slot's folder in the layout"))]
    Path(#[from] PathError),
    /// The archive cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// Copying failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
}

/// Says which archive a copy is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// What the copy is, for a person who finds it.
    pub about: String,
    /// The archive's name.
    pub archive: String,
    /// Where the archive is.
    pub location: String,
    /// The digest of its manifest.
    pub manifest_sha256: Sha256,
    /// How many files the copy has.
    pub files: u64,
    /// How many bytes they have together.
    pub bytes: u64,
}

/// The design outputs of an archive.
pub struct DesignOutputs {
    /// Each file with its path in the copy, from [`FOLDER`].
    files: Vec<StoreFile>,
    /// The path in the archive of each.
    sources: BTreeMap<ArchivePath, ArchivePath>,
    pointer: Pointer,
}

impl DesignOutputs {
    /// What is to be copied from an archive that is at `location`.
    pub fn of(
        manifest: &Manifest,
        manifest_sha256: Sha256,
        location: &str,
    ) -> Result<Self, DhfError> {
        let name = manifest.name.clone();
        if manifest.draft {
            return Err(DhfError::Draft { name });
        }
        let is_output =
            |slot: &Option<String>| slot.as_ref().is_some_and(|id| id.starts_with(SLOTS));
        let outputs: Vec<_> = manifest
            .files
            .iter()
            .filter(|file| is_output(&file.slot))
            .collect();
        if outputs.is_empty() {
            return Err(DhfError::Nothing { name });
        }
        // `Design Outputs/User Manual/a.md` is `User Manual/a.md` in the copy; where a layout has
        // the slots below several folders, all of the path may be needed to tell files apart.
        let mut short = PathSet::default();
        let shortened = |path: &ArchivePath| {
            let (_, rest) = path.as_str().split_once('/').unwrap_or_default();
            rest.parse::<ArchivePath>()
        };
        let is_short = outputs.iter().all(|file| {
            shortened(&file.path).is_ok_and(|path| short.insert(path.as_str()).is_ok())
        });
        let mut files = Vec::new();
        let mut sources = BTreeMap::new();
        for file in outputs {
            let path = if is_short {
                shortened(&file.path)?
            } else {
                file.path.clone()
            };
            files.push(StoreFile {
                path: path.clone(),
                size: file.size,
                sha256: file.sha256,
            });
            sources.insert(path, file.path.clone());
        }
        let bytes = files
            .iter()
            .fold(0_u64, |sum, file| sum.saturating_add(file.size));
        let pointer = Pointer {
            about: format!(
                "The folder `{FOLDER}` beside this file is a copy of the design outputs of the release archive that is named here."
            ),
            archive: name,
            location: location.to_owned(),
            manifest_sha256,
            files: files.len() as u64,
            bytes,
        };
        Ok(Self {
            files,
            sources,
            pointer,
        })
    }

    /// Whether the copy in `dhf` is finished, without writing or reading it back. Fails with
    /// [`DhfError::OtherArchive`] if it is of another archive.
    pub fn is_copied(&self, dhf: &dyn Store) -> Result<bool, DhfError> {
        let Some(found) = dhf.load(POINTER, LARGEST)? else {
            return Ok(false);
        };
        let place = || dhf.address().place(POINTER);
        let found: Pointer =
            serde_json::from_slice(&found.bytes).map_err(|source| DhfError::Pointer {
                place: place(),
                source,
            })?;
        if found.manifest_sha256 == self.pointer.manifest_sha256 {
            return Ok(true);
        }
        Err(DhfError::OtherArchive {
            place: place(),
            expected: self.pointer.manifest_sha256,
            found: found.manifest_sha256,
        })
    }

    /// Copies them from `tree` into the release's folder in the design history file, reads every
    /// file back, and puts the pointer beside them last. What is there with the same bytes is
    /// compared and kept; anything else is an error, and nothing is changed.
    pub fn copy(
        &self,
        tree: &dyn Tree,
        dhf: &dyn Store,
        monitor: &dyn Monitor,
    ) -> Result<Published, DhfError> {
        let has_pointer = self.is_copied(dhf)?;
        let entries: BTreeMap<String, Entry> = tree
            .list()?
            .entries
            .into_iter()
            .map(|entry| (entry.path.clone(), entry))
            .collect();
        let open = |path: &ArchivePath| {
            let source = self.sources.get(path);
            let entry = source.and_then(|source| entries.get(source.as_str()));
            let entry = entry.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
            tree.open(entry).map_err(io::Error::other)
        };
        let copied = upload(dhf, FOLDER, &self.files, &open, ReadBack::All, monitor)?;
        if !has_pointer {
            self.point(dhf)?;
        }
        Ok(copied)
    }

    fn point(&self, dhf: &dyn Store) -> Result<(), DhfError> {
        let place = || dhf.address().place(POINTER);
        let mut bytes =
            serde_json::to_vec_pretty(&self.pointer).map_err(|source| DhfError::Pointer {
                place: place(),
                source,
            })?;
        bytes.push(b'\n');
        match dhf.create(POINTER, bytes.len() as u64, &mut bytes.as_slice())? {
            Created::New(_) => Ok(()),
            // Another run was quicker.
            Created::Exists => self.is_copied(dhf).map(|_| ()),
        }
    }
}

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

/// Opens the release's folder. One on a disk is made, from the first folder that has the version
/// in its name; what lies above must be there, so that nothing is written below a share that is
/// not mounted.
pub fn open<'m>(
    address: &Address,
    version: &str,
    access: &Access,
    monitor: &'m dyn Monitor,
) -> Result<Box<dyn Store + 'm>, DhfError> {
    if let Address::Folder(path) = address {
        make_folders(path, version)?;
    }
    Ok(store::open(address, access, monitor)?)
}

fn make_folders(path: &Path, version: &str) -> Result<(), StoreError> {
    let mut folder = PathBuf::new();
    let mut is_below = false;
    for component in path.components() {
        let parent = folder.clone();
        folder.push(component);
        is_below |= names_version(&component.as_os_str().to_string_lossy(), version);
        if !is_below {
            continue;
        }
        match fs::create_dir(&folder) {
            Ok(()) => {
                platform::set_plain_mode(&folder, true).at("set the mode of", &folder)?;
                if !parent.as_os_str().is_empty() {
                    platform::sync_folder(&parent).at("sync", &parent)?;
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
    use super::names_version;

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
