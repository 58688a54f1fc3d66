//! How much of what is sent is in memory at once, over all transfers of a store.

use tokio::sync::{Semaphore, SemaphorePermit};

/// One mebibyte, in which memory is counted.
const UNIT: u64 = 1 << 20;
/// How much all transfers may hold together, in those.
const ALL: u32 = 64;
/// The size of a part, unless a file has too many of them.
pub(super) const PART: u64 = 8 * UNIT;
/// A file up to this size is no matter, in bytes.
pub(super) const SMALL: u64 = 256 << 10;
/// The most parts that S3 takes; the others take more.
const MOST_PARTS: u64 = 10_000;
/// How many parts of a file travel at once, if there is room for them.
const AT_ONCE: u64 = 2;
/// Besides those that travel, one waits for its turn and one is being read.
const ASIDE: u64 = 2;

/// Given out to transfers. What a transfer needs it takes all at once, so that none waits for
/// another with half of it in its hands.
pub(super) struct Budget(Semaphore);

/// How a file of some size is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// In one request.
    Whole,
    /// In parts of this size, some at once.
    Parts { size: u64, at_once: usize },
}

impl Way {
    /// None for a file that is too large to be sent in little memory.
    pub(super) fn of(size: u64) -> Option<Self> {
        if size <= PART {
            return Some(Self::Whole);
        }
        let part = size.div_ceil(MOST_PARTS).next_multiple_of(UNIT).max(PART);
        let room = u64::from(ALL) * UNIT / part;
        let at_once = room.checked_sub(ASIDE).filter(|room| *room > 0)?;
        Some(Self::Parts {
            size: part,
            at_once: usize::try_from(at_once.min(AT_ONCE)).ok()?,
        })
    }

    /// The memory that a file of this size takes on its way: whole parts, but for small files.
    fn memory(self, size: u64) -> u64 {
        match self {
            Self::Whole if size <= SMALL => size,
            Self::Whole => PART,
            Self::Parts {
                size: part,
                at_once,
            } => part * size.div_ceil(part).min(at_once as u64 + ASIDE),
        }
    }
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self(Semaphore::const_new(ALL as usize))
    }

    /// Waits for the memory to send `size` bytes in this way, and holds it until dropped.
    pub(super) async fn take(&self, way: Way, size: u64) -> Option<SemaphorePermit<'_>> {
        let units = way.memory(size).div_ceil(UNIT).max(1);
        let units = u32::try_from(units).unwrap_or(ALL).min(ALL);
        self.0.acquire_many(units).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_every_size_are_sent_in_bounded_memory_and_few_parts() {
        assert_eq!(Way::of(0), Some(Way::Whole));
        assert_eq!(Way::of(PART), Some(Way::Whole));
        let parts = |size, at_once| Some(Way::Parts { size, at_once });
        assert_eq!(Way::of(PART + 1), parts(PART, 2));
        assert_eq!(Way::of(PART * MOST_PARTS), parts(PART, 2));
        assert_eq!(Way::of(PART * MOST_PARTS + 1), parts(9 * UNIT, 2));
        assert_eq!(Way::of(21 * UNIT * MOST_PARTS), parts(21 * UNIT, 1));
        assert_eq!(Way::of(21 * UNIT * MOST_PARTS + 1), None);
        assert_eq!(Way::of(u64::MAX), None);
        for size in (0..=205).map(|gib| gib << 30) {
            let way = Way::of(size).unwrap();
            assert!(way.memory(size) <= u64::from(ALL) * UNIT, "{size}: {way:?}");
            if let Way::Parts { size: part, .. } = way {
                assert!(size.div_ceil(part) <= MOST_PARTS, "{size}: {way:?}");
            }
        }
    }
}
