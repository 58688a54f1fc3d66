//! How much to do at once.

use std::num::NonZeroUsize;

use dhfpack::archive::Tree;
use dhfpack::store::Store;

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
        or_at_least(self.jobs, 1)
    }
}

/// How many threads to verify an archive with, wherever it lies.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct VerifyJobs {
    /// How many files to verify at once [default: one per processor; more for an archive in a
    /// store]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

impl VerifyJobs {
    /// What was asked for, or what it takes to read all of an archive on this machine.
    pub(crate) fn for_files(&self) -> usize {
        or_at_least(self.jobs, 1)
    }

    /// What was asked for, or what it takes to read all of `tree`.
    pub(crate) fn for_tree(&self, tree: &dyn Tree) -> usize {
        or_at_least(self.jobs, tree.transfers())
    }

    /// What was asked for, or what it takes to read all of `store`.
    pub(crate) fn for_store(&self, store: &dyn Store) -> usize {
        or_at_least(self.jobs, store.promises().transfers)
    }
}

fn or_at_least(asked: Option<NonZeroUsize>, least: usize) -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    asked.map_or_else(|| processors().max(least), NonZeroUsize::get)
}
