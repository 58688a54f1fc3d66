//! Where `git lfs` keeps objects beside a repository.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::{LfsError, LfsObject};
use crate::manifest::LfsIdentity;
use crate::platform;
use crate::source::git::command::Process;
use crate::source::git::error::GitError;
use crate::source::git::repository::is_shallow;
use crate::source::git::{Mirror, Repository};

/// The longest value of a setting that is read.
const VALUE_LIMIT: u64 = 64 * 1024;

/// A folder in which `git lfs` keeps objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LfsStore {
    root: PathBuf,
    /// The folders below it, between slashes; none of them may be a link.
    folder: &'static str,
}

impl LfsStore {
    /// The store beside the objects and references of a repository.
    pub(super) fn of(git_dir: PathBuf) -> Self {
        Self {
            root: git_dir,
            folder: "lfs/objects",
        }
    }

    /// Opens an object; none if it is not there. Links below the store are not followed.
    pub fn open(&self, object: &LfsObject) -> Result<Option<File>, LfsError> {
        let below = format!("{}/{}", self.folder, LfsIdentity::place(&object.oid));
        match platform::open_below(&self.root, &below) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LfsError::Store {
                path: self.path(object),
                source,
            }),
        }
    }

    /// Where an object lies, or would lie.
    pub fn path(&self, object: &LfsObject) -> PathBuf {
        self.root
            .join(self.folder)
            .join(LfsIdentity::place(&object.oid))
    }
}

/// The command that brings all objects: `git lfs` finds what to fetch by walking the history.
fn bringing_objects(repository: &Repository) -> String {
    let git = format!("git -C {:?}", repository.root.display().to_string());
    let fetch = format!("{git} lfs fetch --all");
    match is_shallow(&repository.common_dir) {
        Ok(true) => format!("{git} fetch --unshallow --tags && {fetch}"),
        _ => fetch,
    }
}

impl Mirror {
    /// The store of the repository that was mirrored; none for a URL or a bundle.
    pub fn lfs_store(&self) -> Result<Option<LfsStore>, GitError> {
        let Some(git_dir) = self.local() else {
            return Ok(None);
        };
        let config = git_dir.join("config");
        Ok(Some(match self.setting(&config, "lfs.storage")? {
            // As `git lfs` takes it: from the repository's own folder unless it is absolute.
            Some(storage) => LfsStore {
                root: git_dir.join(storage),
                folder: "objects",
            },
            None => LfsStore::of(git_dir.to_path_buf()),
        }))
    }

    /// The error that these objects, of which it names `most` files, are not at hand.
    pub fn lacks_lfs(&self, objects: &[&LfsObject], most: usize) -> LfsError {
        // A file has an object for each of its versions.
        let all: BTreeSet<&str> = objects.iter().map(|one| one.file.as_str()).collect();
        let mut files: Vec<String> = all.iter().take(most).map(|&file| file.into()).collect();
        if all.len() > most {
            files.push("…".to_owned());
        }
        let local = self.local.as_ref();
        LfsError::Missing {
            // Where history came from a server, it is the clone at hand that lacks them.
            repository: local
                .map_or_else(|| self.name.clone(), |one| one.root.display().to_string()),
            command: local.map(bringing_objects),
            count: objects.len(),
            files,
        }
    }

    /// A setting in a repository's configuration, as text: nothing that stands there is applied,
    /// included or started.
    pub(super) fn setting(&self, config: &Path, key: &str) -> Result<Option<String>, GitError> {
        let mut command = self.git.command();
        command.args(["config", "--no-includes", "--file"]);
        command.arg(config).args(["--get", key]);
        match Process::start(command, "reading a setting")?.capture(VALUE_LIMIT) {
            Ok(value) => {
                let value = String::from_utf8_lossy(&value);
                let value = value.strip_suffix('\n').unwrap_or(&value);
                Ok((!value.is_empty()).then(|| value.to_owned()))
            }
            // Not set.
            Err(GitError::Failed { stderr, .. }) if stderr.is_empty() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
