//! Publishing: a sealed archive, verified, into a store, with what belongs to it.

use miette::Diagnostic;
use thiserror::Error;

use crate::archive::ArchiveError;
use crate::catalogue::SiblingError;
use crate::finding::Finding;
use crate::manifest::ManifestError;
use crate::store::StoreError;
use crate::verify::VerifyError;

pub mod dhf;
mod earlier;
mod exchange;
mod git_file;
mod keeping;
mod outputs;
pub mod receipt;
pub mod registry;
pub mod retention;
mod run;
pub mod service_manual;
mod signatures;
mod source;
mod status;
mod step;
mod upload;

pub use dhf::DhfError;
pub use earlier::LossError;
pub use exchange::{GrowingDocument, InStore, exchange};
pub use git_file::GitFile;
pub use outputs::{Destinations, RegisterAt};
pub use receipt::Receipt;
pub use registry::RegistryError;
pub use retention::{Confirmation, RetentionError};
pub use run::{Order, Outcome, Plan, plan, publish};
pub use service_manual::ServiceManualError;
pub use signatures::Standing;
pub use source::Source;
pub use status::{InStore as PublishedArchive, Inspected, Progress, inspect};
pub use step::{Report, State, Step};
pub use upload::{Opener, Published, ReadBack, StoreFile, Stored, upload};

/// Why an archive cannot be published.
#[derive(Debug, Error, Diagnostic)]
pub enum PublishError {
    /// The archive cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// The archive cannot be verified.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Verify(#[from] VerifyError),
    /// The archive is not what was sealed.
    #[error(
        "the archive is not what was sealed, and was not published:\n{}",
        source::lines(findings)
    )]
    #[diagnostic(help("publish an intact copy; `dhfpack verify` shows the whole verdict"))]
    Damaged {
        /// What is wrong with it.
        findings: Vec<Finding>,
    },
    /// The signatures here and those in the store do not belong together. Nothing was written.
    #[error(
        "with the signatures in the store, those of the archive would not verify:\n{}",
        source::lines(findings)
    )]
    #[diagnostic(help(
        "the archive was signed here without the statements that the store holds: fetch the \
         archive from the store and sign that"
    ))]
    Signatures {
        /// What would be wrong.
        findings: Vec<Finding>,
    },
    /// Half of a statement is in the store, and not of the one here. Nothing was written.
    #[error("the store holds `{path}` with other bytes, and no valid statement of that signer")]
    #[diagnostic(help(
        "publishing broke off between a signature and its statement: run it again from the \
         machine where it broke off, or remove that object from the store and run again"
    ))]
    SignatureTaken {
        /// The file's path in the archive.
        path: String,
    },
    /// The configuration that the archive holds cannot be understood.
    #[error("{} of the archive cannot be understood", crate::plan::own::RESOLVED)]
    #[diagnostic(help(
        "it was written by another version: use the one that the builder's statement names, or a \
         newer one"
    ))]
    Config(#[source] serde_json::Error),
    /// The manifest in the store cannot be understood.
    #[error("{place} cannot be understood")]
    #[diagnostic(help("`dhfpack verify` shows what is wrong with the archive"))]
    Manifest {
        /// The manifest.
        place: String,
        /// Why.
        source: ManifestError,
    },
    /// Nothing, or no whole archive, is at the place named.
    #[error("there is no archive at {place}")]
    #[diagnostic(help("name the archive, as in s3://BUCKET/PREFIX/PRODUCT-VERSION"))]
    NoArchive {
        /// Where it should be.
        place: String,
    },
    /// Copying failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// Locking failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Retention(#[from] RetentionError),
    /// Something that was published is lost.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Loss(#[from] LossError),
    /// It does not fit to an archive that it amends or supersedes.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sibling(#[from] SiblingError),
    /// The design outputs cannot be copied.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Dhf(#[from] DhfError),
    /// The service manual's entry cannot be added.
    #[error(transparent)]
    #[diagnostic(transparent)]
    ServiceManual(#[from] ServiceManualError),
    /// The release cannot be registered.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Registry(#[from] RegistryError),
    /// A row is to be written, and nobody is there to sign it. Nothing was written.
    #[error("no key to sign the release's row in {place}")]
    #[diagnostic(help("give --key and --certificate, or set DHFPACK_KEY and DHFPACK_CERTIFICATE"))]
    NoWriter {
        /// The register.
        place: String,
    },
}
