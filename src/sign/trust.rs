//! Whom the caller trusts, and what a trusted certificate may do.
//!
//! A certificate is trusted if the caller gave it, or if it descends from a certification
//! authority that the caller gave, through certificates inside the signature, all valid at the
//! signing time. What it may do then:
//!
//! - A certificate that names roles (its organizational units) signs in these only.
//! - Trust given for a role counts for that role only, of the certificate itself or of all that
//!   descend from it. It does not widen what the certificate names.
//! - A certificate that names no role signs in any role if the caller gave that very certificate.
//!   One that descends from an authority needs trust given for the role: else whoever has any
//!   certificate of a firm could sign in all its roles.
//! - A certificate for Release Builder never signs in another role, and one that names no role
//!   signs as Release Builder only where trust was given for that role.

use jiff::Timestamp;
use thiserror::Error;

use super::certificate::Certificate;
use super::chain::{self, Path};
use super::error::SignError;
use crate::finding::Code;
use crate::layout::RELEASE_BUILDER;

/// The certificates that the caller trusts.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    anchors: Vec<Anchor>,
}

#[derive(Debug, Clone)]
struct Anchor {
    certificate: Certificate,
    role: Option<String>,
}

/// Why a signer is not trusted to have signed in a role.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum Distrust {
    /// No trusted certificate leads to the signer's.
    #[error(
        "no trusted certificate leads to the certificate of {name:?}, SHA-256 {sha256}: compare this fingerprint with the signer's, then trust it"
    )]
    Unknown {
        /// The name in the certificate.
        name: String,
        /// The certificate's fingerprint.
        sha256: crate::digest::Sha256,
    },
    /// The certificate, or one above it, was not valid at the signing time.
    #[error(
        "the certificate of {name:?}, valid from {from} to {to}, or one above it was not valid when it signed at {at}"
    )]
    OutsideValidity {
        /// The name in the certificate.
        name: String,
        /// When the certificate begins to be valid.
        from: Timestamp,
        /// When it ends.
        to: Timestamp,
        /// The signing time.
        at: Timestamp,
    },
    /// The certificate is for other uses than signing.
    #[error("the key usage of the certificate of {name:?} does not include digital signatures")]
    NotForSigning {
        /// The name in the certificate.
        name: String,
    },
    /// The certificate does not allow this use.
    #[error("the certificate of {name:?} may not sign in the role {role:?}: {reason}")]
    NotEntitled {
        /// The name in the certificate.
        name: String,
        /// The role signed in.
        role: String,
        /// What forbids it.
        reason: &'static str,
    },
}

impl Distrust {
    /// The code of the finding that says so.
    pub const fn code(&self) -> Code {
        match self {
            Self::Unknown { .. } => Code::SignerUnknown,
            Self::OutsideValidity { .. } => Code::SignerOutsideValidity,
            Self::NotForSigning { .. } | Self::NotEntitled { .. } => Code::SignerNotEntitled,
        }
    }
}

impl Trust {
    /// Trusts every certificate of a file in PEM or DER form, for one role or without naming
    /// one. Returns how many there are.
    pub fn add(&mut self, file: &[u8], role: Option<&str>) -> Result<usize, SignError> {
        let certificates = Certificate::read_all(file)?;
        let count = certificates.len();
        self.anchors
            .extend(certificates.into_iter().map(|certificate| Anchor {
                certificate,
                role: role.map(str::to_owned),
            }));
        Ok(count)
    }

    /// True if nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// The certificates themselves.
    pub fn certificates(&self) -> Vec<Certificate> {
        let anchors = self.anchors.iter();
        anchors.map(|anchor| anchor.certificate.clone()).collect()
    }

    /// Whether `certificate`, with `others` beside it in its signature, is one of these or
    /// descends from one, was valid at `time`, and is for signing. Roles are not asked for: this
    /// is for signatures that state none, such as those on a git tag.
    pub fn knows(
        &self,
        certificate: &Certificate,
        others: &[Certificate],
        time: Timestamp,
    ) -> Result<(), Distrust> {
        let mut nearest = Path::None;
        for anchor in &self.anchors {
            match anchor.path_from(certificate, others, time).0 {
                Path::Found if certificate.may_sign_data() => return Ok(()),
                Path::Found => nearest = Path::Found,
                Path::OutsideValidity if nearest == Path::None => nearest = Path::OutsideValidity,
                Path::OutsideValidity | Path::None => {}
            }
        }
        let name = certificate.name().unwrap_or_default();
        Err(match nearest {
            Path::Found => Distrust::NotForSigning { name },
            Path::OutsideValidity => Distrust::OutsideValidity {
                name,
                from: certificate.not_before(),
                to: certificate.not_after(),
                at: time,
            },
            Path::None => Distrust::Unknown {
                name,
                sha256: certificate.sha256(),
            },
        })
    }

    /// Whether `certificate`, with `others` beside it in its signature, is trusted to have
    /// signed in `role` at `time`.
    pub fn judge(
        &self,
        certificate: &Certificate,
        others: &[Certificate],
        role: &str,
        time: Timestamp,
    ) -> Result<(), Distrust> {
        let name = || certificate.name().unwrap_or_default();
        let paths: Vec<(Path, Standing<'_>)> = self
            .anchors
            .iter()
            .map(|anchor| anchor.path_from(certificate, others, time))
            .filter(|(path, _)| *path != Path::None)
            .collect();
        if paths.is_empty() {
            return Err(Distrust::Unknown {
                name: name(),
                sha256: certificate.sha256(),
            });
        }
        let mut standings = paths
            .iter()
            .filter(|(path, _)| *path == Path::Found)
            .map(|(_, standing)| entitlement(certificate, *standing, role))
            .peekable();
        if standings.peek().is_none() {
            return Err(Distrust::OutsideValidity {
                name: name(),
                from: certificate.not_before(),
                to: certificate.not_after(),
                at: time,
            });
        }
        let mut refusal = "";
        for standing in standings {
            match standing {
                Ok(()) => return Ok(()),
                Err(reason) => refusal = reason,
            }
        }
        Err(Distrust::NotEntitled {
            name: name(),
            role: role.to_owned(),
            reason: refusal,
        })
    }
}

/// How a trusted certificate is known.
#[derive(Debug, Clone, Copy)]
struct Standing<'a> {
    /// The caller gave this very certificate.
    given: bool,
    /// The role that the caller trusts it, or its authority, for.
    role: Option<&'a str>,
}

impl Anchor {
    fn path_from(
        &self,
        certificate: &Certificate,
        others: &[Certificate],
        time: Timestamp,
    ) -> (Path, Standing<'_>) {
        let given = self.certificate == *certificate;
        let path = if !given {
            chain::find(certificate, others, &self.certificate, time)
        } else if certificate.is_valid_at(time) {
            Path::Found
        } else {
            Path::OutsideValidity
        };
        let role = self.role.as_deref();
        (path, Standing { given, role })
    }
}

fn entitlement(
    certificate: &Certificate,
    standing: Standing<'_>,
    role: &str,
) -> Result<(), &'static str> {
    if !certificate.may_sign_data() {
        return Err("its key usage does not include digital signatures");
    }
    if !names_role(certificate, role) {
        return Err("it names other roles");
    }
    let names_none = certificate.roles().is_empty();
    match standing.role {
        Some(trusted) if trusted != role => Err("it is trusted for another role"),
        None if names_none && role == RELEASE_BUILDER => {
            Err("it names no role; trust it for Release Builder")
        }
        None if names_none && !standing.given => {
            Err("it names no role; trust it, or its authority, for this role")
        }
        _ => Ok(()),
    }
}

/// False if the certificate names roles, and this one is not among them or is not a machine's
/// while the certificate is.
pub(super) fn names_role(certificate: &Certificate, role: &str) -> bool {
    let roles = certificate.roles();
    let has = |wanted: &str| roles.iter().any(|named| named == wanted);
    roles.is_empty() || has(role) && (role == RELEASE_BUILDER || !has(RELEASE_BUILDER))
}
