//! How much to do at once.

use std::num::NonZeroUsize;

use dhfpack::archive::Tree;
use dhfpack::store::Store;

/// How many threads to use.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Jobs {
    /// How many files to work on at once [default: one per processor; more for a store]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

impl Jobs {
    /// What was asked for, or one per processor.
    pub(crate) fn count(&self) -> usize {
        self.or_at_least(1)
    }

    /// What was asked for, or what it takes to read all of `tree`.
    pub(crate) fn for_tree(&self, tree: &dyn Tree) -> usize {
        self.or_at_least(tree.transfers())
    }

    /// What was asked for, or what it takes to read all of `store`.
    pub(crate) fn for_store(&self, store: &dyn Store) -> usize {
        self.or_at_least(store.promises().transfers)
    }

    fn or_at_least(&self, least: usize) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let asked = self.jobs.map(NonZeroUsize::get);
        asked.unwrap_or_else(|| processors().max(least))
    }
}
