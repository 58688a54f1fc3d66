//! What can go wrong with a repository, and what to do about it.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use super::lfs::LfsError;
use crate::error::{Cancelled, IoError};

/// A repository that cannot be read, or that would make an incomplete archive.
#[derive(Debug, Error, Diagnostic)]
pub enum GitError {
    /// A file that has to be understood is far too large.
    #[error("{path} has {size} bytes; {limit} are the most that is read")]
    #[diagnostic(help(
        "a configuration, a layout or a list of signers is small: is this the right file?"
    ))]
    TooLarge {
        /// The file.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The git command line is missing.
    #[error("cannot start git")]
    #[diagnostic(help("install git 2.38 or later and make sure that it is on the PATH"))]
    NoGit {
        /// What the operating system answered.
        source: io::Error,
    },
    /// A git command ended with an error.
    #[error("git failed while {doing} ({status}): {stderr}")]
    #[diagnostic(help("git's own message above names the cause"))]
    Failed {
        /// What it was asked to do.
        doing: &'static str,
        /// How it ended.
        status: String,
        /// The end of what it wrote on its standard error.
        stderr: String,
    },
    /// A repository on another machine could not be read.
    #[error("git failed while {doing} from {url} ({status}): {stderr}")]
    #[diagnostic(help(
        "check the URL, and that this machine may read it: logins come from the ssh agent, ~/.netrc, GIT_SSH_COMMAND or GIT_ASKPASS; the certificate of an authority of your own is named by DHFPACK_CA_FILE"
    ))]
    Fetch {
        /// The URL, without any password.
        url: String,
        /// What git was asked to do.
        doing: &'static str,
        /// How it ended.
        status: String,
        /// The end of what it wrote on its standard error.
        stderr: String,
    },
    /// The connection to a git command broke.
    #[error("cannot exchange data with git while {doing}")]
    #[diagnostic(help("git may have been killed: look for a lack of memory or disk space"))]
    Pipe {
        /// What git was asked to do.
        doing: &'static str,
        /// What the operating system answered.
        source: io::Error,
    },
    /// The place that was to receive a bundle, a tree or an object refused it.
    #[error("cannot write {what}")]
    #[diagnostic(help("make sure that the destination has room and can be written"))]
    Write {
        /// What was being written.
        what: &'static str,
        /// What the destination answered.
        source: io::Error,
    },
    /// Neither a repository nor inside one.
    #[error("there is no git repository in {} or above it", start.display())]
    #[diagnostic(help("name a folder inside a clone, a bare repository or a URL"))]
    NoRepository {
        /// Where the search began.
        start: PathBuf,
    },
    /// A `.git` file that points to a repository which is not there.
    #[error("{} points to {}, which is not there", file.display(), target.display())]
    #[diagnostic(help(
        "this is a linked worktree or a submodule: make the repository that it belongs to available at that path too (in a container, mount it there), or use a clone of its own"
    ))]
    NoGitDir {
        /// The file.
        file: PathBuf,
        /// Where it points.
        target: PathBuf,
    },
    /// A location or a name that git could take for something else.
    #[error("{name:?} is not {expected}")]
    #[diagnostic(help("remove options, spaces and the characters ~ ^ : ? * [ \\ from it"))]
    BadName {
        /// What was given.
        name: String,
        /// What it was taken for: "a tag's name", "a repository's location".
        expected: &'static str,
    },
    /// History is cut off.
    #[error("{repository} is a shallow clone: part of its history is missing")]
    #[diagnostic(help(
        "run `git -C {repository:?} fetch --unshallow --tags`, or in CI set the fetch depth to 0{}",
        remote_instead(*or_remote)
    ))]
    Shallow {
        /// The repository.
        repository: String,
        /// Whether source.remote would be read in its place.
        or_remote: bool,
    },
    /// Objects were left out when it was cloned.
    #[error("{repository} is a partial clone: files of its history are missing")]
    #[diagnostic(help(
        "make a full clone: `git clone` without `--filter`{}",
        remote_instead(*or_remote)
    ))]
    Partial {
        /// The repository.
        repository: String,
        /// Whether source.remote would be read in its place.
        or_remote: bool,
    },
    /// A file that gives commits other parents than they have.
    #[error("{} changes the history that git shows", path.display())]
    #[diagnostic(help(
        "an archive holds history as it was committed: move the file away, then check with `git fsck`"
    ))]
    Grafts {
        /// The file.
        path: PathBuf,
    },
    /// No tag of that name.
    #[error("{repository} has no tag {name}")]
    #[diagnostic(help(
        "{}; if the tag exists elsewhere, bring it with `git push origin {name}` or `git fetch --tags`",
        existing_tags(existing)
    ))]
    NoTag {
        /// The repository.
        repository: String,
        /// The tag asked for.
        name: String,
        /// The tag most like it, or else the newest ones.
        existing: Vec<String>,
    },
    /// The tag names a tree or a file.
    #[error("tag {name} points at a {kind}; a commit was expected")]
    #[diagnostic(help("tag the commit that was released"))]
    TagTarget {
        /// The tag.
        name: String,
        /// What it points at.
        kind: String,
    },
    /// The tag is the bare commit, and a signature on it is required.
    #[error("{name} is a lightweight tag, which cannot be signed")]
    #[diagnostic(help(
        "if CI fetched it so, run `git fetch --force origin refs/tags/{name}:refs/tags/{name}`; else tag the release anew with `git tag --sign`"
    ))]
    Lightweight {
        /// The tag.
        name: String,
    },
    /// A tag object was put under another name: its signature vouches for the name inside.
    #[error("refs/tags/{name} holds the tag object of {inside:?}")]
    #[diagnostic(help("tag the release anew under its own name; never copy a tag object"))]
    TagName {
        /// The name of the reference.
        name: String,
        /// The name in the tag object.
        inside: String,
    },
    /// No commit of that name.
    #[error("{repository} has no branch, tag or commit {rev}")]
    #[diagnostic(help("push or fetch it, or correct the revision"))]
    NoRevision {
        /// The repository.
        repository: String,
        /// The revision asked for.
        rev: String,
    },
    /// An object is not what git makes.
    #[error("{object} is malformed: {expected} expected")]
    #[diagnostic(help("check the repository with `git fsck`"))]
    Malformed {
        /// The object, or what git answered.
        object: String,
        /// What should have been there.
        expected: &'static str,
    },
    /// An object is not in the repository.
    #[error("object {object} is missing from the repository")]
    #[diagnostic(help("check the repository with `git fsck` and clone it anew"))]
    MissingObject {
        /// Its id.
        object: String,
    },
    /// A path in a tree that would escape, hide in `.git` or overwrite another.
    #[error("the tree holds the path {path}, which cannot be unpacked safely")]
    #[diagnostic(help("remove it from the repository; git itself refuses to check it out"))]
    UnsafePath {
        /// The path, with control characters escaped.
        path: String,
    },
    /// A bundle that was written does not hold what it was made of.
    #[error("{} cannot be cloned into what it was made of", bundle.display())]
    #[diagnostic(help("check the repository with `git fsck`, and the disk; then build again"))]
    NotRestored {
        /// The file.
        bundle: PathBuf,
    },
    /// The tag at hand is not the one of the remote from which the rest is fetched.
    #[error("{repository} has another tag {name} than {remote}")]
    #[diagnostic(help(
        "find out which of them was released; then `git fetch --force {remote} refs/tags/{name}:refs/tags/{name}`, or push the right one"
    ))]
    TagMoved {
        /// The repository at hand.
        repository: String,
        /// The tag.
        name: String,
        /// The remote.
        remote: String,
    },
    /// A submodule cannot be used.
    #[error("the submodule {path} at commit {commit} cannot be archived")]
    #[diagnostic(help("{}", help_of(source)))]
    Submodule {
        /// Its path from the top of the release's tree.
        path: String,
        /// The commit that is pinned.
        commit: String,
        /// Why not.
        source: Box<GitError>,
    },
    /// The commit that a submodule is pinned to is nowhere on this machine.
    #[error("its repository is not at hand, or lacks that commit (its URL is {url:?})")]
    #[diagnostic(help(
        "run `git submodule update --init --recursive` in the checkout at the tag, or give source.remote in dhfpack.toml, from which it is then fetched"
    ))]
    SubmoduleMissing {
        /// Its URL as `.gitmodules` has it.
        url: String,
    },
    /// The tree names a commit of another repository and does not say which repository.
    #[error("the .gitmodules file of its repository has no entry with its path and a URL")]
    #[diagnostic(help(
        "add it with `git submodule add URL PATH`, or take it out with `git rm --cached PATH`, and tag the release anew"
    ))]
    SubmoduleUnlisted,
    /// A submodule's name that leads out of the folder of submodules.
    #[error("its name in .gitmodules, {name:?}, would lead out of the repository")]
    #[diagnostic(help("git itself refuses such a name; give it a plain one in .gitmodules"))]
    SubmoduleName {
        /// The name.
        name: String,
    },
    /// A submodule's URL from which nothing is fetched.
    #[error("nothing is fetched from its URL {url:?}")]
    #[diagnostic(help(
        "https, ssh and git URLs are fetched, and file URLs where source.remote is one; or run `git submodule update --init --recursive` in the checkout"
    ))]
    SubmoduleUrl {
        /// The URL, once resolved against that of the repository that has the submodule.
        url: String,
    },
    /// A submodule's path that no manifest could hold.
    #[error("the path of the submodule {path} is not valid UTF-8")]
    #[diagnostic(help("move it with `git mv` and tag the release anew"))]
    SubmodulePath {
        /// The path.
        path: String,
    },
    /// More submodules, or deeper ones, than any product has.
    #[error("there are more than {limit} submodules{what}")]
    #[diagnostic(help("archive what does not belong to the product on its own"))]
    SubmoduleCount {
        /// How many are taken.
        limit: usize,
        /// Which are counted: empty, or " inside one another".
        what: &'static str,
    },
    /// Files kept by Git LFS are missing or wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lfs(#[from] Box<LfsError>),
    /// Far more attributes than anybody writes.
    #[error(
        "the .gitattributes files say export-ignore or export-subst in more than {limit} lines"
    )]
    #[diagnostic(help("name folders instead of files there, and tag anew"))]
    TooManyAttributes {
        /// The limit.
        limit: usize,
    },
    /// A file or folder could not be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Io(#[from] IoError),
    /// Stopped on request.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cancelled(#[from] Cancelled),
}

fn existing_tags(existing: &[String]) -> String {
    match existing {
        [] => "it has no tags at all".to_owned(),
        [tag] => format!("did you mean {tag}"),
        tags => format!("its newest tags are {}", tags.join(", ")),
    }
}

const fn remote_instead(or_remote: bool) -> &'static str {
    if or_remote {
        "; or give source.remote in dhfpack.toml, from which all of it is then fetched"
    } else {
        ""
    }
}

fn help_of(error: &GitError) -> String {
    error
        .help()
        .map(|help| help.to_string())
        .unwrap_or_default()
}

impl From<LfsError> for GitError {
    fn from(error: LfsError) -> Self {
        Self::Lfs(Box::new(error))
    }
}

impl GitError {
    /// The same for a repository in whose place source.remote would be read.
    pub(crate) fn or_remote(mut self) -> Self {
        if let Self::Shallow { or_remote, .. } | Self::Partial { or_remote, .. } = &mut self {
            *or_remote = true;
        }
        self
    }

    /// A failed write to `what`, told apart from a stop on request that passed through it.
    pub(super) fn write(what: &'static str, source: io::Error) -> Self {
        match source.get_ref() {
            Some(inner) if inner.is::<Cancelled>() => Self::Cancelled(Cancelled),
            _ => Self::Write { what, source },
        }
    }

    /// A failed read while `doing` something, told apart from a stop on request that passed
    /// through it.
    pub(super) fn read(doing: &'static str, source: io::Error) -> Self {
        match source.get_ref() {
            Some(inner) if inner.is::<Cancelled>() => Self::Cancelled(Cancelled),
            _ => Self::Pipe { doing, source },
        }
    }
}

/// Bytes of a path for messages: control characters escaped.
pub(super) fn printable(path: &[u8]) -> String {
    let mut text = String::new();
    for character in String::from_utf8_lossy(path).chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}
