//! What can go wrong with a store.

use std::error::Error;

use miette::Diagnostic;
use thiserror::Error;

use super::AddressError;
use crate::digest::Sha256;
use crate::error::{Cancelled, IoError};

/// A store that could not be used. Places are paths or URLs, without secrets.
#[derive(Debug, Error, Diagnostic)]
pub enum StoreError {
    /// The operating system refused.
    #[error(transparent)]
    #[diagnostic(help(
        "check that the store is reachable, who may write there, and the space left; run again \
         to go on where this run stopped"
    ))]
    Io(#[from] IoError),

    /// A stop was asked for.
    #[error(transparent)]
    #[diagnostic(help("run again to go on where this run stopped"))]
    Cancelled(#[from] Cancelled),

    /// No address of a store.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Address(#[from] AddressError),

    /// A service that cannot be used, as a whole or in this way.
    #[error("{url} cannot be used: {reason}")]
    #[diagnostic(help("name another store: a folder, s3://BUCKET/PREFIX or dropbox://FOLDER"))]
    Refused {
        /// The store.
        url: String,
        /// Why.
        reason: &'static str,
    },

    /// A service that said no, or that could not be reached for good.
    #[error("cannot {action} {place}: {problem}")]
    #[diagnostic(help("{help}"))]
    Service {
        /// What was attempted, as a verb: "read", "create".
        action: &'static str,
        /// The object's URL.
        place: String,
        /// What the service answered, or how it could not be reached. Holds no secret.
        problem: String,
        /// What to do about it.
        help: &'static str,
        /// Why, where there is more to tell.
        source: Option<Box<dyn Error + Send + Sync>>,
    },

    /// A service that knows the login, and does not let it do this.
    #[error("cannot {action} {place}: {problem}")]
    #[diagnostic(help("{help}"))]
    Denied {
        /// What was attempted, as a verb: "read the lock of".
        action: &'static str,
        /// The object's URL.
        place: String,
        /// What the service answered. Holds no secret.
        problem: String,
        /// What to do about it.
        help: &'static str,
    },

    /// Other bytes have the name already. Nothing was written.
    #[error("{place} holds other bytes: expected sha256 {expected}, found {found}")]
    #[diagnostic(help(
        "the store holds another archive of this name, or a damaged one: verify it; a correction \
         needs a new revision or an addendum"
    ))]
    Differs {
        /// The object in the store.
        place: String,
        /// The digest of the file to publish.
        expected: Sha256,
        /// The digest of the object in the store.
        found: Sha256,
    },

    /// Something lies among the files of an archive that does not belong to it. Nothing was written.
    #[error("{place} holds what the archive does not list: {}", named(paths))]
    #[diagnostic(help(
        "the store holds another archive of this name, or something was added to it: look at it; a \
         correction needs a new revision or an addendum"
    ))]
    Stray {
        /// The archive's place in the store.
        place: String,
        /// The paths of what does not belong there, from the store's root.
        paths: Vec<String>,
    },

    /// A link, a device or a folder lies where a file or folder of the archive belongs.
    #[error("{place} is {found}: expected {expected}")]
    #[diagnostic(help("remove it: publishing follows no link out of the store's folder"))]
    Obstacle {
        /// What lies there.
        place: String,
        /// What belongs there.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },

    /// A path that no store takes.
    #[error("{path:?} is no path in a store: expected names with `/` between them")]
    #[diagnostic(help("archives have portable paths; this one was made by something else"))]
    BadPath {
        /// The path.
        path: String,
    },

    /// A document that grew beyond all expectation.
    #[error("{place} has more than {limit} bytes")]
    #[diagnostic(help("this cannot be the document that is expected there: look at it"))]
    TooLarge {
        /// The document.
        place: String,
        /// The most that is read.
        limit: u64,
    },

    /// What was to be put there is not what it was said to be. Nothing was created.
    #[error(
        "`{path}` is not what the manifest lists: expected {expected} ({expected_size} bytes), \
         found {found} ({found_size} bytes)"
    )]
    #[diagnostic(help("verify the archive before it is published"))]
    SourceChanged {
        /// The file's path in the archive.
        path: String,
        /// The digest listed.
        expected: Sha256,
        /// The size listed.
        expected_size: u64,
        /// The digest read.
        found: Sha256,
        /// The size read.
        found_size: u64,
    },

    /// What was read back is not what was written.
    #[error("{place} reads back as sha256 {found}: expected {expected}")]
    #[diagnostic(help("the store's disk, network or memory is damaged: publish elsewhere"))]
    ReadBack {
        /// The object in the store.
        place: String,
        /// The digest written.
        expected: Sha256,
        /// The digest read back.
        found: Sha256,
    },

    /// A document that others change so often that no turn came.
    #[error("{place} was changed by others each time it was to be changed")]
    #[diagnostic(help("run again when fewer jobs write to it"))]
    Contended {
        /// The document.
        place: String,
    },
}

/// The first few of them.
fn named(paths: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<String> = paths
        .iter()
        .take(SHOWN)
        .map(|path| format!("{path:?}"))
        .collect();
    match paths.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}
