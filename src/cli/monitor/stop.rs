//! Ctrl-C, and the signals with which a system asks a program to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dhfpack::monitor::Monitor;
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};

/// The signals cannot be received, so a run could not be stopped cleanly.
#[derive(Debug, Error, Diagnostic)]
#[error("cannot listen for Ctrl-C")]
struct CannotListen {
    source: ctrlc::Error,
}

/// Whether a stop was asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// True once a stop was asked for.
    pub(crate) fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Asks for a stop; true if one had been asked for before.
    pub(crate) fn request(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }

    /// Takes Ctrl-C, SIGTERM and SIGHUP as a request to stop. A second one ends the program at
    /// once: what it leaves behind is a staging folder, never half an archive under its name.
    pub(crate) fn listen(&self, monitor: Arc<dyn Monitor>) -> Result<(), CliError> {
        let stop = self.clone();
        ctrlc::set_handler(move || {
            if stop.request() {
                std::process::exit(i32::from(Kind::Interrupted.exit_code()));
            }
            monitor.notice("stopping; press Ctrl-C again to stop at once");
        })
        .map_err(|source| CliError::new(Kind::Failed, CannotListen { source }))
    }
}
