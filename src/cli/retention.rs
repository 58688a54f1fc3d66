//! `dhfpack retention`.

use clap::Subcommand;
use dhfpack::monitor::Monitor;
use dhfpack::publish::retention::RetentionError;
use dhfpack::store::StoreError;

use crate::cli::error::{CliError, Kind};

mod extend;
mod show;
mod summary;

const EXAMPLES: &str = "\
Examples:
  dhfpack retention show s3://dhf/pump/pump-2.4.0
      how the archive is locked, and until when
  dhfpack retention extend s3://dhf/pump/pump-2.4.0 --until 2041-12-31 --dry-run
  dhfpack retention extend s3://dhf/pump/pump-2.4.0 --until 2041-12-31";

/// Show and extend the locks on a published archive
///
/// Locks are those of S3 Object Lock. A lock may be extended and made stricter, never shortened.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(show::Args),
    Extend(extend::Args),
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    match &args.command {
        Command::Show(args) => show::run(args, monitor),
        Command::Extend(args) => extend::run(args, monitor),
    }
}

impl From<RetentionError> for CliError {
    fn from(error: RetentionError) -> Self {
        let kind = match &error {
            RetentionError::Loss(_) => Kind::Integrity,
            // A store's own errors keep their kinds.
            RetentionError::Store(StoreError::Address(_) | StoreError::Refused { .. })
            | RetentionError::CannotLock { .. }
            | RetentionError::Unconfirmed { .. }
            | RetentionError::Weaker { .. }
            | RetentionError::NoMode { .. }
            | RetentionError::NoEnd { .. }
            | RetentionError::Over { .. }
            | RetentionError::TooFar { .. } => Kind::Usage,
            RetentionError::Store(_)
            | RetentionError::NoArchive { .. }
            | RetentionError::NotKept { .. } => Kind::Failed,
        };
        Self::new(kind, error)
    }
}
