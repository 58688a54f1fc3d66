//! Git LFS: the files that a history only points to, found, located, and fetched where allowed.
//!
//! Pointers are recognised by their content, not by attributes: those of today say nothing of the
//! files of old commits, and anyone may have removed them since.

use std::collections::BTreeMap;

use crate::digest::Sha256;

mod error;
mod fetch;
mod pointer;
mod scan;
mod store;

pub use error::LfsError;
pub use pointer::LfsPointer;
pub use store::LfsStore;

/// The objects that pointers name, each once, by digest.
#[derive(Debug, Default)]
pub struct LfsObjects {
    found: BTreeMap<Sha256, LfsObject>,
}

/// An object that pointers name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LfsObject {
    /// Its digest, which is its name.
    pub oid: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// A file of the history that stands for it, with control characters escaped.
    pub file: String,
    /// Which of the repositories that were searched names it first.
    pub repository: usize,
}

impl LfsObjects {
    /// Takes in what a pointer names. Fails with [`LfsError::Sizes`] if another pointer gives the
    /// same object another size, and with [`LfsError::NotEmpty`] if it cannot be empty, as said.
    fn add(
        &mut self,
        pointer: LfsPointer,
        repository: usize,
        file: impl FnOnce() -> String,
    ) -> Result<(), LfsError> {
        if let Some(known) = self.found.get(&pointer.oid) {
            if known.size == pointer.size {
                return Ok(());
            }
            return Err(LfsError::Sizes {
                oid: pointer.oid,
                first: (known.file.clone(), known.size),
                second: (file(), pointer.size),
            });
        }
        let object = LfsObject {
            oid: pointer.oid,
            size: pointer.size,
            file: file(),
            repository,
        };
        if object.size == 0 && object.oid != Sha256::of(b"") {
            return Err(LfsError::NotEmpty {
                oid: object.oid,
                file: object.file,
            });
        }
        self.found.insert(object.oid, object);
        Ok(())
    }

    /// All of them, by digest.
    pub fn iter(&self) -> impl Iterator<Item = &LfsObject> {
        self.found.values()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// How many bytes they have together, as far as that can be counted.
    pub fn bytes(&self) -> u64 {
        self.iter()
            .fold(0, |sum, object| sum.saturating_add(object.size))
    }
}
