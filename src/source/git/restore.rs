//! Restoring a commit's files from a mirror, and computing the tree's id back from them.
//!
//! The files come out as committed: attributes in the tree, which could convert line ends, expand
//! `$Id$` or start filters, are overruled by those of the mirror, where git looks first.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Command;

use super::Mirror;
use super::command::Process;
use super::error::GitError;
use super::object::is_object_id;
use crate::error::IoContext;
use crate::monitor::Task;

/// No attribute that changes a file on its way to the work tree or back.
const AS_COMMITTED: &str = "* -text !eol -crlf -ident !filter !working-tree-encoding\n";
/// The longest answer that is read: an object id, or one line about an object.
const LINE_LIMIT: u64 = 256;

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
        let answer = start(&["write-tree"])?.capture(LINE_LIMIT)?;
        let id = String::from_utf8_lossy(&answer).trim().to_owned();
        require_id(&id)?;
        Ok(id)
    }

    /// Hands the content of every file with fewer than `limit` bytes to `each`, whichever commit
    /// it belongs to: where [`Mirror::clone`] read a bundle, that is the history and no more.
    pub fn small_files(
        &self,
        limit: u64,
        task: &Task<'_>,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), GitError> {
        let mut command = self.command();
        command.args(["cat-file", "--batch-all-objects", "--unordered"]);
        command.arg("--batch-check=%(objectname) %(objecttype) %(objectsize)");
        let mut process = Process::start(command, "listing the objects")?;
        let mut lines = BufReader::new(process.stdout()?);
        let mut objects = self.objects()?;
        let mut content = Vec::new();
        loop {
            let mut line = String::new();
            (&mut lines)
                .take(LINE_LIMIT)
                .read_line(&mut line)
                .map_err(|source| process.pipe(source))?;
            if line.is_empty() {
                return process.finish();
            }
            task.advance(0)?;
            let mut words = line.split_ascii_whitespace();
            let (id, kind, size) = (words.next(), words.next(), words.next());
            let size = size.and_then(|size| size.parse::<u64>().ok());
            if let (Some(id), Some("blob"), Some(size)) = (id, kind, size)
                && size < limit
            {
                content.clear();
                objects.copy(id, &mut content)?;
                each(&content);
            }
        }
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

fn require_id(id: &str) -> Result<(), GitError> {
    if is_object_id(id) {
        return Ok(());
    }
    Err(GitError::BadName {
        name: id.to_owned(),
        expected: "an object id",
    })
}
