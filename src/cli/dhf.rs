//! `dhfpack dhf`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use dhfpack::archive::Records;
use dhfpack::error::IoContext;
use dhfpack::manifest::Manifest;
use dhfpack::monitor::Monitor;
use dhfpack::publish::dhf::{self, DesignOutputs, DhfError};
use dhfpack::store::{self, Address};
use miette::Diagnostic;
use serde_json::json;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::nearest;
use crate::cli::{output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack dhf copy /mnt/archive/pump/pump-2.4.0
      into the folder that `storage.dhf` in dhfpack.toml names
  dhfpack dhf copy s3://archives/pump-2.4.0 --to \"/mnt/dhf/pump/{version}\"";

/// Copy a release's design outputs into the product's design history file
///
/// The history file gets a folder `Design Outputs` for each version, with the source code, the
/// installation image and the user manual, and beside it a file that names the archive.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Copy the design outputs, byte for byte, and read every file back
    ///
    /// Files that are there with the same bytes are kept, so that a run that broke off is resumed
    /// by running it again. Other bytes are an error, and nothing is changed.
    #[command(
        after_help = "Examples:\n  dhfpack dhf copy pump-2.4.0\n  dhfpack dhf copy pump-2.4.0 --to \"/mnt/dhf/pump/{version}\" --json"
    )]
    Copy {
        /// The archive, best where it was published: the copy names it as it is named here
        archive: PathBuf,
        /// The release's folder in the design history file, as a folder or a URL, with the version
        /// or `{version}` in it [default: `storage.dhf` of the dhfpack.toml in the current folder
        /// or above it]
        #[arg(long, value_name = "STORE")]
        to: Option<String>,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let Command::Copy { archive, to, json } = &args.command;
    let tree = stores::archive(archive, monitor)?;
    let (manifest, digest) = Records::of(&*tree)?.manifest()?;
    let outputs = DesignOutputs::of(&manifest, digest, &location(archive)?)?;
    let address = if let Some(to) = to {
        dhf::address(to, &manifest)?
    } else {
        configured(&manifest)?
    };
    let store = store::open(&address, &stores::access()?, monitor)?;
    let copied = outputs.copy(&*tree, &*store, monitor)?;
    let place = copied.location.to_string();
    let pointer = store.address().place(dhf::POINTER);
    if *json {
        return output::json(&json!({
            "location": place,
            "pointer": pointer,
            "copied": copied.copied,
            "skipped": copied.skipped,
        }));
    }
    output::text(&format!(
        "copied  {place}\nfiles   {} copied and read back, {} there already\nof      {} ({pointer})\n",
        copied.copied, copied.skipped, manifest.name
    ))
}

/// The folder that the nearest configuration names; a relative path counts from its own folder.
fn configured(manifest: &Manifest) -> Result<Address, CliError> {
    let nearest = nearest::read()?;
    let configured = nearest.and_then(|one| Some((one.config.storage.dhf?, one.folder)));
    let none = || CliError::new(Kind::Usage, NoHistoryFile);
    let (written, folder) = configured.ok_or_else(none)?;
    Ok(match dhf::address(&written, manifest)? {
        Address::Folder(path) => Address::Folder(folder.join(path)),
        remote @ Address::Remote(_) => remote,
    })
}

/// Where the archive is, as the pointer names it.
fn location(archive: &Path) -> Result<String, CliError> {
    if let Some(url) = archive.to_str().filter(|text| Address::is_url(text)) {
        return Ok(stores::address(url)?.to_string());
    }
    let whole = std::path::absolute(archive).at("find", archive)?;
    Ok(whole.display().to_string())
}

/// Nothing says where the history file is.
#[derive(Debug, Error, Diagnostic)]
#[error("no folder in a design history file is named")]
#[diagnostic(help(
    "give --to STORE, or add `dhf` under [storage] in dhfpack.toml, with {{version}} in it"
))]
struct NoHistoryFile;

impl From<DhfError> for CliError {
    fn from(error: DhfError) -> Self {
        match error {
            DhfError::Store(error) => error.into(),
            DhfError::NoVersion { .. } => Self::new(Kind::Usage, error),
            error => Self::new(Kind::Failed, error),
        }
    }
}
