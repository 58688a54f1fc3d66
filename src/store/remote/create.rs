//! Creating an object: whole or not at all, never over another.

use std::io::{self, Read};
use std::pin::pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use opendal::options::WriteOptions;
use opendal::{Buffer, ErrorKind, Metadata, Writer};

use super::budget::Way;
use super::download::Download;
use super::service::Proof;
use super::trace::Trouble;
use super::{Operation, RemoteStore};
use crate::attempts::Attempts;
use crate::digest::Sha256;
use crate::error::{Cancelled, IoError};
use crate::monitor::Silent;
use crate::store::{Created, Object, Store, StoreError};

/// How long is waited for parts to be thrown away after a failure.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// Puts `size` bytes with this digest at `path` unless something is there.
pub(super) fn create(
    store: &RemoteStore<'_>,
    path: &str,
    size: u64,
    sha256: Sha256,
    content: &mut (dyn Read + Send),
) -> Result<Created, StoreError> {
    let upload = Upload {
        store,
        path,
        key: store.object_key(path)?,
        size,
        sha256,
        operation: store.operation(),
    };
    let Some(way) = Way::of(size) else {
        return Err(upload.too_large());
    };
    let _memory = store.wait(store.budget.take(way, size))?;
    // What is sent whole is read back whole.
    let hashes = store.proof == Proof::Md5 && way != Way::Whole;
    let mut source = Source::new(content, hashes);
    let result = match way {
        Way::Whole => upload.whole(&mut source)?,
        // The condition is looked at when the last part is there: too late to save the others.
        Way::Parts { .. } if store.stat(path)?.is_some() => return Ok(Created::Exists),
        Way::Parts { size, at_once } => upload.parts(&mut source, size, at_once)?,
    };
    upload.settle(result, source, way)
}

/// One object on its way.
struct Upload<'a> {
    store: &'a RemoteStore<'a>,
    path: &'a str,
    key: String,
    size: u64,
    sha256: Sha256,
    operation: Operation,
}

impl Upload<'_> {
    fn whole(&self, source: &mut Source<'_>) -> Result<opendal::Result<Metadata>, StoreError> {
        let bytes = self.piece(source, self.size)?;
        self.end(source)?;
        self.check()?;
        let options = WriteOptions {
            if_not_exists: true,
            ..Default::default()
        };
        let written = self
            .operation
            .operator
            .write_options(&self.key, bytes.clone(), options);
        let written = self.store.wait(written)?;
        if written.is_ok() {
            self.read_back(&bytes)?;
        }
        Ok(written)
    }

    fn parts(
        &self,
        source: &mut Source<'_>,
        part: u64,
        at_once: usize,
    ) -> Result<opendal::Result<Metadata>, StoreError> {
        let options = WriteOptions {
            if_not_exists: true,
            concurrent: at_once,
            ..Default::default()
        };
        let writer = self.operation.operator.writer_options(&self.key, options);
        let mut writer = match self.store.wait(writer)? {
            Ok(writer) => writer,
            Err(error) => return Ok(Err(error)),
        };
        let result = self.send(source, &mut writer, part);
        if !matches!(result, Ok(Ok(_))) {
            // Parts that nobody will put together cost money. Also after a stop was asked for.
            let abort = writer.abort();
            let _ = self.store.runtime.wait_for(&Silent, CLEAN_UP, abort);
        }
        result
    }

    fn send(
        &self,
        source: &mut Source<'_>,
        writer: &mut Writer,
        part: u64,
    ) -> Result<opendal::Result<Metadata>, StoreError> {
        let mut left = self.size;
        while left > 0 {
            let length = left.min(part);
            let piece = Buffer::from(self.piece(source, length)?);
            left -= length;
            if left == 0 {
                // Before the last part is sent, so that nothing appears that should not.
                self.end(source)?;
            }
            self.check()?;
            let mut written = pin!(writer.write(piece));
            match self.store.wait(written.as_mut()) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Ok(Err(error)),
                Err(stopped) => {
                    // An upload that is just beginning could not be thrown away without its id.
                    let rest = written.as_mut();
                    let _ = self.store.runtime.wait_for(&Silent, CLEAN_UP, rest);
                    return Err(stopped.into());
                }
            }
        }
        let mut attempts = Attempts::new();
        loop {
            // An error of S3 may come in an answer that says 200.
            match self.store.wait(writer.close())? {
                Err(error) if error.is_temporary() => match attempts.pause(None) {
                    Some(pause) => self.store.pause(pause)?,
                    None => return Ok(Err(error)),
                },
                result => return Ok(result),
            }
        }
    }

    /// Stops before a request that would have to be undone, if it was asked to.
    fn check(&self) -> Result<(), Cancelled> {
        if self.store.monitor.is_cancelled() {
            return Err(Cancelled);
        }
        Ok(())
    }

    /// Reads exactly so many bytes.
    fn piece(&self, source: &mut Source<'_>, length: u64) -> Result<Bytes, StoreError> {
        let length = usize::try_from(length).map_err(|_| self.too_large())?;
        let mut piece = self.store.pool.take(length);
        let mut filled = 0;
        while filled < length {
            match source.read(&mut piece.room()[filled..]) {
                Ok(0) => return Err(self.source_failed(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.source_failed(error)),
            }
        }
        Ok(piece.freeze())
    }

    /// Reads the end, where content that is not what it should be fails.
    fn end(&self, source: &mut Source<'_>) -> Result<(), StoreError> {
        let mut byte = [0];
        loop {
            return match source.read(&mut byte) {
                Ok(0) => Ok(()),
                Ok(_) => {
                    let problem = "there is more than was said";
                    Err(self.source_failed(io::Error::new(io::ErrorKind::InvalidData, problem)))
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(self.source_failed(error)),
            };
        }
    }

    fn source_failed(&self, error: io::Error) -> StoreError {
        stopped_or_failed("read what belongs at", &self.store.place(self.path), error)
    }

    /// Decides what became of the object.
    fn settle(
        &self,
        result: opendal::Result<Metadata>,
        source: Source<'_>,
        way: Way,
    ) -> Result<Created, StoreError> {
        let md5 = source.md5();
        let error = match result {
            Ok(metadata) => {
                let is_proven = way == Way::Whole
                    || self.store.proof == Proof::Compared
                    || md5.is_some() && metadata.content_md5() == md5.as_deref();
                if !is_proven {
                    self.compare()?;
                }
                let object = RemoteStore::object(self.path, self.size, &metadata);
                return Ok(Created::New(object));
            }
            Err(error) => error,
        };
        // A request whose answer was lost was sent again, and then met its own bytes.
        let is_reachable = !matches!(
            self.operation.trace.trouble(),
            Some(Trouble::Unreachable { .. })
        );
        if self.operation.trace.is_in_doubt()
            && is_reachable
            && let Some(object) = self.own()?
        {
            return Ok(Created::New(object));
        }
        match error.kind() {
            ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists => Ok(Created::Exists),
            _ if self.was_overtaken(&error) && self.store.stat(self.path)?.is_some() => {
                Ok(Created::Exists)
            }
            _ => Err(self
                .store
                .failed("create", self.path, &error, &self.operation)),
        }
    }

    /// Whether somebody else's was on its way at the same time. Azure throws away the blocks of
    /// all others then.
    fn was_overtaken(&self, error: &opendal::Error) -> bool {
        let trouble = self.operation.trace.trouble();
        error.kind() == ErrorKind::Conflict
            || matches!(trouble, Some(Trouble::Refused(refusal)) if refusal.code == "InvalidBlockList")
    }

    /// The object that is there, if it holds these bytes.
    fn own(&self) -> Result<Option<Object>, StoreError> {
        match self.store.stat(self.path)? {
            Some(object) if object.size == self.size => {
                Ok((self.digest()? == self.sha256).then_some(object))
            }
            _ => Ok(None),
        }
    }

    fn compare(&self) -> Result<(), StoreError> {
        let found = self.digest()?;
        if found == self.sha256 {
            return Ok(());
        }
        Err(self.differs(found))
    }

    /// Compares what is there with `bytes`, which is less work than a digest.
    fn read_back(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let download = Download::open(self.store, self.path)?;
        if let Some(mut download) = download
            && download.is(bytes)?
        {
            return Ok(());
        }
        // Some services give the old answer for a moment.
        self.compare()
    }

    fn differs(&self, found: Sha256) -> StoreError {
        StoreError::ReadBack {
            place: self.store.place(self.path),
            expected: self.sha256,
            found,
        }
    }

    fn digest(&self) -> Result<Sha256, StoreError> {
        let mut reader = self.store.read(self.path)?;
        Sha256::of_reader(&mut reader)
            .map(|(digest, _)| digest)
            .map_err(|error| stopped_or_failed("read back", &self.store.place(self.path), error))
    }

    fn too_large(&self) -> StoreError {
        StoreError::Service {
            action: "create",
            place: self.store.place(self.path),
            problem: format!(
                "it has {} bytes, and more than 205 GiB cannot be sent in bounded memory",
                self.size
            ),
            help: "split the file, or copy the archive into a folder on a mounted share",
            source: None,
        }
    }
}

/// Content, with the digest of what was read of it that its service asks for.
struct Source<'a> {
    inner: &'a mut (dyn Read + Send),
    md5: Option<Md5>,
}

impl<'a> Source<'a> {
    fn new(inner: &'a mut (dyn Read + Send), hashes: bool) -> Self {
        Self {
            inner,
            md5: hashes.then(Md5::new),
        }
    }

    /// The digest as services write it.
    fn md5(self) -> Option<String> {
        self.md5.map(|md5| STANDARD.encode(md5.finalize()))
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(md5) = &mut self.md5 {
            md5.update(&buffer[..count]);
        }
        Ok(count)
    }
}

/// An error while bytes passed, or what it carries.
pub(super) fn stopped_or_failed(action: &'static str, place: &str, error: io::Error) -> StoreError {
    let error = match error.downcast::<StoreError>() {
        Ok(error) => return error,
        Err(error) => error,
    };
    match error.downcast::<Cancelled>() {
        Ok(cancelled) => cancelled.into(),
        Err(source) => IoError {
            action,
            path: place.into(),
            source,
        }
        .into(),
    }
}
