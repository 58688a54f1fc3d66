//! Working on many things at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::Cancelled;
use crate::monitor::{Linked, Monitor as _};

/// Does `work` on every item, on up to `threads` at once. Once it fails on one, or a stop is
/// asked for, no further item is begun and those in work are asked to stop through `linked`;
/// the first failure is returned.
pub(crate) fn each<T: Sync, E: From<Cancelled> + Send>(
    items: &[T],
    threads: usize,
    linked: &Linked<'_>,
    work: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let run = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            let done = if linked.is_cancelled() {
                Err(Cancelled.into())
            } else {
                work(item)
            };
            if let Err(error) = done {
                let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                // Kept before the others are asked to stop: they fail because of that.
                failure.get_or_insert(error);
                linked.stop();
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            scope.spawn(run);
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Does `work` for every item as [`each`] does, and gives the results in the items' order.
pub(crate) fn map<T: Sync, R: Send, E: From<Cancelled> + Send>(
    items: &[T],
    threads: usize,
    linked: &Linked<'_>,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let numbered: Vec<(usize, &T)> = items.iter().enumerate().collect();
    each(
        &numbered,
        threads,
        linked,
        |(index, item)| -> Result<(), E> {
            let result = work(item)?;
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push((*index, result));
            Ok(())
        },
    )?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}
