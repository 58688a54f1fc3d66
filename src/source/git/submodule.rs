//! The commits of other repositories that a release's tree names.

use super::{Commit, Mirror};

/// A submodule, at any depth, with a mirror that holds its pinned commit.
#[derive(Debug)]
pub struct Submodule {
    /// Its path from the top of the release's tree, through other submodules where it is nested.
    pub path: String,
    /// Its URL as `.gitmodules` has it.
    pub url: String,
    /// Its repository.
    pub mirror: Mirror,
    /// The commit that is pinned.
    pub commit: Commit,
}
