//! `dhfpack image`.

use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use dhfpack::archive::{self, Records, StagedFile};
use dhfpack::manifest::{ImageIdentity, Manifest};
use dhfpack::monitor::Monitor;
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::output;

const EXAMPLES: &str = "\
Examples:
  dhfpack image save pump-2.4.0 --output image.tar
  dhfpack image save pump-2.4.0.zip --image install --output image.tar
  docker load --input image.tar";

/// Take container images out of an archive
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Save(Save),
}

/// Write an archived image as one tar that `docker load` takes
///
/// Verify the archive first: what is written is what it holds.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct Save {
    /// The archive: a folder, a zip or a tar
    archive: PathBuf,
    /// The image's name in the archive [default: the only one]
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// The file to make, or `-` for standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    match &args.command {
        Command::Save(save) => save.run(monitor),
    }
}

impl Save {
    fn run(&self, monitor: &dyn Monitor) -> Result<(), CliError> {
        let tree = archive::open(&self.archive)?;
        let (manifest, _) = Records::of(&*tree)?.manifest()?;
        let image = self.choose(&manifest)?;
        let time = manifest.release.source_date;
        let below = Some(image.folder.as_str());
        if self.output == Path::new("-") {
            let mut stdout = io::BufWriter::new(io::stdout().lock());
            archive::pack_tar(&*tree, None, below, time, &mut stdout, monitor)?;
            return Ok(());
        }
        let mut file = StagedFile::begin(&self.output)?;
        archive::pack_tar(&*tree, None, below, time, &mut file, monitor)?;
        let path = file.commit(time)?;
        output::text(&format!(
            "saved     {}\nimage id  sha256:{}\n",
            path.display(),
            image.id
        ))
    }

    fn choose<'m>(&self, manifest: &'m Manifest) -> Result<&'m ImageIdentity, CliError> {
        let mut images = manifest.images.iter().filter(|image| match &self.image {
            Some(name) => image.name == *name,
            None => true,
        });
        match (images.next(), images.next()) {
            (Some(image), None) => Ok(image),
            _ => Err(CliError::new(
                Kind::Usage,
                WhichImage {
                    names: manifest
                        .images
                        .iter()
                        .map(|image| image.name.as_str())
                        .collect::<Vec<_>>()
                        .join(", "),
                },
            )),
        }
    }
}

/// No image, or more than one, has the name.
#[derive(Debug, Error, Diagnostic)]
#[error("which image? the archive has: {names}")]
#[diagnostic(help("choose one with --image NAME"))]
struct WhichImage {
    names: String,
}
