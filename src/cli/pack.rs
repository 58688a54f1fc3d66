//! `dhfpack pack`.

use std::path::PathBuf;

use clap::ValueEnum;
use dhfpack::archive::{self, Form, Records, StagedFile};
use dhfpack::monitor::Monitor;

use crate::cli::error::CliError;
use crate::cli::{output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack pack pump-2.4.0 --as zip
      makes pump-2.4.0.zip in the current folder
  dhfpack pack pump-2.4.0 --as tar --output /mnt/transfer/pump.tar";

/// Pack an archive into one file
///
/// The file holds the same tree, the manifest first, and verifies like the folder.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The archive: a folder, a zip, a tar, or its URL in a store
    archive: PathBuf,
    /// The kind of file
    #[arg(long = "as", value_enum, value_name = "FORMAT")]
    container: Container,
    /// The file to make [default: the archive's name, in the current folder]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A file that holds an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Container {
    /// A zip file
    Zip,
    /// A tar file
    Tar,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let tree = stores::archive(&args.archive, monitor)?;
    let (manifest, _) = Records::of(&*tree)?.manifest()?;
    let form = match args.container {
        Container::Zip => Form::Zip,
        Container::Tar => Form::Tar,
    };
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| form.file_name(&manifest.name).into());
    let time = manifest.release.source_date;
    let mut file = StagedFile::begin(&output)?;
    archive::pack(&*tree, &manifest.name, form, time, &mut file, monitor)?;
    let path = file.commit(time)?;
    output::text(&format!("packed    {}\n", path.display()))
}
