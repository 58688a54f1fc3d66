//! A store in a folder that can be made to lie and to break.

use std::io::Read;
use std::path::Path;

use dhfpack::digest::Sha256;
use dhfpack::monitor::Silent;
use dhfpack::store::{
    self, Access, Address, Children, Created, Document, Edition, Object, Promises, Store,
    StoreError, Swapped,
};

type Reader<'a> = Box<dyn Read + Send + 'a>;

/// Everything goes to the folder but what these hooks change.
pub(crate) struct FaultyStore {
    inner: Box<dyn Store>,
    /// Changes a listing.
    pub(crate) list: fn(&mut Vec<Object>),
    /// Gives other bytes for an object.
    pub(crate) read: fn(&str) -> Option<Reader<'static>>,
    /// Whether creating an object breaks off before anything is there.
    pub(crate) refuses: fn(&str) -> bool,
    /// Called before an object is created.
    pub(crate) before: Box<dyn Fn(&str) + Send + Sync>,
}

impl FaultyStore {
    pub(crate) fn new(folder: &Path) -> Self {
        let address = Address::Folder(folder.to_path_buf());
        Self {
            inner: store::open(&address, &Access::default(), &Silent).unwrap(),
            list: |_| {},
            read: |_| None,
            refuses: |_| false,
            before: Box::new(|_| {}),
        }
    }
}

impl Store for FaultyStore {
    fn address(&self) -> &Address {
        self.inner.address()
    }

    fn promises(&self) -> Promises {
        Promises {
            reads_back: None,
            transfers: 4,
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<Object>, StoreError> {
        let mut objects = self.inner.list(folder)?;
        (self.list)(&mut objects);
        Ok(objects)
    }

    fn children(&self, folder: &str) -> Result<Children, StoreError> {
        self.inner.children(folder)
    }

    fn stat(&self, path: &str) -> Result<Option<Object>, StoreError> {
        self.inner.stat(path)
    }

    fn read<'a>(&'a self, path: &str) -> Result<Reader<'a>, StoreError> {
        if let Some(changed) = (self.read)(path) {
            return Ok(changed);
        }
        self.inner.read(path)
    }

    fn create(
        &self,
        path: &str,
        size: u64,
        sha256: Sha256,
        content: &mut (dyn Read + Send),
    ) -> Result<Created, StoreError> {
        (self.before)(path);
        if (self.refuses)(path) {
            return Err(StoreError::Service {
                action: "create",
                place: path.to_owned(),
                problem: "the connection was cut".to_owned(),
                help: "run again",
                source: None,
            });
        }
        self.inner.create(path, size, sha256, content)
    }

    fn load(&self, path: &str, limit: u64) -> Result<Option<Document>, StoreError> {
        self.inner.load(path, limit)
    }

    fn swap(
        &self,
        path: &str,
        bytes: &[u8],
        current: Option<&Edition>,
    ) -> Result<Swapped, StoreError> {
        self.inner.swap(path, bytes, current)
    }
}
