//! A text file on a branch of a repository that is pushed to.
//!
//! Nothing is checked out, and nothing of the user's configuration takes part: the branch's last
//! commit is fetched into a repository of our own, and a commit with one changed file is pushed
//! on top of it, never by force. What a server runs on a push is the server's own affair.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use jiff::Timestamp;
use tempfile::TempDir;

use super::access::RemoteAccess;
use super::command::{Git, Process};
use super::error::GitError;
use super::{Origin, without_password, without_userinfo};
use crate::error::IoContext;

/// Where the fetched commit is kept.
const TIP: &str = "refs/dhfpack/tip";
/// More than git answers to any question asked here, in bytes.
const ANSWER: u64 = 1 << 20;
/// Who commits: a program, at no address.
const COMMITTER: &str = "dhfpack";

/// A text file on a branch.
#[derive(Debug)]
pub struct BranchFile {
    git: Git,
    /// Goes away with this.
    _folder: TempDir,
    git_dir: PathBuf,
    location: String,
    argument: OsString,
    branch: String,
    path: String,
}

/// A file as it stood at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtCommit {
    /// The branch's last commit.
    pub commit: String,
    /// The file's bytes; none if it is not in that commit.
    pub bytes: Option<Vec<u8>>,
}

impl BranchFile {
    /// The file at `path` on `branch` of the repository at `location`, a URL or a path.
    ///
    /// Fails with [`GitError::BadName`] for names that git could take for something else.
    pub fn open(
        location: &str,
        branch: &str,
        path: &str,
        access: RemoteAccess,
    ) -> Result<Self, GitError> {
        let origin = match Origin::find(location)? {
            Origin::Bundle(_) => {
                return Err(GitError::BadName {
                    name: location.to_owned(),
                    expected: "a repository that can be pushed to",
                });
            }
            origin => origin,
        };
        let folder = tempfile::tempdir().at("create", "a temporary folder")?;
        let git = Git::prepare(folder.path(), &origin.trusted(), access)?;
        let file = Self {
            git_dir: folder.path().join("branch.git"),
            _folder: folder,
            location: location.to_owned(),
            argument: origin.argument().to_owned(),
            branch: branch.to_owned(),
            path: path.to_owned(),
            git,
        };
        file.check_names()?;
        let mut command = file.git.command();
        command.args(["init", "--quiet", "--bare", "--template="]);
        command.arg("--").arg(&file.git_dir);
        Process::start(command, "making a repository")?.finish()?;
        Ok(file)
    }

    /// The repository, without any password, the branch and the path.
    pub fn place(&self) -> String {
        let repository = without_userinfo(&self.location);
        format!("{} on {} of {repository}", self.path, self.branch)
    }

    fn check_names(&self) -> Result<(), GitError> {
        let mut command = self.git.command();
        command.args(["check-ref-format", "--branch", &self.branch]);
        let is_branch = !self.branch.starts_with(['-', '@'])
            && Process::start(command, "checking a name")?.finish().is_ok();
        if !is_branch {
            return Err(GitError::BadName {
                name: self.branch.clone(),
                expected: "a branch's name",
            });
        }
        let strange = |name: &str| matches!(name, "" | "." | "..") || name.contains('\\');
        let is_git = |name: &str| name.eq_ignore_ascii_case(".git");
        let is_control = self.path.chars().any(char::is_control);
        if is_control
            || self
                .path
                .split('/')
                .any(|name| strange(name) || is_git(name))
        {
            return Err(GitError::BadName {
                name: self.path.clone(),
                expected: "a file's path in a repository",
            });
        }
        Ok(())
    }

    /// The file as it stands; none if the repository has no commit yet. Fails with
    /// [`GitError::NoRevision`] if it has commits but no such branch.
    pub fn load(&self, limit: u64) -> Result<Option<AtCommit>, GitError> {
        let Some(commit) = self.tip()? else {
            return Ok(None);
        };
        let mut command = self.remote_command();
        command.args([
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--no-write-fetch-head",
        ]);
        command.arg("--").arg(&self.argument);
        command.arg(format!("+refs/heads/{}:{TIP}", self.branch));
        self.run(command, "fetching a branch")?;
        // It may have moved on since; what was fetched counts.
        let commit = self.parsed(TIP)?.unwrap_or(commit);
        let Some(object) = self.blob(&commit)? else {
            return Ok(Some(AtCommit {
                commit,
                bytes: None,
            }));
        };
        let mut command = self.command();
        command.args(["cat-file", "-s", &object]);
        let size = self.answer(command, "reading a file's size")?;
        let size: u64 = size.parse().unwrap_or(u64::MAX);
        if size > limit {
            return Err(GitError::TooLarge {
                path: self.place(),
                size,
                limit,
            });
        }
        let mut command = self.command();
        command.args(["cat-file", "blob", &object]);
        let bytes = Process::start(command, "reading a file")?.capture(limit)?;
        Ok(Some(AtCommit {
            commit,
            bytes: Some(bytes),
        }))
    }

    /// Pushes a commit that puts `bytes` into the file, on top of `current`, the commit that
    /// [`BranchFile::load`] gave; false if the branch has moved on. The same arguments give the
    /// same commit.
    pub fn swap(
        &self,
        bytes: &[u8],
        current: Option<&str>,
        message: &str,
        date: Timestamp,
    ) -> Result<bool, GitError> {
        let tree = self.tree(bytes, current)?;
        let mut command = self.command();
        let date = format!("@{} +0000", date.as_second());
        for who in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{who}_NAME"), COMMITTER)
                .env(format!("GIT_{who}_EMAIL"), "")
                .env(format!("GIT_{who}_DATE"), &date);
        }
        command.args(["commit-tree", &tree, "-m", message]);
        if let Some(parent) = current {
            command.args(["-p", parent]);
        }
        let commit = self.answer(command, "making a commit")?;
        let mut command = self.remote_command();
        command.args(["push", "--quiet", "--no-verify", "--no-signed", "--"]);
        command.arg(&self.argument);
        command.arg(format!("{commit}:refs/heads/{}", self.branch));
        let Err(error) = self.run(command, "pushing a commit") else {
            return Ok(true);
        };
        // Servers word a refusal as they like; where the branch stands now says what happened.
        match self.tip()? {
            Some(tip) if tip == commit => Ok(true),
            tip if tip.as_deref() == current => Err(error),
            _ => Ok(false),
        }
    }

    /// The tree of `current` with the file changed, put together in an index of its own.
    fn tree(&self, bytes: &[u8], current: Option<&str>) -> Result<String, GitError> {
        let mut command = self.command();
        command.args(["hash-object", "-w", "--stdin"]);
        let mut process = Process::start(command, "storing a file")?;
        let mut stdin = process.stdin()?;
        stdin
            .write_all(bytes)
            .map_err(|source| GitError::write("a file to git", source))?;
        drop(stdin);
        let mut blob = String::new();
        let mut stdout = process.stdout()?;
        std::io::Read::read_to_string(&mut stdout, &mut blob)
            .map_err(|source| GitError::read("storing a file", source))?;
        process.finish()?;
        let index = self.git_dir.join("dhfpack-index");
        let with_index = || {
            let mut command = self.command();
            command.env("GIT_INDEX_FILE", &index);
            command
        };
        let mut command = with_index();
        match current {
            Some(commit) => command.args(["read-tree", commit]),
            None => command.args(["read-tree", "--empty"]),
        };
        self.run(command, "reading a tree")?;
        let mut command = with_index();
        let entry = format!("100644,{},{}", blob.trim(), self.path);
        command.args(["update-index", "--add", "--cacheinfo", &entry]);
        self.run(command, "changing a file")?;
        let mut command = with_index();
        command.arg("write-tree");
        self.answer(command, "writing a tree")
    }

    /// The branch's last commit; none if the repository has no branch at all.
    fn tip(&self) -> Result<Option<String>, GitError> {
        let mut command = self.remote_command();
        command.args(["ls-remote", "--quiet", "--"]);
        command.arg(&self.argument);
        // A pattern would find the names that end in the branch's, too.
        command.arg("refs/heads/*");
        let answer = self.answer(command, "asking for a branch")?;
        let wanted = format!("refs/heads/{}", self.branch);
        let mut branches = answer.lines().filter_map(|line| line.split_once('\t'));
        match branches.find(|(_, name)| *name == wanted) {
            Some((commit, _)) => Ok(Some(commit.to_owned())),
            None if answer.is_empty() => Ok(None),
            None => Err(GitError::NoRevision {
                repository: without_userinfo(&self.location),
                rev: self.branch.clone(),
            }),
        }
    }

    /// The file's object in a commit. Fails for a link or a folder.
    fn blob(&self, commit: &str) -> Result<Option<String>, GitError> {
        let mut command = self.command();
        command.args(["ls-tree", "-z", "--full-tree", commit, "--"]);
        command.arg(format!(":(literal){}", self.path));
        let answer = self.answer(command, "looking for a file")?;
        let Some((kind, _)) = answer.split_once('\t') else {
            return Ok(None);
        };
        match kind.split(' ').collect::<Vec<_>>()[..] {
            ["100644" | "100755", "blob", object] => Ok(Some(object.to_owned())),
            _ => Err(GitError::Malformed {
                object: self.place(),
                expected: "a file",
            }),
        }
    }

    fn parsed(&self, name: &str) -> Result<Option<String>, GitError> {
        let mut command = self.command();
        command.args(["rev-parse", "--verify", "--quiet", name]);
        let answer = self.answer(command, "reading a reference")?;
        Ok((!answer.is_empty()).then_some(answer))
    }

    fn command(&self) -> Command {
        let mut command = self.git.command();
        command.arg("--git-dir").arg(&self.git_dir);
        command
    }

    /// A command that reaches the repository with what the caller lends it.
    fn remote_command(&self) -> Command {
        let mut command = self.git.command_to(&self.location);
        command.arg("--git-dir").arg(&self.git_dir);
        command
    }

    fn run(&self, command: Command, doing: &'static str) -> Result<(), GitError> {
        self.answer(command, doing).map(|_| ())
    }

    fn answer(&self, command: Command, doing: &'static str) -> Result<String, GitError> {
        let bytes = Process::start(command, doing)?
            .capture(ANSWER)
            .map_err(|error| without_password(error, &self.location))?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }
}
