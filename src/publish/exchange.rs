//! Changing a document that grows, while others may be changing it too.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::attempts;
use crate::monitor::Monitor;
use crate::store::{Document, Edition, Store, StoreError, Swapped};

/// How long a turn is waited for: hundreds of jobs that write at once take a few minutes.
const DEADLINE: Duration = Duration::from_mins(5);
/// The longest pause before the second attempt; each further one may be twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause at all.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A small document that grows, wherever it is kept, and that is changed by compare-and-swap.
pub trait GrowingDocument {
    /// Where it is, for messages; without any secret.
    fn place(&self) -> String;

    /// It as it stands, if it is there. Fails if it has more than `limit` bytes.
    fn load(&self, limit: u64) -> Result<Option<Document>, StoreError>;

    /// Puts `bytes` in the place of `current`, or where nothing was. Does nothing if somebody
    /// else was quicker.
    fn swap(&self, bytes: &[u8], current: Option<&Edition>) -> Result<Swapped, StoreError>;
}

/// A document in a store.
#[derive(Clone, Copy)]
pub struct InStore<'s> {
    /// The store.
    pub store: &'s dyn Store,
    /// The document's path there.
    pub path: &'s str,
}

impl GrowingDocument for InStore<'_> {
    fn place(&self) -> String {
        self.store.address().place(self.path)
    }

    fn load(&self, limit: u64) -> Result<Option<Document>, StoreError> {
        self.store.load(self.path, limit)
    }

    fn swap(&self, bytes: &[u8], current: Option<&Edition>) -> Result<Swapped, StoreError> {
        self.store.swap(self.path, bytes, current)
    }
}

/// Changes a document of at most `limit` bytes, and says whether that was needed.
///
/// `change` is given the document as it stands and gives the new one, or none if it is as it
/// should be. It is asked anew each time that somebody else was quicker; fails with
/// [`StoreError::Contended`] when that went on for minutes.
pub fn exchange<E: From<StoreError>>(
    document: &dyn GrowingDocument,
    limit: u64,
    monitor: &dyn Monitor,
    change: impl FnMut(Option<&[u8]>) -> Result<Option<Vec<u8>>, E>,
) -> Result<bool, E> {
    exchange_within(DEADLINE, document, limit, monitor, change)
}

fn exchange_within<E: From<StoreError>>(
    deadline: Duration,
    document: &dyn GrowingDocument,
    limit: u64,
    monitor: &dyn Monitor,
    mut change: impl FnMut(Option<&[u8]>) -> Result<Option<Vec<u8>>, E>,
) -> Result<bool, E> {
    let began = Instant::now();
    let mut longest = FIRST_PAUSE;
    let mut tried: Option<Vec<u8>> = None;
    loop {
        let current = document.load(limit)?;
        // A service may answer "changed" to a request that it was sent twice and had carried out.
        if tried.is_some() && tried.as_ref() == current.as_ref().map(|current| &current.bytes) {
            return Ok(true);
        }
        let Some(bytes) = change(current.as_ref().map(|current| current.bytes.as_slice()))? else {
            return Ok(false);
        };
        let edition = current.as_ref().map(|current| &current.edition);
        match document.swap(&bytes, edition)? {
            Swapped::Done => return Ok(true),
            Swapped::Changed => tried = Some(bytes),
        }
        if began.elapsed() >= deadline {
            let place = document.place();
            return Err(StoreError::Contended { place }.into());
        }
        attempts::sleep(random_part(longest), monitor).map_err(StoreError::from)?;
        longest = (longest * 2).min(LONGEST_PAUSE);
    }
}

/// A random part of a duration, so that those who met once do not meet again. It need not be hard
/// to guess: the standard library's hasher has a random key.
fn random_part(longest: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) % 1000;
    longest * u32::try_from(random).unwrap_or_default() / 1000
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::monitor::Silent;

    /// What others do to a document between its being read and its being changed.
    type Others = fn(attempt: u64, document: &mut Vec<u8>, wanted: &[u8]);

    /// A document that others change.
    struct Busy {
        bytes: RefCell<Vec<u8>>,
        attempts: RefCell<u64>,
        others: Others,
    }

    impl Busy {
        fn with(others: Others) -> Self {
            Self {
                bytes: RefCell::new(Vec::new()),
                attempts: RefCell::new(0),
                others,
            }
        }

        fn append(&self, line: &str) -> Result<bool, StoreError> {
            let deadline = Duration::from_millis(100);
            exchange_within(deadline, self, 1000, &Silent, |current| {
                let current = current.unwrap_or_default();
                let there = current.split(|byte| *byte == b'\n');
                if there.into_iter().any(|one| one == line.as_bytes()) {
                    return Ok(None);
                }
                Ok(Some([current, line.as_bytes(), b"\n"].concat()))
            })
        }
    }

    impl GrowingDocument for Busy {
        fn place(&self) -> String {
            "store/busy".to_owned()
        }

        fn load(&self, _: u64) -> Result<Option<Document>, StoreError> {
            let bytes = self.bytes.borrow().clone();
            let edition = Edition(format!("{bytes:?}"));
            Ok(Some(Document { bytes, edition }))
        }

        fn swap(&self, wanted: &[u8], current: Option<&Edition>) -> Result<Swapped, StoreError> {
            let mut bytes = self.bytes.borrow_mut();
            *self.attempts.borrow_mut() += 1;
            (self.others)(*self.attempts.borrow(), &mut bytes, wanted);
            if current.is_none_or(|current| current.0 != format!("{bytes:?}")) {
                return Ok(Swapped::Changed);
            }
            wanted.clone_into(&mut bytes);
            Ok(Swapped::Done)
        }
    }

    #[test]
    fn nothing_that_others_wrote_is_lost() {
        let document = Busy::with(|attempt, bytes, _| {
            if attempt <= 2 {
                bytes.extend(format!("{attempt}\n").into_bytes());
            }
        });
        assert!(document.append("mine").unwrap());
        assert_eq!(*document.bytes.borrow(), b"1\n2\nmine\n");
    }

    #[test]
    fn what_is_there_already_is_not_written_again() {
        let document = Busy::with(|_, _, _| {});
        assert!(document.append("mine").unwrap());
        assert!(!document.append("mine").unwrap());
        assert_eq!(*document.attempts.borrow(), 1);
    }

    #[test]
    fn a_change_that_was_made_but_not_confirmed_counts() {
        let document = Busy::with(|_, bytes, wanted| wanted.clone_into(bytes));
        assert!(document.append("mine").unwrap());
        assert_eq!(*document.bytes.borrow(), b"mine\n");
    }

    #[test]
    fn a_document_that_changes_all_the_time_is_given_up() {
        let document = Busy::with(|attempt, bytes, _| *bytes = attempt.to_string().into_bytes());
        let error = document.append("mine").unwrap_err();
        assert_eq!(
            error.to_string(),
            "store/busy was changed by others each time it was to be changed"
        );
        assert!(*document.attempts.borrow() > 2);
    }
}
