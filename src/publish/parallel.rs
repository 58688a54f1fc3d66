//! The same for each of many, with several threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::Cancelled;
use crate::monitor::{Linked, Monitor};
use crate::store::StoreError;

/// Does `work` for every item with up to `threads` threads; gives the results in the items' order.
/// Once one fails, no further item is begun.
pub(super) fn map<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    monitor: &dyn Monitor,
    work: impl Fn(&T) -> Result<R, StoreError> + Sync,
) -> Result<Vec<R>, StoreError> {
    let next = AtomicUsize::new(0);
    let linked = Linked::new(monitor);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let run = || -> Result<(), StoreError> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                return Ok(());
            };
            if linked.is_cancelled() {
                return Err(Cancelled.into());
            }
            let result = work(item).inspect_err(|_| linked.stop())?;
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push((index, result));
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.min(items.len()))
            .map(|_| scope.spawn(run))
            .collect();
        let mut outcome = Ok(());
        for thread in threads {
            match thread.join() {
                // One that was asked to stop says less than the one that failed.
                Ok(Err(error)) if matches!(outcome, Ok(()) | Err(StoreError::Cancelled(_))) => {
                    outcome = Err(error);
                }
                Ok(_) => {}
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        outcome
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}
