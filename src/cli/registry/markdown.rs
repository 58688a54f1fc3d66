//! `dhfpack registry markdown`.

use std::path::{Path, PathBuf};

use dhfpack::config::{FILE_NAME, GitFileConfig};
use dhfpack::error::IoContext;
use dhfpack::monitor::Monitor;
use dhfpack::publish::GitFile;
use dhfpack::publish::registry;
use dhfpack::source::git::{BranchFile, GitError};
use dhfpack::store::{self, Store};
use jiff::Timestamp;
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::{git_access, output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack registry markdown /mnt/dhf --file registry.md \\
    --repository git@git.example.com:qms/records.git
  dhfpack registry markdown s3://dhf --repository ../records.git --branch main \\
    --file products/pump/registry.md";

/// Show the register as a table in a Markdown file of a git repository
///
/// The table stands between the lines `<!-- dhfpack: registry -->` and
/// `<!-- /dhfpack: registry -->`; the rest of the file stays as it is. The change is pushed as a
/// commit, never by force. Logins come from the ssh agent, or from the programs that
/// `GIT_SSH_COMMAND` and `GIT_ASKPASS` name; the user's git configuration takes no part.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The store that holds the register, as a folder or a URL
    store: String,
    /// The repository that is pushed to: a URL or a path
    #[arg(long, value_name = "LOCATION")]
    repository: String,
    /// Its branch
    #[arg(long, value_name = "NAME", default_value = "main")]
    branch: String,
    /// The file's path in it
    #[arg(long, value_name = "PATH")]
    file: String,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let address = stores::address(&args.store)?;
    let store = store::open(&address, &stores::access()?, monitor)?;
    let file = GitFileConfig {
        repository: args.repository.clone(),
        branch: args.branch.clone(),
        file: args.file.clone(),
    };
    let changed = write(&*store, &file, "the register", monitor)?;
    let done = if changed { "updated" } else { "as it was" };
    output::text(&format!(
        "{done:9} {} on {} of {}\n",
        args.file, args.branch, args.repository
    ))
}

/// Updates the file that a configuration names, once the release is registered; a relative path
/// counts from the folder of the configuration at hand.
pub(crate) fn update(
    store: &dyn Store,
    file: &GitFileConfig,
    release: &str,
    monitor: &dyn Monitor,
) -> Result<(), CliError> {
    write(store, file, release, monitor)
        .map(drop)
        .map_err(|error| {
            error.beneath(|cause| NotShown {
                release: release.to_owned(),
                file: file.file.clone(),
                branch: file.branch.clone(),
                cause,
            })
        })
}

/// The register has the row, and the file that shows it does not.
#[derive(Debug, Error, Diagnostic)]
#[error("{release} is in the register, and {file} on {branch} does not show it")]
#[diagnostic(help(
    "nothing is lost: once the repository can be pushed to, run the same command again, or \
     `dhfpack registry markdown`"
))]
struct NotShown {
    release: String,
    file: String,
    branch: String,
    #[diagnostic_source]
    cause: Box<dyn Diagnostic + Send + Sync>,
}

/// The file with its repository where it is on this machine.
fn located(file: &GitFileConfig) -> Result<GitFileConfig, CliError> {
    let here = std::env::current_dir().at("find", ".")?;
    let mut folders = here.ancestors();
    let folder = folders.find(|folder| folder.join(FILE_NAME).is_file());
    let path: PathBuf = folder.unwrap_or(&here).join(&file.repository);
    let is_path = Path::new(&file.repository).is_relative() && path.is_dir();
    let repository = match path.to_str() {
        Some(path) if is_path => path.to_owned(),
        _ => file.repository.clone(),
    };
    Ok(GitFileConfig {
        repository,
        ..file.clone()
    })
}

/// Opens the file that a configuration names, to be changed by commits with this message and date.
pub(crate) fn open(
    file: &GitFileConfig,
    message: String,
    date: Timestamp,
) -> Result<GitFile, CliError> {
    let file = located(file)?;
    let access = git_access::access();
    let open = BranchFile::open(&file.repository, &file.branch, &file.file, access);
    Ok(GitFile::new(open.map_err(refused)?, message, date))
}

fn write(
    store: &dyn Store,
    file: &GitFileConfig,
    what: &str,
    monitor: &dyn Monitor,
) -> Result<bool, CliError> {
    let message = format!("Show {what} in the products registry");
    let file = open(file, message, registry::latest_date(store)?)?;
    Ok(registry::show_in_markdown(store, &file, monitor)?)
}

fn refused(error: GitError) -> CliError {
    let kind = match error {
        GitError::BadName { .. } | GitError::NoRepository { .. } => Kind::Usage,
        _ => Kind::Failed,
    };
    CliError::new(kind, error)
}
