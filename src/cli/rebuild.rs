//! `dhfpack rebuild`.

use std::fmt::Write;
use std::path::PathBuf;

use dhfpack::archive;
use dhfpack::error::IoContext;
use dhfpack::monitor::Monitor;
use dhfpack::rebuild::{self, RebuildError, Rebuilt};
use miette::Diagnostic;
use serde_json::json;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::jobs::Jobs;
use crate::cli::named::Sources;
use crate::cli::output;

const EXAMPLES: &str = "\
Examples:
  dhfpack rebuild pump-2.4.0 --repo ~/src/pump
      is the archive what the tag, the image and the documents give?
  dhfpack rebuild pump-2.4.0.zip --repo . --image install=oci:image.tar
      the image is no longer in the engine
  dhfpack rebuild pump-2.4.0 --repo . --output rebuilt
      keep what was rebuilt";

/// Build an archive's release anew, and compare
///
/// Reads from the archive which tag and which configuration it was made of, builds that again,
/// and lists what differs, each difference with its kind. Equal manifests are the proof that
/// the archive holds what the sources give.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The archive: a folder, a zip or a tar
    archive: PathBuf,
    /// The git repository
    #[arg(long, value_name = "PATH")]
    repo: PathBuf,
    /// Keep the rebuilt archive in this folder [default: it is removed]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    jobs: Jobs,
    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sources: Sources,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let tree = archive::open(&args.archive)?;
    let temporary = tempfile::tempdir().at("create a folder in", std::env::temp_dir())?;
    let output = args.output.as_deref().unwrap_or(temporary.path());
    let locations = args.sources.locations()?;
    let rebuilt = rebuild::rebuild(
        &*tree,
        &args.repo,
        locations,
        output,
        args.jobs.count(),
        monitor,
    )?;
    if args.json {
        output::json(&json!({
            "identical": rebuilt.comparison.identical,
            "archive_manifest": rebuilt.archive_manifest,
            "rebuilt_manifest": rebuilt.rebuilt_manifest,
            "rebuilt": args.output.as_ref().map(|_| rebuilt.path.display().to_string()),
            "fields": rebuilt.comparison.fields,
            "files": rebuilt.comparison.files,
        }))?;
    } else {
        output::text(&to_text(&rebuilt))?;
    }
    if rebuilt.comparison.identical {
        Ok(())
    } else {
        Err(CliError::new(Kind::Differs, Differs))
    }
}

/// What differs is on standard output; this is its exit code's message.
#[derive(Debug, Error, Diagnostic)]
#[error("the rebuilt archive differs")]
#[diagnostic(help(
    "other bytes with the same logical identity come from another version of dhfpack or git; other content comes from other sources"
))]
struct Differs;

fn to_text(rebuilt: &Rebuilt) -> String {
    let comparison = &rebuilt.comparison;
    // Writing to a string cannot fail.
    let mut text = format!(
        "archive   {}\nrebuilt   {}\n",
        rebuilt.archive_manifest, rebuilt.rebuilt_manifest
    );
    for field in &comparison.fields {
        let _ = writeln!(
            text,
            "differs   {}: {} in the archive, {} rebuilt",
            field.field, field.first, field.second
        );
    }
    for file in &comparison.files {
        let _ = writeln!(
            text,
            "differs   {:?} {}",
            file.path,
            file.difference.describe()
        );
    }
    let verdict = if comparison.identical {
        "identical"
    } else {
        "different"
    };
    let _ = writeln!(text, "verdict   {verdict}");
    text
}

impl From<RebuildError> for CliError {
    fn from(error: RebuildError) -> Self {
        Self::new(Kind::Failed, error)
    }
}
