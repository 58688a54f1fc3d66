//! `dhfpack retention show`.

use std::path::PathBuf;

use dhfpack::monitor::Monitor;
use dhfpack::publish::retention;
use serde_json::{Value, json};

use super::summary;
use crate::cli::error::CliError;
use crate::cli::{output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack retention show s3://dhf/pump/pump-2.4.0
  dhfpack retention show s3://dhf/pump/pump-2.4.0 --files
      each file by itself
  dhfpack retention show s3://dhf/pump/pump-2.4.0 --json";

/// Show how a published archive is locked, as its server says
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The published archive, as in `s3://BUCKET/PREFIX/PRODUCT-VERSION`
    archive: PathBuf,
    /// Show each file
    #[arg(long)]
    files: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let (store, name) = stores::published(&args.archive, monitor)?;
    let objects = retention::check(&*store, &name, monitor)?;
    let location = store.address().below(&name);
    if args.json {
        let objects: Vec<Value> = objects.iter().map(summary::json_object).collect();
        return output::json(&json!({ "location": location.to_string(), "files": objects }));
    }
    let mut text = format!("archive   {location}\n");
    text += &summary::lines("locks", objects.iter().map(|locked| &locked.locks));
    if args.files {
        text.extend(objects.iter().map(summary::object));
    }
    output::text(&text)
}
