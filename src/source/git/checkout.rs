//! What in a checkout is not in its commit: changed, never added, or ignored.

use std::path::Path;
use std::process::Command;

use super::command::Process;
use super::error::{GitError, printable};
use super::object::is_object_id;
use super::repository::find_repository;
use super::{Mirror, Repository};
use crate::error::IoContext;

/// How many paths of a kind are named.
pub(super) const MOST_PATHS: usize = 100;
/// The longest list of paths that is read.
const LIST_LIMIT: u64 = 256 * 1024 * 1024;

/// How a checkout differs from the commit it is at. Folders of which nothing is committed stand
/// for all that is in them, and end in `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckoutState {
    /// Committed files that were changed or removed.
    pub modified: Listing,
    /// Files that were never committed and are not ignored.
    pub untracked: Listing,
    /// Files that exist and are ignored by the repository's `.gitignore` files.
    pub ignored: Listing,
}

/// Paths from the top of a checkout, with control characters escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The first hundred, by byte order.
    pub paths: Vec<String>,
    /// How many there are.
    pub total: usize,
}

impl Mirror {
    /// Compares the checkout that `checkout` lies in with its `HEAD`, as committed: its filters,
    /// hooks and configuration take no part, and nothing in it is written. Empty if that commit
    /// is not in this mirror, or if there are no files beside the repository.
    pub fn checkout_state(&self, checkout: &Path) -> Result<CheckoutState, GitError> {
        let repository = find_repository(checkout)?;
        if repository.root == repository.git_dir {
            return Ok(CheckoutState::default());
        }
        let Some(commit) = self.head_of(&repository)? else {
            return Ok(CheckoutState::default());
        };
        let folder = tempfile::tempdir_in(&self.folder).at("create a folder in", &self.folder)?;
        let index = folder.path().join("index");
        let command = |arguments: &[&str]| self.checkout_command(&repository, &index, arguments);
        start(command(&["read-tree", &commit]))?.finish()?;
        // Without this, the new index takes every file for changed. It ends with an error where
        // one is, which is what is asked next.
        let refresh = ["update-index", "-q", "--refresh", "--ignore-submodules"];
        match start(command(&refresh))?.capture(LIST_LIMIT) {
            Ok(_) | Err(GitError::Failed { .. }) => {}
            Err(error) => return Err(error),
        }
        let list = |arguments: &[&str]| {
            let answer = start(command(arguments))?.capture(LIST_LIMIT)?;
            Ok::<_, GitError>(Listing::parse(&answer))
        };
        let others = ["ls-files", "-z", "-o", "--exclude-standard", "--directory"];
        let others = [&others[..], &["--no-empty-directory"]].concat();
        Ok(CheckoutState {
            modified: list(&[
                "diff-files",
                "-z",
                "--name-only",
                "--no-ext-diff",
                "--ignore-submodules=all",
            ])?,
            untracked: list(&others)?,
            ignored: list(&[&others[..], &["-i"]].concat())?,
        })
    }

    /// The commit that the checkout is at, if the mirror holds it.
    fn head_of(&self, repository: &Repository) -> Result<Option<String>, GitError> {
        // Resolving a name starts nothing that the configuration names.
        let mut command = self.git.command();
        command.arg("--git-dir").arg(&repository.git_dir);
        command.args(["rev-parse", "--quiet", "--verify", "HEAD"]);
        let answer = match start(command)?.capture(LIST_LIMIT) {
            Ok(answer) => answer,
            // A repository without a commit.
            Err(GitError::Failed { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let head = String::from_utf8_lossy(&answer).trim().to_owned();
        if !is_object_id(&head) {
            return Ok(None);
        }
        match self.objects()?.record(&head) {
            Ok(_) => Ok(Some(head)),
            Err(GitError::MissingObject { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn checkout_command(
        &self,
        repository: &Repository,
        index: &Path,
        arguments: &[&str],
    ) -> Command {
        let mut command = self.command();
        command
            .arg("--work-tree")
            .arg(&repository.root)
            .args(["-c", "core.bare=false"])
            .args(arguments)
            .env("GIT_INDEX_FILE", index)
            // Lists are from the top, wherever this program was started.
            .current_dir(&repository.root);
        command
    }
}

fn start(command: Command) -> Result<Process, GitError> {
    Process::start(command, "comparing the checkout with its commit")
}

impl Listing {
    fn parse(answer: &[u8]) -> Self {
        let mut paths: Vec<&[u8]> = answer
            .split(|byte| *byte == 0)
            .filter(|path| !path.is_empty())
            .collect();
        paths.sort_unstable();
        Self {
            total: paths.len(),
            paths: paths.into_iter().take(MOST_PATHS).map(printable).collect(),
        }
    }
}
