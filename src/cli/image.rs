//! `dhfpack image`.

use std::fmt::Write as _;
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
/// It holds all the platforms that are archived. What came from a registry is written as it was
/// there: that loads into engines with the containerd store, and anywhere through skopeo. Nothing
/// is kept of an image that is not as the manifest lists it; who signed the manifest, `verify`
/// tells.
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
        let images = self.choose(&manifest)?;
        let time = manifest.release.source_date;
        let folder = images.first().map(|image| image.folder.as_str());
        let listed = folder.map(|folder| (&manifest, folder));
        if self.output == Path::new("-") {
            let mut stdout = io::BufWriter::new(io::stdout().lock());
            archive::pack_tar(&*tree, None, listed, time, &mut stdout, monitor)?;
            return Ok(());
        }
        let mut file = StagedFile::begin(&self.output)?;
        archive::pack_tar(&*tree, None, listed, time, &mut file, monitor)?;
        let path = file.commit(time)?;
        let mut text = format!("saved     {}\n", path.display());
        for image in &images {
            let _ = writeln!(text, "image id  sha256:{} {}", image.id, image.platform);
        }
        if images.iter().any(|image| image.manifest.is_some()) {
            // An engine's `load` needs layers as it writes them, or the containerd store.
            text.push_str("form      an OCI layout as in the registry\n");
        }
        output::text(&text)
    }

    /// The image with the name given, or the only one, with all its platforms.
    fn choose<'m>(&self, manifest: &'m Manifest) -> Result<Vec<&'m ImageIdentity>, CliError> {
        let mut names: Vec<&str> = manifest.images.iter().map(|one| &*one.name).collect();
        names.dedup();
        let name = match (&self.image, names.as_slice()) {
            (Some(name), names) if names.contains(&name.as_str()) => name,
            (None, [only]) => *only,
            _ => {
                let names = names.join(", ");
                return Err(CliError::new(Kind::Usage, WhichImage { names }));
            }
        };
        let images = manifest.images.iter();
        Ok(images.filter(|image| image.name == name).collect())
    }
}

/// No image, or more than one, has the name.
#[derive(Debug, Error, Diagnostic)]
#[error("which image? the archive has: {names}")]
#[diagnostic(help("choose one with --image NAME"))]
struct WhichImage {
    names: String,
}
