//! `dhfpack manual`.

use std::path::PathBuf;

use clap::Subcommand;
use dhfpack::archive::Records;
use dhfpack::config::{ResolvedConfig, ServiceManualConfig};
use dhfpack::digest::Sha256;
use dhfpack::manifest::Manifest;
use dhfpack::monitor::Monitor;
use dhfpack::plan::own;
use dhfpack::publish::InStore;
use dhfpack::publish::service_manual::{self, Recorded, ServiceManualError};
use dhfpack::sign;
use dhfpack::store;
use dhfpack::verify::Policy;
use jiff::Timestamp;
use miette::Diagnostic;
use serde_json::json;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::nearest::{self, Nearest};
use crate::cli::trust::TrustArgs;
use crate::cli::{output, stores};

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
    /// twice, and the one of another archive of this name is never replaced.
    #[command(
        after_help = "Examples:\n  dhfpack manual add pump-2.4.0 --trust qms-ca.pem\n  dhfpack manual add pump-2.4.0 --trust qms-ca.pem --to /mnt/dhf/pump --json"
    )]
    Add {
        /// The archive: a folder, a zip, a tar, or its URL in a store
        archive: PathBuf,
        #[command(flatten)]
        trust: TrustArgs,
        /// The store that holds the manual, as a folder or a URL [default: `storage.to` of the
        /// dhfpack.toml in the current folder or above it]
        #[arg(long, value_name = "STORE", env = "DHFPACK_STORE")]
        to: Option<String>,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    match &args.command {
        Command::Show { archive, trust } => {
            let archive = Archive::read(archive, &trust.policy()?, monitor)?;
            output::text(&archive.recorded.text(archive.released_at))
        }
        Command::Add {
            archive,
            trust,
            to,
            json,
        } => {
            let archive = Archive::read(archive, &trust.policy()?, monitor)?;
            add(&archive, to.as_deref(), *json, monitor)
        }
    }
}

/// What is needed of an archive.
struct Archive {
    recorded: Recorded,
    config: ServiceManualConfig,
    /// When the last required role signed, as far as the caller trusts the signers.
    released_at: Option<Timestamp>,
    /// Why it is not released.
    open: Vec<String>,
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
        let (released_at, open) = standing(&records, &manifest, digest, policy)?;
        Ok(Self {
            config: resolved.config.service_manual.ok_or_else(none)?,
            recorded,
            released_at,
            open,
        })
    }
}

/// When the archive was released, or why it is not.
fn standing(
    records: &Records<'_>,
    manifest: &Manifest,
    digest: Sha256,
    policy: &Policy,
) -> Result<(Option<Timestamp>, Vec<String>), CliError> {
    let sums = Sha256::of(manifest.sums(&digest).as_bytes());
    let signatures = records.signatures()?;
    let examined = sign::examine(&signatures, &digest, &sums, &policy.trust, policy.now);
    let mut roles = policy.required_roles.clone();
    roles.extend(manifest.layout.roles.iter().map(|role| role.name.clone()));
    let mut findings = examined.findings;
    findings.extend(sign::missing_roles(&examined.signers, &roles));
    let released_at = sign::released_at(&examined.signers, &roles);
    let open = findings.into_iter().map(|finding| finding.detail).collect();
    Ok((released_at, open))
}

fn add(
    archive: &Archive,
    to: Option<&str>,
    as_json: bool,
    monitor: &dyn Monitor,
) -> Result<(), CliError> {
    let released_at = match archive.released_at.filter(|_| archive.open.is_empty()) {
        Some(time) if !archive.recorded.is_draft() => time,
        _ => {
            let open = archive.open.clone();
            return Err(CliError::new(
                Kind::Trust,
                ManualCommandError::Pending { open },
            ));
        }
    };
    let entry = archive.recorded.entry(released_at)?;
    let nearest = nearest::read()?;
    let local = nearest
        .as_ref()
        .and_then(|one| one.config.service_manual.as_ref());
    let config = local.unwrap_or(&archive.config);
    let address = match (to, &nearest) {
        (Some(to), _) => stores::address(to)?,
        (None, Some(Nearest { config, folder })) if config.storage.to.is_some() => {
            stores::address_from(config.storage.to.as_deref().unwrap_or_default(), folder)?
        }
        _ => return Err(CliError::new(Kind::Usage, ManualCommandError::NoStore)),
    };
    let store = store::open(&address, &stores::access()?, monitor)?;
    let manual = InStore {
        store: &*store,
        path: &config.file,
    };
    let added = service_manual::add(&manual, &entry, monitor)?;
    let place = store.address().place(&config.file);
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
    #[error("no store is named")]
    #[diagnostic(help(
        "give --to STORE, set DHFPACK_STORE, or add `to` under [storage] in dhfpack.toml"
    ))]
    NoStore,
}

impl From<ServiceManualError> for CliError {
    fn from(error: ServiceManualError) -> Self {
        Self::new(Kind::Failed, error)
    }
}
