//! Mirrors of one commit, whether a reference leads to it or not.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::access::RemoteAccess;
use super::super::bundle::{PINNED, is_sha256};
use super::super::command::{Git, Process};
use super::super::error::GitError;
use super::super::repository::is_shallow;
use super::super::{Mirror, Repository, fetch_failed, without_password, without_userinfo};
use crate::error::IoContext;
use crate::monitor::{Monitor, Task, Unit};

/// What to fetch where a server hands out only what its references name.
const EVERYTHING: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

/// A mirror of the commit in a complete repository on this machine; none if it lacks the commit.
///
/// Git reads that repository's objects through one of our own that borrows them, and nothing else
/// of it: its configuration takes no part, and its files may be gone.
pub(super) fn from_local(
    repository: Repository,
    commit: &str,
    access: RemoteAccess,
    into: &Path,
    monitor: &dyn Monitor,
) -> Result<Option<Mirror>, GitError> {
    let name = repository.root.display().to_string();
    let mirror = empty(name, commit, access, into)?;
    let lender = mirror.folder.join("lender.git");
    init(&mirror.git, &lender, commit)?;
    let alternates = lender.join("objects/info/alternates");
    let objects = repository.common_dir.join("objects");
    fs::write(&alternates, quoted(&objects)).at("write", &alternates)?;
    let mut command = mirror.git.command();
    command.arg("--git-dir").arg(&lender);
    command.args(["update-ref", PINNED, commit]);
    match Process::start(command, "looking for a commit")?.finish() {
        Ok(()) => {}
        Err(GitError::Failed { .. }) => return Ok(None),
        Err(error) => return Err(error),
    }
    let task = Task::begin(monitor, "Mirroring a submodule", None, Unit::Bytes);
    mirror.fetch(lender.as_os_str(), &[&wanted(commit)], &task)?;
    Ok(Some(mirror.again(Some(repository))))
}

/// A mirror of the commit from a URL, which the caller has checked.
pub(super) fn from_url(
    url: &str,
    commit: &str,
    access: RemoteAccess,
    into: &Path,
    monitor: &dyn Monitor,
) -> Result<Mirror, GitError> {
    let mirror = empty(without_userinfo(url), commit, access, into)?;
    let task = Task::begin(monitor, "Fetching a submodule", None, Unit::Bytes);
    let mut fetched = mirror.fetch(url.as_ref(), &[&wanted(commit)], &task);
    if let Err(GitError::Failed { .. }) = fetched {
        fetched = mirror.fetch(url.as_ref(), &EVERYTHING, &task);
    }
    fetched.map_err(|error| fetch_failed(error, url))?;
    mirror.remember(url)?;
    if is_shallow(&mirror.git_dir)? {
        return Err(GitError::Shallow {
            repository: mirror.name,
            or_remote: false,
        });
    }
    Ok(mirror)
}

fn wanted(commit: &str) -> String {
    format!("{commit}:{PINNED}")
}

/// A mirror without objects, for those that the commit reaches.
fn empty(
    name: String,
    commit: &str,
    access: RemoteAccess,
    into: &Path,
) -> Result<Mirror, GitError> {
    fs::create_dir_all(into).at("create", into)?;
    let folder = into.canonicalize().at("find", into)?;
    let git = Git::prepare(&folder, &[], access)?;
    let git_dir: PathBuf = folder.join("mirror.git");
    init(&git, &git_dir, commit)?;
    Ok(Mirror {
        git,
        folder,
        git_dir,
        name,
        local: None,
    })
}

/// Makes a bare repository for objects named as the commit is.
fn init(git: &Git, git_dir: &Path, commit: &str) -> Result<(), GitError> {
    let format = if is_sha256(commit) { "sha256" } else { "sha1" };
    let mut command = git.command();
    command
        .args(["init", "--quiet", "--bare", "--template="])
        .arg(format!("--object-format={format}"))
        .arg("--")
        .arg(git_dir);
    Process::start(command, "making a mirror")?.finish()?;
    let info = git_dir.join("objects/info");
    Ok(fs::create_dir_all(&info).at("create", info)?)
}

/// A path as `objects/info/alternates` takes it whatever it holds, see gitrepository-layout(5).
fn quoted(path: &Path) -> Vec<u8> {
    let mut line = vec![b'"'];
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'"' | b'\\' => line.extend([b'\\', *byte]),
            b'\n' => line.extend(b"\\n"),
            other => line.push(*other),
        }
    }
    line.extend(b"\"\n");
    line
}

impl Mirror {
    /// Keeps where it came from, as a clone does: Git LFS objects come from there too.
    fn remember(&self, url: &str) -> Result<(), GitError> {
        let mut command = self.command();
        command.args(["config", "remote.origin.url", url]);
        let kept = Process::start(command, "keeping a submodule's URL")?.finish();
        kept.map_err(|error| without_password(error, url))
    }

    fn fetch(
        &self,
        location: &std::ffi::OsStr,
        references: &[&str],
        task: &Task<'_>,
    ) -> Result<(), GitError> {
        let mut command = self.git.command_to(&location.to_string_lossy());
        command.arg("--git-dir").arg(&self.git_dir);
        command
            .args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"])
            .args(["--no-recurse-submodules", "--no-auto-maintenance", "--"])
            .arg(location)
            .args(references);
        Process::start(command, "fetching a submodule")?.finish_unless_cancelled(task)
    }
}
