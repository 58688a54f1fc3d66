//! Signing an archive's manifest, and judging the signatures over it.
//!
//! Nothing here touches a disk, a clock or a network: callers read and write the files, and
//! pass the time in. What a signature covers is a small [`Statement`]; what proves it is a
//! detached CMS signature ([`cms`]) that stock OpenSSL verifies as well.

mod algorithm;
mod certificate;
mod chain;
pub mod cms;
mod detached;
mod error;
mod folder;
#[cfg(feature = "native")]
mod generate;
mod grammar;
#[cfg(feature = "native")]
mod key;
mod pem;
#[cfg(feature = "native")]
mod prepare;
mod roles;
mod statement;
mod trust;

pub use certificate::Certificate;
#[cfg(feature = "native")]
pub use detached::sign_detached;
pub use detached::verify_detached;
pub use error::SignError;
pub use folder::{Examination, SignerReport, examine};
#[cfg(feature = "native")]
pub use generate::{Generated, generate};
#[cfg(feature = "native")]
pub use key::Signer;
#[cfg(feature = "native")]
pub use prepare::{NewStatement, Occasion, already_signed, complete, prepare};
pub use roles::{missing_roles, released_at};
pub use statement::{Digests, Earlier, Predicate, Statement, StatementError, Subject, Tool};
pub use trust::{Distrust, Trust};

/// The largest file that is looked at in a folder of signatures, in bytes: ten times a signature
/// with a chain of three certificates.
pub const MAX_SIZE: usize = 64 * 1024;

/// The largest certificate, and the largest part of a signature about its signer, in bytes. The
/// decoder sorts the sets in them, in a time that grows with the square of their length.
pub const MAX_PART: usize = 8 * 1024;
