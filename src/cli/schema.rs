//! `dhfpack schema`.

use dhfpack::config::Config;
use dhfpack::layout::Layout;
use dhfpack::service_manual::EntryRecord;
use schemars::schema_for;

use crate::cli::error::CliError;
use crate::cli::output;

const EXAMPLES: &str = "\
Examples:
  dhfpack schema config > dhfpack.schema.json
  dhfpack schema layout > layout.schema.json
  dhfpack schema service-manual > service-manual-entry.schema.json

An editor with a TOML language server checks the file while it is written if its
first line names the schema:
  #:schema ./dhfpack.schema.json";

/// Print the JSON Schema of dhfpack.toml, of layout files, or of records for the service manual
///
/// Draft 2020-12. The schema tells names, types and meanings; `dhfpack layout check` and a
/// dry run of the build check more.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Which file's schema to print
    #[arg(value_enum)]
    of: Of,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Of {
    /// dhfpack.toml
    Config,
    /// A layout file
    Layout,
    /// A record for the service manual
    ServiceManual,
}

pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    output::json(&match args.of {
        Of::Config => schema_for!(Config),
        Of::Layout => schema_for!(Layout),
        Of::ServiceManual => schema_for!(EntryRecord),
    })
}
