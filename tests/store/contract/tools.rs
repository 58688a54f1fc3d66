//! Bytes, and content that does not end well.

use std::io::{self, Read};

use dhfpack::monitor::Recording;
use dhfpack::store::{Created, Object, Store};

pub(crate) const MIB: usize = 1 << 20;

/// Bytes of which no stretch is like another.
pub(crate) fn bytes(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = Vec::with_capacity(length + 4);
    while bytes.len() < length {
        bytes.extend(next());
    }
    bytes.truncate(length);
    bytes
}

pub(crate) fn content(store: &dyn Store, path: &str) -> Vec<u8> {
    let mut found = Vec::new();
    store.read(path).unwrap().read_to_end(&mut found).unwrap();
    found
}

pub(crate) fn put(store: &dyn Store, path: &str, bytes: &[u8]) -> Created {
    store.create_from(path, bytes).unwrap()
}

pub(super) fn paths(objects: &[Object]) -> Vec<&str> {
    objects.iter().map(|object| object.path.as_str()).collect()
}

/// Content that ends in an error.
pub(super) struct Failing<'a> {
    pub(super) good: &'a [u8],
    pub(super) error: Option<io::Error>,
}

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.good.is_empty()
            && let Some(error) = self.error.take()
        {
            return Err(error);
        }
        self.good.read(buffer)
    }
}

/// Content in the middle of which a stop is asked for.
pub(super) struct Stopping<'a> {
    pub(super) good: &'a [u8],
    pub(super) monitor: &'a Recording,
}

impl Read for Stopping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.monitor.cancel();
        self.good.read(buffer)
    }
}
