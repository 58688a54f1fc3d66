//! A zip entry's bytes, held against what its header declares.

use std::io::{self, Read};

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::container::Part;

/// An entry's data as they are kept.
enum Kept<'a> {
    Stored(Part<'a>),
    Deflated(DeflateDecoder<Part<'a>>, u64),
}

/// Yields exactly the size declared, with the CRC-32 declared, from all of the entry's data, or
/// fails.
pub(super) struct Checked<'a> {
    kept: Kept<'a>,
    left: u64,
    expected: u32,
    crc: Crc,
}

impl<'a> Checked<'a> {
    pub(super) fn stored(part: Part<'a>, size: u64, crc: u32) -> Self {
        Self::new(Kept::Stored(part), size, crc)
    }

    /// For data that take `compressed` bytes.
    pub(super) fn deflated(part: Part<'a>, compressed: u64, size: u64, crc: u32) -> Self {
        Self::new(
            Kept::Deflated(DeflateDecoder::new(part), compressed),
            size,
            crc,
        )
    }

    fn new(kept: Kept<'a>, size: u64, crc: u32) -> Self {
        Self {
            kept,
            left: size,
            expected: crc,
            crc: Crc::new(),
        }
    }

    fn end(&mut self) -> io::Result<usize> {
        let wrong = if self.left > 0 {
            Contradiction::Shorter
        } else if self.crc.sum() != self.expected {
            Contradiction::Crc
        } else if let Kept::Deflated(decoder, compressed) = &self.kept
            && decoder.total_in() != *compressed
        {
            Contradiction::Surplus
        } else {
            return Ok(0);
        };
        Err(io::Error::new(io::ErrorKind::InvalidData, wrong))
    }
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = match &mut self.kept {
            Kept::Stored(part) => part.read(buffer)?,
            Kept::Deflated(decoder, _) => decoder.read(buffer)?,
        };
        if count == 0 {
            return self.end();
        }
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, Contradiction::Longer))?;
        self.crc.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// How an entry's data are not what its header declares.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum Contradiction {
    #[error("the entry is shorter than its header declares")]
    Shorter,
    #[error("the entry is longer than its header declares")]
    Longer,
    #[error("the entry's CRC-32 is not the one its header declares")]
    Crc,
    #[error("the entry's compressed data end before the size its header declares")]
    Surplus,
}
