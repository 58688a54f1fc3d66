//! Writing the Git LFS objects of the release's repositories: each once, as its pointers say.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Writer, entry};
use crate::archive::ArchiveError;
use crate::assemble::BuildError;
use crate::digest;
use crate::error::{Cancelled, IoError};
use crate::manifest::{FileEntry, LfsIdentity, Origin};
use crate::monitor::{Task, Unit};
use crate::plan::{Content, Item};
use crate::seal::Written;
use crate::source::git::{GitError, LfsError, LfsObject, LfsObjects, LfsStore};

/// How many files an error names.
const SHOWN: usize = 20;

impl Writer<'_> {
    /// Writes every object that a pointer in the history names.
    pub(super) fn lfs(&self) -> Result<Written, BuildError> {
        let is_lfs = |item: &&Item| item.content == Content::Lfs;
        let Some(item) = self.plan.items.iter().find(is_lfs) else {
            return Ok(Written::default());
        };
        let objects = self.find_lfs_objects()?;
        if objects.is_empty() {
            return Ok(Written::default());
        }
        let stores = self.lfs_stores(&objects)?;
        let bytes = objects.bytes();
        let task = Task::begin(self.monitor, "Git LFS objects", Some(bytes), Unit::Bytes);
        let mut written = Written {
            lfs: Some(LfsIdentity {
                folder: item.path.clone(),
                objects: objects.len() as u64,
                bytes,
            }),
            ..Written::default()
        };
        for object in objects.iter() {
            let file = self.lfs_object(item, object, &stores, &task)?;
            written.files.push(file);
        }
        Ok(written)
    }

    fn find_lfs_objects(&self) -> Result<LfsObjects, GitError> {
        let mut objects = LfsObjects::default();
        let task = Task::begin(self.monitor, "Git LFS pointers", None, Unit::Items);
        for (number, (mirror, commit)) in self.inputs.trees().into_iter().enumerate() {
            mirror.find_lfs_objects(commit, number, &mut objects, &task)?;
        }
        Ok(objects)
    }

    /// The stores that hold all the objects together: those of the repositories, and those that
    /// what is missing was fetched into.
    fn lfs_stores(&self, objects: &LfsObjects) -> Result<Vec<LfsStore>, GitError> {
        let trees = self.inputs.trees();
        let mut stores = Vec::new();
        for (mirror, _) in &trees {
            stores.extend(mirror.lfs_store()?);
        }
        let missing = missing(objects, &stores, self)?;
        let source = &self.inputs.config().source;
        let mut lacking = Vec::new();
        for (number, (mirror, _)) in trees.iter().enumerate() {
            let wanted = missing.iter().filter(|one| one.repository == number);
            let wanted: Vec<&LfsObject> = wanted.copied().collect();
            if wanted.is_empty() {
                continue;
            }
            if !source.fetch_lfs {
                lacking.push(mirror.lacks_lfs(&wanted, SHOWN));
                continue;
            }
            // The configured URL is that of the release's repository, not of its submodules.
            let remote = source.remote.as_deref().filter(|_| number == 0);
            stores.push(mirror.fetch_lfs(&wanted, remote, self.monitor)?);
        }
        match lacking.len() {
            0 => Ok(stores),
            1 => Err(lacking.remove(0).into()),
            _ => Err(LfsError::MissingInSeveral { lacking }.into()),
        }
    }

    fn lfs_object(
        &self,
        item: &Item,
        object: &LfsObject,
        stores: &[LfsStore],
        task: &Task<'_>,
    ) -> Result<FileEntry, BuildError> {
        let path = item
            .path
            .join(&LfsIdentity::place(&object.oid))
            .map_err(ArchiveError::from)?;
        let mut writer = self.staging.create(&path)?;
        let found = find(object, stores).map_err(GitError::from)?;
        let place = match found {
            Some((file, place)) => {
                // One byte more than it should have shows that it has more.
                let mut file = task.reader(file.take(object.size.saturating_add(1)));
                digest::copy(&mut file, &mut writer)
                    .map_err(|source| copy_failed(&place, source))?;
                place
            }
            // The digest of nothing needs no file, and `git lfs` keeps none.
            None if object.size == 0 => PathBuf::new(),
            None => {
                let repository = self.inputs.trees()[object.repository].0;
                return Err(GitError::from(repository.lacks_lfs(&[object], SHOWN)).into());
            }
        };
        let file = writer.finish()?;
        if file.size != object.size || file.sha256 != object.oid {
            let found = match file.size {
                size if size > object.size => "there are more".to_owned(),
                size => format!("{size} bytes with SHA-256 {} are there", file.sha256),
            };
            return Err(GitError::from(LfsError::Damaged {
                oid: object.oid,
                file: object.file.clone(),
                size: object.size,
                path: place,
                found,
            })
            .into());
        }
        Ok(entry(
            file.path,
            file.size,
            file.sha256,
            &item.slot,
            Origin::Input,
        ))
    }
}

/// The objects that no store has, but for the empty one.
fn missing<'o>(
    objects: &'o LfsObjects,
    stores: &[LfsStore],
    writer: &Writer<'_>,
) -> Result<Vec<&'o LfsObject>, GitError> {
    let mut missing = Vec::new();
    for object in objects.iter() {
        if writer.monitor.is_cancelled() {
            return Err(Cancelled.into());
        }
        if object.size > 0 && find(object, stores)?.is_none() {
            missing.push(object);
        }
    }
    Ok(missing)
}

/// The first store's file of an object, and where it lies.
fn find(object: &LfsObject, stores: &[LfsStore]) -> Result<Option<(File, PathBuf)>, LfsError> {
    for store in stores {
        if let Some(file) = store.open(object)? {
            return Ok(Some((file, store.path(object))));
        }
    }
    Ok(None)
}

/// Tells a failed read from a failed write, which names its file, and both from a stop.
fn copy_failed(place: &Path, source: io::Error) -> BuildError {
    match source.get_ref() {
        Some(inner) if inner.is::<Cancelled>() => Cancelled.into(),
        Some(inner) if inner.is::<IoError>() => GitError::Write {
            what: "a Git LFS object",
            source,
        }
        .into(),
        _ => GitError::from(LfsError::Store {
            path: place.to_path_buf(),
            source,
        })
        .into(),
    }
}
