//! `dhfpack verify`.

use std::fmt::Write;
use std::path::PathBuf;

use dhfpack::archive::Tree;
use dhfpack::finding::Class;
use dhfpack::lineage;
use dhfpack::monitor::Monitor;
use dhfpack::platform;
use dhfpack::restore::{self, EngineAt, Proof, RestoreError};
use dhfpack::sign::SignerReport;
use dhfpack::verify::{self, Status, Verdict, VerifyError};
use miette::Diagnostic;
use serde_json::json;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::jobs::VerifyJobs;
use crate::cli::receipt::ReceiptArgs;
use crate::cli::trust::TrustArgs;
use crate::cli::{output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack verify pump-2.4.0
      is it what was sealed? who signed is not established
  dhfpack verify pump-2.4.0.zip --trust qms-ca.pem
      trust every signer whose certificate leads to this one
  dhfpack verify pump-2.4.0 --trust \"Quality Systems SME=jo.pem\" --json
      trust one person, in one role
  dhfpack verify pump-2.4.0 --trust ca.pem --require-role \"Release Manager\"
      ask for this role only, instead of those of the built-in layouts
  dhfpack verify s3://dhf-archives/pump/pump-2.4.0 --trust ca.pem
      in its store, and against the receipt beside it
  dhfpack verify pump-2.4.0 --receipt pump-2.4.0.receipt-1.json
      a copy, against a receipt that was kept
  dhfpack verify pump-2.4.0 --trust ca.pem --restore
      also put source code and images together again, from the archive alone";

/// Verify that an archive is what was sealed, and who answers for it
///
/// Every file is hashed and compared with the manifest, nothing else may be there, every
/// signature is checked, and every required role must have signed with the meaning release.
/// Without `--trust` the signers stay unknown, and the verdict is not a pass.
///
/// A receipt that lies beside the archive in its store is compared as well: every object it lists
/// is there, with the store's own marks and at least its locks.
///
/// With `--restore`, what is intact is also restored into a temporary folder (in TMPDIR) and
/// compared with what the manifest records: bundles are cloned and checked out, Git LFS objects
/// put back, images read layer by layer and, where an engine answers, loaded under a temporary
/// name and removed again. That needs git.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The archive: a folder, a zip, a tar, or its URL in a store
    archive: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
    /// Also prove that the source code and the images can be restored from the archive alone
    #[arg(long)]
    restore: bool,
    /// The Docker Engine in which `--restore` loads images; it has to answer [default: the one
    /// that `DOCKER_HOST` names or that is at its usual socket, if it answers]
    #[arg(long, value_name = "URL", requires = "restore")]
    engine: Option<String>,
    #[command(flatten)]
    receipt: ReceiptArgs,
    #[command(flatten)]
    jobs: VerifyJobs,
    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let policy = args.trust.policy()?;
    let tree = stores::archive(&args.archive, monitor)?;
    let mut verdict = verify::verify(&*tree, &policy, args.jobs.for_tree(&*tree), monitor)?;
    args.receipt
        .check(&args.archive, &*tree, &mut verdict, monitor)?;
    let proofs = if args.restore {
        args.restore(&*tree, &mut verdict, monitor)?
    } else {
        Vec::new()
    };
    if args.json {
        output::json(&to_json(&verdict, &proofs))?;
    } else {
        output::text(&to_text(&verdict, &proofs, &tree.describe()))?;
    }
    if verdict.passed() {
        return Ok(());
    }
    let kind = if verdict.has(Class::Integrity) {
        Kind::Integrity
    } else {
        Kind::Trust
    };
    Err(CliError::new(
        kind,
        NotPassed {
            findings: verdict.findings().len(),
        },
    ))
}

/// The verdict is on standard output; this is its exit code's message.
#[derive(Debug, Error, Diagnostic)]
#[error("the archive does not pass: {findings} finding(s)")]
#[diagnostic(help(
    "docs/format.md explains each code; without trusted certificates or required roles, see --trust and --require-role"
))]
struct NotPassed {
    findings: usize,
}

impl Args {
    /// Restores an archive that is intact; adds to the verdict what that showed.
    fn restore(
        &self,
        tree: &dyn Tree,
        verdict: &mut Verdict,
        monitor: &dyn Monitor,
    ) -> Result<Vec<Proof>, CliError> {
        let Some(manifest) = verdict.intact() else {
            let note = "nothing was restored: the archive is not what was sealed";
            verdict.extend(Vec::new(), vec![note.to_owned()]);
            return Ok(Vec::new());
        };
        let engine = match (&self.engine, std::env::var("DOCKER_HOST")) {
            (Some(address), _) => EngineAt::Required(address.clone()),
            (None, Ok(address)) if !address.is_empty() => EngineAt::IfThere(address),
            (None, _) => EngineAt::IfThere(platform::DOCKER_ENGINE.to_owned()),
        };
        let restored = restore::restore(tree, manifest, &engine, monitor)?;
        verdict.extend(restored.findings, restored.notes);
        Ok(restored.proofs)
    }
}

impl From<VerifyError> for CliError {
    fn from(error: VerifyError) -> Self {
        Self::new(Kind::Failed, error)
    }
}

impl From<RestoreError> for CliError {
    fn from(error: RestoreError) -> Self {
        Self::new(Kind::Failed, error)
    }
}

pub(crate) fn to_json(verdict: &Verdict, proofs: &[Proof]) -> serde_json::Value {
    let release = verdict.unverified_manifest().map(|manifest| {
        json!({
            "name": manifest.name,
            "product": manifest.product.name,
            "version": manifest.release.version,
            "revision": manifest.release.revision,
            "tag": manifest.release.tag,
            "commit": manifest.source.commit,
            "amends": manifest.amends,
            "addendum": manifest.addendum,
            "supersedes": manifest.supersedes,
        })
    });
    json!({
        "passed": verdict.passed(),
        "status": verdict.status(),
        "release": release,
        "manifest_sha256": verdict.manifest_sha256(),
        "files": verdict.files(),
        "bytes": verdict.bytes(),
        "signers": verdict.signers(),
        "restored": proofs,
        "findings": verdict.findings(),
        "notes": verdict.notes(),
    })
}

pub(crate) fn to_text(verdict: &Verdict, proofs: &[Proof], archive: &str) -> String {
    let mut text = format!("archive   {archive}\n");
    // Writing to a string cannot fail.
    if let Some(manifest) = verdict.unverified_manifest() {
        let release = &manifest.release;
        let _ = writeln!(
            text,
            "release   {} {} ({})",
            manifest.product.name, release.version, release.tag
        );
    }
    let manifest = verdict.unverified_manifest();
    for line in manifest.map_or_else(Vec::new, |manifest| lineage::describe(manifest, |_| None)) {
        let _ = writeln!(text, "follows   {line}");
    }
    if let Some(digest) = verdict.manifest_sha256() {
        let _ = writeln!(text, "manifest  {digest}");
    }
    let _ = writeln!(
        text,
        "read      {} files, {} bytes",
        verdict.files(),
        verdict.bytes()
    );
    for signer in verdict.signers() {
        let _ = writeln!(text, "signed    {}", signature(signer));
    }
    for Proof { part, proved } in proofs {
        // Names in it come from the archive, and must not fake a line.
        let line = format!("{part}: {proved}").replace(char::is_control, "?");
        let _ = writeln!(text, "restored  {line}");
    }
    for note in verdict.notes() {
        let _ = writeln!(text, "note      {note}");
    }
    for finding in verdict.findings() {
        let _ = writeln!(text, "finding   {finding}");
    }
    let status = match verdict.status() {
        Status::Draft => "draft",
        Status::Pending => "pending",
        Status::Released => "released",
    };
    let verdict = if verdict.passed() {
        "passed: everything listed is there and unchanged, and everyone required has signed"
    } else {
        "NOT passed"
    };
    let _ = writeln!(text, "status    {status}\nverdict   {verdict}");
    text
}

/// One signer in one line.
pub(crate) fn signature(signer: &SignerReport) -> String {
    let standing = match (signer.valid, signer.trusted) {
        (true, true) => "valid, trusted",
        (true, false) => "valid, not trusted",
        (false, _) => "NOT valid",
    };
    format!(
        "{} as {}, {}, {}: {standing}",
        signer.name,
        signer.role,
        signer.meaning.as_str(),
        signer.signed_at
    )
}
