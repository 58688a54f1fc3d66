//! An archive in a store.

use std::io::Read;
use std::sync::OnceLock;

use super::{ArchiveError, Entry, EntryKind, Listing, Place, Tree};
use crate::store::Store;

/// The archive that lies at the store's own address.
pub fn in_store<'m>(store: Box<dyn Store + 'm>) -> Box<dyn Tree + 'm> {
    Box::new(StoreTree {
        store,
        listed: OnceLock::new(),
    })
}

/// The objects of a store, listed once: what is published does not change.
struct StoreTree<'m> {
    store: Box<dyn Store + 'm>,
    listed: OnceLock<Listing>,
}

impl Tree for StoreTree<'_> {
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
}
