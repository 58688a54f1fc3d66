//! What was proved once by the service's own mark is not read again, unless that is asked for.

use std::fs;
use std::io::Read;
use std::sync::Mutex;

use dhfpack::archive;
use dhfpack::digest::Sha256;
use dhfpack::monitor::Silent;
use dhfpack::publish::{self, Confirmation, Order, Outcome, ReadBack, Source};
use dhfpack::store::{
    self, Access, Address, Children, Created, Document, Edition, Object, Promises, Store,
    StoreError, Swapped,
};
use dhfpack::verify::Policy;

use super::shop::{NAME, Shop};

/// A folder that marks its objects as a service does, and counts what is read.
struct Marked<'s> {
    inner: &'s dyn Store,
    read: Mutex<Vec<String>>,
}

impl Marked<'_> {
    fn mark(&self, object: Object) -> Object {
        let bytes = fs::read(self.inner.address().place(&object.path)).unwrap();
        Object {
            checksum: Some(Sha256::of(&bytes).to_string()),
            ..object
        }
    }
}

impl Store for Marked<'_> {
    fn address(&self) -> &Address {
        self.inner.address()
    }
    fn promises(&self) -> Promises {
        self.inner.promises()
    }
    fn list(&self, folder: &str) -> Result<Vec<Object>, StoreError> {
        let objects = self.inner.list(folder)?.into_iter();
        Ok(objects.map(|object| self.mark(object)).collect())
    }
    fn children(&self, folder: &str) -> Result<Children, StoreError> {
        self.inner.children(folder)
    }
    fn stat(&self, path: &str) -> Result<Option<Object>, StoreError> {
        Ok(self.inner.stat(path)?.map(|object| self.mark(object)))
    }
    fn read<'a>(&'a self, path: &str) -> Result<Box<dyn Read + Send + 'a>, StoreError> {
        self.read.lock().unwrap().push(path.to_owned());
        self.inner.read(path)
    }
    fn create(
        &self,
        path: &str,
        size: u64,
        sha256: Sha256,
        content: &mut (dyn Read + Send),
    ) -> Result<Created, StoreError> {
        Ok(match self.inner.create(path, size, sha256, content)? {
            Created::New(object) => Created::New(self.mark(object)),
            Created::Exists => Created::Exists,
        })
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

#[test]
fn what_a_receipt_proves_is_not_downloaded_again() {
    let shop = Shop::signed("");
    let tree = archive::open(&shop.archive()).unwrap();
    let source = Source::verify(&*tree, 2, &Silent).unwrap();
    let policy = Policy::integrity(jiff::Timestamp::now());
    let address = Address::Folder(shop.store());
    let inner = store::open(&address, &Access::default(), &Silent).unwrap();
    let marked = Marked {
        inner: &*inner,
        read: Mutex::new(Vec::new()),
    };
    let publish = |read_back| -> (Result<Outcome, _>, Vec<String>) {
        marked.read.lock().unwrap().clear();
        let order = Order {
            store: &marked,
            policy: &policy,
            read_back,
            confirmation: Confirmation::Missing,
            others: None,
        };
        let outcome = publish::publish(&source, order, &Silent);
        (outcome, marked.read.lock().unwrap().clone())
    };
    let small = ReadBack::default();
    publish(small).0.unwrap();
    let manifest = format!("{NAME}/Manifest/manifest.json");
    let (again, read) = publish(small);
    assert!(!again.unwrap().receipt.added);
    assert_eq!(read, [manifest]);

    let files = super::shop::content(&shop.published()).len();
    assert_eq!(publish(ReadBack::All).1.len(), files);

    // The mark of other bytes is another one: they are read, and refused.
    let page = shop.published().join("index.html");
    let bytes = fs::read(&page).unwrap();
    fs::write(&page, bytes.to_ascii_uppercase()).unwrap();
    let (changed, read) = publish(small);
    assert!(changed.unwrap_err().to_string().contains("index.html"));
    assert!(read.contains(&format!("{NAME}/index.html")));
}
