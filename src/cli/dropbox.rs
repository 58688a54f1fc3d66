//! Logins at Dropbox, from the environment alone: never a token as an option, which process lists
//! and shell histories show.

use std::ffi::OsString;

use dhfpack::store::DropboxLogin;
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::image_registry::variable;
use crate::cli::signer::first_line;
use crate::cli::small_file::{self, SmallFileError};

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
    /// Bytes that are no text.
    #[error("{name} holds no text in UTF-8")]
    #[diagnostic(help("set it anew"))]
    NotText { name: &'static str },
    /// A secret's file cannot be read.
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

/// The login that the environment gives, if any.
pub(crate) fn login() -> Result<Option<DropboxLogin>, CliError> {
    let login = match (secret(TOKEN)?, secret(REFRESH_TOKEN)?) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(LoginError::Both.into()),
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

/// A secret: the first line of the file that `NAME_FILE` names, or what `NAME` holds.
fn secret(name: &'static str) -> Result<Option<String>, LoginError> {
    match variable(&format!("{name}_FILE")) {
        Some(path) => {
            let line = first_line(small_file::read(path.as_ref())?);
            let line = String::from_utf8(line).map_err(|_| LoginError::NotText { name })?;
            Ok(Some(line))
        }
        None => text(name),
    }
}

fn text(name: &'static str) -> Result<Option<String>, LoginError> {
    let text = variable(name).map(OsString::into_string);
    text.transpose().map_err(|_| LoginError::NotText { name })
}
