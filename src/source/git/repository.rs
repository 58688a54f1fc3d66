//! Finding a repository on disk without starting git in it.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::error::GitError;
use crate::error::{IoContext, IoError};

/// The longest `.git` or `commondir` file that is read: a path and little more.
const POINTER_LIMIT: u64 = 8 * 1024;

/// A repository on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The top of the checkout; for a bare repository, the repository.
    pub root: PathBuf,
    /// The repository's own folder; for a linked worktree, that worktree's part of it.
    pub git_dir: PathBuf,
    /// Where objects and references are: differs from `git_dir` for a linked worktree.
    pub common_dir: PathBuf,
}

/// Finds the repository that `start` lies in, as git would, but without starting git there.
/// Fails with [`GitError::NoRepository`] if there is none.
pub fn find_repository(start: &Path) -> Result<Repository, GitError> {
    let real = start.canonicalize().at("find", start)?;
    for folder in real.ancestors() {
        if let Some(repository) = Repository::at(folder)? {
            return Ok(repository);
        }
    }
    Err(GitError::NoRepository {
        start: start.to_path_buf(),
    })
}

impl Repository {
    /// The repository whose top is `folder` itself, a path without links; none if there is none.
    pub(super) fn at(folder: &Path) -> Result<Option<Self>, GitError> {
        let Some(git_dir) = git_dir_of(folder)? else {
            return Ok(None);
        };
        let common_dir = match read_pointer(&git_dir.join("commondir"))? {
            Some(path) => {
                let path = git_dir.join(path);
                path.canonicalize().at("find", &path)?
            }
            None => git_dir.clone(),
        };
        Ok(Some(Self {
            root: folder.to_path_buf(),
            git_dir,
            common_dir,
        }))
    }

    /// Every folder that git asks about before it reads a repository of another user.
    pub(super) fn folders(&self) -> Vec<&Path> {
        vec![&self.root, &self.git_dir, &self.common_dir]
    }

    /// Whether there are no files beside the repository.
    pub(super) fn is_bare(&self) -> bool {
        self.root == self.git_dir
    }

    /// Refuses a repository that lacks part of its history or of its files.
    pub(super) fn require_complete(&self) -> Result<(), GitError> {
        let repository = || self.root.display().to_string();
        if is_shallow(&self.common_dir)? {
            return Err(GitError::Shallow {
                repository: repository(),
                or_remote: false,
            });
        }
        let grafts = self.common_dir.join("info/grafts");
        if has_content(&grafts)? {
            return Err(GitError::Grafts { path: grafts });
        }
        if self.has_promisor_packs()? {
            return Err(GitError::Partial {
                repository: repository(),
                or_remote: false,
            });
        }
        Ok(())
    }

    /// A partial clone marks the packs that a server promised to complete.
    fn has_promisor_packs(&self) -> Result<bool, IoError> {
        let packs = self.common_dir.join("objects/pack");
        if !packs.is_dir() {
            return Ok(false);
        }
        for entry in fs::read_dir(&packs).at("list", &packs)? {
            let name = entry.at("list", &packs)?.file_name();
            if Path::new(&name)
                .extension()
                .is_some_and(|e| e == "promisor")
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether the repository whose objects are in `common_dir` has its history cut off.
pub(super) fn is_shallow(common_dir: &Path) -> Result<bool, IoError> {
    has_content(&common_dir.join("shallow"))
}

fn has_content(path: &Path) -> Result<bool, IoError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len() > 0),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).at("read", path),
    }
}

fn git_dir_of(folder: &Path) -> Result<Option<PathBuf>, GitError> {
    let inner = folder.join(".git");
    if inner.is_dir() && is_git_dir(&inner) {
        return Ok(Some(inner));
    }
    if inner.is_file() {
        let target = read_pointer(&inner)?
            .as_deref()
            .and_then(|text| text.strip_prefix("gitdir: ").map(|path| folder.join(path)));
        let Some(target) = target else {
            return Err(GitError::Malformed {
                object: inner.display().to_string(),
                expected: "`gitdir: ` and a path",
            });
        };
        return match target.canonicalize() {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(GitError::NoGitDir {
                file: inner,
                target,
            }),
            found => Ok(Some(found.at("find", &target)?)),
        };
    }
    Ok(is_git_dir(folder).then(|| folder.to_path_buf()))
}

fn is_git_dir(folder: &Path) -> bool {
    folder.join("HEAD").symlink_metadata().is_ok()
        && folder.join("objects").is_dir()
        && folder.join("refs").is_dir()
}

/// The first line of a file that points elsewhere, or nothing if there is no such file.
fn read_pointer(path: &Path) -> Result<Option<String>, IoError> {
    if !path.is_file() {
        return Ok(None);
    }
    let file = File::open(path).at("open", path)?;
    let mut text = String::new();
    file.take(POINTER_LIMIT)
        .read_to_string(&mut text)
        .at("read", path)?;
    Ok(text.lines().next().map(str::to_owned))
}
