//! `dhfpack init`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use dhfpack::error::{IoContext, IoError};
use dhfpack::monitor::Monitor;
use dhfpack::templates::TEMPLATES;
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::new_file::{self, NewFile};
use crate::cli::output;

const EXAMPLES: &str = "\
Examples:
  dhfpack init                        in the current folder
  dhfpack init --dir products/pump    in another one

Edit what it wrote, commit it, and see what a release still lacks.";

/// Write a commented dhfpack.toml and templates of the records a release needs
///
/// Files that are already there are kept as they are, so it is safe to run it again.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The product's folder in the repository; created if it is not there
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// Why the templates cannot be written.
#[derive(Debug, Error, Diagnostic)]
enum InitError {
    /// A folder on the way leads elsewhere.
    #[error("{} leads out of {}", link.display(), folder.display())]
    #[diagnostic(help(
        "it is a symbolic link: remove it, or run `dhfpack init --dir` in the folder it leads to"
    ))]
    Outside { link: PathBuf, folder: PathBuf },
    /// The file system failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Io(#[from] IoError),
}

impl From<InitError> for CliError {
    fn from(error: InitError) -> Self {
        Self::new(Kind::Failed, error)
    }
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let folder = &args.dir;
    fs::create_dir_all(folder).at("create", folder)?;
    for (path, text) in TEMPLATES {
        match write_template(folder, Path::new(path), text)? {
            NewFile::Written => output::text(&format!("wrote {}\n", folder.join(path).display()))?,
            NewFile::Exists => monitor.notice(&format!(
                "kept {}, which is already there",
                folder.join(path).display()
            )),
        }
    }
    Ok(())
}

fn write_template(folder: &Path, path: &Path, text: &str) -> Result<NewFile, InitError> {
    if let Some(parent) = path.parent() {
        create_folders(folder, parent)?;
    }
    Ok(new_file::write(&folder.join(path), text.as_bytes(), 0o644)?)
}

/// Creates the folders of `below` under `root`, none of which may lead out of it.
fn create_folders(root: &Path, below: &Path) -> Result<(), InitError> {
    let real_root = root.canonicalize().at("find", root)?;
    let mut folder = root.to_path_buf();
    for component in below.components() {
        folder.push(component);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).at("create", &folder)?;
            }
            _ => {}
        }
        let real = folder.canonicalize().at("find", &folder)?;
        if !real.starts_with(&real_root) {
            return Err(InitError::Outside {
                link: folder,
                folder: root.to_path_buf(),
            });
        }
    }
    Ok(())
}
