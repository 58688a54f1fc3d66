//! Files that must not be there yet: written whole or not at all, and never over another.

use std::io::{self, Write};
use std::path::Path;

use dhfpack::error::{IoContext, IoError};
use dhfpack::platform;

/// Whether a file was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum NewFile {
    /// It was not there, and is now.
    Written,
    /// Something has that name already, and was left as it is.
    Exists,
}

/// Writes `bytes` to the new file `path`. `mode` holds its permissions on Unix; the umask may
/// take some away.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<NewFile, IoError> {
    // Asked first only to spare the work; `persist_noclobber` is what guarantees it.
    if path.symlink_metadata().is_ok() {
        return Ok(NewFile::Exists);
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    platform::set_mode_of_new(&mut builder, mode);
    let mut file = builder.tempfile_in(folder).at("create a file in", folder)?;
    file.write_all(bytes).at("write", path)?;
    file.as_file().sync_all().at("write", path)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(NewFile::Written),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(NewFile::Exists),
        Err(error) => Err(error.error).at("create", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_written_once_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        assert_eq!(write(&path, b"first", 0o600).unwrap(), NewFile::Written);
        assert_eq!(write(&path, b"second", 0o600).unwrap(), NewFile::Exists);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_for_its_owner_alone_and_links_are_not_followed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        assert_eq!(write(&path, b"secret", 0o600).unwrap(), NewFile::Written);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let link = folder.path().join("link.pem");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &link).unwrap();
        assert_eq!(write(&link, b"secret", 0o600).unwrap(), NewFile::Exists);
        assert!(!folder.path().join("elsewhere").exists());
    }
}
