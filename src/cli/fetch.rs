//! `dhfpack fetch`.

use std::path::PathBuf;

use dhfpack::fetch::{self, FetchError};
use dhfpack::monitor::Monitor;
use dhfpack::store;
use miette::Diagnostic;
use serde_json::json;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::trust::TrustArgs;
use crate::cli::{output, stores, verify};

const EXAMPLES: &str = "\
Examples:
  dhfpack fetch s3://dhf-archives/pump/pump-2.4.0 .
      brings the archive back as ./pump-2.4.0, if it is what was sealed
  dhfpack fetch /mnt/dhf/pump/pump-2.4.0 archives --trust qms-ca.pem
      and asks that everyone required has signed";

/// Fetch an archive from a store, and verify it as it arrives
///
/// Every file is hashed while it is written. The archive appears under its name in DIR, whole and
/// in one step, only if it is what was sealed; what is there already is never replaced. A run that
/// broke off leaves nothing, and the next one begins anew.
///
/// With `--trust` or `--require-role`, signatures decide the exit code as for `dhfpack verify`;
/// the archive is there all the same.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The archive in its store: its URL, or its folder
    #[arg(value_name = "URL")]
    archive: String,
    /// The folder in which the archive appears
    #[arg(value_name = "DIR")]
    into: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let policy = args.trust.policy()?;
    let address = stores::address(&args.archive)?;
    let store = store::open(&address, &stores::access()?, monitor)?;
    let fetched = fetch::fetch(&*store, &args.into, &policy, monitor)?;
    let path = fetched.path.display().to_string();
    if args.json {
        output::json(&json!({
            "archive": path,
            "verdict": verify::to_json(&fetched.verdict, &[]),
        }))?;
    } else {
        output::text(&verify::to_text(&fetched.verdict, &[], &path))?;
    }
    if fetched.verdict.passed() {
        return Ok(());
    }
    if args.trust.is_given() {
        return Err(CliError::new(Kind::Trust, NotAuthorised { path }));
    }
    monitor.notice(
        "the archive is what was sealed; who answers for it was not judged: see --trust, or `dhfpack verify`",
    );
    Ok(())
}

/// The verdict is on standard output; this is its exit code's message.
#[derive(Debug, Error, Diagnostic)]
#[error("{path} is what was sealed, and not everyone required is known to have signed it")]
#[diagnostic(help("docs/format.md explains each code; see --trust and --require-role"))]
struct NotAuthorised {
    path: String,
}

impl From<FetchError> for CliError {
    fn from(error: FetchError) -> Self {
        let kind = match error {
            FetchError::Damaged { .. } | FetchError::Name { .. } => Kind::Integrity,
            _ => Kind::Failed,
        };
        Self::new(kind, error)
    }
}
