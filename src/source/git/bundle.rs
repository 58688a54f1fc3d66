//! A git bundle whose bytes depend on the tag alone.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use super::command::Process;
use super::error::GitError;
use super::repository::is_shallow;
use super::{Commit, Mirror, Tag};
use crate::error::IoContext;
use crate::monitor::{Task, Unit};

const WHAT: &str = "the bundle of the repository";
/// The branch that names the commit in the bundle of a submodule, which no tag need name.
pub(super) const PINNED: &str = "refs/heads/pinned";

impl Mirror {
    /// Writes a bundle of the tag and of all history that it reaches, and nothing else. `git
    /// clone` of the bundle checks out the tagged commit.
    ///
    /// The bytes are the same for one version of git (and its zlib), however the repository was
    /// packed and whatever else it holds. The identity to compare across versions is the tag's
    /// object id.
    pub fn bundle(&self, tag: &Tag, out: &mut dyn Write, task: &Task<'_>) -> Result<(), GitError> {
        let reference = format!("refs/tags/{}", tag.name);
        self.pack(&tag.commit, &tag.object, &reference, out, task)
    }

    /// Writes a bundle of one commit and of all history that it reaches, and nothing else, with
    /// the branch `pinned`; otherwise as [`bundle`](Self::bundle).
    pub fn bundle_commit(
        &self,
        commit: &Commit,
        out: &mut dyn Write,
        task: &Task<'_>,
    ) -> Result<(), GitError> {
        self.pack(&commit.id, &commit.id, PINNED, out, task)
    }

    fn pack(
        &self,
        commit: &str,
        object: &str,
        reference: &str,
        out: &mut dyn Write,
        task: &Task<'_>,
    ) -> Result<(), GitError> {
        // Such a bundle looks whole, and nobody could clone it.
        if is_shallow(&self.git_dir)? {
            return Err(GitError::Shallow {
                repository: self.name.clone(),
                or_remote: false,
            });
        }
        let view = self.view(object)?;
        out.write_all(header(commit, object, reference).as_bytes())
            .map_err(|source| GitError::write(WHAT, source))?;
        let mut command = self.git.command();
        command
            .arg("--git-dir")
            .arg(view)
            .env("GIT_OBJECT_DIRECTORY", self.git_dir.join("objects"))
            .args(["pack-objects", "--progress", "--stdout", "--revs"])
            // How the repository happens to be packed must not show, nor how threads raced.
            .args(["--no-reuse-object", "--threads=1"])
            .args(["--window=10", "--depth=50", "--compression=6"])
            .arg("--delta-base-offset");
        let mut process = Process::start(command, "packing history")?;
        let mut stdin = process.stdin()?;
        stdin
            .write_all(format!("{object}\n").as_bytes())
            .map_err(|source| process.pipe(source))?;
        drop(stdin);
        let objects = Task::begin(task.monitor(), "objects of the history", None, Unit::Items);
        process.stream(out, WHAT, task, &objects)
    }

    /// A repository without references over the mirror's objects. `pack-objects` places whatever
    /// any tag points at first in a pack, so a tag added later would otherwise change the bytes.
    fn view(&self, object: &str) -> Result<PathBuf, GitError> {
        let view = self.folder.join("view.git");
        for folder in ["objects", "refs"] {
            let folder = view.join(folder);
            fs::create_dir_all(&folder).at("create", &folder)?;
        }
        let head = view.join("HEAD");
        fs::write(&head, "ref: refs/heads/none\n").at("write", &head)?;
        let config = view.join("config");
        let text = if is_sha256(object) {
            "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n"
        } else {
            "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
        };
        fs::write(&config, text).at("write", &config)?;
        Ok(view)
    }
}

/// The header of a bundle, gitformat-bundle(5): version 3 only where a capability is needed.
fn header(commit: &str, object: &str, reference: &str) -> String {
    let start = if is_sha256(object) {
        "# v3 git bundle\n@object-format=sha256\n"
    } else {
        "# v2 git bundle\n"
    };
    // HEAD names the same commit, so that a plain `git clone` checks it out.
    format!("{start}{commit} HEAD\n{object} {reference}\n\n")
}

pub(super) fn is_sha256(object: &str) -> bool {
    object.len() == 64
}
