//! An object's bytes, fetched again from where the connection broke.

use std::collections::VecDeque;
use std::io::{self, Read};

use bytes::Buf;
use futures_util::{FutureExt, StreamExt};
use opendal::options::ReaderOptions;
use opendal::{Buffer, BufferStream, ErrorKind, Metadata};

use super::service::Mark;
use super::{Operation, RemoteStore};
use crate::attempts::Attempts;
use crate::digest::BUFFER;
use crate::store::StoreError;

/// How much has to arrive for a transfer to count as making headway, in bytes.
const HEADWAY: u64 = 16 << 20;

/// Reads an object. Never mixes two: what is fetched later has the mark of what came first.
pub(super) struct Download<'a> {
    store: &'a RemoteStore<'a>,
    path: String,
    stream: Option<BufferStream>,
    /// What came from the stream already; none is its end.
    ready: VecDeque<Option<opendal::Result<Buffer>>>,
    pending: Buffer,
    /// How many bytes were taken from the stream.
    position: u64,
    /// What the first answer says of the whole object.
    metadata: Metadata,
    attempts: Attempts,
    progress: u64,
}

impl<'a> Download<'a> {
    /// Begins with the first answer; nothing if there is no such object.
    pub(super) fn open(store: &'a RemoteStore<'a>, path: &str) -> Result<Option<Self>, StoreError> {
        let operation = store.operation();
        match store.wait(begin(store, &operation, path, 0, None))? {
            Ok((stream, metadata)) => Ok(Some(Self {
                store,
                path: path.to_owned(),
                stream: Some(stream),
                ready: VecDeque::new(),
                pending: Buffer::new(),
                position: 0,
                metadata,
                attempts: Attempts::new(),
                progress: 0,
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(store.failed("read", path, &error, &operation)),
        }
    }

    /// What the service says of the object.
    pub(super) const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Whether the object has just these bytes.
    pub(super) fn is(&mut self, bytes: &[u8]) -> Result<bool, StoreError> {
        let mut rest = bytes;
        while self.next()? {
            while self.pending.has_remaining() {
                let chunk = self.pending.chunk();
                let Some(after) = rest.strip_prefix(chunk) else {
                    return Ok(false);
                };
                rest = after;
                let length = chunk.len();
                self.pending.advance(length);
            }
        }
        Ok(rest.is_empty())
    }

    /// Asks for the rest of the object.
    fn resume(&mut self) -> Result<(), StoreError> {
        let operation = self.store.operation();
        let mark = self.store.mark.of(&self.metadata);
        let answer = begin(self.store, &operation, &self.path, self.position, mark);
        match self.store.wait(answer)? {
            Ok((stream, found)) => {
                let is_same = found.content_length() == self.metadata.content_length()
                    && self.store.mark.of(&found) == mark;
                if !is_same {
                    return Err(self.changed());
                }
                self.stream = Some(stream);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::ConditionNotMatch => Err(self.changed()),
            Err(error) => Err(self.store.failed("read", &self.path, &error, &operation)),
        }
    }

    fn changed(&self) -> StoreError {
        StoreError::Service {
            action: "read",
            place: self.store.place(&self.path),
            problem: "it was replaced while it was read".to_owned(),
            help: "run again; if what lies there should never change, find out who writes there",
            source: None,
        }
    }

    /// Takes the next piece from the stream; false at the object's end.
    fn next(&mut self) -> Result<bool, StoreError> {
        loop {
            let size = self.metadata.content_length();
            let Some(stream) = &mut self.stream else {
                self.resume()?;
                continue;
            };
            if self.ready.is_empty() {
                self.ready = self.store.wait(gather(stream))?;
            }
            let problem = match self.ready.pop_front().flatten() {
                Some(Ok(piece)) if piece.is_empty() => continue,
                Some(Ok(piece)) => {
                    self.position += piece.len() as u64;
                    if self.position >= self.progress + HEADWAY {
                        self.progress = self.position;
                        self.attempts.reset();
                    }
                    self.pending = piece;
                    return Ok(true);
                }
                // A connection that breaks after the last byte took nothing away.
                None | Some(Err(_)) if self.position == size => return Ok(false),
                None => "the connection ended early".to_owned(),
                Some(Err(error)) => super::trace::plain(error.message()),
            };
            self.stream = None;
            let Some(pause) = self.attempts.pause(None) else {
                return Err(StoreError::Service {
                    action: "read",
                    place: self.store.place(&self.path),
                    problem: format!("{problem}, after {} of {size} bytes", self.position),
                    help: "check the network; run again to go on where this run stopped",
                    source: None,
                });
            };
            self.store.pause(pause)?;
        }
    }
}

/// The next piece, and those that are there with it: each wait costs more than a piece is long.
async fn gather(stream: &mut BufferStream) -> VecDeque<Option<opendal::Result<Buffer>>> {
    let mut gathered = VecDeque::new();
    let mut bytes = 0;
    let mut next = Some(stream.next().await);
    while let Some(piece) = next.take() {
        if let Some(Ok(piece)) = &piece {
            bytes += piece.len();
            if bytes < BUFFER {
                next = stream.next().now_or_never();
            }
        }
        gathered.push_back(piece);
    }
    gathered
}

/// Asks for an object from a byte on, if it still has this mark.
async fn begin(
    store: &RemoteStore<'_>,
    operation: &Operation,
    path: &str,
    from: u64,
    mark: Option<&str>,
) -> opendal::Result<(BufferStream, Metadata)> {
    let mut options = ReaderOptions::default();
    match store.mark {
        Mark::ETag => options.if_match = mark.map(ToOwned::to_owned),
        Mark::Generation => options.if_version_match = mark.map(ToOwned::to_owned),
    }
    let key = store.key(path);
    let reader = operation.operator.reader_options(&key, options).await?;
    let mut stream = reader.into_stream(from..).await?;
    let metadata = stream.metadata().await?;
    Ok((stream, metadata))
}

impl Read for Download<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.pending.is_empty() && !self.next().map_err(io::Error::other)? {
            return Ok(0);
        }
        let count = self.pending.remaining().min(buffer.len());
        self.pending.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
