//! Where a blob's bytes go while they arrive: to threads that write, hash and unpack them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use crate::digest::{Hasher, Sha256};
use crate::error::Cancelled;
use crate::platform;
use crate::source::image::layer::read_error;
use crate::source::image::{ImageError, compression};

/// How many bytes are handed on at once; a multiple of [`ALIGNMENT`].
const BLOCK: usize = 1 << 20;
/// Blocks of one blob, filled, being worked on or waiting.
const BLOCKS: usize = 4;
/// How much is written through the page cache before the disk is asked to keep it, in bytes.
const SYNCED: usize = 32 << 20;
/// Where a block begins in memory and in the file, and how much of it is written, are multiples
/// of this: disks ask it of what goes past the page cache.
const ALIGNMENT: usize = 4096;

/// Takes a blob's bytes.
pub(super) struct Sink {
    received: u64,
    current: Option<Block>,
    writing: SyncSender<Arc<Block>>,
    hashing: SyncSender<Arc<Block>>,
    /// None if nothing is to be unpacked, or cannot be.
    unpacking: Option<SyncSender<Arc<Block>>>,
    made: usize,
    idle: Receiver<Vec<u8>>,
    home: Sender<Vec<u8>>,
}

/// What came of the bytes that a sink took.
pub(super) struct Landed {
    /// Their digest.
    pub(super) digest: Sha256,
    /// The digest of what they unpack to, if they are packed.
    pub(super) unpacked: Option<Result<Sha256, ImageError>>,
    /// Whether they are on the disk.
    pub(super) written: io::Result<()>,
}

/// Why nothing more is received.
pub(super) enum Stop {
    Failed(ImageError),
    /// The disk takes no more, and [`Landed::written`] says why.
    Disk,
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

/// Lets `receive` fill a sink that writes to `file`, which is new. `packed` is what a blob that is
/// to be unpacked is called.
pub(super) fn with_sink(
    file: &File,
    packed: Option<&str>,
    receive: impl FnOnce(&mut Sink) -> Result<(), Stop>,
) -> (Result<(), Stop>, Landed) {
    thread::scope(|scope| {
        let (writing, blocks) = sync_channel(BLOCKS);
        let written = scope.spawn(|| write(file, blocks));
        let (hashing, blocks) = sync_channel(BLOCKS);
        let hashed = scope.spawn(|| hash(blocks));
        let (unpacking, unpacked) = packed
            .map(|part| {
                let (unpacking, blocks) = sync_channel(BLOCKS);
                (unpacking, scope.spawn(|| unpack(part, blocks)))
            })
            .unzip();
        let mut sink = Sink::new(writing, hashing, unpacking);
        let received = receive(&mut sink).and_then(|()| sink.hand_on());
        // The threads end when nothing more can come.
        drop(sink);
        let written = joined(written).and_then(|()| match received {
            Ok(()) => file.sync_data(),
            // Of what is not whole nothing is kept.
            Err(_) => Ok(()),
        });
        let landed = Landed {
            digest: joined(hashed),
            unpacked: unpacked.map(joined),
            written,
        };
        (received, landed)
    })
}

impl Sink {
    fn new(
        writing: SyncSender<Arc<Block>>,
        hashing: SyncSender<Arc<Block>>,
        unpacking: Option<SyncSender<Arc<Block>>>,
    ) -> Self {
        let (home, idle) = channel();
        Self {
            received: 0,
            current: None,
            writing,
            hashing,
            unpacking,
            made: 0,
            idle,
            home,
        }
    }

    /// How many bytes it took.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// Takes them, and hands on what blocks they fill.
    pub(super) fn accept(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        self.received += bytes.len() as u64;
        while !bytes.is_empty() {
            let mut block = self.current.take().unwrap_or_else(|| self.empty_block());
            let taken = block.fill(bytes);
            bytes = &bytes[taken..];
            let is_full = block.length == BLOCK;
            self.current = Some(block);
            if is_full {
                self.hand_on()?;
            }
        }
        Ok(())
    }

    /// Hands on what is there, be it a whole block or not.
    fn hand_on(&mut self) -> Result<(), Stop> {
        let Some(block) = self.current.take() else {
            return Ok(());
        };
        let block = Arc::new(block);
        let unpacking = self.unpacking.as_ref();
        if unpacking.is_some_and(|unpacking| unpacking.send(Arc::clone(&block)).is_err()) {
            // Whether these are the bytes that were asked for shows at their end.
            self.unpacking = None;
        }
        let hashing = self.hashing.send(Arc::clone(&block));
        let writing = self.writing.send(block);
        hashing.and(writing).map_err(|_| Stop::Disk)
    }

    /// A block that nobody uses, when there is one.
    fn empty_block(&mut self) -> Block {
        let waited = || self.idle.recv().ok();
        let used = if self.made < BLOCKS {
            self.idle.try_recv().ok()
        } else {
            waited()
        };
        let memory = used.unwrap_or_else(|| {
            self.made += 1;
            vec![0; BLOCK + ALIGNMENT]
        });
        Block::new(memory, self.home.clone())
    }
}

/// Bytes that begin at a multiple of [`ALIGNMENT`]; its memory goes home when nobody uses it.
struct Block {
    memory: Vec<u8>,
    start: usize,
    length: usize,
    home: Sender<Vec<u8>>,
}

impl Block {
    fn new(memory: Vec<u8>, home: Sender<Vec<u8>>) -> Self {
        Self {
            // More than it may be is said where the offset is not known: then the start is as
            // good as any, as files that need it refuse it, and are written the ordinary way.
            start: memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT),
            memory,
            length: 0,
            home,
        }
    }

    /// Takes as many of the bytes as it has room for, and says how many.
    fn fill(&mut self, bytes: &[u8]) -> usize {
        let room = &mut self.memory[self.start..][..BLOCK][self.length..];
        let taken = room.len().min(bytes.len());
        room[..taken].copy_from_slice(&bytes[..taken]);
        self.length += taken;
        taken
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..][..self.length]
    }

    /// The bytes and what makes their number a multiple of [`ALIGNMENT`].
    fn padded(&self) -> &[u8] {
        &self.memory[self.start..][..self.length.next_multiple_of(ALIGNMENT)]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // Refused if the sink is gone: then it is not needed any more.
        let _ = self.home.send(std::mem::take(&mut self.memory));
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

/// Writes the blocks to a new file, which is to be synced. They go past the page cache where the file
/// system lets them: copying them there costs nearly as much as hashing them, and nobody reads
/// them again soon.
fn write(mut file: &File, blocks: Receiver<Arc<Block>>) -> io::Result<()> {
    let mut is_direct = platform::set_direct(file, true).is_ok();
    let (mut length, mut unsynced) = (0, 0);
    for block in blocks {
        length += block.length as u64;
        unsynced += block.length;
        // A little at a time, so that not all is left for the end.
        if !is_direct && unsynced >= SYNCED {
            file.sync_data()?;
            unsynced = 0;
        }
        let mut rest = if is_direct {
            block.padded()
        } else {
            block.bytes()
        };
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It is, only not in pieces like these.
                Err(error) if is_direct && error.kind() == io::ErrorKind::InvalidInput => {
                    platform::set_direct(file, false)?;
                    is_direct = false;
                }
                Err(error) => return Err(error),
            }
        }
    }
    // Without what the last block was padded with.
    file.set_len(length)
}

/// The digest of the blocks.
fn hash(blocks: Receiver<Arc<Block>>) -> Sha256 {
    let mut hasher = Hasher::new();
    for block in blocks {
        hasher.update(block.bytes());
    }
    hasher.finish()
}

/// The digest of what the blocks unpack to.
fn unpack(part: &str, blocks: Receiver<Arc<Block>>) -> Result<Sha256, ImageError> {
    let mut blocks = Blocks {
        coming: blocks,
        current: None,
        position: 0,
    };
    let mut plain = compression::plain(part, &mut blocks)?;
    let (digest, _) = Sha256::of_reader(&mut *plain).map_err(|error| read_error(part, &error))?;
    Ok(digest)
}

/// Blocks as a reader; their end is its end.
struct Blocks {
    coming: Receiver<Arc<Block>>,
    current: Option<Arc<Block>>,
    position: usize,
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let current = self
                .current
                .iter()
                .map(|block| &block.bytes()[self.position..]);
            let Some(rest) = current.into_iter().find(|rest| !rest.is_empty()) else {
                self.position = 0;
                self.current = self.coming.recv().ok();
                if self.current.is_none() {
                    return Ok(0);
                }
                continue;
            };
            let count = buffer.len().min(rest.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            self.position += count;
            return Ok(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: usize) -> Vec<u8> {
        // No two blocks are the same.
        (0..=250_u8).cycle().take(length).collect()
    }

    /// What lies in a new file after `write` put it there.
    fn in_file(write: impl FnOnce(&File)) -> Vec<u8> {
        let file = tempfile::NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        write(file.as_file());
        std::fs::read(file.path()).unwrap()
    }

    #[test]
    fn every_length_is_written_and_hashed_in_whatever_pieces_it_comes() {
        let edges = [0, ALIGNMENT, BLOCK, 2 * BLOCK, (BLOCKS + 2) * BLOCK];
        let lengths = edges
            .iter()
            .flat_map(|&edge| [edge.saturating_sub(1), edge, edge + 1]);
        for (length, piece) in lengths.flat_map(|length| [(length, 70_001), (length, 3 * BLOCK)]) {
            let sent = bytes(length);
            let found = in_file(|file| {
                let (received, landed) = with_sink(file, None, |sink| {
                    let mut pieces = sent.chunks(piece);
                    pieces.try_for_each(|piece| sink.accept(piece))?;
                    assert_eq!(sink.received(), length as u64);
                    Ok(())
                });
                assert!(received.is_ok());
                landed.written.unwrap();
                assert_eq!(landed.digest, Sha256::of(&sent));
            });
            assert!(found == sent, "{length} bytes by {piece}");
        }
    }

    #[test]
    fn blocks_that_the_file_system_refuses_are_written_the_ordinary_way() {
        let sent = bytes(BLOCK + 5);
        let found = in_file(|file| {
            let (follower, blocks) = sync_channel(BLOCKS);
            let (home, _idle) = channel();
            for (number, part) in sent.chunks(BLOCK).enumerate() {
                let mut block = Block::new(vec![0; BLOCK + 2 * ALIGNMENT], home.clone());
                // The second one begins where disks take nothing from.
                block.start += number;
                block.fill(part);
                follower.send(Arc::new(block)).unwrap();
            }
            drop(follower);
            write(file, blocks).unwrap();
        });
        assert!(found == sent);
    }

    #[test]
    fn what_cannot_be_unpacked_is_hashed_to_its_end() {
        let file = tempfile::tempfile().unwrap();
        // No gzip follows on this.
        let mut damaged = bytes(64 * BLOCK);
        damaged[..3].copy_from_slice(&[0x1f, 0x8b, 0xff]);
        let (received, landed) = with_sink(&file, Some("a part"), |sink| {
            let mut pieces = damaged.chunks(BLOCK / 2);
            pieces.try_for_each(|piece| sink.accept(piece))
        });
        assert!(received.is_ok());
        assert!(matches!(landed.unpacked, Some(Err(_))));
        assert_eq!(landed.digest, Sha256::of(&damaged));
        landed.written.unwrap();
    }

    #[test]
    fn when_the_disk_gives_up_nothing_more_is_taken_and_nobody_waits() {
        let readable = tempfile::NamedTempFile::new().unwrap();
        let readable = File::open(readable.path()).unwrap();
        let (received, landed) = with_sink(&readable, None, |sink| {
            let piece = bytes(BLOCK);
            (0..64).try_for_each(|_| sink.accept(&piece))
        });
        assert!(matches!(received, Err(Stop::Disk)));
        assert!(landed.written.is_err());
    }
}
