//! `dhfpack verify`.

use std::fmt::Write;
use std::path::PathBuf;
use std::str::FromStr;

use dhfpack::archive::Tree;
use dhfpack::finding::Class;
use dhfpack::monitor::Monitor;
use dhfpack::platform;
use dhfpack::restore::{self, EngineAt, Proof, RestoreError};
use dhfpack::sign::{SignerReport, Trust};
use dhfpack::verify::{self, Policy, Status, Verdict, VerifyError};
use jiff::Timestamp;
use miette::Diagnostic;
use serde_json::json;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::jobs::Jobs;
use crate::cli::{output, small_file, stores};

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
  dhfpack verify pump-2.4.0 --trust ca.pem --restore
      also put source code and images together again, from the archive alone";

/// Verify that an archive is what was sealed, and who answers for it
///
/// Every file is hashed and compared with the manifest, nothing else may be there, every
/// signature is checked, and every required role must have signed with the meaning release.
/// Without `--trust` the signers stay unknown, and the verdict is not a pass.
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
    /// A certificate to trust, in PEM or DER; with ROLE= in that role only
    #[arg(long, value_name = "[ROLE=]CERT")]
    trust: Vec<Trusted>,
    /// A role that must have signed; may be given several times [default: the roles of the
    /// built-in layouts, whatever the archive says of its own]
    #[arg(long = "require-role", value_name = "ROLE")]
    require_roles: Vec<String>,
    /// Also prove that the source code and the images can be restored from the archive alone
    #[arg(long)]
    restore: bool,
    /// The Docker Engine in which `--restore` loads images; it has to answer [default: the one
    /// that `DOCKER_HOST` names or that is at its usual socket, if it answers]
    #[arg(long, value_name = "URL", requires = "restore")]
    engine: Option<String>,
    #[command(flatten)]
    jobs: Jobs,
    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,
}

/// A certificate's file, with the one role in which it is trusted, if it is bound to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trusted {
    role: Option<String>,
    certificate: PathBuf,
}

/// Neither `CERT` nor `ROLE=CERT`.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("expected CERT or ROLE=CERT, as in `Quality Systems SME=jo.pem`")]
pub(crate) struct NotTrusted;

impl FromStr for Trusted {
    type Err = NotTrusted;

    fn from_str(text: &str) -> Result<Self, NotTrusted> {
        let (role, certificate) = match text.split_once('=') {
            // No role has a slash, so this is a path with an equals sign in it.
            Some((role, _)) if role.contains(['/', '\\']) => (None, text),
            Some((role, certificate)) => (Some(role), certificate),
            None => (None, text),
        };
        if certificate.is_empty() || role == Some("") {
            return Err(NotTrusted);
        }
        Ok(Self {
            role: role.map(str::to_owned),
            certificate: certificate.into(),
        })
    }
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let policy = args.policy()?;
    let tree = stores::archive(&args.archive, monitor)?;
    let mut verdict = verify::verify(&*tree, &policy, args.jobs.count(), monitor)?;
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

    fn policy(&self) -> Result<Policy, CliError> {
        let mut trust = Trust::default();
        for trusted in &self.trust {
            let bytes = small_file::read(&trusted.certificate)
                .map_err(|error| CliError::new(Kind::Usage, error))?;
            trust
                .add(&bytes, trusted.role.as_deref())
                .map_err(|source| {
                    CliError::new(
                        Kind::Usage,
                        BadTrust {
                            path: trusted.certificate.clone(),
                            source,
                        },
                    )
                })?;
        }
        Ok(Policy {
            trust,
            required_roles: if self.require_roles.is_empty() {
                verify::default_roles()
            } else {
                self.require_roles.clone()
            },
            now: Timestamp::now(),
        })
    }
}

/// A file that holds no certificate.
#[derive(Debug, Error, Diagnostic)]
#[error("{} cannot be trusted", path.display())]
#[diagnostic(help(
    "give a file with certificates in PEM or DER form, as the manufacturer handed them to you"
))]
struct BadTrust {
    path: PathBuf,
    source: dhfpack::sign::SignError,
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

fn to_json(verdict: &Verdict, proofs: &[Proof]) -> serde_json::Value {
    let release = verdict.unverified_manifest().map(|manifest| {
        json!({
            "name": manifest.name,
            "product": manifest.product.name,
            "version": manifest.release.version,
            "revision": manifest.release.revision,
            "tag": manifest.release.tag,
            "commit": manifest.source.commit,
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

fn to_text(verdict: &Verdict, proofs: &[Proof], archive: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_may_be_bound_to_a_role() {
        for (text, role, certificate) in [
            ("ca.pem", None, "ca.pem"),
            (
                "Quality Systems SME=jo.pem",
                Some("Quality Systems SME"),
                "jo.pem",
            ),
            (
                "Release Manager=a=b.pem",
                Some("Release Manager"),
                "a=b.pem",
            ),
            ("./a=b.pem", None, "./a=b.pem"),
        ] {
            let expected = Trusted {
                role: role.map(str::to_owned),
                certificate: certificate.into(),
            };
            assert_eq!(text.parse(), Ok(expected));
        }
        for text in ["", "=jo.pem", "QA="] {
            assert_eq!(text.parse::<Trusted>(), Err(NotTrusted), "{text}");
        }
    }
}
