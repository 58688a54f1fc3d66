//! `dhfpack manual`.

use std::path::PathBuf;

use clap::Subcommand;
use dhfpack::archive::Records;
use dhfpack::config::{ResolvedConfig, ServiceManualConfig};
use dhfpack::manifest::Manifest;
use dhfpack::monitor::Monitor;
use dhfpack::plan::own;
use dhfpack::publish::service_manual::{self, Recorded, ServiceManualError};
use dhfpack::publish::{GrowingDocument, InStore, Standing};
use dhfpack::service_manual::Entry;
use dhfpack::verify::Policy;
use miette::Diagnostic;
use serde_json::json;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::target::Target;
use crate::cli::trust::TrustArgs;
use crate::cli::{nearest, output, places, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack manual show pump-2.4.0
  dhfpack manual add pump-2.4.0 --trust qms-ca.pem
      to the manual in the store that dhfpack.toml names
  dhfpack manual add s3://dhf-archives/pump/pump-2.4.0 --trust qms-ca.pem \\
      --to s3://dhf-archives/pump";

/// Show a release's entry for the service manual, or add it
///
/// The entry comes from the archive: from the record that `service_manual.record` names, and from
/// the manifest, which has version, image ids and digests.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the entry in Markdown
    #[command(
        after_help = "Examples:\n  dhfpack manual show pump-2.4.0\n  dhfpack manual show pump-2.4.0 --trust qms-ca.pem"
    )]
    Show {
        /// The archive: a folder, a zip, a tar, or its URL in a store
        archive: PathBuf,
        #[command(flatten)]
        trust: TrustArgs,
    },
    /// Add the entry of a released archive to the manual; the newest stands first
    ///
    /// All other bytes of the manual stay as they are. The entry of the same archive is not added
    /// twice, and the one of another archive of this name is never replaced. Where `git` under
    /// `[service_manual]` names a repository, the manual is there and not in the store.
    #[command(
        after_help = "Examples:\n  dhfpack manual add pump-2.4.0 --trust qms-ca.pem\n  dhfpack manual add pump-2.4.0 --trust qms-ca.pem --to /mnt/dhf/pump --json"
    )]
    Add {
        /// The archive: a folder, a zip, a tar, or its URL in a store
        archive: PathBuf,
        #[command(flatten)]
        trust: TrustArgs,
        #[command(flatten)]
        to: Target,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    match &args.command {
        Command::Show { archive, trust } => {
            let archive = Archive::read(archive, &trust.policy()?, monitor)?;
            output::text(&archive.recorded.text(archive.standing.released_at))
        }
        Command::Add {
            archive,
            trust,
            to,
            json,
        } => {
            let archive = Archive::read(archive, &trust.policy()?, monitor)?;
            add(&archive, to, *json, monitor)
        }
    }
}

/// What is needed of an archive.
struct Archive {
    manifest: Manifest,
    recorded: Recorded,
    config: ServiceManualConfig,
    /// How far it has come, as far as the caller trusts the signers.
    standing: Standing,
}

impl Archive {
    fn read(
        path: &std::path::Path,
        policy: &Policy,
        monitor: &dyn Monitor,
    ) -> Result<Self, CliError> {
        let tree = stores::archive(path, monitor)?;
        let records = Records::of(&*tree)?;
        let (manifest, digest) = records.manifest()?;
        let none = || {
            CliError::new(
                Kind::Failed,
                ManualCommandError::NoRecord {
                    name: manifest.name.clone(),
                },
            )
        };
        let recorded = Recorded::read(&records, &manifest, digest)?.ok_or_else(none)?;
        let resolved = records.read_listed(&manifest, own::RESOLVED)?;
        let resolved: ResolvedConfig = serde_json::from_slice(&resolved).map_err(|source| {
            CliError::new(Kind::Failed, ManualCommandError::Configuration(source))
        })?;
        let signatures = records.signatures()?;
        let standing = Standing::of(&signatures, (&manifest, digest), policy);
        Ok(Self {
            config: resolved.config.service_manual.ok_or_else(none)?,
            manifest,
            recorded,
            standing,
        })
    }
}

fn add(
    archive: &Archive,
    to: &Target,
    as_json: bool,
    monitor: &dyn Monitor,
) -> Result<(), CliError> {
    let standing = &archive.standing;
    let released_at = match standing.released_at {
        Some(time) if !archive.recorded.is_draft() => time,
        _ => {
            let mut open = standing.open.clone();
            if archive.recorded.is_draft() {
                open.push("the archive is a draft, which is never released".to_owned());
            }
            return Err(CliError::new(
                Kind::Trust,
                ManualCommandError::Pending { open },
            ));
        }
    };
    let entry = archive.recorded.entry(released_at)?;
    let (place, added) = add_entry(archive, &entry, to, monitor)?;
    if as_json {
        return output::json(&json!({
            "manual": place,
            "entry": entry.name,
            "manifest_sha256": entry.manifest_sha256,
            "released_at": entry.released_at,
            "added": added,
        }));
    }
    let what = if added { "added to" } else { "is already in" };
    output::text(&format!("{} {what} {place}\n", entry.name))
}

/// Adds the entry where the configuration at hand, or else the archive's, has the manual. Tells
/// where that is, and whether it was needed.
fn add_entry(
    archive: &Archive,
    entry: &Entry,
    to: &Target,
    monitor: &dyn Monitor,
) -> Result<(String, bool), CliError> {
    let nearest = nearest::read()?;
    let local = nearest
        .as_ref()
        .and_then(|one| one.config.service_manual.as_ref());
    let config = local.unwrap_or(&archive.config);
    let add_to = |manual: &dyn GrowingDocument| -> Result<_, CliError> {
        let added = service_manual::add(manual, entry, monitor)?;
        Ok((manual.place(), added))
    };
    if let Some(git) = &config.git {
        return add_to(&places::manual_in_git(git, &archive.manifest)?);
    }
    let store = to.open(monitor)?;
    add_to(&InStore {
        store: &*store,
        path: &config.file,
    })
}

/// Why there is no entry to show or to add.
#[derive(Debug, Error, Diagnostic)]
enum ManualCommandError {
    #[error("the archive {name} has no record for the service manual")]
    #[diagnostic(help(
        "name one as `record` under [service_manual] in dhfpack.toml before the archive is built; `dhfpack init` writes a template"
    ))]
    NoRecord { name: String },
    #[error("{} of the archive cannot be understood", own::RESOLVED)]
    #[diagnostic(help("use the version of dhfpack that built the archive, or a newer one"))]
    Configuration(#[source] serde_json::Error),
    #[error("the entry waits for the release:\n  {}", open.join("\n  "))]
    #[diagnostic(help(
        "sign in each required role with `dhfpack sign --meaning release`, and name with --trust the certificates that lead to the signers"
    ))]
    Pending { open: Vec<String> },
}

impl From<ServiceManualError> for CliError {
    fn from(error: ServiceManualError) -> Self {
        Self::new(Kind::Failed, error)
    }
}
