//! Proof that a bundle restores what it is of, made on the file as it was written.

use std::ffi::OsStr;
use std::path::Path;

use super::bundle::PINNED;
use super::command::Process;
use super::error::GitError;
use super::{Commit, Mirror, Tag};
use crate::error::IoContext;
use crate::monitor::Task;

impl Mirror {
    /// Clones the bundle file into an empty folder, which is removed again, and compares the tag
    /// in it, its commit and that commit's tree with `tag`.
    ///
    /// Git names every object by the digest of its bytes, and a clone fails unless every object
    /// that its references reach is there. So an equal tree means the same files, all of them.
    pub fn prove_bundle(&self, bundle: &Path, tag: &Tag, task: &Task<'_>) -> Result<(), GitError> {
        self.with_clone(bundle, task, |clone| {
            require_equal(bundle, tag, &clone.tag(&tag.name)?)
        })
    }

    /// As [`prove_bundle`](Self::prove_bundle), for a bundle of one commit.
    pub fn prove_commit_bundle(
        &self,
        bundle: &Path,
        commit: &Commit,
        task: &Task<'_>,
    ) -> Result<(), GitError> {
        self.with_clone(bundle, task, |clone| {
            require_equal(bundle, commit, &clone.commit(PINNED)?)
        })
    }

    fn with_clone(
        &self,
        bundle: &Path,
        task: &Task<'_>,
        check: impl FnOnce(&Self) -> Result<(), GitError>,
    ) -> Result<(), GitError> {
        let folder = tempfile::tempdir_in(&self.folder).at("create a folder in", &self.folder)?;
        let git_dir = folder.path().join("clone.git");
        let mut command = self.git.command();
        command
            .args(["clone", "--quiet", "--mirror", "--template=", "--"])
            .args([bundle.as_os_str(), OsStr::new(&git_dir)]);
        Process::start(command, "cloning the bundle that was written")?
            .finish_unless_cancelled(task)?;
        check(&Self {
            git: self.git.clone(),
            folder: folder.path().to_path_buf(),
            git_dir,
            name: bundle.display().to_string(),
            local: None,
        })
    }
}

fn require_equal<T: PartialEq>(bundle: &Path, expected: &T, found: &T) -> Result<(), GitError> {
    if expected == found {
        return Ok(());
    }
    Err(GitError::NotRestored {
        bundle: bundle.to_path_buf(),
    })
}
