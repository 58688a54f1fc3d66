//! `dhfpack publish`.

use std::fmt::Write;
use std::path::PathBuf;

use dhfpack::monitor::Monitor;
use dhfpack::publish::{
    self, Confirmation, Order, Outcome, Plan, PublishError, ReadBack, Report, RetentionError,
    Source,
};
use serde_json::{Value, json};

use crate::cli::error::{CliError, Kind};
use crate::cli::jobs::VerifyJobs;
use crate::cli::places::PlaceArgs;
use crate::cli::signer::SignerArgs;
use crate::cli::target::Target;
use crate::cli::trust::TrustArgs;
use crate::cli::{output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack publish pump-2.4.0
      into the store that dhfpack.toml names, as pending
  dhfpack publish pump-2.4.0 --to s3://dhf-archives/pump --dry-run
      what would be copied and locked, and until when
  dhfpack publish pump-2.4.0 --to /mnt/dhf/pump --trust qms-ca.pem
      as released, once everyone required has signed
  dhfpack publish pump-2.4.0.zip --to /mnt/dhf/pump --yes --json";

/// Publish an archive: copy it into a store, lock it there, and everything that belongs to it
///
/// Does what the archive's configuration asks for, in one run: its files, signatures and manifest
/// into the store, locks on them, the copy of its design outputs in the design history file, its
/// entry in the service manual, its row in the products registry, and a receipt. Everything that can be checked is
/// checked before the first write. Nothing in the store is ever replaced: what is there with the
/// same bytes is skipped, so that a run that broke off is resumed by running it again; other bytes
/// are an error. The manifest comes last: without it a copy is not complete.
///
/// An archive is published as pending, until everyone required has signed by certificates that
/// `--trust` leads to: then run it again, and nothing that is there is touched.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The archive: a folder, a zip or a tar
    archive: PathBuf,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    places: PlaceArgs,
    #[command(flatten)]
    copying: Copying,
    #[command(flatten)]
    signer: SignerArgs,
    /// Print what would be written and locked, and until when; write nothing
    #[arg(long)]
    dry_run: bool,
    /// Confirm locks in compliance mode, which nobody can lift or shorten
    #[arg(long)]
    yes: bool,
}

/// How files are copied, and the result is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Copying {
    /// Download all files again and compare them, not only those under 64 MiB
    #[arg(long)]
    pub(crate) read_back: bool,
    #[command(flatten)]
    pub(crate) jobs: VerifyJobs,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Copying {
    pub(crate) fn read_back(&self) -> ReadBack {
        if self.read_back {
            ReadBack::All
        } else {
            ReadBack::default()
        }
    }
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let policy = args.trust.policy()?;
    let store = args.target.open(monitor)?;
    let tree = stores::archive(&args.archive, monitor)?;
    let source = Source::verify(&*tree, args.copying.jobs.for_tree(&*tree), monitor)?;
    let signer = args.signer.read()?;
    let signer = signer.map(|files| files.load()).transpose()?;
    let (manifest, config) = (source.manifest(), source.config()?.config);
    let (places, at) = (&args.places, store.address());
    let places = places.open(manifest, &config, at, monitor)?.all()?;
    let order = Order {
        store: &*store,
        policy: &policy,
        read_back: args.copying.read_back(),
        // A dry run shows what would have to be confirmed.
        confirmation: if args.yes || args.dry_run {
            Confirmation::Given
        } else {
            Confirmation::Missing
        },
        others: Some(places.destinations(signer.as_ref())),
    };
    if args.dry_run {
        let plan = publish::plan(&source, order, monitor)?;
        return print_plan(&plan, &source, args.copying.json);
    }
    let outcome = publish::publish(&source, order, monitor)?;
    // What was done is told, whether or not the register can be shown; and the other way round.
    let printed = print_outcome(&outcome, &source, args.copying.json);
    if places.show_registry(manifest, monitor)? {
        monitor.notice("the registry's Markdown file shows the release");
    }
    printed
}

fn print_plan(plan: &Plan<'_>, source: &Source<'_>, json: bool) -> Result<(), CliError> {
    let (location, steps) = (plan.location().to_string(), plan.steps());
    if json {
        let files = plan.missing().iter();
        let files: Vec<Value> = files
            .map(|file| json!({ "path": file.path, "size": file.size, "sha256": file.sha256 }))
            .collect();
        return output::json(&json!({
            "dry_run": true,
            "location": location,
            "manifest_sha256": source.digest(),
            "status": status_name(plan.standing().is_released()),
            "released_at": plan.standing().released_at,
            "files": files,
            "steps": steps,
        }));
    }
    let mut text = format!("would publish {location}\n");
    for file in plan.missing() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "copy      {} ({} bytes)", file.path, file.size);
    }
    text.push_str(&lines(&steps));
    output::text(&text)
}

/// Prints what a run did.
pub(crate) fn print_outcome(
    outcome: &Outcome,
    source: &Source<'_>,
    json: bool,
) -> Result<(), CliError> {
    let location = outcome.location.to_string();
    if json {
        return output::json(&json!({
            "location": location,
            "manifest_sha256": source.digest(),
            "status": status_name(outcome.standing.is_released()),
            "released_at": outcome.standing.released_at,
            "copied": outcome.copied,
            "skipped": outcome.skipped,
            "kept_statements": outcome.left_out,
            "steps": outcome.steps,
            "receipt": outcome.receipt.path,
        }));
    }
    let mut text = format!("published {location}\nmanifest  {}\n", source.digest());
    for statement in &outcome.left_out {
        let _ = writeln!(
            text,
            "kept      the store's own {statement}: the same signer, role and meaning"
        );
    }
    text.push_str(&lines(&outcome.steps));
    if outcome.is_unchanged() {
        text.push_str("nothing was left to do\n");
    }
    output::text(&text)
}

/// One step a line.
pub(crate) fn lines(steps: &[Report]) -> String {
    let lines = steps.iter().map(|step| {
        let (name, state) = (step.step.name(), step.state.name());
        // Details quote the archive, and must not fake a line.
        let detail = step.detail.replace(char::is_control, "?");
        format!("{name:<10} {state}: {detail}\n")
    });
    lines.collect()
}

/// What an archive is called that is released, or not yet.
pub(crate) fn status_name(is_released: bool) -> &'static str {
    if is_released { "released" } else { "pending" }
}

impl From<PublishError> for CliError {
    fn from(error: PublishError) -> Self {
        let kind = match error {
            PublishError::Registry(error) => return error.into(),
            PublishError::Dhf(error) => return error.into(),
            PublishError::Damaged { .. }
            | PublishError::Signatures { .. }
            | PublishError::Loss(_) => Kind::Integrity,
            PublishError::NoWriter { .. }
            | PublishError::Retention(
                RetentionError::Unconfirmed { .. } | RetentionError::CannotLock { .. },
            ) => Kind::Usage,
            _ => Kind::Failed,
        };
        Self::new(kind, error)
    }
}
