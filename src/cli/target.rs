//! The store to publish to, as options, the environment and the nearest configuration name it.

use dhfpack::error::IoContext;
use dhfpack::monitor::Monitor;
use dhfpack::store::{self, Address, Store};
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::nearest::{self, Nearest};
use crate::cli::stores;

/// Where to publish.
#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// The store, as a folder or a URL [default: `storage.to` of the dhfpack.toml in the current
    /// folder or above it]
    #[arg(long, value_name = "STORE", env = "DHFPACK_STORE")]
    to: Option<String>,
}

impl Target {
    /// Opens the store.
    pub(crate) fn open<'m>(
        &self,
        monitor: &'m dyn Monitor,
    ) -> Result<Box<dyn Store + 'm>, CliError> {
        let address = match &self.to {
            Some(to) => stores::address(to)?,
            None => configured()?,
        };
        Ok(store::open(&whole(address)?, &stores::access()?, monitor)?)
    }
}

/// The address with a folder's whole path: registers and receipts name the place.
pub(crate) fn whole(address: Address) -> Result<Address, CliError> {
    Ok(match address {
        Address::Folder(path) => {
            let whole = std::path::absolute(&path).at("find", &path)?;
            Address::Folder(whole)
        }
        remote @ Address::Remote(_) => remote,
    })
}

/// The store that the nearest configuration names; a relative path counts from its folder.
fn configured() -> Result<Address, CliError> {
    let Some(Nearest { config, folder }) = nearest::read()? else {
        return Err(CliError::new(Kind::Usage, NoStore));
    };
    match config.storage.to {
        Some(to) => stores::address_from(&to, &folder),
        None => Err(CliError::new(Kind::Usage, NoStore)),
    }
}

/// Nothing says where to publish.
#[derive(Debug, Error, Diagnostic)]
#[error("no store is named")]
#[diagnostic(help(
    "give --to STORE, set DHFPACK_STORE, or add `to` under [storage] in dhfpack.toml"
))]
struct NoStore;
