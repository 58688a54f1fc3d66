//! `dhfpack registry show`.

use std::fmt::Write;

use dhfpack::monitor::Monitor;
use dhfpack::publish::registry;
use dhfpack::register::{Register, releases};
use dhfpack::store;
use serde_json::json;

use crate::cli::error::CliError;
use crate::cli::{output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack registry show /mnt/dhf
  dhfpack registry show s3://dhf --json";

/// Show the releases in a register, as they stand now
///
/// Tells what the register says and verifies nothing: see `dhfpack registry verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The store that holds the register, as a folder or a URL
    store: String,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let address = stores::address(&args.store)?;
    let store = store::open(&address, &stores::access()?, monitor)?;
    let register = Register::parse(&registry::load_existing(&*store)?);
    let releases = releases(&register);
    if args.json {
        return output::json(&json!({
            "head": register.head(),
            "releases": releases,
        }));
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    for release in &releases {
        let entry = &release.entry;
        let date = entry.release_date.map(|date| date.to_string());
        let _ = writeln!(
            text,
            "line {:<4} {:10} {:10} {}, {} installed, {}\n          manifest {}\n          row      {}",
            release.line,
            entry.status.as_str(),
            date.unwrap_or_default(),
            entry.title(),
            entry.quantity_installed,
            entry.archive_location,
            entry.manifest_sha256,
            release.row_sha256,
        );
    }
    let _ = writeln!(
        text,
        "releases  {}; last row {}. Nothing was verified: see `dhfpack registry verify`.",
        releases.len(),
        register.head()
    );
    output::text(&text)
}
