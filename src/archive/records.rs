//! Reading single small files of an archive: its manifest, its signatures, its configuration.

use std::collections::BTreeMap;
use std::io::Read;

use super::{ArchiveError, Entry, EntryKind, Tree};
use crate::digest::Sha256;
use crate::manifest::{self, Manifest};

/// The largest file beside the manifest that is read whole.
const LARGEST: u64 = 512 * 1024 * 1024;

/// The small files of an archive, by path. What they say is not verified.
pub struct Records<'t> {
    tree: &'t dyn Tree,
    entries: Vec<Entry>,
}

impl<'t> Records<'t> {
    /// Lists `tree`.
    pub fn of(tree: &'t dyn Tree) -> Result<Self, ArchiveError> {
        Ok(Self {
            tree,
            entries: tree.list()?.entries,
        })
    }

    /// How many files there are, and their size in bytes together.
    pub fn totals(&self) -> (u64, u64) {
        let files = self
            .entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::File);
        files.fold((0, 0), |(count, size), entry| {
            (count + 1, size.saturating_add(entry.size))
        })
    }

    /// The bytes of the file at `path`. Fails with [`ArchiveError::Record`] if there is no such
    /// file, or more than one.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, ArchiveError> {
        let mut named = self
            .entries
            .iter()
            .filter(|entry| entry.path == path && entry.kind == EntryKind::File);
        match (named.next(), named.next()) {
            (Some(entry), None) => self.read_entry(entry),
            (None, _) => Err(self.damaged(path, "is not in it")),
            (Some(_), Some(_)) => Err(self.damaged(path, "is in it twice")),
        }
    }

    /// The bytes of a file, if they are those that `manifest` lists.
    pub fn read_listed(&self, manifest: &Manifest, path: &str) -> Result<Vec<u8>, ArchiveError> {
        let bytes = self.read(path)?;
        let listed = manifest
            .files
            .iter()
            .find(|file| file.path.as_str() == path);
        if listed.is_some_and(|file| file.sha256 == Sha256::of(&bytes)) {
            return Ok(bytes);
        }
        Err(self.damaged(path, "is not what its manifest lists"))
    }

    /// The manifest and its digest.
    pub fn manifest(&self) -> Result<(Manifest, Sha256), ArchiveError> {
        let bytes = self.read(manifest::MANIFEST)?;
        let manifest = Manifest::parse(&bytes).map_err(|source| ArchiveError::Manifest {
            tree: self.tree.describe(),
            source,
        })?;
        Ok((manifest, Sha256::of(&bytes)))
    }

    /// The files in the folder of signatures, by name. Fails if they have more than
    /// [`manifest::LARGEST_SIGNATURES`] bytes together.
    pub fn signatures(&self) -> Result<BTreeMap<String, Vec<u8>>, ArchiveError> {
        let mut files = BTreeMap::new();
        let mut size = 0_u64;
        for entry in &self.entries {
            let below = entry.path.strip_prefix(manifest::SIGNATURES);
            let name = below.and_then(|rest| rest.strip_prefix('/'));
            let Some(name) = name.filter(|_| entry.kind == EntryKind::File) else {
                continue;
            };
            size = size.saturating_add(entry.size);
            if size > manifest::LARGEST_SIGNATURES {
                return Err(self.damaged(manifest::SIGNATURES, "holds far too much"));
            }
            files.insert(name.to_owned(), self.read_entry(entry)?);
        }
        Ok(files)
    }

    fn read_entry(&self, entry: &Entry) -> Result<Vec<u8>, ArchiveError> {
        let largest = match entry.path.as_str() {
            manifest::MANIFEST => manifest::largest(self.entries.len() as u64),
            _ => LARGEST,
        };
        if entry.size > largest {
            return Err(self.damaged(&entry.path, "is far too large to be what it is called"));
        }
        let mut bytes = Vec::new();
        let read = self.tree.open(entry)?.take(largest).read_to_end(&mut bytes);
        read.map_err(|source| ArchiveError::Read {
            tree: self.tree.describe(),
            entry: entry.path.clone(),
            source,
        })?;
        Ok(bytes)
    }

    fn damaged(&self, path: &str, problem: &'static str) -> ArchiveError {
        ArchiveError::Record {
            tree: self.tree.describe(),
            path: path.to_owned(),
            problem,
        }
    }
}
