//! Writing a layer: to disk as fast as it comes, hashed by a thread of its own that follows.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::{ImageError, compression};
use crate::digest::{BUFFER, Hasher, Sha256};
use crate::error::{Cancelled, IoContext};
use crate::monitor::Task;
use crate::platform;

/// A layer on disk, whose digest may still be on its way. Dropped, it ends its thread.
pub(super) struct PendingLayer {
    path: PathBuf,
    size: u64,
    hash: Hash,
}

enum Hash {
    Known(Sha256),
    Following(Follower),
}

impl PendingLayer {
    /// Where it lies for now.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes, uncompressed.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Waits for the digest of the uncompressed layer.
    pub(super) fn digest(self) -> Result<Sha256, ImageError> {
        match self.hash {
            Hash::Known(digest) => Ok(digest),
            Hash::Following(mut follower) => Ok(follower.finish().at("read", &self.path)?),
        }
    }
}

/// How far the writer is, for the thread that hashes.
#[derive(Default)]
struct Progress {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default, Clone, Copy)]
struct State {
    written: u64,
    ended: bool,
    abandoned: bool,
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.moved.notify_one();
    }

    /// Waits until there is more than `seen` bytes, or no more to come.
    fn wait(&self, seen: u64) -> State {
        let mut state = self.lock();
        while state.written == seen && !state.ended && !state.abandoned {
            state = self
                .moved
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *state
    }
}

/// The thread that hashes a file behind its writer.
struct Follower {
    progress: Arc<Progress>,
    thread: Option<JoinHandle<io::Result<Sha256>>>,
}

impl Follower {
    fn start(file: File) -> io::Result<Self> {
        let progress = Arc::new(Progress::default());
        let seen = Arc::clone(&progress);
        let thread = thread::Builder::new()
            .name("image layer".to_owned())
            .spawn(move || follow(&file, &seen))?;
        Ok(Self {
            progress,
            thread: Some(thread),
        })
    }

    /// Waits for the digest, or for the thread's end if it was abandoned.
    fn finish(&mut self) -> io::Result<Sha256> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(digest)) => digest,
            // A bug in that thread is this one's bug too.
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(io::ErrorKind::Interrupted.into()),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // Some systems remove no file that is open.
        if let Some(thread) = self.thread.take() {
            self.progress.update(|state| state.abandoned = true);
            let _ = thread.join();
        }
    }
}

/// Writes what `source` yields, uncompressed, to a new file at `path`.
pub(super) fn write(
    part: &str,
    source: &mut dyn Read,
    path: &Path,
    task: &Task<'_>,
) -> Result<PendingLayer, ImageError> {
    let mut plain = compression::plain(part, source)?;
    write_plain(part, &mut plain, path, task)
}

/// Fills as much of the buffer as there is.
pub(super) fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match source.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

fn write_plain(
    part: &str,
    source: &mut dyn Read,
    path: &Path,
    task: &Task<'_>,
) -> Result<PendingLayer, ImageError> {
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .at("create", path)?;
    platform::set_plain_mode(path, false).at("set the mode of", path)?;
    let mut buffer = vec![0; BUFFER];
    let mut read = |buffer: &mut [u8]| -> Result<usize, ImageError> {
        let count = fill(source, buffer).map_err(|error| read_error(part, &error))?;
        task.advance(count as u64)?;
        Ok(count)
    };
    let layer = |size, hash| PendingLayer {
        path: path.to_path_buf(),
        size,
        hash,
    };
    let mut count = read(&mut buffer)?;
    if count < BUFFER {
        let bytes = &buffer[..count];
        file.write_all(bytes).at("write", path)?;
        return Ok(layer(count as u64, Hash::Known(Sha256::of(bytes))));
    }
    let reading = file.try_clone().at("open", path)?;
    let follower = Follower::start(reading).at("start a thread for", path)?;
    let mut size = 0;
    while count > 0 {
        file.write_all(&buffer[..count]).at("write", path)?;
        size += count as u64;
        follower.progress.update(|state| state.written = size);
        count = read(&mut buffer)?;
    }
    follower.progress.update(|state| state.ended = true);
    Ok(layer(size, Hash::Following(follower)))
}

/// What a reader's failure means: a stop, or a damaged layer.
pub(super) fn read_error(part: &str, error: &io::Error) -> ImageError {
    let inner = error.get_ref();
    if inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<Cancelled>) {
        return Cancelled.into();
    }
    ImageError::Malformed {
        part: part.to_owned(),
        problem: error.to_string(),
    }
}

/// Hashes the file behind its writer: what was just written is still in the page cache.
fn follow(file: &File, progress: &Progress) -> io::Result<Sha256> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; BUFFER];
    let mut seen = 0;
    loop {
        let state = progress.wait(seen);
        if state.abandoned {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if seen == state.written {
            break;
        }
        let left = usize::try_from(state.written - seen).unwrap_or(BUFFER);
        let chunk = &mut buffer[..left.min(BUFFER)];
        match platform::read_at(file, chunk, seen)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                hasher.update(&chunk[..count]);
                seen += count as u64;
            }
        }
    }
    drop(buffer);
    // Early, while other layers still arrive, so that the archive's last sync has little to do.
    file.sync_data()?;
    Ok(hasher.finish())
}
