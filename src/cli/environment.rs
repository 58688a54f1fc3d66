//! What the environment says: never a password as an option, which process lists and shell
//! histories show.

use std::ffi::OsString;

use miette::Diagnostic;
use thiserror::Error;

use crate::cli::error::Kind;
use crate::cli::signer::first_line;
use crate::cli::small_file::{self, SmallFileError};

/// Why a variable cannot be used.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum VariableError {
    /// Bytes that are no text.
    #[error("{name} holds no text in UTF-8")]
    #[diagnostic(help("set it anew"))]
    NotText { name: &'static str },
    /// A secret's file cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] SmallFileError),
}

impl VariableError {
    /// How the program ends.
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::NotText { .. } => Kind::Usage,
            Self::File(_) => Kind::Failed,
        }
    }
}

/// A variable that is set to something; CI systems set empty ones.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// What a variable holds.
pub(crate) fn text(name: &'static str) -> Result<Option<String>, VariableError> {
    let text = variable(name).map(OsString::into_string);
    text.transpose()
        .map_err(|_| VariableError::NotText { name })
}

/// A secret: the first line of the file that `NAME_FILE` names, or what `NAME` holds.
pub(crate) fn secret(name: &'static str) -> Result<Option<String>, VariableError> {
    let Some(path) = variable(&format!("{name}_FILE")) else {
        return text(name);
    };
    let line = first_line(small_file::read(path.as_ref())?);
    let line = String::from_utf8(line).map_err(|_| VariableError::NotText { name })?;
    Ok(Some(line))
}
