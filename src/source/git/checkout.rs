//! What in a checkout is not in its commit: changed, never added, or ignored.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Command;

use super::command::Process;
use super::error::{GitError, printable};
use super::object::is_object_id;
use super::repository::find_repository;
use super::{LfsPointer, Mirror, Repository};
use crate::digest::Sha256;
use crate::error::{Cancelled, IoContext};
use crate::monitor::{Monitor, Task, Unit};
use crate::platform;

/// How many paths of a kind are named.
pub(super) const MOST_PATHS: usize = 100;
/// The longest list of paths that is read.
const LIST_LIMIT: u64 = 256 * 1024 * 1024;
/// The largest text whose line endings are compared, in bytes.
const TEXT_LIMIT: u64 = 8 * 1024 * 1024;
/// How `diff-files` tells of a regular file whose content is another.
const CHANGED: [[&str; 2]; 2] = [[":100644", "100644"], [":100755", "100755"]];

/// How a checkout differs from the commit it is at. Folders of which nothing is committed stand
/// for all that is in them, and end in `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckoutState {
    /// Committed files that were changed or removed. What git or Git LFS itself makes of a file
    /// on checkout is no change: lines that end in CRLF for LF, and the object for its pointer.
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
    pub fn checkout_state(
        &self,
        checkout: &Path,
        monitor: &dyn Monitor,
    ) -> Result<CheckoutState, GitError> {
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
        let answer = |arguments: &[&str]| start(command(arguments))?.capture(LIST_LIMIT);
        let list = |arguments: &[&str]| Ok::<_, GitError>(Listing::of(split(&answer(arguments)?)));
        let differing = answer(&[
            "diff-files",
            "-z",
            "--raw",
            "--no-abbrev",
            "--no-ext-diff",
            "--no-renames",
            "--ignore-submodules=all",
        ])?;
        let others = ["ls-files", "-z", "-o", "--exclude-standard", "--directory"];
        let others = [&others[..], &["--no-empty-directory"]].concat();
        Ok(CheckoutState {
            modified: self.modified(&repository.root, &differing, monitor)?,
            untracked: list(&others)?,
            ignored: list(&[&others[..], &["-i"]].concat())?,
        })
    }

    /// The files that differ, of those that git has listed, from what a checkout makes of them.
    fn modified(
        &self,
        root: &Path,
        answer: &[u8],
        monitor: &dyn Monitor,
    ) -> Result<Listing, GitError> {
        let mut fields = split(answer);
        let mut modified = Vec::new();
        let mut changed = Vec::new();
        while let (Some(head), Some(path)) = (fields.next(), fields.next()) {
            match changed_blob(head) {
                Some(blob) => changed.push((blob, path)),
                None => modified.push(path),
            }
        }
        if !changed.is_empty() {
            let name = "Comparing the checkout with its commit";
            let task = Task::begin(monitor, name, None, Unit::Bytes);
            let mut objects = self.objects()?;
            let mut ahead = changed.iter().map(|(blob, _)| *blob);
            for (blob, path) in &changed {
                objects.ask_ahead(&mut ahead)?;
                let mut committed = Beginning::default();
                objects.copy(blob, &mut committed)?;
                if !is_checked_out(&committed.0, root, path, &task)? {
                    modified.push(path);
                }
            }
        }
        Ok(Listing::of(modified.into_iter()))
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
    fn of<'a>(paths: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut paths: Vec<&[u8]> = paths.collect();
        paths.sort_unstable();
        Self {
            total: paths.len(),
            paths: paths.into_iter().take(MOST_PATHS).map(printable).collect(),
        }
    }
}

/// The parts of an answer that end in a zero byte each.
fn split(answer: &[u8]) -> impl Iterator<Item = &[u8]> {
    answer
        .split(|byte| *byte == 0)
        .filter(|part| !part.is_empty())
}

/// The committed blob of a file that has other content and nothing else that is other, from the
/// line `:MODE MODE BLOB BLOB M`.
fn changed_blob(head: &[u8]) -> Option<&str> {
    let words: Vec<&str> = std::str::from_utf8(head).ok()?.split(' ').collect();
    match words[..] {
        [before, after, blob, _, "M"] if CHANGED.contains(&[before, after]) => Some(blob),
        _ => None,
    }
}

/// Whether the file at `path` is what git or Git LFS make of a committed file on checkout. One
/// that cannot be read is not.
fn is_checked_out(
    committed: &[u8],
    root: &Path,
    path: &[u8],
    task: &Task<'_>,
) -> Result<bool, Cancelled> {
    task.advance(0)?;
    let is_same = || {
        let path = std::str::from_utf8(path).map_err(io::Error::other)?;
        let file = platform::open_below(root, path)?;
        let size = file.metadata()?.len();
        let pointer = LfsPointer::parse(committed);
        if let Some(pointer) = pointer.filter(|pointer| pointer.size == size) {
            return Ok(Sha256::of_reader(&mut task.reader(file))? == (pointer.oid, size));
        }
        if size > TEXT_LIMIT {
            return Ok(false);
        }
        let mut text = Vec::new();
        task.reader(file).take(TEXT_LIMIT).read_to_end(&mut text)?;
        Ok::<_, io::Error>(is_with_crlf(&text, committed))
    };
    let is_same = is_same().unwrap_or(false);
    // A stop passes through a reader as an error like any other.
    task.advance(0)?;
    Ok(is_same)
}

/// Whether `text` is `committed` with CRLF for LF; nothing with a zero byte is text.
fn is_with_crlf(text: &[u8], committed: &[u8]) -> bool {
    let next = text.iter().skip(1).map(Some).chain([None]);
    let without = text
        .iter()
        .zip(next)
        .filter(|(byte, next)| (**byte, *next) != (b'\r', Some(&b'\n')))
        .map(|(byte, _)| byte);
    !text.contains(&0) && without.eq(committed)
}

/// Keeps as much of a file as is compared, and a byte more of one that is too large.
#[derive(Default)]
struct Beginning(Vec<u8>);

impl Write for Beginning {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let room = (TEXT_LIMIT + 1).saturating_sub(self.0.len() as u64);
        let _ = data.take(room).read_to_end(&mut self.0)?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
