//! Dropbox as a store, by its HTTP API version 2.
//!
//! A file is added where none is (`mode: add`, `strict_conflict`, no `autorename`), and its
//! content hash compared with what was sent; a document is replaced by naming its revision. Names
//! that differ only in case are one name there.

use std::io::Read;

use self::answer::Refusal;
use self::client::Client;
use self::download::Download;
use self::explain::unable;
use self::listing::{Listing, look};
pub use self::login::DropboxLogin;
use self::upload::{Put, Upload};
use super::{
    Access, Address, Children, Created, Document, Edition, Object, Promises, Remote, Store,
    StoreError, Swapped,
};
use crate::digest::Sha256;
use crate::monitor::Monitor;

mod answer;
mod attempts;
mod client;
mod content_hash;
mod download;
mod explain;
mod listing;
mod login;
mod transport;
mod upload;

/// Dropbox lets one writer at a time into an account; more only wait for each other.
const TRANSFERS: usize = 4;

/// A folder in Dropbox.
pub(super) struct DropboxStore<'m> {
    address: Address,
    /// Its path in Dropbox: empty at the top, or with `/` before each name.
    root: String,
    client: Client<'m>,
}

impl<'m> DropboxStore<'m> {
    pub(super) fn open(
        remote: &Remote,
        access: &Access,
        monitor: &'m dyn Monitor,
    ) -> Result<Self, StoreError> {
        let Some(login) = &access.dropbox else {
            let help = "set DHFPACK_DROPBOX_REFRESH_TOKEN and DHFPACK_DROPBOX_APP_KEY, or \
                DHFPACK_DROPBOX_TOKEN for up to four hours";
            let told = ("no login is given".to_owned(), help);
            return Err(unable("open", &remote.to_string(), told, None));
        };
        let root = match remote.folder.as_str() {
            "" => String::new(),
            folder => format!("/{folder}"),
        };
        Ok(Self {
            address: Address::Remote(remote.clone()),
            root,
            client: Client::new(remote, login, access, monitor)?,
        })
    }

    /// The path in Dropbox of a path in the store.
    fn path(&self, path: &str) -> Result<String, StoreError> {
        let strange = |name: &str| matches!(name, "" | "." | "..") || name.contains('\0');
        if path.split('/').any(strange) {
            return Err(StoreError::BadPath {
                path: path.to_owned(),
            });
        }
        Ok(format!("{}/{path}", self.root))
    }

    fn listing<'a>(&'a self, folder: &'a str) -> Result<Listing<'a>, StoreError> {
        let (path, place) = match folder {
            "" => (self.root.clone(), self.address.to_string()),
            folder => (self.path(folder)?, self.address.place(folder)),
        };
        Ok(Listing {
            client: &self.client,
            path,
            folder,
            place,
        })
    }

    /// Begins to read a file, if there is one.
    fn download(&self, path: &str) -> Result<Result<Download<'_>, Refusal>, StoreError> {
        Download::begin(&self.client, &self.path(path)?, self.address.place(path))
    }

    /// Something else lies where a file belongs: a file, as a rule, or an error.
    fn check_conflict(&self, path: &str, refusal: &Refusal) -> Result<(), StoreError> {
        let place = self.address.place(path);
        let (expected, found) = if refusal.has("folder") {
            ("a file", "a folder")
        } else if refusal.has("file_ancestor") {
            ("in folders", "below a file")
        } else {
            return Ok(());
        };
        Err(StoreError::Obstacle {
            place,
            expected,
            found,
        })
    }

    /// The file there must have our name in our case: another's would not be listed as ours.
    fn check_case(&self, path: &str) -> Result<(), StoreError> {
        let place = self.address.place(path);
        let ours = path.rsplit('/').next().unwrap_or(path);
        match look(&self.client, &self.path(path)?, &place)? {
            Some(there) if there.name != ours => {
                let problem = format!("`{}` is there", answer::shown(&there.name));
                let help = "Dropbox takes names that differ only in case for one: remove the \
                    other file, or publish to another folder";
                Err(unable("create", &place, (problem, help), None))
            }
            _ => Ok(()),
        }
    }
}

impl Store for DropboxStore<'_> {
    fn address(&self) -> &Address {
        &self.address
    }

    fn promises(&self) -> Promises {
        Promises {
            reads_back: None,
            transfers: TRANSFERS,
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<Object>, StoreError> {
        self.listing(folder)?.all()
    }

    fn children(&self, folder: &str) -> Result<Children, StoreError> {
        self.listing(folder)?.children()
    }

    fn stat(&self, path: &str) -> Result<Option<Object>, StoreError> {
        let place = self.address.place(path);
        let Some(there) = look(&self.client, &self.path(path)?, &place)? else {
            return Ok(None);
        };
        if there.is_folder() {
            return Err(StoreError::Obstacle {
                place,
                expected: "a file",
                found: "a folder",
            });
        }
        Ok(Some(there.object(path.to_owned())))
    }

    fn read<'a>(&'a self, path: &str) -> Result<Box<dyn Read + Send + 'a>, StoreError> {
        match self.download(path)? {
            Ok(download) => Ok(Box::new(download)),
            Err(refusal) => {
                let place = self.address.place(path);
                Err(unable("read", &place, explain::refusal(&refusal), None))
            }
        }
    }

    fn create(
        &self,
        path: &str,
        size: u64,
        _: Sha256,
        content: &mut (dyn Read + Send),
    ) -> Result<Created, StoreError> {
        let upload = Upload {
            client: &self.client,
            path: &self.path(path)?,
            replaces: None,
            action: "create",
            place: &self.address.place(path),
        };
        match upload.run(size, content)? {
            Put::Done(file) => Ok(Created::New(file.object(path.to_owned()))),
            Put::Conflict(refusal) => {
                self.check_conflict(path, &refusal)?;
                self.check_case(path)?;
                Ok(Created::Exists)
            }
        }
    }

    fn load(&self, path: &str, limit: u64) -> Result<Option<Document>, StoreError> {
        let place = self.address.place(path);
        let mut download = match self.download(path)? {
            Ok(download) => download,
            Err(refusal) if refusal.is_nothing_there() => return Ok(None),
            Err(refusal) => {
                return Err(unable("read", &place, explain::refusal(&refusal), None));
            }
        };
        if download.size() > limit {
            return Err(StoreError::TooLarge { place, limit });
        }
        let mut bytes = Vec::new();
        let read = download.read_to_end(&mut bytes);
        read.map_err(|error| upload::read_error(&place, error))?;
        let edition = Edition(download.revision().to_owned());
        Ok(Some(Document { bytes, edition }))
    }

    fn swap(
        &self,
        path: &str,
        bytes: &[u8],
        current: Option<&Edition>,
    ) -> Result<Swapped, StoreError> {
        let upload = Upload {
            client: &self.client,
            path: &self.path(path)?,
            replaces: current.map(|edition| edition.0.as_str()),
            action: "replace",
            place: &self.address.place(path),
        };
        let mut content = bytes;
        match upload.run(bytes.len() as u64, &mut content)? {
            Put::Done(_) => Ok(Swapped::Done),
            Put::Conflict(refusal) => {
                self.check_conflict(path, &refusal)?;
                Ok(Swapped::Changed)
            }
        }
    }
}
