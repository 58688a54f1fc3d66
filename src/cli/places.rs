//! Where the outputs of a release go beside its archive, as options and configurations name it.

use std::path::Path;

use dhfpack::config::{Config, GitFileConfig};
use dhfpack::manifest::Manifest;
use dhfpack::monitor::Monitor;
use dhfpack::publish::{Destinations, GitFile, GrowingDocument, InStore, RegisterAt, Step, dhf};
use dhfpack::sign::Signer;
use dhfpack::store::{self, Address, Document, Edition, Store, StoreError, Swapped};
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::nearest::{self, Nearest};
use crate::cli::registry::markdown;
use crate::cli::stores;
use crate::cli::target::whole;

/// Where to, if not where the configuration says.
#[derive(Debug, clap::Args)]
pub(crate) struct PlaceArgs {
    /// The release's folder in the design history file, as a folder or a URL, with `{version}` in
    /// it [default: `storage.dhf` of the dhfpack.toml in the current folder or above it, or else
    /// of the archive's]
    #[arg(long, value_name = "STORE")]
    dhf: Option<String>,
}

/// A place, if it is asked for; or why it cannot be opened.
type Place<T> = Result<Option<Box<T>>, CliError>;

/// What is opened for it, each place by itself.
pub(crate) struct Opened<'m> {
    dhf: Place<dyn Store + 'm>,
    manual: Place<dyn GrowingDocument + 'm>,
    registry: Place<dyn Store + 'm>,
    markdown: Option<GitFileConfig>,
}

impl<'m> Opened<'m> {
    /// Every place. Fails as the first does that cannot be opened.
    pub(crate) fn all(self) -> Result<Places<'m>, CliError> {
        Ok(Places {
            dhf: self.dhf?,
            manual: self.manual?,
            registry: self.registry?,
            markdown: self.markdown,
        })
    }

    /// The places that can be opened, and the steps whose place cannot.
    pub(crate) fn parted(self) -> (Places<'m>, Vec<(Step, CliError)>) {
        let mut failed = Vec::new();
        let places = Places {
            dhf: opened(Step::Dhf, self.dhf, &mut failed),
            manual: opened(Step::ServiceManual, self.manual, &mut failed),
            registry: opened(Step::Registry, self.registry, &mut failed),
            markdown: self.markdown,
        };
        (places, failed)
    }
}

/// A place of this step; where it cannot be opened, the step is among those that `failed`.
fn opened<T: ?Sized>(
    step: Step,
    place: Place<T>,
    failed: &mut Vec<(Step, CliError)>,
) -> Option<Box<T>> {
    place.unwrap_or_else(|error| {
        failed.push((step, error));
        None
    })
}

/// Every place that is asked for.
pub(crate) struct Places<'m> {
    dhf: Option<Box<dyn Store + 'm>>,
    manual: Option<Box<dyn GrowingDocument + 'm>>,
    registry: Option<Box<dyn Store + 'm>>,
    /// A Markdown file that shows the registry.
    pub(crate) markdown: Option<GitFileConfig>,
}

impl Places<'_> {
    /// The same for the library; rows of the registry are signed by `signer`.
    pub(crate) fn destinations<'a>(&'a self, signer: Option<&'a Signer>) -> Destinations<'a> {
        Destinations {
            dhf: self.dhf.as_deref(),
            manual: self.manual.as_deref(),
            registry: self
                .registry
                .as_deref()
                .map(|store| RegisterAt { store, signer }),
        }
    }

    /// Shows the release in the Markdown file, where one is configured; says whether.
    pub(crate) fn show_registry(
        &self,
        manifest: &Manifest,
        monitor: &dyn Monitor,
    ) -> Result<bool, CliError> {
        let (Some(store), Some(file)) = (&self.registry, &self.markdown) else {
            return Ok(false);
        };
        markdown::update(&**store, file, &manifest.name, monitor)?;
        Ok(true)
    }
}

impl PlaceArgs {
    /// Opens what the archive's configuration asks for, with the archive's store at `address`.
    /// Nothing is made there. Fails only if the configuration at hand cannot be read.
    pub(crate) fn open<'m>(
        &self,
        manifest: &Manifest,
        archived: &Config,
        address: &Address,
        monitor: &'m dyn Monitor,
    ) -> Result<Opened<'m>, CliError> {
        let nearest = nearest::read()?;
        let nearest = nearest.as_ref();
        let local = nearest.map(|nearest| &nearest.config);
        let open = |address: &Address| -> Result<Box<dyn Store + 'm>, CliError> {
            Ok(store::open(address, &stores::access()?, monitor)?)
        };
        let dhf = self.dhf_address(manifest, archived, nearest);
        let dhf = dhf.and_then(|address| address.as_ref().map(open).transpose());
        let manual = archived.service_manual.as_ref().map(|archived| {
            let local = local.and_then(|local| local.service_manual.as_ref());
            let config = local.unwrap_or(archived);
            let manual: Box<dyn GrowingDocument + 'm> = match &config.git {
                Some(git) => Box::new(manual_in_git(git, manifest)?),
                None => Box::new(InOwnStore {
                    store: open(address)?,
                    path: config.file.clone(),
                }),
            };
            Ok(manual)
        });
        let registry = archived.registry.as_ref().map(|archived| {
            let local = local.and_then(|local| local.registry.as_ref());
            local.unwrap_or(archived)
        });
        let markdown = registry.and_then(|config| config.markdown.clone());
        let folder = nearest.map_or(Path::new("."), |nearest| &nearest.folder);
        let registry = registry.map(|config| match &config.to {
            Some(to) => open(&whole(stores::address_from(to, folder)?)?),
            None => open(address),
        });
        Ok(Opened {
            dhf,
            manual: manual.transpose(),
            registry: registry.transpose(),
            markdown,
        })
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
            Address::Folder(path) => whole(Address::Folder(folder.join(path)))?,
            remote @ Address::Remote(_) => remote,
        }))
    }
}

/// Opens a service manual in a git repository, to add the entry of this release.
pub(crate) fn manual_in_git(
    file: &GitFileConfig,
    manifest: &Manifest,
) -> Result<GitFile, CliError> {
    let message = format!("Add {} to the service manual", manifest.name);
    markdown::open(file, message, manifest.release.source_date)
}

/// A document in a store that nobody else needs.
struct InOwnStore<'m> {
    store: Box<dyn Store + 'm>,
    path: String,
}

impl InOwnStore<'_> {
    fn document(&self) -> InStore<'_> {
        InStore {
            store: &*self.store,
            path: &self.path,
        }
    }
}

impl GrowingDocument for InOwnStore<'_> {
    fn place(&self) -> String {
        self.document().place()
    }

    fn load(&self, limit: u64) -> Result<Option<Document>, StoreError> {
        self.document().load(limit)
    }

    fn swap(&self, bytes: &[u8], current: Option<&Edition>) -> Result<Swapped, StoreError> {
        self.document().swap(bytes, current)
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
