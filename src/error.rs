//! Errors that every layer shares: an I/O failure with its path, and a stop asked for by the user.

use std::io;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

/// An I/O failure that says what was being done, and to which file.
#[derive(Debug, Error, Diagnostic)]
#[error("cannot {action} {}", path.display())]
pub struct IoError {
    /// What was attempted, as a verb: "read", "create".
    pub action: &'static str,
    /// The file or folder concerned.
    pub path: PathBuf,
    /// What the operating system answered.
    pub source: io::Error,
}

/// The user, or the CI system, asked the program to stop.
#[derive(Debug, Clone, Copy, Error, Diagnostic, PartialEq, Eq)]
#[error("stopped on request")]
pub struct Cancelled;

/// Adds the action and the path to an [`io::Result`].
pub trait IoContext<T> {
    /// Names what was attempted and on which file, should it have failed.
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T, IoError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T, IoError> {
        self.map_err(|source| IoError {
            action,
            path: path.as_ref().to_path_buf(),
            source,
        })
    }
}
