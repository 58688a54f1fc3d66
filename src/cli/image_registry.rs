//! How image registries are reached, from the environment alone: never a password as an option, which
//! process lists and shell histories show.

use std::ffi::OsString;
use std::path::PathBuf;

use dhfpack::platform;
use dhfpack::source::image::registry::{Access, Login, Secret};
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::signer::first_line;
use crate::cli::small_file::{self, SmallFileError};

const USERNAME: &str = "DHFPACK_REGISTRY_USERNAME";
const PASSWORD: &str = "DHFPACK_REGISTRY_PASSWORD";
const PASSWORD_FILE: &str = "DHFPACK_REGISTRY_PASSWORD_FILE";
const AUTHORITIES: &str = "DHFPACK_CA_FILE";
const DOCKER_CONFIG: &str = "DOCKER_CONFIG";

/// Why there is no login.
#[derive(Debug, Error, Diagnostic)]
enum LoginError {
    /// One of the two is of no use without the other.
    #[error("{given} is set without {missing}")]
    #[diagnostic(help("set both, or neither: then logins come from `docker login`"))]
    OneOfTwo {
        given: &'static str,
        missing: &'static str,
    },
    /// Bytes that are no text.
    #[error("{name} holds no text in UTF-8")]
    #[diagnostic(help("set it anew"))]
    NotText { name: &'static str },
    /// The password's file cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] SmallFileError),
}

impl From<LoginError> for CliError {
    fn from(error: LoginError) -> Self {
        let kind = match error {
            LoginError::File(_) => Kind::Failed,
            _ => Kind::Usage,
        };
        Self::new(kind, error)
    }
}

/// Logins and certificates for registries.
pub(crate) fn access() -> Result<Access, CliError> {
    let folder = variable(DOCKER_CONFIG).map(PathBuf::from);
    let home = || Some(std::env::home_dir()?.join(".docker"));
    Ok(Access {
        login: login()?,
        docker_config: folder.or_else(home),
        authorities: variable(AUTHORITIES).map(PathBuf::from),
        certificates: Some(platform::DOCKER_CERTIFICATES.into()),
    })
}

fn login() -> Result<Option<Login>, LoginError> {
    let password = match variable(PASSWORD_FILE) {
        Some(path) => Some(first_line(small_file::read(path.as_ref())?)),
        None => variable(PASSWORD).map(OsString::into_encoded_bytes),
    };
    let text = |name, bytes| String::from_utf8(bytes).map_err(|_| LoginError::NotText { name });
    match (variable(USERNAME), password) {
        (None, None) => Ok(None),
        (Some(user), Some(password)) => Ok(Some(Login::Password {
            user: text(USERNAME, user.into_encoded_bytes())?,
            password: Secret::new(text(PASSWORD, password)?),
        })),
        (Some(_), None) => Err(LoginError::OneOfTwo {
            given: USERNAME,
            missing: PASSWORD,
        }),
        (None, Some(_)) => Err(LoginError::OneOfTwo {
            given: PASSWORD,
            missing: USERNAME,
        }),
    }
}

/// A variable that is set to something; CI systems set empty ones.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
