//! Dropbox's content hash: the SHA-256 of the SHA-256 digests of all blocks of 4 MiB.

use crate::digest::{Hasher, Sha256};

/// The size of a block in bytes; the last one may be shorter.
pub(super) const BLOCK: usize = 4 << 20;

/// The content hash of a file that comes in chunks of whole blocks, but for the last.
#[derive(Default)]
pub(super) struct ContentHash {
    blocks: Hasher,
    size: u64,
}

impl ContentHash {
    /// Takes in a chunk; gives the content hash of the chunk alone.
    pub(super) fn update(&mut self, chunk: &[u8]) -> Sha256 {
        let mut own = Hasher::new();
        for block in chunk.chunks(BLOCK) {
            let digest = Sha256::of(block);
            own.update(digest.as_bytes());
            self.blocks.update(digest.as_bytes());
        }
        self.size += chunk.len() as u64;
        own.finish()
    }

    /// The content hash of all chunks, and their size in bytes.
    pub(super) fn finish(self) -> (Sha256, u64) {
        (self.blocks.finish(), self.size)
    }
}

/// The content hash of `bytes`.
pub(super) fn of(bytes: &[u8]) -> Sha256 {
    ContentHash::default().update(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_file_is_that_of_its_blocks_hashes() {
        assert_eq!(of(b""), Sha256::of(b""));
        let first = Sha256::of(b"abc");
        assert_eq!(of(b"abc"), Sha256::of(first.as_bytes()));

        let bytes = vec![7; 2 * BLOCK + 1];
        let mut hash = ContentHash::default();
        for chunk in bytes.chunks(BLOCK) {
            assert_eq!(hash.update(chunk), of(chunk));
        }
        assert_eq!(hash.finish(), (of(&bytes), bytes.len() as u64));
    }
}
