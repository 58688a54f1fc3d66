//! Files that are small by nature: a layout, a key, a passphrase.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use dhfpack::error::{IoContext, IoError};
use miette::Diagnostic;
use thiserror::Error;

/// More than any such file has, in bytes.
const LARGEST: u64 = 1 << 20;

/// Why a small file cannot be read.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum SmallFileError {
    /// Longer than any file of its kind.
    #[error("{} is larger than the {LARGEST} bytes that such a file can have", path.display())]
    #[diagnostic(help("name another file: this one cannot be what is expected here"))]
    TooLarge { path: PathBuf },
    /// It cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Io(#[from] IoError),
}

/// The file's bytes.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, SmallFileError> {
    let file = File::open(path).at("open", path)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .at("read", path)?;
    if bytes.len() as u64 > LARGEST {
        let path = path.to_path_buf();
        return Err(SmallFileError::TooLarge { path });
    }
    Ok(bytes)
}
