//! `dhfpack status`.

use std::path::PathBuf;

use dhfpack::monitor::Monitor;
use dhfpack::publish::{self, Inspected, Progress, PublishedArchive, State};
use dhfpack::store::Address;
use dhfpack::verify::Policy;
use miette::Diagnostic;
use serde_json::json;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::places::{Opened, PlaceArgs};
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
        Inspected::NoManifest(progress) => progress,
        Inspected::Whole(archive) => told(args, &archive, &policy, store.address(), monitor)?,
    };
    let location = store.address().below(&name).to_string();
    let standing = progress.standing.as_ref();
    let status = standing.map(|standing| status_name(standing.is_released()));
    let is_complete = progress.manifest_sha256.is_some();
    if args.json {
        output::json(&json!({
            "location": location,
            "complete": is_complete,
            "manifest_sha256": progress.manifest_sha256,
            "status": status,
            "released_at": standing.and_then(|standing| standing.released_at),
            "steps": progress.steps,
        }))?;
    } else {
        let unknown = if is_complete {
            "unknown"
        } else {
            "not complete"
        };
        let (steps, status) = (lines(&progress.steps), status.unwrap_or(unknown));
        output::text(&format!(
            "archive   {location}\n{steps}status    {status}\n"
        ))?;
    }
    verdict(&progress)
}

/// Every step; one whose place cannot be opened says why.
fn told(
    args: &Args,
    archive: &PublishedArchive<'_>,
    policy: &Policy,
    at: &Address,
    monitor: &dyn Monitor,
) -> Result<Progress, CliError> {
    let config = archive.config().map(|resolved| &resolved.config);
    let opened = config.map(|config| {
        let manifest = archive.manifest();
        args.places.open(manifest, config, at, monitor)
    });
    let (places, failed) = opened.transpose()?.map(Opened::parted).unzip();
    let to = places.as_ref().map(|places| places.destinations(None));
    let mut progress = archive.progress(policy, to.unwrap_or_default(), monitor)?;
    for (step, error) in failed.into_iter().flatten() {
        progress.break_step(step, error.as_diagnostic());
    }
    Ok(progress)
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
    #[error("what is there is not what was published")]
    #[diagnostic(help(
        "each step that differs says why; `dhfpack verify` with the same address shows the whole \
         verdict on the archive"
    ))]
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
