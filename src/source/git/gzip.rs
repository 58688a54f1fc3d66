//! Gzip on several threads, with bytes that do not depend on how many.
//!
//! The input is cut into blocks of fixed size, each deflated on its own and ended at a byte
//! boundary, so that the blocks joined are one deflate stream (RFC 1951) in one member (RFC 1952).

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// The size of a block before compression, in bytes. Part of the format: another size gives
/// other bytes.
const BLOCK: usize = 1024 * 1024;
/// A quarter of the time of `gzip -6`, for 7 to 18 % more bytes of source code. Part of the
/// format like the size of a block. Never 1: zlib-rs 0.6.8 panics there on data that does not shrink.
const LEVEL: u32 = 2;
/// Beyond this many threads the disk or the hash is slower; also bounds the blocks in memory.
const MOST_JOBS: usize = 8;
/// Magic, deflate, no flags, no time, no extra flags, unknown system (RFC 1952 section 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Blocks that wait beside those being compressed, so that no thread waits for the next one.
const WAITING: usize = 3;

/// Compresses what is written to it. [`Gzip::finish`] must be called for a complete stream.
pub(super) struct Gzip<W> {
    out: W,
    block: Block,
    crc: Crc,
    size: u64,
    workers: Workers,
    pending: VecDeque<Receiver<io::Result<Block>>>,
    /// Blocks whose memory is used again: new memory would have to be mapped page by page.
    spare: Vec<Block>,
}

impl<W: Write> Gzip<W> {
    /// Writes the header to `out` and starts `jobs` threads, at least one and at most eight.
    pub(super) fn new(mut out: W, jobs: usize) -> io::Result<Self> {
        out.write_all(&HEADER)?;
        Ok(Self {
            out,
            block: Block::default(),
            crc: Crc::new(),
            size: 0,
            workers: Workers::start(jobs.clamp(1, MOST_JOBS))?,
            pending: VecDeque::new(),
            spare: Vec::new(),
        })
    }

    /// Compresses the rest and writes the trailer.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.submit(FlushCompress::Finish)?;
        while self.write_oldest()? {}
        let size = u32::try_from(self.size & u64::from(u32::MAX)).map_err(io::Error::other)?;
        self.out.write_all(&self.crc.sum().to_le_bytes())?;
        self.out.write_all(&size.to_le_bytes())?;
        Ok(self.out)
    }

    fn submit(&mut self, flush: FlushCompress) -> io::Result<()> {
        if self.pending.len() >= self.workers.threads.len() + WAITING {
            self.write_oldest()?;
        }
        let next = self.spare.pop().unwrap_or_default();
        let block = std::mem::replace(&mut self.block, next);
        self.size += block.data.len() as u64;
        self.pending.push_back(self.workers.submit(block, flush)?);
        Ok(())
    }

    fn write_oldest(&mut self) -> io::Result<bool> {
        let Some(oldest) = self.pending.pop_front() else {
            return Ok(false);
        };
        let mut block = oldest.recv().map_err(io::Error::other)??;
        self.crc.combine(&block.crc);
        self.out.write_all(&block.deflated)?;
        block.data.clear();
        self.spare.push(block);
        Ok(true)
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // A full block waits for more, since the last one is ended differently.
        if self.block.data.len() == BLOCK && !data.is_empty() {
            self.submit(FlushCompress::Sync)?;
        }
        let count = data.len().min(BLOCK - self.block.data.len());
        self.block.data.extend_from_slice(&data[..count]);
        Ok(count)
    }

    /// Does nothing: a flush of the compressor would change the bytes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A block before and after compression.
struct Block {
    data: Vec<u8>,
    deflated: Vec<u8>,
    crc: Crc,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            data: Vec::with_capacity(BLOCK),
            deflated: Vec::new(),
            crc: Crc::new(),
        }
    }
}

struct Job {
    block: Block,
    flush: FlushCompress,
    reply: SyncSender<io::Result<Block>>,
}

/// Threads that end when this is dropped.
struct Workers {
    queue: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    fn start(count: usize) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        let threads = (0..count)
            .map(|_| {
                let jobs = Arc::clone(&jobs);
                thread::Builder::new().spawn(move || work(&jobs))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            queue: Some(queue),
            threads,
        })
    }

    fn submit(
        &self,
        block: Block,
        flush: FlushCompress,
    ) -> io::Result<Receiver<io::Result<Block>>> {
        let (reply, answer) = mpsc::sync_channel(1);
        let job = Job {
            block,
            flush,
            reply,
        };
        match &self.queue {
            Some(queue) if queue.send(job).is_ok() => Ok(answer),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has already failed the block it worked on.
            let _ = thread.join();
        }
    }
}

/// Compresses blocks until no more come.
fn work(jobs: &Mutex<Receiver<Job>>) {
    let mut compress = Compress::new(Compression::new(LEVEL), false);
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job {
            mut block,
            flush,
            reply,
        }) = next
        else {
            return;
        };
        let done = deflate(&mut compress, &mut block, flush);
        // The reader is gone only after an error elsewhere.
        let _ = reply.send(done.map(|()| block));
    }
}

fn deflate(compress: &mut Compress, block: &mut Block, flush: FlushCompress) -> io::Result<()> {
    compress.reset();
    block.crc = Crc::new();
    block.crc.update(&block.data);
    let deflated = &mut block.deflated;
    deflated.clear();
    // Data that cannot be compressed grows by five bytes for every stored block.
    deflated.reserve(block.data.len() + block.data.len() / 1000 + 64);
    let mut rest = &block.data[..];
    loop {
        let before = compress.total_in();
        let status = compress
            .compress_vec(rest, deflated, flush)
            .map_err(io::Error::other)?;
        let taken = usize::try_from(compress.total_in() - before).map_err(io::Error::other)?;
        rest = rest.get(taken..).unwrap_or_default();
        let has_room = deflated.len() < deflated.capacity();
        let done = match flush {
            FlushCompress::Finish => status == Status::StreamEnd,
            _ => rest.is_empty() && has_room,
        };
        if done {
            return Ok(());
        }
        deflated.reserve(4096);
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::digest::Sha256;

    fn compressed(data: &[u8], jobs: usize, step: usize) -> Vec<u8> {
        let mut gzip = Gzip::new(Vec::new(), jobs).unwrap();
        for part in data.chunks(step) {
            gzip.write_all(part).unwrap();
        }
        gzip.finish().unwrap()
    }

    /// Half of it random enough not to shrink.
    fn sample(size: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let noise = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        });
        let mut data: Vec<u8> = noise.take(size / 2).collect();
        data.resize(size, b'a');
        data
    }

    #[test]
    fn the_bytes_depend_neither_on_threads_nor_on_the_size_of_writes() {
        let data = sample(5 * BLOCK + 17);
        let one = compressed(&data, 1, 4096);
        for (jobs, step) in [(2, 1000), (3, BLOCK), (8, data.len())] {
            assert!(compressed(&data, jobs, step) == one, "{jobs} jobs");
        }
    }

    /// Also a library that uses more of what a processor can do must not change them.
    #[test]
    fn the_bytes_are_the_same_on_every_machine() {
        let noise = sample(3 * BLOCK);
        // Words of a few letters, again and again, in no order.
        let text: Vec<u8> = noise
            .iter()
            .flat_map(|&letter| {
                [
                    letter % 23 + b'a',
                    letter % 5 + b'a',
                    b"\n \t("[usize::from(letter % 4)],
                ]
            })
            .take(2 * BLOCK + 99)
            .collect();
        let digests =
            [noise, text].map(|data| Sha256::of(&compressed(&data, 2, BLOCK)).to_string());
        let expected = [
            "289d3581014483e1a99cfcc238c5672f3efd0b58e96673a536415acd66224379",
            "0474e66a06889d7bf7d23c9b666645d281eae00c23b07a268f3ebee982198dfd",
        ];
        assert_eq!(digests, expected);
    }

    #[test]
    fn stock_gzip_accepts_and_expands_every_size() {
        for size in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 5] {
            let data = sample(size);
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), compressed(&data, 2, 70_000)).unwrap();
            for option in ["-t", "-dc"] {
                let output = Command::new("gzip")
                    .arg(option)
                    .stdin(file.reopen().unwrap())
                    .stderr(Stdio::inherit())
                    .output()
                    .unwrap();
                assert!(output.status.success(), "gzip {option} of {size} bytes");
                assert!(option == "-t" || output.stdout == data, "{size} bytes");
            }
        }
    }
}
