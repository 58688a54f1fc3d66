//! Where the outputs of a release go beside its archive, as options and configurations name it.

use std::path::Path;

use dhfpack::config::Config;
use dhfpack::error::IoContext;
use dhfpack::manifest::Manifest;
use dhfpack::monitor::Monitor;
use dhfpack::publish::dhf;
use dhfpack::store::{self, Address, Store};
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::nearest::{self, Nearest};
use crate::cli::stores;

/// Where to, if not where the configuration says.
#[derive(Debug, clap::Args)]
pub(crate) struct PlaceArgs {
    /// The release's folder in the design history file, as a folder or a URL, with `{version}` in
    /// it [default: `storage.dhf` of the dhfpack.toml in the current folder or above it, or else
    /// of the archive's]
    #[arg(long, value_name = "STORE")]
    dhf: Option<String>,
}

/// The stores that are opened for it.
pub(crate) struct Places<'m> {
    /// The release's folder in the design history file, where one is configured.
    pub(crate) dhf: Option<Box<dyn Store + 'm>>,
    /// The service manual's path in the store, where one is configured.
    pub(crate) manual: Option<String>,
}

impl PlaceArgs {
    /// Opens what the archive's configuration asks for. Folders are made only if something is
    /// `to_write` there.
    pub(crate) fn open<'m>(
        &self,
        manifest: &Manifest,
        archived: &Config,
        to_write: bool,
        monitor: &'m dyn Monitor,
    ) -> Result<Places<'m>, CliError> {
        let nearest = nearest::read()?;
        let local = nearest.as_ref().map(|nearest| &nearest.config);
        let dhf = match self.dhf_address(manifest, archived, nearest.as_ref())? {
            None => None,
            Some(address) if to_write => {
                let version = &manifest.release.version;
                Some(dhf::open(&address, version, &stores::access()?, monitor)?)
            }
            Some(address) => Some(store::open(&address, &stores::access()?, monitor)?),
        };
        let manual = archived.service_manual.as_ref().map(|archived| {
            let local = local.and_then(|local| local.service_manual.as_ref());
            local.unwrap_or(archived).file.clone()
        });
        Ok(Places { dhf, manual })
    }

    fn dhf_address(
        &self,
        manifest: &Manifest,
        archived: &Config,
        nearest: Option<&Nearest>,
    ) -> Result<Option<Address>, CliError> {
        let local =
            nearest.and_then(|one| Some((one.config.storage.dhf.as_deref()?, &*one.folder)));
        let (written, folder) = match (&self.dhf, local, &archived.storage.dhf) {
            (Some(given), _, _) => (given.as_str(), Path::new(".")),
            (None, Some(local), _) => local,
            (None, None, Some(archived)) => {
                if !Address::is_url(archived) && !Path::new(archived).is_absolute() {
                    let written = archived.clone();
                    return Err(CliError::new(Kind::Usage, Unplaced { written }));
                }
                (archived.as_str(), Path::new("."))
            }
            (None, None, None) => return Ok(None),
        };
        Ok(Some(match dhf::address(written, manifest)? {
            Address::Folder(path) => {
                let path = folder.join(path);
                Address::Folder(std::path::absolute(&path).at("find", &path)?)
            }
            remote @ Address::Remote(_) => remote,
        }))
    }
}

/// A relative path whose start nobody knows.
#[derive(Debug, Error, Diagnostic)]
#[error(
    "the archive's configuration names `{written}` as design history file, from its own folder"
)]
#[diagnostic(help("say where that is with --dhf, or publish from the product's repository"))]
struct Unplaced {
    written: String,
}
