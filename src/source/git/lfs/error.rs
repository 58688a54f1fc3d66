//! What can go wrong with Git LFS objects, and what to do about it.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::digest::Sha256;

/// Git LFS objects that an archive would lack, or that are not what their pointers say.
#[derive(Debug, Error, Diagnostic)]
pub enum LfsError {
    /// Objects are not at hand.
    #[error(
        "{repository} lacks {count} of the Git LFS objects that its history points to, of {}",
        files.join(", ")
    )]
    #[diagnostic(help("{}", help_of(std::slice::from_ref(self))))]
    Missing {
        /// The repository.
        repository: String,
        /// The command that brings them, where the repository is on this machine.
        command: Option<String>,
        /// How many are missing.
        count: usize,
        /// Files that point to them, `…` last if there are more.
        files: Vec<String>,
    },
    /// Objects of several repositories are not at hand.
    #[error("{}", several(lacking))]
    #[diagnostic(help("{}", help_of(lacking)))]
    MissingInSeveral {
        /// [`LfsError::Missing`] of each.
        lacking: Vec<LfsError>,
    },
    /// An object is not what its pointer says.
    #[error(
        "the Git LFS object {oid}, which {file} points to, is damaged in {}: {size} bytes are expected there, with that SHA-256; {found}", path.display()
    )]
    #[diagnostic(help(
        "remove that file, bring the object again with `git lfs fetch --all`, and build again"
    ))]
    Damaged {
        /// Its name.
        oid: Sha256,
        /// A file of the history that points to it.
        file: String,
        /// Its size, as the pointer says.
        size: u64,
        /// Where it lies.
        path: PathBuf,
        /// What was found there, in words.
        found: String,
    },
    /// Two pointers contradict each other.
    #[error(
        "two pointers to the Git LFS object {oid} contradict each other: {} says {} bytes, {} says {}",
        first.0, first.1, second.0, second.1
    )]
    #[diagnostic(help(
        "one of them was made by hand; no checkout can restore it: replace the file and tag anew, from a history without that commit"
    ))]
    Sizes {
        /// The object's name.
        oid: Sha256,
        /// A file that points to it, and the size that it says.
        first: (String, u64),
        /// Another.
        second: (String, u64),
    },
    /// A pointer says that an object is empty, and its name says that it is not.
    #[error("{file} points to the Git LFS object {oid} and says that it is empty, which it is not")]
    #[diagnostic(help(
        "the pointer was made by hand; no checkout can restore it: replace the file and tag anew, from a history without that commit"
    ))]
    NotEmpty {
        /// The object's name.
        oid: Sha256,
        /// The file that points to it.
        file: String,
    },
    /// Something other than a file lies where an object should be.
    #[error("cannot read the Git LFS object at {}", path.display())]
    #[diagnostic(help(
        "an object is a regular file, and links in a store are not followed: name the store's real place in lfs.storage of the repository's configuration"
    ))]
    Store {
        /// Where.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// Objects have to be fetched, and git-lfs is missing.
    #[error("Git LFS objects have to be fetched, and git-lfs is not installed")]
    #[diagnostic(help(
        "install git-lfs and make sure that it is on the PATH, or fetch the objects beforehand on a machine that has it"
    ))]
    NoGitLfs,
    /// Objects have to be fetched, and nothing says from where.
    #[error("{repository} has no remote to fetch Git LFS objects from")]
    #[diagnostic(help("name its URL in source.remote, or fetch the objects beforehand"))]
    NoRemote {
        /// The repository.
        repository: String,
    },
}

/// What each repository lacks, in one sentence.
fn several(lacking: &[LfsError]) -> String {
    let each: Vec<String> = lacking.iter().map(ToString::to_string).collect();
    each.join("; ")
}

/// The commands of all repositories in one advice.
fn help_of(lacking: &[LfsError]) -> String {
    let commands = lacking.iter().filter_map(|one| match one {
        LfsError::Missing { command, .. } => command.as_ref(),
        _ => None,
    });
    let commands: Vec<String> = commands.map(|command| format!("`{command}`")).collect();
    let run = match commands.join(", ") {
        none if none.is_empty() => none,
        commands => format!("run {commands}, or "),
    };
    format!(
        "{run}let the build fetch them with source.fetch_lfs = true; if nobody has them any more, this history cannot be restored"
    )
}
