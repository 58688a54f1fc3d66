//! `dhfpack publish`.

use std::path::PathBuf;

use dhfpack::archive;
use dhfpack::config::{Config, FILE_NAME};
use dhfpack::error::IoContext;
use dhfpack::monitor::Monitor;
use dhfpack::publish::{self, PublishError, ReadBack};
use dhfpack::store::{self, Address};
use dhfpack::toml_file::TomlText;
use miette::Diagnostic;
use serde_json::json;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::jobs::Jobs;
use crate::cli::{output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack publish pump-2.4.0
      into the store that dhfpack.toml names
  dhfpack publish pump-2.4.0 --to /mnt/dhf/pump
  dhfpack publish pump-2.4.0.zip --to /mnt/dhf/pump --json";

/// Copy an archive into a store, and verify the copy
///
/// Nothing in the store is ever replaced: what is there with the same bytes is skipped, so that a
/// run that broke off is resumed by running it again; other bytes are an error. The manifest
/// comes last: without it a copy is not complete.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The archive: a folder, a zip or a tar
    archive: PathBuf,
    /// The store, as a folder or a URL [default: `storage.to` of the dhfpack.toml in the current
    /// folder or above it]
    #[arg(long, value_name = "STORE", env = "DHFPACK_STORE")]
    to: Option<String>,
    /// Download all files again and compare them, not only those under 64 MiB
    #[arg(long)]
    read_back: bool,
    #[command(flatten)]
    jobs: Jobs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let to = match &args.to {
        Some(to) => stores::address(to)?,
        None => configured()?,
    };
    let tree = archive::open(&args.archive)?;
    let read_back = if args.read_back {
        ReadBack::All
    } else {
        ReadBack::default()
    };
    let store = store::open(&to, &stores::access()?, monitor)?;
    let published = publish::publish(&*tree, &*store, read_back, args.jobs.count(), monitor)?;
    let location = published.location.to_string();
    if args.json {
        return output::json(&json!({
            "location": location,
            "copied": published.copied,
            "skipped": published.skipped,
        }));
    }
    output::text(&format!(
        "published {location}\nfiles     {} copied and read back, {} there already\n",
        published.copied, published.skipped
    ))
}

/// The store that the nearest configuration names; a relative path counts from its folder.
fn configured() -> Result<Address, CliError> {
    let here = std::env::current_dir().at("find", ".")?;
    for folder in here.ancestors() {
        let file = folder.join(FILE_NAME);
        if !file.is_file() {
            continue;
        }
        let text = TomlText {
            name: file.display().to_string(),
            text: std::fs::read_to_string(&file).at("read", &file)?,
        };
        return match Config::parse(&text)?.storage.to {
            Some(to) => stores::address_from(&to, folder),
            None => Err(CliError::new(Kind::Usage, NoStore)),
        };
    }
    Err(CliError::new(Kind::Usage, NoStore))
}

/// Nothing says where to publish.
#[derive(Debug, Error, Diagnostic)]
#[error("no store is named")]
#[diagnostic(help(
    "give --to STORE, set DHFPACK_STORE, or add `to` under [storage] in dhfpack.toml"
))]
struct NoStore;

impl From<PublishError> for CliError {
    fn from(error: PublishError) -> Self {
        let kind = match error {
            PublishError::Damaged { .. } => Kind::Integrity,
            _ => Kind::Failed,
        };
        Self::new(kind, error)
    }
}
