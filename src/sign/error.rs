//! Why a key, a certificate or a signature cannot be made or used.

use miette::Diagnostic;
use thiserror::Error;

use super::MAX_SIZE;
use crate::config::Meaning;

/// Why signing, or preparing for it, failed. No variant ever holds secret material.
#[derive(Debug, Clone, Error, Diagnostic, PartialEq, Eq)]
pub enum SignError {
    /// The key file holds no private key.
    #[error("the key file holds no private key in PEM form")]
    #[diagnostic(help(
        "give a file that has a line `-----BEGIN PRIVATE KEY-----` or `-----BEGIN ENCRYPTED PRIVATE KEY-----`"
    ))]
    NoKey,
    /// The key file holds a key of a form that is not read.
    #[error("the private key is not one that can be used: {reason}")]
    #[diagnostic(help(
        "use a P-256, P-384 or RSA key of at least 2048 bits; `openssl pkcs8 -topk8 -v2 aes-256-cbc` converts older forms"
    ))]
    KeyForm {
        /// What was found.
        reason: &'static str,
    },
    /// The key is encrypted, and no passphrase was given.
    #[error("the private key is encrypted, and no passphrase was given")]
    #[diagnostic(help("give the passphrase of the key"))]
    PassphraseMissing,
    /// The passphrase does not open the key.
    #[error("the passphrase does not open the private key")]
    #[diagnostic(help("check the passphrase, and that it belongs to this key"))]
    PassphraseWrong,
    /// Nothing was given to encrypt the key with.
    #[error("the passphrase is empty")]
    #[diagnostic(help("give a passphrase of at least one character, or none at all"))]
    PassphraseEmpty,
    /// The certificate file holds no certificate.
    #[error("the file holds no certificate")]
    #[diagnostic(help(
        "give a certificate in DER form, or in PEM form with a line `-----BEGIN CERTIFICATE-----`"
    ))]
    NoCertificate,
    /// A certificate that cannot be read.
    #[error("certificate {number} of the file cannot be understood: {reason}")]
    #[diagnostic(help("check it with `openssl x509 -in FILE -noout -text`"))]
    CertificateForm {
        /// Its place in the file, from 1.
        number: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The key does not belong to the certificate.
    #[error("the private key does not belong to the certificate of {certificate:?}")]
    #[diagnostic(help(
        "give the certificate that was made for this key, first in its file, before those of its issuers"
    ))]
    KeyMismatch {
        /// The name in the certificate.
        certificate: String,
    },
    /// The certificate does not say who its holder is.
    #[error("the certificate does not have exactly one common name (CN)")]
    #[diagnostic(help("use a certificate whose subject names its holder, once"))]
    CertificateUnnamed,
    /// A name that cannot stand in a certificate.
    #[error("{what} {text:?} cannot stand in a certificate")]
    #[diagnostic(help(
        "use 1 to 64 characters, no control characters, and no space at either end (RFC 5280, Appendix A.1)"
    ))]
    Name {
        /// "the name" or "the role".
        what: &'static str,
        /// The text given.
        text: String,
    },
    /// A certificate was asked for no role, or for a machine and a person at once.
    #[error("a certificate cannot hold these roles: {reason}")]
    #[diagnostic(help(
        "name at least one role, each once; the role Release Builder stands alone, for a machine never stands for a person"
    ))]
    Roles {
        /// What is wrong with the list.
        reason: &'static str,
    },
    /// A validity that ends before it begins, or beyond all use.
    #[error("a certificate cannot be valid for {years} years")]
    #[diagnostic(help("choose 1 to 30 years"))]
    Years {
        /// The years asked for.
        years: u16,
    },
    /// The certificate may not sign in this role.
    #[error("the certificate of {name:?} may not sign in the role {role:?}; it names {roles:?}")]
    #[diagnostic(help(
        "sign in a role that the certificate names, or use a certificate made for this role"
    ))]
    NotEntitled {
        /// The name in the certificate.
        name: String,
        /// The role asked for.
        role: String,
        /// The roles in the certificate.
        roles: Vec<String>,
    },
    /// The certificate may not sign at all, or not at this time.
    #[error("the certificate of {name:?} cannot sign now: {reason}")]
    #[diagnostic(help("use a certificate made for digital signatures that is valid today"))]
    Unfit {
        /// The name in the certificate.
        name: String,
        /// What stands against it.
        reason: String,
    },
    /// A machine cannot take this part.
    #[error("a machine cannot sign with the meaning `{}`", meaning.as_str())]
    #[diagnostic(help("the role Release Builder signs as author; people release"))]
    MachineRelease {
        /// The meaning asked for.
        meaning: Meaning,
    },
    /// More was observed than a statement can hold.
    #[error("the statement would have {size} bytes; {MAX_SIZE} are allowed")]
    #[diagnostic(help("record fewer observations"))]
    StatementTooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// Something that only damaged memory, a broken random generator or a bug could cause.
    #[error("the signature could not be made: {step}")]
    #[diagnostic(help("try again; if it happens twice, check the key with `openssl pkey -check`"))]
    Failed {
        /// What was being done.
        step: &'static str,
    },
}
