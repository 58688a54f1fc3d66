//! The git snapshot of a release: tag, bundle and source tree, read from a mirror of our own.
//!
//! A checkout's configuration can name programs that git starts: hooks, filters, a file system
//! monitor, an ssh command. So git never runs on a checkout with its configuration, and its
//! objects are read from a fresh mirror that holds none.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::is_remote_url;
use crate::error::IoContext;
use crate::monitor::{Monitor, Task, Unit};

mod access;
mod allowed_signers;
mod attributes;
mod branch_file;
mod bundle;
mod checkout;
mod command;
mod error;
mod gzip;
mod lfs;
mod links;
mod names;
mod object;
mod progress;
mod proof;
mod refs;
mod repository;
mod restore;
mod signature;
mod source_tree;
mod submodule;
mod text;
mod tree;
mod unpack;

pub use access::RemoteAccess;
pub use branch_file::{AtCommit, BranchFile};
pub use checkout::{CheckoutState, Listing};
pub use error::GitError;
pub use lfs::{LfsError, LfsObject, LfsObjects, LfsPointer, LfsStore};
pub use object::ObjectReader;
pub use refs::{Commit, Tag};
pub use repository::{Repository, find_repository};
pub use signature::{KeysError, OpenPgpKeys, SignatureKind, Signed};
pub use source_tree::SourceTree;
pub use submodule::Submodule;
pub use tree::{FileKind, GitFile};
pub use unpack::{Bounds, Unpacked, read_source_tree};

use command::{Git, Process};

/// A bare mirror of a repository, in a folder of our own, with none of its configuration.
#[derive(Debug)]
pub struct Mirror {
    git: Git,
    /// The folder that holds the mirror and everything that belongs to it.
    folder: PathBuf,
    /// The mirror itself.
    git_dir: PathBuf,
    /// What the user calls the repository, without any password.
    name: String,
    /// The repository on this machine that was mirrored; none for a URL or a bundle.
    local: Option<Repository>,
}

impl Mirror {
    /// Mirrors the repository at `location` into `into`, an empty or new folder which the caller
    /// removes afterwards. `location` is a folder in a checkout, a bare repository, a bundle file
    /// or a URL; URLs are fetched without prompts, so ssh needs an agent or a key file.
    ///
    /// Fails with [`GitError::Shallow`] or [`GitError::Partial`] if the repository lacks history.
    pub fn clone(location: &str, into: &Path, monitor: &dyn Monitor) -> Result<Self, GitError> {
        Self::clone_with(location, &RemoteAccess::default(), into, monitor)
    }

    /// As [`clone`](Self::clone); what lies on other machines, now or later, is reached with
    /// `access`.
    pub fn clone_with(
        location: &str,
        access: &RemoteAccess,
        into: &Path,
        monitor: &dyn Monitor,
    ) -> Result<Self, GitError> {
        let origin = Origin::find(location)?;
        fs::create_dir_all(into).at("create", into)?;
        let folder = into.canonicalize().at("find", into)?;
        let git = Git::prepare(&folder, &origin.trusted(), access.clone())?;
        let git_dir = folder.join("mirror.git");
        let mut command = git.command_to(location);
        command
            .args(["clone", "--quiet", "--mirror", "--no-local", "--template="])
            .arg("--")
            .arg(origin.argument())
            .arg(&git_dir);
        let task = Task::begin(monitor, "Mirroring the repository", None, Unit::Bytes);
        let process = Process::start(command, "mirroring the repository")?;
        process
            .finish_counting(&task, || packed(&git_dir))
            .map_err(|error| match origin {
                Origin::Url(url) => fetch_failed(error, url),
                Origin::Local(_) | Origin::Bundle(_) => error,
            })?;
        let name = without_userinfo(location);
        // A URL's repository cannot be looked at beforehand.
        if repository::is_shallow(&git_dir)? {
            return Err(GitError::Shallow {
                repository: name,
                or_remote: false,
            });
        }
        Ok(Self {
            git,
            folder,
            git_dir,
            name,
            local: match origin {
                Origin::Local(repository) => Some(repository),
                Origin::Bundle(_) | Origin::Url(_) => None,
            },
        })
    }

    /// Mirrors the repository at `url` in place of `clone`, a clone of it on this machine that
    /// lacks a part: nothing in the clone is changed, and only what it keeps beside its objects
    /// is still looked for there. Otherwise as [`clone_with`](Self::clone_with).
    pub fn of_remote(
        url: &str,
        clone: Repository,
        access: &RemoteAccess,
        into: &Path,
        monitor: &dyn Monitor,
    ) -> Result<Self, GitError> {
        if !is_remote_url(url) {
            return Err(GitError::BadName {
                name: without_userinfo(url),
                expected: "a URL that is fetched from",
            });
        }
        let mirror = Self::clone_with(url, access, into, monitor)?;
        Ok(mirror.again(Some(clone)))
    }

    /// Where the repository that was mirrored keeps its objects and references, and what Git LFS
    /// and submodules keep beside them; none for a URL or a bundle.
    pub fn local(&self) -> Option<&Path> {
        let repository = self.local.as_ref()?;
        Some(&repository.common_dir)
    }

    /// The same mirror, for another clone of what it mirrors.
    fn again(&self, local: Option<Repository>) -> Self {
        Self {
            git: self.git.clone(),
            folder: self.folder.clone(),
            git_dir: self.git_dir.clone(),
            name: self.name.clone(),
            local,
        }
    }

    /// A reader of the mirror's objects: one process for all of them.
    pub fn objects(&self) -> Result<ObjectReader, GitError> {
        let mut command = self.command();
        command.args(["cat-file", "--batch"]);
        ObjectReader::new(Process::start(command, "reading objects")?)
    }

    /// A git command on the mirror.
    fn command(&self) -> std::process::Command {
        let mut command = self.git.command();
        command.arg("--git-dir").arg(&self.git_dir);
        command
    }
}

/// How many bytes of packs have arrived in a mirror. Only shown, so whatever cannot be read, or
/// was renamed meanwhile, counts for nothing.
fn packed(git_dir: &Path) -> u64 {
    let entries = fs::read_dir(git_dir.join("objects/pack"));
    let entries = entries.into_iter().flatten().flatten();
    let packs = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("tmp_pack_") || name.ends_with(".pack")
    });
    let sizes = packs.filter_map(|entry| entry.metadata().ok());
    sizes.map(|metadata| metadata.len()).sum()
}

/// Where a repository comes from.
enum Origin<'a> {
    Local(Repository),
    Bundle(PathBuf),
    Url(&'a str),
}

impl<'a> Origin<'a> {
    fn find(location: &'a str) -> Result<Self, GitError> {
        if location.is_empty() || location.starts_with('-') || location.contains('\0') {
            return Err(GitError::BadName {
                name: location.to_owned(),
                expected: "a repository's location",
            });
        }
        let path = Path::new(location);
        if path.is_file() {
            return Ok(Self::Bundle(path.canonicalize().at("find", path)?));
        }
        if path.is_dir() {
            let repository = find_repository(path)?;
            repository.require_complete()?;
            return Ok(Self::Local(repository));
        }
        // A URL, or ssh's short form with a colon before any slash.
        let before_slash = location.split('/').next().unwrap_or(location);
        if before_slash.contains(':') {
            return Ok(Self::Url(location));
        }
        Err(GitError::NoRepository {
            start: path.to_path_buf(),
        })
    }

    fn argument(&self) -> &std::ffi::OsStr {
        match self {
            Self::Local(repository) => repository.git_dir.as_os_str(),
            Self::Bundle(path) => path.as_os_str(),
            Self::Url(url) => url.as_ref(),
        }
    }

    fn trusted(&self) -> Vec<&Path> {
        match self {
            Self::Local(repository) => repository.folders(),
            Self::Bundle(_) | Self::Url(_) => Vec::new(),
        }
    }
}

/// A URL without the user name and password that may stand before its host.
fn without_userinfo(location: &str) -> String {
    let Some((scheme, rest)) = location.split_once("://") else {
        return location.to_owned();
    };
    let authority = rest.split('/').next().unwrap_or(rest);
    match authority.rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => location.to_owned(),
    }
}

fn without_password(error: GitError, location: &str) -> GitError {
    match error {
        GitError::Failed {
            doing,
            status,
            stderr,
        } => GitError::Failed {
            doing,
            status,
            stderr: stderr.replace(location, &without_userinfo(location)),
        },
        other => other,
    }
}

/// What git said of a URL, with the URL.
fn fetch_failed(error: GitError, url: &str) -> GitError {
    match without_password(error, url) {
        GitError::Failed {
            doing,
            status,
            stderr,
        } => GitError::Fetch {
            url: without_userinfo(url),
            doing,
            status,
            stderr,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        assert_eq!(
            without_userinfo("https://ci:secret@host/a@b.git"),
            "https://host/a@b.git"
        );
        assert_eq!(without_userinfo("git@host:a.git"), "git@host:a.git");
    }
}
