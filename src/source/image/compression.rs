//! Unpacking what is compressed, on the fly, and no further than is reasonable.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::ImageError;
use super::layer::{fill, read_error};
use crate::digest::BUFFER;

/// How many times its size something compressed may become…
const MOST_TIMES: u64 = 1000;
/// …once it has become this large. Gzip cannot exceed 1032 times; zstd can exceed it by far.
const ALWAYS_ALLOWED: u64 = 1 << 30;
/// The largest window of zstd, which is held in memory; its highest ordinary level takes 8 MiB.
const LARGEST_WINDOW: u64 = 32 << 20;

/// The uncompressed bytes of `source`, which is plain or packed with gzip or zstd; `part` names it.
pub(super) fn plain<'r>(
    part: &str,
    source: &'r mut dyn Read,
) -> Result<Box<dyn Read + 'r>, ImageError> {
    let mut start = [0; 4];
    let length = fill(source, &mut start).map_err(|error| read_error(part, &error))?;
    let whole = io::Cursor::new(start).take(length as u64).chain(source);
    let taken = Rc::new(Cell::new(0));
    let counted = Counted {
        inner: whole,
        count: Rc::clone(&taken),
    };
    let packed = |inner| -> Box<dyn Read + 'r> {
        Box::new(Bounded {
            inner,
            taken,
            given: 0,
        })
    };
    match &start[..length] {
        [0x1f, 0x8b, ..] => {
            let buffered = BufReader::with_capacity(BUFFER, counted);
            Ok(packed(Box::new(MultiGzDecoder::new(buffered))))
        }
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
            let buffered = BufReader::with_capacity(BUFFER, counted);
            Ok(packed(Box::new(Zstd::new(buffered))))
        }
        [b'B', b'Z', b'h', _] => Err(unsupported(part, "bzip2")),
        [0xfd, b'7', b'z', b'X'] => Err(unsupported(part, "xz")),
        _ => Ok(Box::new(counted)),
    }
}

fn unsupported(part: &str, method: &'static str) -> ImageError {
    ImageError::Compression {
        part: part.to_owned(),
        method,
    }
}

/// Counts what passes: the bytes as they are stored.
struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

/// Gives unpacked bytes until they are out of all proportion to what they were unpacked from.
struct Bounded<'r> {
    inner: Box<dyn Read + 'r>,
    taken: Rc<Cell<u64>>,
    given: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.given += count as u64;
        if self.given > ALWAYS_ALLOWED && self.given / MOST_TIMES > self.taken.get() {
            return Err(io::Error::other(format!(
                "it unpacks to more than {MOST_TIMES} times its size, as only a decompression bomb does"
            )));
        }
        Ok(count)
    }
}

/// Reads zstd (RFC 8878): frames one behind the other, with others between them to be skipped.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    is_inside: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(LARGEST_WINDOW);
        Self {
            source,
            decoder,
            is_inside: false,
        }
    }

    /// Begins the next frame; false at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let mut skipped = (&mut self.source).take(u64::from(length));
                    if io::copy(&mut skipped, &mut io::sink())? < u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.is_inside && self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if self.is_inside && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                let decoded = self.decoder.decode_blocks(&mut self.source, one);
                decoded.map_err(io::Error::other)?;
                continue;
            }
            self.is_inside = self.next_frame()?;
            if !self.is_inside {
                return Ok(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_zstd_follow_one_another_with_others_between_them() {
        let pack = |text: &[u8]| {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            ruzstd::encoding::compress_to_vec(text, level)
        };
        let skipped = b"\x53\x2a\x4d\x18\x03\0\0\0abc";
        let packed = [&skipped[..], &pack(b"one "), skipped, &pack(b"two")].concat();
        let mut text = String::new();
        let mut source = &packed[..];
        let mut reader = plain("x", &mut source).unwrap();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one two");
        for end in 1..packed.len() {
            let mut source = &packed[..end];
            let mut read = Vec::new();
            let result = plain("x", &mut source).map(|mut reader| reader.read_to_end(&mut read));
            let is_whole = result.is_ok_and(|read| read.is_ok());
            // A frame's end is an end.
            assert!(
                !is_whole || b"one ".starts_with(&read[..]) || end < 4,
                "{end}"
            );
        }
    }
}
