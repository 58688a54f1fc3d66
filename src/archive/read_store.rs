//! An archive in a store.

use std::io::Read;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::OnceLock;

use super::{ArchiveError, Entry, EntryKind, Listing, Place, Tree};
use crate::store::{Object, Store};

/// The archive that lies at the store's own address; the store may be owned or borrowed.
pub fn in_store<'t, 'm: 't>(
    store: impl Deref<Target = dyn Store + 'm> + Send + Sync + 't,
) -> Box<dyn Tree + 't> {
    Box::new(StoreTree {
        store,
        reach: PhantomData,
        listed: OnceLock::new(),
    })
}

/// The objects of a store, listed once: what is published does not change.
struct StoreTree<'m, S> {
    store: S,
    /// What the store itself borrows outlives the tree.
    reach: PhantomData<&'m ()>,
    listed: OnceLock<Listing>,
}

impl<'m, S: Deref<Target = dyn Store + 'm> + Send + Sync> Tree for StoreTree<'m, S> {
    fn describe(&self) -> String {
        self.store.address().to_string()
    }

    fn list(&self) -> Result<Listing, ArchiveError> {
        if let Some(listed) = self.listed.get() {
            return Ok(listed.clone());
        }
        let objects = self.store.list("")?;
        if objects.is_empty() {
            return Err(ArchiveError::NotThere {
                url: self.describe(),
            });
        }
        let entries = objects.into_iter().map(|object| Entry {
            path: object.path,
            kind: EntryKind::File,
            size: object.size,
            place: Place::Store,
        });
        let listing = Listing::of_tree(entries.collect(), Vec::new());
        Ok(self.listed.get_or_init(|| listing).clone())
    }

    fn open<'a>(&'a self, entry: &Entry) -> Result<Box<dyn Read + Send + 'a>, ArchiveError> {
        if entry.place != Place::Store {
            return Err(entry.foreign(self));
        }
        Ok(self.store.read(&entry.path)?)
    }

    fn transfers(&self) -> usize {
        self.store.promises().transfers
    }
}

/// The archive in a folder of `store`, of which `objects` were listed.
pub(crate) fn in_folder<'s>(
    store: &'s dyn Store,
    folder: &'s str,
    objects: &[Object],
) -> impl Tree + use<'s> {
    let entries = objects.iter().filter_map(|object| {
        let path = object.path.strip_prefix(folder)?.strip_prefix('/')?;
        Some(Entry {
            path: path.to_owned(),
            kind: EntryKind::File,
            size: object.size,
            place: Place::Store,
        })
    });
    FolderInStore {
        store,
        folder,
        listing: Listing::of_tree(entries.collect(), Vec::new()),
    }
}

struct FolderInStore<'s> {
    store: &'s dyn Store,
    folder: &'s str,
    listing: Listing,
}

impl Tree for FolderInStore<'_> {
    fn describe(&self) -> String {
        self.store.address().place(self.folder)
    }

    fn list(&self) -> Result<Listing, ArchiveError> {
        Ok(self.listing.clone())
    }

    fn open<'a>(&'a self, entry: &Entry) -> Result<Box<dyn Read + Send + 'a>, ArchiveError> {
        if entry.place != Place::Store {
            return Err(entry.foreign(self));
        }
        Ok(self
            .store
            .read(&format!("{}/{}", self.folder, entry.path))?)
    }
}
