//! Why a release cannot be registered.

use miette::Diagnostic;
use thiserror::Error;

use super::{ChangeError, RowName};
use crate::archive::ArchiveError;
use crate::digest::Sha256;
use crate::error::Cancelled;
use crate::register::{Finding, NoMarkers};
use crate::sign::SignError;
use crate::store::StoreError;

/// A register that was not changed.
#[derive(Debug, Error, Diagnostic)]
pub enum RegistryError {
    /// The store cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// A stop was asked for.
    #[error(transparent)]
    #[diagnostic(help("run again to go on where this run stopped"))]
    Cancelled(#[from] Cancelled),
    /// The archive cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// The row cannot be signed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sign(#[from] SignError),
    /// No register.
    #[error("there is no register at {place}")]
    #[diagnostic(help("`dhfpack registry add` begins one; is this the store that holds it?"))]
    Missing {
        /// Where it was looked for.
        place: String,
    },
    /// The register is not what its writers wrote.
    #[error(
        "{place} is not what its writers wrote, and nothing was appended to it:\n{}",
        list(findings)
    )]
    #[diagnostic(help(
        "find out who changed it, and put back its last good state: the store's versions, a backup, or the git repository that shows it; docs/registry.md explains each code"
    ))]
    Broken {
        /// The register.
        place: String,
        /// What is wrong with it.
        findings: Vec<Finding>,
    },
    /// The register does not hold a row that it held.
    #[error(
        "{place} has lost a row: the archive's receipt names line {line} with the SHA-256 {row}, and no row has it. It was cut away or edited, or an older copy of the register was put back; nothing was written"
    )]
    #[diagnostic(help(
        "put back the register from a backup or the store's versions: `dhfpack registry verify STORE --expect-head {row}` says whether it holds that row. Then run again"
    ))]
    RowLost {
        /// The register.
        place: String,
        /// The line that it stood in.
        line: u64,
        /// The row's digest.
        row: Sha256,
    },
    /// What the release builds on is not in a register that knows the product.
    #[error(
        "{release} names a {what} release with the manifest {manifest}, and no row has it; nothing was written"
    )]
    #[diagnostic(help(
        "register that release first, with `dhfpack registry add ARCHIVE`: a register that leaves it out could not be verified"
    ))]
    AncestorMissing {
        /// The release.
        release: String,
        /// What it is to the release.
        what: &'static str,
        /// The digest of its manifest.
        manifest: Sha256,
    },
    /// The version is registered with another archive.
    #[error(
        "{release} is registered in line {line} with the manifest {registered}; this archive has {manifest}"
    )]
    #[diagnostic(help(
        "an archive made anew needs `revision` and `supersedes` under [release] in dhfpack.toml; what only adds to a release is an addendum"
    ))]
    OtherArchive {
        /// The release.
        release: String,
        /// The line that registers it.
        line: u64,
        /// The manifest's digest there.
        registered: Sha256,
        /// This archive's.
        manifest: Sha256,
    },
    /// The version is registered with another commit.
    #[error(
        "{release} is registered in line {line} with the commit {registered}; this archive is of {commit}: the tag was moved"
    )]
    #[diagnostic(help(
        "a released tag is never moved: put it back, and release the new commit under a new version"
    ))]
    TagMoved {
        /// The release.
        release: String,
        /// The line that registers it.
        line: u64,
        /// The commit there.
        registered: String,
        /// This archive's.
        commit: String,
    },
    /// An archive sealed with gaps.
    #[error("the archive {name} is a draft, and drafts are not registered")]
    #[diagnostic(help("fill the gaps that `dhfpack build` lists, and build without --draft"))]
    Draft {
        /// The archive's name.
        name: String,
    },
    /// A location that no row can hold unchanged.
    #[error("the location {location:?} cannot stand in a register")]
    #[diagnostic(help(
        "spreadsheets could take it for a formula, or it has invisible characters: publish to another place"
    ))]
    Location {
        /// The location.
        location: String,
    },
    /// A row that cannot be written.
    #[error("no row can say this: {problem}")]
    #[diagnostic(help("shorten or correct what the configuration says of the release"))]
    Row {
        /// What is wrong with it.
        problem: String,
    },
    /// The archived configuration cannot be understood.
    #[error("the archived configuration {path} cannot be understood")]
    #[diagnostic(help("the archive was made by another version: use that one"))]
    Configuration {
        /// Its path in the archive.
        path: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// Something else has the name of the signer's certificate.
    #[error("{place} is not the certificate of that name")]
    #[diagnostic(help("find out who put it there, and remove it; then register again"))]
    OtherCertificate {
        /// The object.
        place: String,
    },
    /// A row to be corrected is not there.
    #[error("no row is {row}")]
    #[diagnostic(help("`dhfpack registry show` lists the rows with their digests"))]
    NoRow {
        /// The row asked for.
        row: RowName,
    },
    /// A row to be corrected is not the latest of its release.
    #[error("{row} is superseded by line {line}")]
    #[diagnostic(help("correct that row instead"))]
    NotLatest {
        /// The row asked for.
        row: RowName,
        /// The latest row of its release.
        line: u64,
    },
    /// A correction that a row cannot take.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Change(#[from] ChangeError),
    /// A file that is no text.
    #[error("{place} is not UTF-8")]
    #[diagnostic(help("the register is shown in a Markdown file; is this the right one?"))]
    NotText {
        /// The file.
        place: String,
    },
    /// A Markdown file has no place for the table.
    #[error("the register cannot be shown in {place}")]
    #[diagnostic(help(
        "add both lines where the table shall stand; everything else stays as it is"
    ))]
    Markdown {
        /// The file.
        place: String,
        /// Why.
        source: NoMarkers,
    },
}

impl From<String> for RegistryError {
    fn from(problem: String) -> Self {
        Self::Row { problem }
    }
}

fn list(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("  {finding}"))
        .collect();
    lines.join("\n")
}
