//! How image registries are reached, from the environment alone.

use std::path::PathBuf;

use dhfpack::platform;
use dhfpack::source::image::registry::{Access, Login, Secret};
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::environment::{VariableError, secret, text, variable};
use crate::cli::error::{CliError, Kind};

const USERNAME: &str = "DHFPACK_REGISTRY_USERNAME";
const PASSWORD: &str = "DHFPACK_REGISTRY_PASSWORD";
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
    /// A variable that cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Variable(#[from] VariableError),
}

impl From<LoginError> for CliError {
    fn from(error: LoginError) -> Self {
        let kind = match &error {
            LoginError::Variable(error) => error.kind(),
            LoginError::OneOfTwo { .. } => Kind::Usage,
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
    match (text(USERNAME)?, secret(PASSWORD)?) {
        (None, None) => Ok(None),
        (Some(user), Some(password)) => Ok(Some(Login::Password {
            user,
            password: Secret::new(password),
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
