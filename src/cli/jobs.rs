//! How much to do at once.

use std::num::NonZeroUsize;

/// How many threads to use.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Jobs {
    /// How many files to work on at once [default: one per processor]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

impl Jobs {
    /// What was asked for, or one per processor.
    pub(crate) fn count(&self) -> usize {
        let count = self
            .jobs
            .or_else(|| std::thread::available_parallelism().ok());
        count.map_or(1, NonZeroUsize::get)
    }
}
