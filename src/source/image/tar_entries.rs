//! Bounds for reading a tar whose headers may claim anything.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};

use super::ImageError;
use super::layer::read_error;

/// More entries than any image has: 127 layers with three files and a folder each.
const MOST_ENTRIES: usize = 10_000;
/// The longest name; those of images have about a hundred bytes.
const LONGEST_NAME: usize = 1024;
/// The most that is read from one entry's data to the next: a header, its extensions, padding.
const LARGEST_HEADER: u64 = 64 * 1024;

/// How much may be read; the tar crate itself would hold an extension of any size in memory.
pub(super) struct Budget(Cell<u64>);

impl Budget {
    pub(super) const fn new() -> Self {
        Self(Cell::new(LARGEST_HEADER))
    }

    /// Headers come next.
    pub(super) fn headers(&self) {
        self.0.set(LARGEST_HEADER);
    }

    /// An entry's data comes next, which is streamed.
    pub(super) fn data(&self) {
        self.0.set(u64::MAX);
    }
}

/// A reader that keeps to its budget.
pub(super) struct Bounded<'b, R> {
    inner: R,
    budget: &'b Budget,
}

impl<'b, R> Bounded<'b, R> {
    pub(super) const fn new(inner: R, budget: &'b Budget) -> Self {
        Self { inner, budget }
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.budget.0.get();
        if left == 0 {
            return Err(io::Error::other("a header is far too large"));
        }
        let length = usize::try_from(left).unwrap_or(usize::MAX);
        let length = length.min(buffer.len());
        let count = self.inner.read(&mut buffer[..length])?;
        self.budget.0.set(left - count as u64);
        Ok(count)
    }
}

impl<R: Seek> Seek for Bounded<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// Refuses entry number `count` if it is one too many.
pub(super) fn check_count(count: usize) -> Result<(), ImageError> {
    if count < MOST_ENTRIES {
        return Ok(());
    }
    Err(ImageError::Malformed {
        part: "the tar".to_owned(),
        problem: format!("it has more than {MOST_ENTRIES} entries"),
    })
}

/// A tar that has an entry twice says two things at once.
pub(super) fn twice(part: String) -> ImageError {
    ImageError::Malformed {
        part,
        problem: "the tar has it twice".to_owned(),
    }
}

/// A name as text; never used as a path.
pub(super) fn name(bytes: &[u8]) -> Result<String, ImageError> {
    let name = String::from_utf8_lossy(bytes);
    let name = name.strip_prefix("./").unwrap_or(&name);
    if bytes.len() > LONGEST_NAME {
        return Err(ImageError::Malformed {
            part: name.chars().take(80).collect(),
            problem: format!("its name is longer than {LONGEST_NAME} bytes"),
        });
    }
    Ok(name.to_owned())
}

/// What a failure to read the tar means: a stop, or a damaged tar.
pub(super) fn tar_error(error: io::Error) -> ImageError {
    match read_error("the tar", &error) {
        stop @ ImageError::Cancelled(_) => stop,
        _ => ImageError::Tar(error),
    }
}
