//! The copy of a release's design outputs in the design history file (21 CFR 820.30(j), since
//! 2026-02-02 the design and development file of ISO 13485:2016 7.3.10).

use std::collections::BTreeMap;
use std::io;

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::upload::{self, Prepared, Upload};
use super::{Published, ReadBack, StoreFile};
use crate::archive::{ArchiveError, Entry, Tree};
use crate::digest::Sha256;
use crate::manifest::Manifest;
use crate::monitor::Monitor;
use crate::path::{ArchivePath, PathError, PathSet};
use crate::store::{Created, Object, Store, StoreError};

mod place;

pub use place::address;

/// The folder of the copy.
pub const FOLDER: &str = "Design Outputs";
/// What lies beside it and says which archive it is a copy of.
pub const POINTER: &str = "Design Outputs.archive.json";
/// What the ids of the slots that are copied begin with, in every layout.
const SLOTS: &str = "design-outputs.";
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
    /// The version of the release, by which its folder is named.
    version: String,
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
            version: manifest.release.version.clone(),
        })
    }

    /// Whether the copy in `dhf` is finished, by its pointer and by the names and sizes of its
    /// files, without writing or reading them back. Fails with [`DhfError::OtherArchive`] if it is
    /// of another archive.
    pub fn is_copied(&self, dhf: &dyn Store) -> Result<bool, DhfError> {
        if !self.is_pointed_to(dhf)? {
            return Ok(false);
        }
        let there = dhf.list(FOLDER)?;
        Ok(there.len() == self.files.len() && !self.has_others(&there))
    }

    /// Whether among these objects there is one of another size, or that does not belong there.
    fn has_others(&self, there: &[Object]) -> bool {
        let mut files: BTreeMap<String, u64> = self
            .files
            .iter()
            .map(|file| (format!("{FOLDER}/{}", file.path), file.size))
            .collect();
        let mut there = there.iter();
        there.any(|object| files.remove(&object.path) != Some(object.size))
    }

    /// Fails as [`DesignOutputs::compare`] does, if names and sizes show that it would.
    pub(super) fn require_same(
        &self,
        dhf: &dyn Store,
        monitor: &dyn Monitor,
    ) -> Result<(), DhfError> {
        if self.has_others(&dhf.list(FOLDER)?) {
            self.compare(dhf, monitor)?;
        }
        Ok(())
    }

    /// Whether the pointer is there. Fails with [`DhfError::OtherArchive`] if it names another
    /// archive.
    fn is_pointed_to(&self, dhf: &dyn Store) -> Result<bool, DhfError> {
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

    /// Fails unless the release's folder in the design history file is there, or can be made.
    pub fn require_place(&self, dhf: &dyn Store) -> Result<(), DhfError> {
        Ok(place::require(dhf.address(), &self.version)?)
    }

    /// Compares what there is of a copy that is not finished, without writing. Fails at a file with
    /// other bytes, and at one that does not belong there.
    pub fn compare(&self, dhf: &dyn Store, monitor: &dyn Monitor) -> Result<(), DhfError> {
        self.prepare(dhf, monitor).map(drop)
    }

    fn prepare<'s>(
        &self,
        dhf: &'s dyn Store,
        monitor: &dyn Monitor,
    ) -> Result<Prepared<'s>, DhfError> {
        let there = upload::list(dhf, FOLDER)?;
        let upload = Upload {
            store: dhf,
            name: FOLDER,
            read_back: ReadBack::All,
        };
        Ok(upload.prepare(&self.files, there, &|_, _| None, monitor)?)
    }

    /// Copies them from `tree` into the release's folder in the design history file, reads every
    /// file back, and puts the pointer beside them last. What is there with the same bytes is
    /// compared and kept; anything else is an error, and nothing is changed. A folder on a disk is
    /// made with the first file, from the first one that has the version in its name.
    pub fn copy(
        &self,
        tree: &dyn Tree,
        dhf: &dyn Store,
        monitor: &dyn Monitor,
    ) -> Result<Published, DhfError> {
        self.require_place(dhf)?;
        let has_pointer = self.is_pointed_to(dhf)?;
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
        let prepared = self.prepare(dhf, monitor)?;
        place::make(dhf.address(), &self.version)?;
        let copied = prepared.write(&open, monitor)?;
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
        match dhf.create_from(POINTER, &bytes)? {
            Created::New(_) => Ok(()),
            // Another run was quicker.
            Created::Exists => self.is_pointed_to(dhf).map(|_| ()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The archive of format 1 that the tests keep, with these folders for its design outputs.
    fn sample(folders: [&str; 3]) -> Manifest {
        let text = include_str!(
            "../../tests/golden/format-1/infusion-monitor-2.4.0/Manifest/manifest.json"
        );
        let classic = ["Source Code", "Installation Image", "User Manual"];
        let text = classic
            .iter()
            .zip(folders)
            .fold(text.to_owned(), |text, (old, new)| {
                text.replace(&format!("Design Outputs/{old}"), new)
            });
        Manifest::parse(text.as_bytes()).unwrap()
    }

    fn copied(folders: [&str; 3]) -> Vec<String> {
        let outputs = DesignOutputs::of(&sample(folders), Sha256::of(b""), "s3://b/a").unwrap();
        let paths = outputs.files.iter().map(|file| file.path.to_string());
        paths.filter(|path| !path.contains("/blobs/")).collect()
    }

    #[test]
    fn a_copy_has_the_slots_without_the_folder_above_them() {
        let file = "user-manual.md";
        for (folder, path) in [
            ("Design Outputs/User Manual", "User Manual/user-manual.md"),
            ("Technical Documentation/2 Use", "2 Use/user-manual.md"),
            ("Manual", file),
        ] {
            let paths = copied(["Development/Code", "Development/Image", folder]);
            assert!(paths.iter().any(|one| one == path), "{path}: {paths:?}");
        }
        // Two files would have one path: both keep all of it.
        let paths = copied(["A/Code", "A/install", "B/Code/repository.bundle"]);
        assert!(
            paths.iter().any(|one| one == "A/Code/repository.bundle"),
            "{paths:?}"
        );
    }

    #[test]
    fn a_draft_and_an_archive_without_design_outputs_are_refused() {
        let mut manifest = sample(["A/Code", "A/Image", "A/Manual"]);
        manifest.draft = true;
        let of = |manifest: &Manifest| DesignOutputs::of(manifest, Sha256::of(b""), "a").err();
        assert!(matches!(of(&manifest), Some(DhfError::Draft { .. })));
        manifest.draft = false;
        manifest.files.retain(|file| file.slot.is_none());
        assert!(matches!(of(&manifest), Some(DhfError::Nothing { .. })));
    }
}
