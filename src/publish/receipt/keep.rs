//! Finding the latest receipt of an archive, and adding one.

use super::{FORMAT, Receipt, numbers, path_of};
use crate::publish::PublishError;
use crate::store::{Created, Store, StoreError};

/// The largest receipt that is read: about a million objects.
const LARGEST: u64 = 512 * 1024 * 1024;
/// How often another job may be quicker to take the next number.
const ATTEMPTS: usize = 100;

/// A receipt's path in its store, and what it says; or why it cannot be understood.
pub type Found = (String, Result<Receipt, String>);

/// The receipt that now is the latest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its path in the store.
    pub path: String,
    /// What it says.
    pub receipt: Receipt,
    /// Whether it was added: the one before did not say the same.
    pub added: bool,
}

/// The latest receipt of the archive `name`: its path, and what it says if that can be understood.
/// None if the archive has none.
pub fn latest(store: &dyn Store, name: &str) -> Result<Option<Found>, StoreError> {
    let Some(number) = numbers(store, name)?.pop() else {
        return Ok(None);
    };
    let path = path_of(name, number);
    let document = store.load(&path, LARGEST)?;
    Ok(document.map(|document| (path, parse(&document.bytes))))
}

/// Reads a receipt; or says why it cannot be understood.
pub fn parse(bytes: &[u8]) -> Result<Receipt, String> {
    let receipt: Receipt = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if receipt.format == 0 || receipt.format > FORMAT {
        return Err(format!(
            "it has format {}; this version reads up to {FORMAT}: use a newer dhfpack",
            receipt.format
        ));
    }
    // The order that they are looked up by.
    if !receipt.objects.is_sorted_by(|a, b| a.path < b.path) {
        return Err("its objects are not in the order of their paths".to_owned());
    }
    Ok(receipt)
}

/// Puts `receipt` beside its archive, unless the latest one there says the same.
pub(in crate::publish) fn keep(store: &dyn Store, receipt: &Receipt) -> Result<Kept, PublishError> {
    let name = &receipt.archive;
    for _ in 0..ATTEMPTS {
        let mut receipt = receipt.clone();
        let number = numbers(store, name)?.pop().unwrap_or_default();
        if let Some((path, Ok(before))) = latest(store, name)? {
            receipt = receipt.with(&before);
            if receipt == before {
                return Ok(Kept {
                    path,
                    receipt,
                    added: false,
                });
            }
        }
        let path = path_of(name, number + 1);
        let bytes = receipt
            .to_bytes()
            .map_err(|source| crate::error::IoError {
                action: "write",
                path: path.clone().into(),
                source,
            })
            .map_err(StoreError::from)?;
        match store.create_from(&path, &bytes)? {
            Created::New(_) => {
                return Ok(Kept {
                    path,
                    receipt,
                    added: true,
                });
            }
            Created::Exists => {}
        }
    }
    Err(StoreError::Contended {
        place: store.address().place(&path_of(name, 1)),
    }
    .into())
}
