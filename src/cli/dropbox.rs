//! Logins at Dropbox, from the environment alone.

use dhfpack::store::DropboxLogin;
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::environment::{VariableError, secret, text};
use crate::cli::error::{CliError, Kind};

const TOKEN: &str = "DHFPACK_DROPBOX_TOKEN";
const REFRESH_TOKEN: &str = "DHFPACK_DROPBOX_REFRESH_TOKEN";
const APP_KEY: &str = "DHFPACK_DROPBOX_APP_KEY";
const APP_SECRET: &str = "DHFPACK_DROPBOX_APP_SECRET";
const PATH_ROOT: &str = "DHFPACK_DROPBOX_PATH_ROOT";
const SELECT_USER: &str = "DHFPACK_DROPBOX_SELECT_USER";

/// Why there is no login.
#[derive(Debug, Error, Diagnostic)]
enum LoginError {
    /// Two ways to log in.
    #[error("{TOKEN} and {REFRESH_TOKEN} are both set")]
    #[diagnostic(help("set one of them: the refresh token goes on when access tokens expire"))]
    Both,
    /// A refresh token is of no use alone.
    #[error("{REFRESH_TOKEN} is set without {APP_KEY}")]
    #[diagnostic(help("set {APP_KEY} to the key of the app that the refresh token was given to"))]
    NoAppKey,
    /// A variable that cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Variable(#[from] VariableError),
}

impl From<LoginError> for CliError {
    fn from(error: LoginError) -> Self {
        let kind = match &error {
            LoginError::Variable(error) => error.kind(),
            _ => Kind::Usage,
        };
        Self::new(kind, error)
    }
}

/// The login that the environment gives, if any.
pub(crate) fn login() -> Result<Option<DropboxLogin>, CliError> {
    Ok(from_environment()?)
}

fn from_environment() -> Result<Option<DropboxLogin>, LoginError> {
    let login = match (secret(TOKEN)?, secret(REFRESH_TOKEN)?) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(LoginError::Both),
        (Some(token), None) => DropboxLogin::with_access_token(token),
        (None, Some(token)) => {
            let app_key = text(APP_KEY)?.ok_or(LoginError::NoAppKey)?;
            DropboxLogin::with_refresh_token(token, app_key, secret(APP_SECRET)?)
        }
    };
    Ok(Some(
        login
            .in_namespace(text(PATH_ROOT)?)
            .as_member(text(SELECT_USER)?),
    ))
}
