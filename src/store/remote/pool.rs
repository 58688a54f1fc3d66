//! Memory for parts, used again and again: what is given back to the system's allocator piece by
//! piece stays with the process for long, and adds up.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::budget::{PART, SMALL};

/// Memory that nobody uses now.
#[derive(Default)]
pub(super) struct Pool {
    parts: Shelf,
    small: Shelf,
}

/// Pieces of one size.
type Shelf = Mutex<Vec<Vec<u8>>>;

fn unused(shelf: &Shelf) -> MutexGuard<'_, Vec<Vec<u8>>> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

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
        let room = if length as u64 > PART {
            length
        } else if length as u64 > SMALL {
            PART as usize
        } else {
            // The largest files come first: parts that nobody uses now wait for no more.
            drop(mem::take(&mut *unused(&self.parts)));
            SMALL as usize
        };
        let found = self.shelf(room).and_then(|shelf| unused(shelf).pop());
        let bytes = found.unwrap_or_else(|| vec![0; room]);
        Piece {
            bytes,
            length,
            pool: Arc::clone(self),
        }
    }

    /// Where pieces of this size are kept, if they are.
    const fn shelf(&self, room: usize) -> Option<&Shelf> {
        match room as u64 {
            SMALL => Some(&self.small),
            PART => Some(&self.parts),
            _ => None,
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
        let bytes = mem::take(&mut self.bytes);
        if let Some(shelf) = self.pool.shelf(bytes.len()) {
            unused(shelf).push(bytes);
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
        assert_eq!(pool.parts.lock().unwrap().len(), 0);
        assert!(again.len() == 1 << 20 && again.iter().all(|byte| *byte == 7));
        drop(again);
        assert_eq!(pool.parts.lock().unwrap().len(), 1);
        drop([pool.take(2 << 20), pool.take(9 << 20)]);
        assert_eq!(pool.parts.lock().unwrap().len(), 1);
        drop(pool.take(10));
        assert_eq!(pool.small.lock().unwrap().len(), 1);
        assert_eq!(pool.parts.lock().unwrap().len(), 0);
    }
}
