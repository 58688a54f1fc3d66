//! The key to sign with, as options and environment variables name it. Never a passphrase as an
//! option: process lists and shell histories show those.

use std::path::PathBuf;

use dhfpack::sign::Signer;
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::small_file::{self, SmallFileError};

/// Holds the passphrase itself, where CI systems keep secrets in variables.
const PASSPHRASE: &str = "DHFPACK_PASSPHRASE";

/// Which key to sign with.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Signing key")]
pub(crate) struct SignerArgs {
    /// The private key, in PEM
    #[arg(long, value_name = "FILE", env = "DHFPACK_KEY", hide_env_values = true)]
    key: Option<PathBuf>,
    /// The signer's certificate, in PEM; certificates that issued it may follow in the same file
    #[arg(
        long,
        value_name = "FILE",
        env = "DHFPACK_CERTIFICATE",
        hide_env_values = true
    )]
    certificate: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// Where the passphrase of a private key is found.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PassphraseArgs {
    /// A file that holds the key's passphrase; it may also be in the variable `DHFPACK_PASSPHRASE`
    #[arg(
        long,
        value_name = "FILE",
        env = "DHFPACK_PASSPHRASE_FILE",
        hide_env_values = true
    )]
    passphrase_file: Option<PathBuf>,
}

/// Why there is no key to sign with.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum SignerError {
    /// One of the two is of no use without the other.
    #[error("--{given} is given without --{missing}")]
    #[diagnostic(help(
        "give both, or set DHFPACK_KEY and DHFPACK_CERTIFICATE; `dhfpack key new` makes a key and its certificate"
    ))]
    OneOfTwo {
        given: &'static str,
        missing: &'static str,
    },
    /// Signing was asked for.
    #[error("no key to sign with")]
    #[diagnostic(help(
        "give --key and --certificate, or set DHFPACK_KEY and DHFPACK_CERTIFICATE; `dhfpack key new` makes a key and its certificate"
    ))]
    NoKey,
    /// Named, and nothing in it. Going on without would store a new key in the clear.
    #[error("{place} holds no passphrase")]
    #[diagnostic(help(
        "put the passphrase there, or leave it out altogether for a key without one"
    ))]
    NoPassphrase { place: String },
    /// A file cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] SmallFileError),
}

impl From<SignerError> for CliError {
    fn from(error: SignerError) -> Self {
        let kind = match error {
            SignerError::File(_) => Kind::Failed,
            _ => Kind::Usage,
        };
        Self::new(kind, error)
    }
}

/// The bytes of a key, its certificate and its passphrase. Has no `Debug`, so that none of it
/// is ever printed.
pub(crate) struct SignerFiles {
    pub(crate) key: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
    pub(crate) passphrase: Option<Vec<u8>>,
}

impl SignerFiles {
    /// The signer that they make.
    pub(crate) fn load(&self) -> Result<Signer, CliError> {
        Signer::load(&self.key, &self.certificate, self.passphrase.as_deref())
            .map_err(|error| CliError::new(Kind::Usage, error))
    }
}

impl SignerArgs {
    /// The key to sign with, if one is named.
    pub(crate) fn read(&self) -> Result<Option<SignerFiles>, SignerError> {
        let (key, certificate) = match (&self.key, &self.certificate) {
            (Some(key), Some(certificate)) => (key, certificate),
            (None, None) => return Ok(None),
            (Some(_), None) => {
                return Err(SignerError::OneOfTwo {
                    given: "key",
                    missing: "certificate",
                });
            }
            (None, Some(_)) => {
                return Err(SignerError::OneOfTwo {
                    given: "certificate",
                    missing: "key",
                });
            }
        };
        Ok(Some(SignerFiles {
            key: small_file::read(key)?,
            certificate: small_file::read(certificate)?,
            passphrase: self.passphrase.read()?,
        }))
    }

    /// The key to sign with; fails if none is named.
    pub(crate) fn require(&self) -> Result<SignerFiles, SignerError> {
        self.read()?.ok_or(SignerError::NoKey)
    }
}

impl PassphraseArgs {
    /// The passphrase, if there is one. The file goes before the variable.
    pub(crate) fn read(&self) -> Result<Option<Vec<u8>>, SignerError> {
        let (place, passphrase) = if let Some(path) = &self.passphrase_file {
            let passphrase = first_line(small_file::read(path)?);
            (path.display().to_string(), passphrase)
        } else if let Some(passphrase) = std::env::var_os(PASSPHRASE) {
            let place = format!("the variable {PASSPHRASE}");
            (place, passphrase.into_encoded_bytes())
        } else {
            return Ok(None);
        };
        if passphrase.is_empty() {
            return Err(SignerError::NoPassphrase { place });
        }
        Ok(Some(passphrase))
    }
}

/// Up to the first line break: editors add one at the end.
pub(crate) fn first_line(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    bytes.truncate(end.unwrap_or(bytes.len()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(key: Option<&str>, certificate: Option<&str>) -> SignerArgs {
        SignerArgs {
            key: key.map(PathBuf::from),
            certificate: certificate.map(PathBuf::from),
            passphrase: PassphraseArgs {
                passphrase_file: None,
            },
        }
    }

    #[test]
    fn a_key_without_its_certificate_is_refused() {
        for (key, certificate) in [(Some("key.pem"), None), (None, Some("certificate.pem"))] {
            let result = named(key, certificate).read();
            assert!(matches!(result, Err(SignerError::OneOfTwo { .. })));
        }
        assert!(matches!(named(None, None).read(), Ok(None)));
        assert!(matches!(
            named(None, None).require(),
            Err(SignerError::NoKey)
        ));
    }

    #[test]
    fn a_passphrase_ends_with_its_line() {
        for (file, passphrase) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("two words \r\nnote", "two words "),
            ("\n", ""),
        ] {
            assert_eq!(first_line(file.into()), passphrase.as_bytes());
        }
    }
}
