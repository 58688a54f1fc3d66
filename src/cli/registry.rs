//! `dhfpack registry`: the products registry.

use clap::Subcommand;
use dhfpack::monitor::Monitor;
use dhfpack::publish::registry::RegistryError;
use dhfpack::store::StoreError;

use crate::cli::error::{CliError, Kind};

mod add;
pub(crate) mod markdown;
mod show;
mod verify;

const EXAMPLES: &str = "\
Examples:
  dhfpack registry add /mnt/dhf/pump-2.4.0 --to /mnt/dhf --trust qms-ca.pem
  dhfpack registry add --to /mnt/dhf --correct 7 --set \"Quantity Installed=12\" \\
    --note \"count of 2026-06-30\"
  dhfpack registry verify /mnt/dhf --trust ci.pem --archives
  dhfpack registry show /mnt/dhf";

/// Register releases in the products registry, verify it, and show it
///
/// The register is the file registry.csv in a store, which spreadsheets open. Its rows are signed
/// and chained, and it only grows: docs/registry.md says how to check it with stock tools.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Add(add::Args),
    Verify(verify::Args),
    Show(show::Args),
    Markdown(markdown::Args),
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    match &args.command {
        Command::Add(args) => add::run(args, monitor),
        Command::Verify(args) => verify::run(args, monitor),
        Command::Show(args) => show::run(args, monitor),
        Command::Markdown(args) => markdown::run(args, monitor),
    }
}

impl From<RegistryError> for CliError {
    fn from(error: RegistryError) -> Self {
        let kind = match &error {
            RegistryError::Broken { .. }
            | RegistryError::RowLost { .. }
            | RegistryError::AncestorMissing { .. }
            | RegistryError::OtherArchive { .. }
            | RegistryError::TagMoved { .. }
            | RegistryError::OtherCertificate { .. } => Kind::Integrity,
            RegistryError::Store(StoreError::Address(_) | StoreError::Refused { .. })
            | RegistryError::Sign(_)
            | RegistryError::Draft { .. }
            | RegistryError::Location { .. }
            | RegistryError::Row { .. }
            | RegistryError::NoRow { .. }
            | RegistryError::NotLatest { .. }
            | RegistryError::Change(_) => Kind::Usage,
            RegistryError::Store(_)
            | RegistryError::Cancelled(_)
            | RegistryError::Archive(_)
            | RegistryError::Missing { .. }
            | RegistryError::Configuration { .. }
            | RegistryError::NotText { .. }
            | RegistryError::Markdown { .. } => Kind::Failed,
        };
        Self::new(kind, error)
    }
}
