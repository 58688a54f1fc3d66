//! The configuration at hand: what says where things go on this machine.

use std::path::PathBuf;

use dhfpack::config::{Config, FILE_NAME};
use dhfpack::error::IoContext;
use dhfpack::toml_file::TomlText;

use crate::cli::error::CliError;

/// The dhfpack.toml in the current folder, or the nearest above it.
pub(crate) struct Nearest {
    /// What it says.
    pub(crate) config: Config,
    /// The folder it lies in, from which its relative paths count.
    pub(crate) folder: PathBuf,
}

/// Reads it, if there is one.
pub(crate) fn read() -> Result<Option<Nearest>, CliError> {
    let here = std::env::current_dir().at("find", ".")?;
    let Some(folder) = here
        .ancestors()
        .find(|folder| folder.join(FILE_NAME).is_file())
    else {
        return Ok(None);
    };
    let file = folder.join(FILE_NAME);
    let text = TomlText {
        name: file.display().to_string(),
        text: std::fs::read_to_string(&file).at("read", &file)?,
    };
    Ok(Some(Nearest {
        config: Config::parse(&text)?,
        folder: folder.to_path_buf(),
    }))
}
