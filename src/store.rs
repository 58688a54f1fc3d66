//! Where archives are kept: a folder, or a service that is named by URL.
//!
//! A store is written once: what lies there is never replaced, but for the few documents that
//! grow, which are exchanged by compare-and-swap. Paths in a store are relative to its address,
//! with `/` between components.

use std::io::Read;
use std::path::PathBuf;

pub use self::address::{Address, AddressError, Remote, Service};
pub use self::dropbox::DropboxLogin;
use self::dropbox::DropboxStore;
pub use self::error::StoreError;
pub use self::object_lock::{Locks, ObjectLock, Retention};
use crate::digest::Sha256;
use crate::monitor::Monitor;

mod address;
mod dropbox;
mod error;
mod http;
mod local;
mod object_lock;
mod remote;

/// A place that keeps objects under paths. Several threads may use it at once.
pub trait Store: Send + Sync {
    /// Its address, without any secret.
    fn address(&self) -> &Address;

    /// How it keeps its promises.
    fn promises(&self) -> Promises;

    /// Every object below `folder`, by byte order of path; those of the whole store for an empty
    /// one. None if there is no such folder.
    fn list(&self, folder: &str) -> Result<Vec<Object>, StoreError>;

    /// What lies directly in `folder`.
    fn children(&self, folder: &str) -> Result<Children, StoreError>;

    /// The object at `path`, if there is one.
    fn stat(&self, path: &str) -> Result<Option<Object>, StoreError>;

    /// The bytes of the object at `path`. The reader fails, rather than end early, where the
    /// transfer breaks off for good.
    fn read<'a>(&'a self, path: &str) -> Result<Box<dyn Read + Send + 'a>, StoreError>;

    /// Puts `size` bytes with this digest at `path` unless something is there, whole or not at all.
    ///
    /// `content` is read to its end before the object may appear; it fails there, instead of
    /// ending, if its bytes are not those. Nothing is created then.
    fn create(
        &self,
        path: &str,
        size: u64,
        sha256: Sha256,
        content: &mut (dyn Read + Send),
    ) -> Result<Created, StoreError>;

    /// Puts these bytes at `path` as [`Store::create`] does.
    fn create_from(&self, path: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        let size = bytes.len() as u64;
        self.create(path, size, Sha256::of(bytes), &mut &*bytes)
    }

    /// The small document at `path` as it stands, if there is one. Fails if it has more than
    /// `limit` bytes.
    fn load(&self, path: &str, limit: u64) -> Result<Option<Document>, StoreError>;

    /// Puts `bytes` in the place of the document that [`Store::load`] gave, `current`, or where
    /// none was. Does nothing if somebody else was quicker.
    fn swap(
        &self,
        path: &str,
        bytes: &[u8],
        current: Option<&Edition>,
    ) -> Result<Swapped, StoreError>;

    /// Removes what runs left that were killed while they wrote here, where such a thing stays.
    /// Whoever comes to write asks for it, even if nothing is left to be written.
    fn tidy(&self) {}

    /// Locks on its objects, where the service has them.
    fn object_lock(&self) -> Option<&dyn ObjectLock> {
        None
    }
}

/// How a store keeps its promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promises {
    /// Up to which size, in bytes, [`Store::create`] has read back and compared what it wrote; none
    /// if it never does.
    pub reads_back: Option<u64>,
    /// How many objects are best transferred at once.
    pub transfers: usize,
}

impl Promises {
    /// Whether [`Store::create`] has read back an object of this size.
    pub(crate) fn has_read_back(&self, size: u64) -> bool {
        self.reads_back.is_some_and(|most| size <= most)
    }
}

/// An object in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its path, as stored, and not checked.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The service's own name for these bytes at this path, where it keeps versions.
    pub version: Option<String>,
    /// The service's own mark for these bytes, as it gives it: an `ETag`, a content hash.
    pub checksum: Option<String>,
}

/// What lies directly in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Children {
    /// The names of its folders, by byte order, without `/`.
    pub folders: Vec<String>,
    /// Its objects, by byte order of path.
    pub objects: Vec<Object>,
}

/// What became of an object that was to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is there now.
    New(Object),
    /// Something was there, or came there first; it was not touched.
    Exists,
}

/// A small document that grows, as it stood when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What tells it from any other state of the document.
    pub edition: Edition,
}

/// What tells one state of a document from all others: an `ETag`, a revision, a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition(pub(crate) String);

/// What became of a document that was to be exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swapped {
    /// It has the new bytes.
    Done,
    /// It is no longer what it was: read it again.
    Changed,
}

/// What is needed to reach a service, beyond its address. Logins that a service's own tools use,
/// such as `AWS_ACCESS_KEY_ID`, profiles and roles of machines, are found where those find them.
#[derive(Clone, Default)]
pub struct Access {
    /// Certificates of authorities to trust besides those of the system, in PEM.
    pub authorities: Option<PathBuf>,
    /// The login at Dropbox.
    pub dropbox: Option<DropboxLogin>,
}

/// Opens the store at `address`.
pub fn open<'m>(
    address: &Address,
    access: &Access,
    monitor: &'m dyn Monitor,
) -> Result<Box<dyn Store + 'm>, StoreError> {
    match address {
        Address::Folder(path) => Ok(Box::new(local::LocalStore::new(path, monitor))),
        Address::Remote(remote) if remote.service == Service::Dropbox => {
            Ok(Box::new(DropboxStore::open(remote, access, monitor)?))
        }
        Address::Remote(remote) => {
            let store = remote::RemoteStore::open(remote, access, monitor)?;
            Ok(Box::new(store))
        }
    }
}
