//! The source code: cloned from its bundles and checked out, submodules in their places.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::listed::Listed;
use super::{RestoreError, Restored, lfs, source_tree};
use crate::error::{IoContext, IoError};
use crate::finding::{Code, Finding};
use crate::manifest::{FileEntry, Manifest, Origin};
use crate::monitor::{Monitor, Task};
use crate::source::git::{FileKind, GitError, GitFile, Mirror};

/// Deflate cannot unpack to more times its size (RFC 1951: 258 bytes from two bits).
const DEFLATE_MOST: u64 = 1032;
/// What a small archive may unpack to in any case.
const ALWAYS_ALLOWED: u64 = 1024 * 1024;

/// The files of a commit, restored.
pub(super) struct Checkout {
    /// The path from the top of the release's tree: empty, or ending in a slash.
    pub(super) prefix: Vec<u8>,
    /// The bundle that the files came from, by its path in the archive.
    pub(super) bundle: String,
    /// The commit.
    pub(super) commit: String,
    /// Where they lie.
    pub(super) folder: PathBuf,
    /// The files of the commit, by path.
    pub(super) files: Vec<GitFile>,
}

/// Why a step cannot go on.
enum Stop {
    Wrong(Finding),
    Error(RestoreError),
}

impl<E: Into<RestoreError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Clones, checks out and compares all there is of the source code.
pub(super) fn restore(
    listed: &Listed<'_>,
    manifest: &Manifest,
    scratch: &Path,
    task: &Task<'_>,
    monitor: &dyn Monitor,
    restored: &mut Restored,
) -> Result<(), RestoreError> {
    let mut restoring = Restoring {
        listed,
        manifest,
        scratch,
        task,
        monitor,
        mirrors: BTreeMap::new(),
        checkouts: Vec::new(),
        room: 0,
    };
    let done = restoring.repository(restored);
    listed.failure()?;
    match done {
        Ok(()) => {}
        Err(Stop::Error(error)) => return Err(error),
        Err(Stop::Wrong(finding)) => {
            restored.findings.push(finding);
            let note = "the rest of the source code was not looked at";
            restored.notes.push(note.to_owned());
            return Ok(());
        }
    }
    let Restoring {
        mirrors, checkouts, ..
    } = restoring;
    source_tree::compare(listed, manifest, &checkouts, task, restored)?;
    lfs::restore(
        listed, manifest, &mirrors, &checkouts, task, monitor, restored,
    )?;
    listed.failure()
}

/// The file of this name that was packed from the release's repository.
pub(super) fn packed<'m>(manifest: &'m Manifest, name: &str) -> Option<&'m FileEntry> {
    manifest.files.iter().find(|file| {
        file.origin == Origin::Packed
            && file.identity.contains_key("git_tag")
            && file.path.as_str().rsplit('/').next() == Some(name)
    })
}

struct Restoring<'r, 't> {
    listed: &'r Listed<'t>,
    manifest: &'r Manifest,
    scratch: &'r Path,
    task: &'r Task<'r>,
    monitor: &'r dyn Monitor,
    /// By the bundle's path in the archive: submodules with one commit share one.
    mirrors: BTreeMap<String, Mirror>,
    checkouts: Vec<Checkout>,
    /// How many bytes of files may still be checked out.
    room: u64,
}

/// A commit that is to be restored.
struct Wanted {
    prefix: Vec<u8>,
    bundle: String,
    commit: String,
    tree: String,
    folder: PathBuf,
}

impl Restoring<'_, '_> {
    fn repository(&mut self, restored: &mut Restored) -> Result<(), Stop> {
        let missing = |name: &str| {
            let detail = format!("the archive has no {name}");
            Stop::Wrong(Finding::whole(Code::SourceNotRestorable, detail))
        };
        let bundle = packed(self.manifest, "repository.bundle");
        let bundle = bundle.ok_or_else(|| missing("repository.bundle"))?;
        let tree = packed(self.manifest, "source-tree.tar.gz");
        let tree = tree.ok_or_else(|| missing("source-tree.tar.gz"))?;
        // The archive has the files twice. What is more than the second could hold is a bomb.
        self.room = tree.size.saturating_mul(DEFLATE_MOST) + ALWAYS_ALLOWED;
        let bundle = bundle.path.as_str().to_owned();
        self.require_tag(&bundle)?;
        let source = &self.manifest.source;
        let top = Wanted {
            prefix: Vec::new(),
            bundle,
            commit: source.commit.clone(),
            tree: source.tree.clone(),
            folder: self.scratch.join("work"),
        };
        fs::create_dir(&top.folder).at("create", &top.folder)?;
        let mut left: BTreeSet<&str> = source
            .submodules
            .iter()
            .map(|submodule| submodule.path.as_str())
            .collect();
        let mut wanted = vec![top];
        while let Some(next) = wanted.pop() {
            let files = self.check_out(&next)?;
            restored.proved(part_of(&next), self.proof_of(&next, files.len()));
            for file in files.iter().filter(|file| file.kind == FileKind::Submodule) {
                let submodule = self.submodule(&next, file, &mut left)?;
                wanted.push(submodule);
            }
            self.checkouts.push(Checkout {
                prefix: next.prefix,
                bundle: next.bundle,
                commit: next.commit,
                folder: next.folder,
                files,
            });
        }
        match left.first() {
            None => Ok(()),
            Some(path) => Err(Stop::Wrong(Finding::whole(
                Code::SourceDiffers,
                format!("a submodule at {path:?} is recorded, and the tree has none there"),
            ))),
        }
    }

    /// The tag is in the bundle, and is the one recorded.
    fn require_tag(&mut self, bundle: &str) -> Result<(), Stop> {
        self.clone_bundle(bundle)?;
        let source = &self.manifest.source;
        let tag = self.mirror(bundle)?.tag(&self.manifest.release.tag);
        let tag = tag.map_err(|error| self.judge(bundle, error))?;
        for (what, recorded, found) in [
            ("tag", &source.tag_object, &tag.object),
            ("commit", &source.commit, &tag.commit),
            ("tree", &source.tree, &tag.tree),
        ] {
            if recorded != found {
                return Err(differs(bundle, what, recorded, found));
            }
        }
        Ok(())
    }

    /// Restores the files of a commit, and computes its tree back from them.
    fn check_out(&mut self, wanted: &Wanted) -> Result<Vec<GitFile>, Stop> {
        self.clone_bundle(&wanted.bundle)?;
        let bundle = wanted.bundle.as_str();
        let judge = |error| self.judge(bundle, error);
        let mirror = self.mirror(bundle)?;
        let commit = mirror.commit(&wanted.commit).map_err(judge)?;
        if commit.tree != wanted.tree {
            return Err(differs(bundle, "tree", &wanted.tree, &commit.tree));
        }
        let files = mirror.files(&commit.id).map_err(judge)?;
        let bytes = files
            .iter()
            .fold(0_u64, |sum, file| sum.saturating_add(file.size));
        let room = self.room.checked_sub(bytes).ok_or_else(|| {
            let detail =
                format!("its files have {bytes} bytes, far more than source-tree.tar.gz can hold");
            Stop::Wrong(Finding::at(Code::SourceDiffers, bundle, detail))
        })?;
        mirror
            .check_out(&commit.id, &wanted.folder, self.task)
            .map_err(judge)?;
        let tree = mirror
            .tree_of(&commit.id, &wanted.folder, self.task)
            .map_err(judge)?;
        if tree != wanted.tree {
            return Err(differs(
                bundle,
                "tree of the files checked out",
                &wanted.tree,
                &tree,
            ));
        }
        self.room = room;
        Ok(files)
    }

    /// The submodule that `file` of a commit names, as it is recorded.
    fn submodule(
        &self,
        parent: &Wanted,
        file: &GitFile,
        left: &mut BTreeSet<&str>,
    ) -> Result<Wanted, Stop> {
        let path = [parent.prefix.as_slice(), &file.path].concat();
        let shown = String::from_utf8_lossy(&path).into_owned();
        let not_restorable = |detail| {
            Stop::Wrong(Finding::at(
                Code::SourceNotRestorable,
                &parent.bundle,
                detail,
            ))
        };
        let submodules = &self.manifest.source.submodules;
        let recorded = submodules.iter().find(|one| one.path.as_bytes() == path);
        let Some(recorded) = recorded.filter(|one| left.remove(one.path.as_str())) else {
            return Err(not_restorable(format!(
                "the archive records no bundle for the submodule at {shown:?}"
            )));
        };
        if recorded.commit != file.object {
            let what = format!("commit of the submodule at {shown:?}");
            return Err(differs(
                &parent.bundle,
                &what,
                &recorded.commit,
                &file.object,
            ));
        }
        let bundle = recorded.bundle.as_str();
        if self.listed.file(bundle).is_none() {
            return Err(not_restorable(format!(
                "the bundle {bundle:?} of the submodule at {shown:?} is not listed"
            )));
        }
        let inside = std::str::from_utf8(&file.path).map_err(|_| {
            not_restorable(format!("the path {shown:?} of a submodule is not UTF-8"))
        })?;
        Ok(Wanted {
            prefix: [path.as_slice(), b"/"].concat(),
            bundle: bundle.to_owned(),
            commit: recorded.commit.clone(),
            tree: recorded.tree.clone(),
            // Made by the parent's checkout, with nothing but folders above it.
            folder: parent.folder.join(inside),
        })
    }

    /// Clones a bundle into an empty folder, if that was not done yet.
    fn clone_bundle(&mut self, bundle: &str) -> Result<(), Stop> {
        if self.mirrors.contains_key(bundle) {
            return Ok(());
        }
        let number = self.mirrors.len();
        let file = self.scratch.join(format!("{number}.bundle"));
        self.listed.extract(bundle, &file, self.task)?;
        let location = file.to_str().ok_or_else(|| IoError {
            action: "use",
            path: file.clone(),
            source: std::io::ErrorKind::InvalidFilename.into(),
        })?;
        let into = self.scratch.join(format!("{number}"));
        let mirror = Mirror::clone(location, &into, self.monitor);
        let mirror = mirror.map_err(|error| self.judge(bundle, error))?;
        fs::remove_file(&file).at("remove", &file)?;
        self.mirrors.insert(bundle.to_owned(), mirror);
        Ok(())
    }

    fn mirror(&self, bundle: &str) -> Result<&Mirror, Stop> {
        self.mirrors.get(bundle).ok_or_else(|| {
            let detail = "it was not cloned";
            Stop::Wrong(Finding::at(Code::SourceNotRestorable, bundle, detail))
        })
    }

    fn judge(&self, bundle: &str, error: GitError) -> Stop {
        match finding(bundle, self.scratch, error) {
            Ok(finding) => Stop::Wrong(finding),
            Err(error) => Stop::Error(error),
        }
    }

    fn proof_of(&self, wanted: &Wanted, files: usize) -> String {
        let tag = if wanted.prefix.is_empty() {
            format!("tag {}, ", self.manifest.release.tag)
        } else {
            String::new()
        };
        format!(
            "cloned and checked out: {tag}commit {}, tree {} computed back from {files} files",
            wanted.commit, wanted.tree
        )
    }
}

fn part_of(wanted: &Wanted) -> String {
    if wanted.prefix.is_empty() {
        return "repository".to_owned();
    }
    let path = String::from_utf8_lossy(&wanted.prefix);
    format!("submodule {}", path.trim_end_matches('/'))
}

fn differs(bundle: &str, what: &str, recorded: &str, found: &str) -> Stop {
    let detail = format!("the {what} is {found}; {recorded} is recorded");
    Stop::Wrong(Finding::at(Code::SourceDiffers, bundle, detail))
}

/// What a failure of git says of the bundle; or the error, if it is this machine's.
fn finding(bundle: &str, scratch: &Path, error: GitError) -> Result<Finding, RestoreError> {
    if let GitError::Failed { status, stderr, .. } = &error
        && is_of_the_machine(status, stderr)
    {
        return Err(RestoreError::Machine {
            folder: scratch.to_path_buf(),
            source: Box::new(error),
        });
    }
    match error {
        GitError::NoGit { .. }
        | GitError::Pipe { .. }
        | GitError::Write { .. }
        | GitError::Io(_)
        | GitError::Cancelled(_) => Err(no_verdict(error)),
        error => Ok(Finding::at(
            Code::SourceNotRestorable,
            bundle,
            // Where it was restored is gone when somebody reads this.
            error.to_string().replace(&*scratch.to_string_lossy(), "…"),
        )),
    }
}

/// An error of git that is no verdict on what it was given.
pub(super) fn no_verdict(error: GitError) -> RestoreError {
    match error {
        GitError::Io(error) => error.into(),
        GitError::Cancelled(cancelled) => cancelled.into(),
        error => RestoreError::Git(Box::new(error)),
    }
}

/// Whether git ended because of the machine that it runs on: killed, or without room. It does not
/// always say why a file could not be written.
fn is_of_the_machine(status: &str, stderr: &str) -> bool {
    const CAUSES: [&str; 15] = [
        "No space left on device",
        "Disk quota exceeded",
        "File too large",
        "Out of memory",
        "Permission denied",
        "Too many open files",
        "cannot write",
        "could not write",
        "couldn't write",
        "failed to write",
        "unable to write",
        "write error",
        "cannot create",
        "could not create",
        "unable to create",
    ];
    status.starts_with("signal") || CAUSES.iter().any(|cause| stderr.contains(cause))
}
