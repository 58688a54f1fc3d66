//! Restoring a commit's files from a mirror, and computing the tree's id back from them.
//!
//! The files come out as committed: attributes in the tree, which could convert line ends, expand
//! `$Id$` or start filters, are overruled by those of the mirror, where git looks first.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Mirror;
use super::command::Process;
use super::error::GitError;
use super::object::require_id;
use crate::error::IoContext;
use crate::monitor::Task;

/// No attribute that changes a file on its way to the work tree or back.
const AS_COMMITTED: &str = "* -text !eol -crlf -ident !filter !working-tree-encoding\n";
/// The longest answer that is read: an object id.
const ID_LIMIT: u64 = 256;

impl Mirror {
    /// Writes the files of the commit into `into`, an empty folder: every byte as committed, no
    /// filter and no hook started. A submodule is an empty folder.
    pub fn check_out(&self, commit: &str, into: &Path, task: &Task<'_>) -> Result<(), GitError> {
        require_id(commit)?;
        let info = self.git_dir.join("info");
        fs::create_dir_all(&info).at("create", &info)?;
        let attributes = info.join("attributes");
        fs::write(&attributes, AS_COMMITTED).at("write", &attributes)?;
        let index = self.new_index()?;
        let run = |arguments: &[&str]| {
            let command = self.on_work_tree(into, index.path(), arguments);
            Process::start(command, "checking out the files")?.finish_unless_cancelled(task)
        };
        run(&["read-tree", commit])?;
        run(&["checkout-index", "--all", "--quiet"])
    }

    /// The id of the tree that the files in `work_tree` make, which [`check_out`](Self::check_out)
    /// wrote for this commit. All of them are read and hashed; one too many changes the id too.
    /// Only a submodule's commit is taken from the commit: its folder has to be empty still.
    pub fn tree_of(
        &self,
        commit: &str,
        work_tree: &Path,
        task: &Task<'_>,
    ) -> Result<String, GitError> {
        require_id(commit)?;
        // A new index knows no file's times, so that git has to look into each.
        let index = self.new_index()?;
        let start = |arguments: &[&str]| {
            let command = self.on_work_tree(work_tree, index.path(), arguments);
            Process::start(command, "computing the tree of the files")
        };
        start(&["read-tree", commit])?.finish_unless_cancelled(task)?;
        start(&["add", "--all", "--force", "--", "."])?.finish_unless_cancelled(task)?;
        let answer = start(&["write-tree"])?.capture(ID_LIMIT)?;
        let id = String::from_utf8_lossy(&answer).trim().to_owned();
        require_id(&id)?;
        Ok(id)
    }

    fn new_index(&self) -> Result<NewIndex, GitError> {
        let folder = tempfile::tempdir_in(&self.folder).at("create a folder in", &self.folder)?;
        Ok(NewIndex(folder))
    }

    fn on_work_tree(&self, work_tree: &Path, index: &Path, arguments: &[&str]) -> Command {
        let mut command = self.command();
        command.arg("--work-tree").arg(work_tree);
        for setting in [
            "core.bare=false",
            "core.autocrlf=false",
            "core.safecrlf=false",
        ] {
            command.args(["-c", setting]);
        }
        command
            .args(arguments)
            .env("GIT_INDEX_FILE", index.join("index"))
            .current_dir(work_tree);
        command
    }
}

/// A folder for an index that no file has been added to.
struct NewIndex(tempfile::TempDir);

impl NewIndex {
    fn path(&self) -> &Path {
        self.0.path()
    }
}
