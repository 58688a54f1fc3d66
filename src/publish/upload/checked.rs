//! Reading what is published, and noticing where it is not what was listed.

use std::io::{self, Read};

use super::StoreFile;
use crate::digest::Hasher;
use crate::store::StoreError;

/// Yields a file's bytes, and fails at their end if they are not those listed.
pub(super) struct Checked<'a, R> {
    inner: R,
    file: &'a StoreFile,
    hasher: Hasher,
    size: u64,
}

impl<'a, R: Read> Checked<'a, R> {
    pub(super) fn new(inner: R, file: &'a StoreFile) -> Self {
        Self {
            inner,
            file,
            hasher: Hasher::new(),
            size: 0,
        }
    }

    fn end(&self) -> io::Result<usize> {
        let found = self.hasher.clone().finish();
        if (found, self.size) == (self.file.sha256, self.file.size) {
            return Ok(0);
        }
        Err(io::Error::other(StoreError::SourceChanged {
            path: self.file.path.to_string(),
            expected: self.file.sha256,
            expected_size: self.file.size,
            found,
            found_size: self.size,
        }))
    }
}

impl<R: Read> Read for Checked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            return self.end();
        }
        self.hasher.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}
