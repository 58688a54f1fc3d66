//! Whom to trust, as the command line names them.

use std::path::PathBuf;
use std::str::FromStr;

use dhfpack::sign::Trust;
use dhfpack::verify::{self, Policy};
use jiff::Timestamp;
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::small_file;

/// Whose signatures count.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Certificates {
    /// A certificate to trust, in PEM or DER; with ROLE= in that role only
    #[arg(long, value_name = "[ROLE=]CERT")]
    trust: Vec<Trusted>,
}

/// Whose signatures count, and which roles must have signed.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TrustArgs {
    #[command(flatten)]
    certificates: Certificates,
    /// A role that must have signed; may be given several times [default: the roles of the
    /// built-in layouts, whatever the archive says of its own]
    #[arg(long = "require-role", value_name = "ROLE")]
    require_roles: Vec<String>,
}

/// A certificate's file, with the one role in which it is trusted, if it is bound to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trusted {
    role: Option<String>,
    certificate: PathBuf,
}

/// Neither `CERT` nor `ROLE=CERT`.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("expected CERT or ROLE=CERT, as in `Quality Systems SME=jo.pem`")]
pub(crate) struct NotTrusted;

impl FromStr for Trusted {
    type Err = NotTrusted;

    fn from_str(text: &str) -> Result<Self, NotTrusted> {
        let (role, certificate) = match text.split_once('=') {
            // No role has a slash, so this is a path with an equals sign in it.
            Some((role, _)) if role.contains(['/', '\\']) => (None, text),
            Some((role, certificate)) => (Some(role), certificate),
            None => (None, text),
        };
        if certificate.is_empty() || role == Some("") {
            return Err(NotTrusted);
        }
        Ok(Self {
            role: role.map(str::to_owned),
            certificate: certificate.into(),
        })
    }
}

impl Certificates {
    /// Whether there are any.
    pub(crate) fn is_given(&self) -> bool {
        !self.trust.is_empty()
    }

    /// Whom the caller trusts; nobody unless certificates were given.
    pub(crate) fn read(&self) -> Result<Trust, CliError> {
        let mut trust = Trust::default();
        for trusted in &self.trust {
            let bytes = small_file::read(&trusted.certificate)
                .map_err(|error| CliError::new(Kind::Usage, error))?;
            trust
                .add(&bytes, trusted.role.as_deref())
                .map_err(|source| {
                    CliError::new(
                        Kind::Usage,
                        BadTrust {
                            path: trusted.certificate.clone(),
                            source,
                        },
                    )
                })?;
        }
        Ok(trust)
    }
}

impl TrustArgs {
    /// Whether the caller says who must have signed, or whose signatures count.
    pub(crate) fn is_given(&self) -> bool {
        self.certificates.is_given() || !self.require_roles.is_empty()
    }

    /// What is asked of an archive.
    pub(crate) fn policy(&self) -> Result<Policy, CliError> {
        Ok(Policy {
            trust: self.certificates.read()?,
            required_roles: if self.require_roles.is_empty() {
                verify::default_roles()
            } else {
                self.require_roles.clone()
            },
            now: Timestamp::now(),
        })
    }
}

/// A file that holds no certificate.
#[derive(Debug, Error, Diagnostic)]
#[error("{} cannot be trusted", path.display())]
#[diagnostic(help(
    "give a file with certificates in PEM or DER form, as the manufacturer handed them to you"
))]
struct BadTrust {
    path: PathBuf,
    source: dhfpack::sign::SignError,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_may_be_bound_to_a_role() {
        for (text, role, certificate) in [
            ("ca.pem", None, "ca.pem"),
            (
                "Quality Systems SME=jo.pem",
                Some("Quality Systems SME"),
                "jo.pem",
            ),
            (
                "Release Manager=a=b.pem",
                Some("Release Manager"),
                "a=b.pem",
            ),
            ("./a=b.pem", None, "./a=b.pem"),
        ] {
            let expected = Trusted {
                role: role.map(str::to_owned),
                certificate: certificate.into(),
            };
            assert_eq!(text.parse(), Ok(expected));
        }
        for text in ["", "=jo.pem", "QA="] {
            assert_eq!(text.parse::<Trusted>(), Err(NotTrusted), "{text}");
        }
    }
}
