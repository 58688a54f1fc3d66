//! Memory for parts, used again and again: what is given back to the system's allocator piece by
//! piece stays with the process for long, and adds up.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::budget::{PART, SMALL};

/// Memory that nobody uses now.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Vec<u8>>>);

/// Some of it, to be filled.
pub(super) struct Piece {
    bytes: Vec<u8>,
    length: usize,
    pool: Arc<Pool>,
}

impl Pool {
    /// So many bytes; whatever is in them.
    #[expect(clippy::cast_possible_truncation, reason = "a part is 8 MiB")]
    pub(super) fn take(self: &Arc<Self>, length: usize) -> Piece {
        let bytes = if (SMALL + 1..=PART).contains(&(length as u64)) {
            let unused = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
            unused.unwrap_or_else(|| vec![0; PART as usize])
        } else {
            vec![0; length]
        };
        Piece {
            bytes,
            length,
            pool: Arc::clone(self),
        }
    }
}

impl Piece {
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }

    /// The bytes, which give their memory back when nobody needs them any more.
    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if self.bytes.len() as u64 == PART {
            let mut unused = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
            unused.push(mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again() {
        let pool = Arc::new(Pool::default());
        let mut piece = pool.take(1 << 20);
        piece.room().fill(7);
        let bytes = piece.freeze();
        let again = bytes.clone();
        drop(bytes);
        assert_eq!(pool.0.lock().unwrap().len(), 0);
        assert!(again.len() == 1 << 20 && again.iter().all(|byte| *byte == 7));
        drop(again);
        assert_eq!(pool.0.lock().unwrap().len(), 1);
        let both = [pool.take(2 << 20), pool.take(9 << 20), pool.take(10)];
        assert_eq!(pool.0.lock().unwrap().len(), 0);
        drop(both);
        assert_eq!(pool.0.lock().unwrap().len(), 1);
    }
}
