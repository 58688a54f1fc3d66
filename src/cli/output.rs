//! Standard output: data only.

use std::io::{self, Write};

use dhfpack::error::{IoContext, IoError};
use serde::Serialize;

use crate::cli::error::CliError;
use crate::cli::escape;

/// Prints lines of text, safe for a terminal.
pub(crate) fn text(text: &str) -> Result<(), CliError> {
    Ok(write(escape::lines(text).as_bytes())?)
}

/// Prints JSON, indented, with a line break at the end.
pub(crate) fn json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(io::Error::from)
        .at("write", "standard output")?;
    Ok(write(format!("{}\n", escape::json(&text)).as_bytes())?)
}

/// Writes bytes as they are.
///
/// A reader that has gone away, as `head` does, wants no more: that is no failure, and the
/// command goes on to its own verdict.
pub(crate) fn write(bytes: &[u8]) -> Result<(), IoError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.at("write to", "standard output"),
    }
}
