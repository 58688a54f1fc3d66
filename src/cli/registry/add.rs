//! `dhfpack registry add`.

use std::path::{Path, PathBuf};

use dhfpack::archive::Records;
use dhfpack::config::GitFileConfig;
use dhfpack::finding::Class;
use dhfpack::monitor::Monitor;
use dhfpack::publish::receipt;
use dhfpack::publish::registry::{
    self, Change, Correction, Recorded, Registration, RowName, archive_location, released_at,
};
use dhfpack::publish::{LossError, PublishError};
use dhfpack::register::Status;
use dhfpack::store::{self, Address, Store};
use dhfpack::verify;
use serde_json::json;

use super::markdown;
use crate::cli::error::CliError;
use crate::cli::jobs::VerifyJobs;
use crate::cli::receipt::beside;
use crate::cli::signer::SignerArgs;
use crate::cli::trust::TrustArgs;
use crate::cli::{output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack registry add /mnt/dhf/pump-2.4.0 --to /mnt/dhf --trust qms-ca.pem
      released, if everyone required has signed and is trusted; else pending
  dhfpack registry add s3://dhf/pump-2.4.0 --to s3://dhf \\
    --key ci.key.pem --certificate ci.pem
  dhfpack registry add --to /mnt/dhf --correct 7 --set \"Quantity Installed=12\" \\
    --note \"count of 2026-06-30\"
      a row that supersedes line 7";

/// Add a release's row to the register, or a row that corrects another
///
/// The archive is verified first. What the row says comes from it, and the row is signed. Adding
/// the same again changes nothing; a pending release that has been signed meanwhile gets a further
/// row. A register that somebody tampered with is not appended to. Where the archived
/// configuration names a Markdown file in a git repository, the table in it is updated.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The published archive: a folder, a zip, a tar, or its URL
    #[arg(required_unless_present = "correct", conflicts_with = "correct")]
    archive: Option<PathBuf>,
    /// The store that holds the register, as a folder or a URL
    #[arg(long, value_name = "STORE", env = "DHFPACK_STORE")]
    to: String,
    /// Correct this row: the number of its line, or the first digits of its SHA-256
    #[arg(long, value_name = "ROW", requires = "note")]
    correct: Option<RowName>,
    /// What a corrected row shall say, as in `Quantity Installed=12`; may be given several times
    #[arg(long = "set", value_name = "COLUMN=VALUE", requires = "correct")]
    changes: Vec<Change>,
    /// Why a row is corrected
    #[arg(long, value_name = "TEXT", requires = "correct")]
    note: Option<String>,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    jobs: VerifyJobs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let to = stores::address(&args.to)?;
    let store = store::open(&to, &stores::access()?, monitor)?;
    let signer = args.signer.require()?.load()?;
    let Some(archive) = &args.archive else {
        let correction = Correction {
            row: args.correct.clone().unwrap_or(RowName::Line(0)),
            changes: args.changes.clone(),
            note: args.note.clone().unwrap_or_default(),
        };
        let recorded = registry::correct(&*store, &correction, &signer, monitor)?;
        return print(args, "corrected", recorded);
    };
    let (registration, shown_in) = registration(args, archive, &*store, monitor)?;
    let recorded = registry::record(&*store, &registration, &signer, monitor)?;
    // The register is shown, whether or not what was done can be told.
    let printed = print(args, registration.status().as_str(), recorded);
    if let Some(file) = shown_in {
        let title = registration.title();
        markdown::update(&*store, &file, &title, monitor)?;
    }
    printed
}

/// What the archive says of itself, once it is verified, and where the register is shown.
fn registration(
    args: &Args,
    archive: &Path,
    store: &dyn Store,
    monitor: &dyn Monitor,
) -> Result<(Registration, Option<GitFileConfig>), CliError> {
    let policy = args.trust.policy()?;
    let tree = stores::archive(archive, monitor)?;
    let verdict = verify::verify(&*tree, &policy, args.jobs.for_tree(&*tree), monitor)?;
    let damage = verdict.findings().iter();
    let damage = damage.filter(|finding| finding.code.class() == Class::Integrity);
    let (Some(manifest), Some(digest), false) = (
        verdict.unverified_manifest(),
        verdict.manifest_sha256(),
        verdict.has(Class::Integrity),
    ) else {
        let findings = damage.cloned().collect();
        return Err(PublishError::Damaged { findings }.into());
    };
    let address = match archive.to_str().filter(|text| Address::is_url(text)) {
        Some(url) => stores::address(url)?,
        None => Address::Folder(archive.to_path_buf()),
    };
    let location = archive_location(&address, store.address());
    let records = Records::of(&*tree)?;
    let released_at = released_at(&verdict);
    let config = registry::archived_config(&records, manifest)?;
    let registration = Registration::of(manifest, digest, &config, released_at, &location)?;
    // A copy that lies elsewhere has its receipts where the register is, if anywhere.
    let beside = beside(
        archive,
        &manifest.name,
        &mut |note| monitor.notice(&note),
        monitor,
    )?;
    let found = match beside {
        None => receipt::latest(store, &manifest.name)?,
        Some(beside) => Some(beside.receipt),
    };
    let registration = match found {
        None => registration,
        Some((_, Ok(receipt))) => {
            let row = receipt.row_of(&digest);
            registration.after(row, store.address())
        }
        Some((_, Err(_))) if registry::check(store, &registration)? => registration,
        Some((receipt, Err(problem))) => {
            let lost = LossError::Unreadable { receipt, problem };
            return Err(PublishError::from(lost).into());
        }
    };
    if registration.status() == Status::Pending && !args.trust.is_given() {
        monitor.notice(
            "the row says pending: a release is known by its signers, and --trust names none",
        );
    }
    let shown_in = config
        .config
        .registry
        .and_then(|registry| registry.markdown);
    Ok((registration, shown_in))
}

fn print(args: &Args, status: &str, recorded: Recorded) -> Result<(), CliError> {
    let Recorded { head, row, added } = recorded;
    if args.json {
        return output::json(&json!({
            "status": status,
            "line": row,
            "row_sha256": head,
            "added": added,
        }));
    }
    let done = if added { "added" } else { "there already" };
    output::text(&format!(
        "{status:9} line {row}, {done}\nrow       {head}\n"
    ))
}
