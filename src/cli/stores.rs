//! Stores and archives in them, as the command line and the environment name them.

use std::path::{Path, PathBuf};

use dhfpack::archive::{self, Tree};
use dhfpack::monitor::Monitor;
use dhfpack::publish::PublishError;
use dhfpack::store::{self, Access, Address, Store, StoreError};

use crate::cli::dropbox;
use crate::cli::error::{CliError, Kind};

/// How services are reached, from the environment alone: never a secret as an option, which
/// process lists and shell histories show.
pub(crate) fn access() -> Result<Access, CliError> {
    Ok(Access {
        authorities: std::env::var_os("DHFPACK_CA_FILE").map(PathBuf::from),
        dropbox: dropbox::login()?,
    })
}

/// The address in `text`; a relative path counts from the current folder.
pub(crate) fn address(text: &str) -> Result<Address, CliError> {
    text.parse()
        .map_err(|error| CliError::new(Kind::Usage, StoreError::Address(error)))
}

/// The address in `text`; a relative path counts from `folder`.
pub(crate) fn address_from(text: &str, folder: &Path) -> Result<Address, CliError> {
    Ok(match address(text)? {
        Address::Folder(path) => Address::Folder(folder.join(path)),
        remote @ Address::Remote(_) => remote,
    })
}

/// Opens the store at the URL that is named; none if it is a path.
pub(crate) fn named<'m>(
    named: &Path,
    monitor: &'m dyn Monitor,
) -> Result<Option<Box<dyn Store + 'm>>, CliError> {
    match named.to_str().filter(|text| Address::is_url(text)) {
        Some(url) => Ok(Some(store::open(&address(url)?, &access()?, monitor)?)),
        None => Ok(None),
    }
}

/// A store, and the name of an archive in it.
pub(crate) type Published<'m> = (Box<dyn Store + 'm>, String);

/// Opens the store of the published archive that is named, a folder or a URL; gives its name, too.
pub(crate) fn published<'m>(
    named: &Path,
    monitor: &'m dyn Monitor,
) -> Result<Published<'m>, CliError> {
    if let Some(found) = above(named, &access()?, monitor)? {
        return Ok(found);
    }
    let place = named.display().to_string();
    Err(CliError::new(
        Kind::Usage,
        PublishError::NoArchive { place },
    ))
}

/// The store that lies above an archive, a folder or a URL, and the archive's name there; none at
/// the top of a store.
pub(crate) fn above<'m>(
    archive: &Path,
    access: &Access,
    monitor: &'m dyn Monitor,
) -> Result<Option<Published<'m>>, StoreError> {
    let address = match archive.to_str().filter(|text| Address::is_url(text)) {
        Some(url) => url.parse()?,
        None => Address::Folder(archive.to_path_buf()),
    };
    let Some((above, name)) = address.above() else {
        return Ok(None);
    };
    Ok(Some((store::open(&above, access, monitor)?, name)))
}

/// Opens the archive that is named: a folder, a zip, a tar, or a URL in a store.
pub(crate) fn archive<'m>(
    path: &Path,
    monitor: &'m dyn Monitor,
) -> Result<Box<dyn Tree + 'm>, CliError> {
    match named(path, monitor)? {
        Some(store) => Ok(archive::in_store(store)),
        None => Ok(archive::open(path)?),
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let kind = match error {
            StoreError::Address(_) | StoreError::Refused { .. } => Kind::Usage,
            _ => Kind::Failed,
        };
        Self::new(kind, error)
    }
}
