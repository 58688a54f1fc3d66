//! Services that Apache `OpenDAL` speaks to: S3, Azure Blob Storage, Google Cloud Storage.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use opendal::{ErrorKind, HttpTransporter, OperationContext, Operator};
use tokio::time::sleep;

use self::budget::Budget;
use self::download::Download;
use self::lock::Lock;
use self::pool::Pool;
use self::service::{Mark, Proof};
use self::trace::Trace;
use self::transport::Transport;
use super::http::Clients;
use super::{
    Access, Address, Children, Created, Document, Edition, Object, ObjectLock, Promises, Remote,
    Service, Store, StoreError, Swapped,
};
use crate::background::Background;
use crate::digest::Sha256;
use crate::error::{Cancelled, IoContext};
use crate::monitor::Monitor;

mod budget;
mod create;
mod download;
mod failure;
mod lock;
mod pool;
mod s3;
mod service;
mod trace;
mod transport;

/// For small files requests are mostly waiting: for the service, for the network, and for
/// acknowledgements that servers with Nagle's algorithm want before they send the rest.
const TRANSFERS: usize = 64;
/// The most that is listed: twice the files of the largest archive that is read.
const MOST_ENTRIES: usize = 2_000_000;
/// How many threads drive their connections.
const THREADS: usize = 2;

/// A bucket, and a folder in it.
pub(super) struct RemoteStore<'m> {
    service: Service,
    folder: String,
    address: Address,
    proof: Proof,
    mark: Mark,
    operator: Operator,
    clients: Arc<Clients>,
    lock: Option<Lock>,
    budget: Budget,
    pool: Arc<Pool>,
    runtime: Background,
    monitor: &'m dyn Monitor,
}

/// A client whose requests keep a trace of their own.
struct Operation {
    operator: Operator,
    trace: Arc<Trace>,
}

impl<'m> RemoteStore<'m> {
    pub(super) fn open(
        remote: &Remote,
        access: &Access,
        monitor: &'m dyn Monitor,
    ) -> Result<Self, StoreError> {
        let place = remote.to_string();
        let clients = Arc::new(Clients::new(access.authorities.as_deref(), &place)?);
        let lock = match remote.service {
            Service::S3 => Some(Lock::new(remote, &clients)?),
            _ => None,
        };
        Ok(Self {
            service: remote.service,
            folder: remote.folder.clone(),
            address: Address::Remote(remote.clone()),
            proof: service::proof(remote.service),
            mark: service::mark(remote.service),
            operator: service::operator(remote)?,
            clients,
            lock,
            budget: Budget::new(),
            pool: Arc::new(Pool::default()),
            runtime: Background::with_threads(THREADS).at("start threads for", &place)?,
            monitor,
        })
    }

    fn operation(&self) -> Operation {
        let trace = Arc::new(Trace::default());
        let transport = Transport::new(Arc::clone(&self.clients), Arc::clone(&trace));
        let context = OperationContext::new();
        let context = context.with_http_transport(HttpTransporter::new(transport));
        Operation {
            operator: self.operator.clone().with_context(context),
            trace,
        }
    }

    fn wait<T>(&self, answer: impl Future<Output = T>) -> Result<T, Cancelled> {
        self.runtime.wait(self.monitor, answer)
    }

    fn pause(&self, pause: Duration) -> Result<(), Cancelled> {
        // A clock can only be made in the runtime.
        self.wait(async { sleep(pause).await })
    }

    /// The name of the object at `path` in the bucket.
    fn key(&self, path: &str) -> String {
        match (self.folder.as_str(), path) {
            ("", path) => path.to_owned(),
            (folder, "") => folder.to_owned(),
            (folder, path) => format!("{folder}/{path}"),
        }
    }

    /// The name of an object that may be read and written: `OpenDAL` would change any other.
    fn object_key(&self, path: &str) -> Result<String, StoreError> {
        let key = self.key(path);
        let strange = |name: &str| matches!(name, "" | "." | "..");
        if path.is_empty() || path.split('/').any(strange) || key.trim() != key {
            return Err(StoreError::BadPath {
                path: path.to_owned(),
            });
        }
        Ok(key)
    }

    fn place(&self, path: &str) -> String {
        self.address.place(path)
    }

    fn failed(
        &self,
        action: &'static str,
        path: &str,
        error: &opendal::Error,
        operation: &Operation,
    ) -> StoreError {
        let place = if path.is_empty() {
            self.address.to_string()
        } else {
            self.place(path)
        };
        failure::failed(self.service, action, place, error, &operation.trace)
    }

    fn object(path: &str, size: u64, metadata: &opendal::Metadata) -> Object {
        Object {
            path: path.to_owned(),
            size,
            // S3's name for the only version of a bucket without versions.
            version: metadata
                .version()
                .filter(|version| *version != "null")
                .map(ToOwned::to_owned),
            // Some servers quote it here and not there; the quotes are HTTP's, not the mark's.
            checksum: metadata
                .etag()
                .map(|etag| etag.trim_matches('"').to_owned()),
        }
    }

    /// Everything that the service lists below `folder`, with its path from the store's address;
    /// names of folders end in `/`.
    fn entries(
        &self,
        folder: &str,
        recursive: bool,
    ) -> Result<Vec<(String, opendal::Metadata)>, StoreError> {
        let operation = self.operation();
        let mut prefix = self.key(folder);
        if !prefix.is_empty() {
            prefix.push('/');
        }
        let options = opendal::options::ListOptions {
            recursive,
            ..Default::default()
        };
        let above = match self.folder.as_str() {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let listed = async {
            let mut found = Vec::new();
            let mut lister = operation.operator.lister_options(&prefix, options).await?;
            while let Some(entry) = lister.next().await {
                let (key, metadata) = entry?.into_parts();
                // The mark that some tools leave for an empty folder is the folder itself.
                if key == prefix || key == "/" {
                    continue;
                }
                if found.len() == MOST_ENTRIES {
                    return Ok(Err(format!("it lists more than {MOST_ENTRIES} names")));
                }
                if !key.starts_with(&prefix) {
                    let problem = format!("the service lists {key:?}, which is not below it");
                    return Ok(Err(problem));
                }
                found.push((key[above.len()..].to_owned(), metadata));
            }
            Ok(Ok(found))
        };
        let listed: opendal::Result<_> = self.wait(listed)?;
        match listed {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(problem)) => Err(StoreError::Service {
                action: "list",
                place: self.place(folder),
                problem,
                help: "this server cannot be relied on: use another",
                source: None,
            }),
            Err(error) => Err(self.failed("list", folder, &error, &operation)),
        }
    }
}

impl Store for RemoteStore<'_> {
    fn address(&self) -> &Address {
        &self.address
    }

    fn promises(&self) -> Promises {
        Promises {
            reads_back: Some(budget::PART),
            transfers: TRANSFERS,
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<Object>, StoreError> {
        let entries = self.entries(folder, true)?;
        let objects = entries
            .into_iter()
            .map(|(path, metadata)| Self::object(&path, metadata.content_length(), &metadata));
        let mut objects: Vec<_> = objects.collect();
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
    }

    fn children(&self, folder: &str) -> Result<Children, StoreError> {
        let mut children = Children::default();
        for (path, metadata) in self.entries(folder, false)? {
            if let Some(path) = path.strip_suffix('/') {
                let name = path.rsplit('/').next().unwrap_or(path);
                children.folders.push(name.to_owned());
            } else {
                let size = metadata.content_length();
                children.objects.push(Self::object(&path, size, &metadata));
            }
        }
        children.folders.retain(|name| !name.is_empty());
        children.folders.sort();
        children.objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(children)
    }

    fn stat(&self, path: &str) -> Result<Option<Object>, StoreError> {
        let key = self.object_key(path)?;
        let operation = self.operation();
        match self.wait(operation.operator.stat(&key))? {
            Ok(metadata) => {
                let size = metadata.content_length();
                Ok(Some(Self::object(path, size, &metadata)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("look at", path, &error, &operation)),
        }
    }

    fn read<'a>(&'a self, path: &str) -> Result<Box<dyn Read + Send + 'a>, StoreError> {
        self.object_key(path)?;
        match Download::open(self, path)? {
            Some(download) => Ok(Box::new(download)),
            None => Err(StoreError::Service {
                action: "read",
                place: self.place(path),
                problem: "there is no such object".to_owned(),
                help: "check the address; `dhfpack list URL` shows what a store holds",
                source: None,
            }),
        }
    }

    fn create(
        &self,
        path: &str,
        size: u64,
        sha256: Sha256,
        content: &mut (dyn Read + Send),
    ) -> Result<Created, StoreError> {
        create::create(self, path, size, sha256, content)
    }

    fn load(&self, path: &str, limit: u64) -> Result<Option<Document>, StoreError> {
        self.object_key(path)?;
        let Some(download) = Download::open(self, path)? else {
            return Ok(None);
        };
        let mark = self.mark.of(download.metadata()).map(ToOwned::to_owned);
        let Some(mark) = mark else {
            return Err(StoreError::Service {
                action: "read",
                place: self.place(path),
                problem: "the service does not tell one state of it from another".to_owned(),
                help: "this server cannot keep a register: use another",
                source: None,
            });
        };
        let mut bytes = Vec::new();
        let mut limited = download.take(limit.saturating_add(1));
        limited
            .read_to_end(&mut bytes)
            .map_err(|error| create::stopped_or_failed("read", &self.place(path), error))?;
        if bytes.len() as u64 > limit {
            return Err(StoreError::TooLarge {
                place: self.place(path),
                limit,
            });
        }
        let edition = Edition(mark);
        Ok(Some(Document { bytes, edition }))
    }

    fn swap(
        &self,
        path: &str,
        bytes: &[u8],
        current: Option<&Edition>,
    ) -> Result<Swapped, StoreError> {
        let key = self.object_key(path)?;
        let operation = self.operation();
        let mut options = opendal::options::WriteOptions::default();
        match (current, self.mark) {
            (None, _) => options.if_not_exists = true,
            (Some(Edition(mark)), Mark::ETag) => options.if_match = Some(mark.clone()),
            (Some(Edition(mark)), Mark::Generation) => {
                options.if_version_match = Some(mark.clone());
            }
        }
        let written = operation
            .operator
            .write_options(&key, bytes.to_vec(), options);
        let Err(error) = self.wait(written)? else {
            return Ok(Swapped::Done);
        };
        let was_refused = matches!(
            error.kind(),
            ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists | ErrorKind::Conflict
        );
        // A request whose answer was lost was sent again, and then met its own bytes.
        if operation.trace.is_in_doubt() && was_refused {
            let limit = bytes.len() as u64;
            match self.load(path, limit) {
                Ok(Some(document)) if document.bytes == bytes => return Ok(Swapped::Done),
                Ok(_) | Err(StoreError::TooLarge { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if was_refused {
            return Ok(Swapped::Changed);
        }
        Err(self.failed("replace", path, &error, &operation))
    }

    fn object_lock(&self) -> Option<&dyn ObjectLock> {
        self.lock.as_ref().map(|_| self as &dyn ObjectLock)
    }
}
