//! A panic is a fault in dhfpack. It is reported as such, with its place, and never as a result.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Mutex, PoisonError};

use miette::Diagnostic;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};

/// Something that should not be possible happened.
#[derive(Debug, Error, Diagnostic)]
#[error("internal error: {message}")]
#[diagnostic(help(
    "this is a fault in dhfpack {}: please report it, with this message and the command line; do not rely on what this run has written",
    env!("CARGO_PKG_VERSION")
))]
struct InternalError {
    message: String,
}

/// Runs `work`. A panic in it, on any thread, is a failure whatever `work` returned.
pub(crate) fn guarded(work: impl FnOnce() -> Result<(), CliError>) -> Result<(), CliError> {
    let panics = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&panics);
    // Kept until all threads have unwound, so that it is not printed across a progress bar.
    set_hook(Box::new(move |info| {
        let mut panics = record.lock().unwrap_or_else(PoisonError::into_inner);
        panics.push(info.to_string().replace('\n', " "));
    }));
    let result = catch_unwind(AssertUnwindSafe(work));
    drop(take_hook());
    let first = panics
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .first()
        .cloned();
    match (result, first) {
        (Ok(result), None) => result,
        (_, message) => Err(CliError::new(
            Kind::Internal,
            InternalError {
                message: message.unwrap_or_else(|| "unwound without a message".to_owned()),
            },
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_on_any_thread_is_an_internal_error_with_its_place() {
        for panics in [
            || panic!("here it is"),
            || {
                // The result of the thread is dropped unread.
                let _ = std::thread::spawn(|| panic!("here it is")).join();
            },
        ] {
            let error = guarded(|| {
                panics();
                Ok(())
            })
            .unwrap_err();
            let text = format!("{error:?}");
            assert!(text.contains("here it is"), "{text}");
            assert!(text.contains("panic.rs"), "{text}");
            assert_eq!(error.exit_code(), 70.into());
        }
    }
}
