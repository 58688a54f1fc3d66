//! Where a blob's bytes go while they arrive: to disk, and to threads that hash, unpack and sync.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use bytes::Bytes;

use crate::digest::{Hasher, Sha256};
use crate::error::{Cancelled, IoContext};
use crate::source::image::layer::read_error;
use crate::source::image::{ImageError, compression};

/// Pieces of a layer that may wait to be hashed or unpacked, a few hundred KiB at most each.
const WAITING: usize = 4;
/// How much is written before the disk is asked to keep it, in bytes.
const SYNCED: usize = 32 << 20;

/// Takes a blob's bytes.
pub(super) struct Sink<'a> {
    path: &'a Path,
    file: &'a File,
    received: u64,
    followers: Vec<SyncSender<Bytes>>,
    syncing: SyncSender<()>,
    unsynced: usize,
}

/// What came of the bytes that a sink took.
pub(super) struct Landed {
    /// Their digest.
    pub(super) digest: Sha256,
    /// The digest of what they unpack to, if they are packed.
    pub(super) unpacked: Option<Result<Sha256, ImageError>>,
    /// Whether they are on the disk.
    pub(super) synced: io::Result<()>,
}

/// Why nothing more is received.
pub(super) enum Stop {
    Failed(ImageError),
    /// A thread that follows gave up, and says why.
    Follower,
}

impl From<ImageError> for Stop {
    fn from(error: ImageError) -> Self {
        Self::Failed(error)
    }
}

impl From<Cancelled> for Stop {
    fn from(cancelled: Cancelled) -> Self {
        Self::Failed(cancelled.into())
    }
}

/// Lets `receive` fill a sink that writes to `file`. `packed` is what a blob that is to be
/// unpacked is called.
pub(super) fn with_sink(
    path: &Path,
    file: &File,
    packed: Option<&str>,
    receive: impl FnOnce(&mut Sink<'_>) -> Result<(), Stop>,
) -> (Result<(), Stop>, Landed) {
    thread::scope(|scope| {
        let (hashing, pieces) = sync_channel(WAITING);
        let hashed = scope.spawn(|| hash(pieces));
        let mut followers = vec![hashing];
        let unpacked = packed.map(|part| {
            let (unpacking, pieces) = sync_channel(WAITING);
            followers.push(unpacking);
            scope.spawn(|| unpack(part, pieces))
        });
        let (syncing, requests) = sync_channel(1);
        let synced = scope.spawn(|| sync(file, requests));
        let mut sink = Sink {
            path,
            file,
            received: 0,
            followers,
            syncing,
            unsynced: 0,
        };
        let received = receive(&mut sink);
        // The threads end when nothing more can come.
        drop(sink);
        let landed = Landed {
            digest: joined(hashed),
            unpacked: unpacked.map(joined),
            synced: joined(synced),
        };
        (received, landed)
    })
}

impl Sink<'_> {
    /// How many bytes it took.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// Writes them, and hands them on.
    pub(super) fn accept(&mut self, bytes: &Bytes) -> Result<(), Stop> {
        let written = self.file.write_all(bytes).at("write", self.path);
        written.map_err(ImageError::from)?;
        self.received += bytes.len() as u64;
        self.unsynced += bytes.len();
        // Refused while the thread is still at it: then the next request covers this one too.
        if self.unsynced >= SYNCED && self.syncing.try_send(()).is_ok() {
            self.unsynced = 0;
        }
        let mut followers = self.followers.iter();
        let told = followers.try_for_each(|follower| follower.send(bytes.clone()));
        told.map_err(|_| Stop::Follower)
    }
}

/// The result of a thread.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    match thread.join() {
        Ok(result) => result,
        // A bug in that thread is this one's bug too.
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// The digest of the pieces.
fn hash(pieces: Receiver<Bytes>) -> Sha256 {
    let mut hasher = Hasher::new();
    for piece in pieces {
        hasher.update(&piece);
    }
    hasher.finish()
}

/// Syncs at each request, and at the end: while the rest arrives, so that little is left to wait
/// for afterwards.
fn sync(file: &File, requests: Receiver<()>) -> io::Result<()> {
    for () in requests {
        file.sync_data()?;
    }
    file.sync_data()
}

/// The digest of what the pieces unpack to.
fn unpack(part: &str, pieces: Receiver<Bytes>) -> Result<Sha256, ImageError> {
    let mut pieces = Pieces {
        pieces,
        current: Bytes::new(),
    };
    let mut plain = compression::plain(part, &mut pieces)?;
    let (digest, _) = Sha256::of_reader(&mut *plain).map_err(|error| read_error(part, &error))?;
    Ok(digest)
}

/// Pieces as a reader; their end is its end.
struct Pieces {
    pieces: Receiver<Bytes>,
    current: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.recv() {
                Ok(piece) => self.current = piece,
                Err(_) => return Ok(0),
            }
        }
        let count = buffer.len().min(self.current.len());
        buffer[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}
