//! `dhfpack status`.

use std::path::PathBuf;

use dhfpack::monitor::Monitor;
use dhfpack::publish::{self, Inspected, Progress, State};
use miette::Diagnostic;
use serde_json::json;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::places::PlaceArgs;
use crate::cli::publish::{lines, status_name};
use crate::cli::trust::TrustArgs;
use crate::cli::{output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack status s3://dhf-archives/pump/pump-2.4.0
  dhfpack status /mnt/dhf/pump/pump-2.4.0 --trust qms-ca.pem --json

Exit codes: 0 if everything is done and the archive is released; 3 if
something is not what it should be; 6 if a step is not done yet; 4 if only
signatures are missing.";

/// Show how far the publication of an archive has come
///
/// Compares what lies in the store with the archive's manifest, its configuration and the latest
/// receipt, by names, sizes and the store's own marks. Reads no large file: `verify` does.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The archive in its store: a URL or a folder
    #[arg(value_name = "URL")]
    archive: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    places: PlaceArgs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let policy = args.trust.policy()?;
    let (store, name) = stores::published(&args.archive, monitor)?;
    let progress = match publish::inspect(&*store, &name)? {
        Inspected::BrokenOff(progress) => progress,
        Inspected::Whole(archive) => {
            let (manifest, config) = (archive.manifest(), &archive.config().config);
            let (places, at) = (&args.places, store.address());
            let places = places.open(manifest, config, at, false, monitor)?;
            let to = places.destinations(None);
            archive.progress(&policy, to, monitor)?
        }
    };
    let location = store.address().below(&name).to_string();
    let standing = progress.standing.as_ref();
    let status = standing.map(|standing| status_name(standing.is_released()));
    if args.json {
        output::json(&json!({
            "location": location,
            "complete": standing.is_some(),
            "manifest_sha256": progress.manifest_sha256,
            "status": status,
            "released_at": standing.and_then(|standing| standing.released_at),
            "steps": progress.steps,
        }))?;
    } else {
        let (steps, status) = (lines(&progress.steps), status.unwrap_or("not complete"));
        output::text(&format!(
            "archive   {location}\n{steps}status    {status}\n"
        ))?;
    }
    verdict(&progress)
}

fn verdict(progress: &Progress) -> Result<(), CliError> {
    for (state, kind, problem) in [
        (State::Differs, Kind::Integrity, Problem::Differs),
        (State::Missing, Kind::Differs, Problem::NotDone),
        (State::Waits, Kind::Trust, Problem::NotSigned),
    ] {
        if progress.has(state) {
            return Err(CliError::new(kind, problem));
        }
    }
    Ok(())
}

/// The steps are on standard output; this is the exit code's message.
#[derive(Debug, Error, Diagnostic)]
enum Problem {
    #[error("what is in the store is not what was published")]
    #[diagnostic(help("`dhfpack verify` with the same address shows the whole verdict"))]
    Differs,
    #[error("the archive is not published to its end")]
    #[diagnostic(help("publish it again: what is done already is left alone"))]
    NotDone,
    #[error("not everyone required has signed")]
    #[diagnostic(help(
        "`dhfpack sign` with the same address adds a statement; signatures count only by \
         certificates that --trust leads to; then publish again"
    ))]
    NotSigned,
}
