//! `dhfpack show`.

use std::fmt::Write;
use std::path::PathBuf;

use dhfpack::archive::{ArchiveError, Records};
use dhfpack::digest::Sha256;
use dhfpack::lineage;
use dhfpack::manifest::{self, BuildEnvironment, Filled, Manifest};
use dhfpack::monitor::Monitor;
use dhfpack::sign::{self, SignerReport, Trust};
use jiff::Timestamp;
use serde_json::json;

use crate::cli::error::{CliError, Kind};
use crate::cli::{output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack show pump-2.4.0
  dhfpack show pump-2.4.0.zip --json";

/// Show which release an archive is of, what fills its slots, and who has signed
///
/// Tells what the archive says of itself and verifies nothing: see `dhfpack verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The archive: a folder, a zip, a tar, or its URL in a store
    archive: PathBuf,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let tree = stores::archive(&args.archive, monitor)?;
    let records = Records::of(&*tree)?;
    let (manifest, digest) = records.manifest()?;
    let sums = Sha256::of(manifest.sums(&digest).as_bytes());
    let examined = sign::examine(
        &records.signatures()?,
        &digest,
        &sums,
        &Trust::default(),
        Timestamp::now(),
    );
    let (files, bytes) = records.totals();
    if args.json {
        return output::json(&json!({
            "manifest": manifest,
            "manifest_sha256": digest,
            "signers": examined.signers,
            "files": files,
            "bytes": bytes,
        }));
    }
    let mut text = identity(&manifest, &digest);
    if let Some(environment) = &manifest.build_environment {
        build_environment(&mut text, environment);
    }
    slots(&mut text, &manifest);
    signers(&mut text, &examined.signers);
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\n{files} files, {bytes} bytes. Nothing was verified: see `dhfpack verify`."
    );
    output::text(&text)
}

impl From<ArchiveError> for CliError {
    fn from(error: ArchiveError) -> Self {
        let kind = match error {
            ArchiveError::NotAsListed { .. } => Kind::Integrity,
            _ => Kind::Failed,
        };
        Self::new(kind, error)
    }
}

fn identity(manifest: &Manifest, digest: &Sha256) -> String {
    let release = &manifest.release;
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:14}{value}");
    };
    row("product", &manifest.product.name);
    row("manufacturer", &manifest.product.manufacturer);
    row("version", &release.version);
    if release.revision > 0 {
        row("revision", &release.revision.to_string());
    }
    for line in lineage::describe(manifest, |_| None) {
        row("follows", &line);
    }
    if manifest.draft {
        row("draft", "yes: required slots are empty");
    }
    if let Some(udi) = &release.udi_di {
        row("UDI-DI", udi);
    }
    if let Some(udi) = &release.udi_pi {
        row("UDI-PI", udi);
    }
    row("tag", &release.tag);
    row("source date", &release.source_date.to_string());
    row("tag signed", &manifest.source.tag_signature.to_string());
    row("commit", &manifest.source.commit);
    if let Some(signature) = &manifest.source.commit_signature {
        row("commit signed", &signature.to_string());
    }
    row("tree", &manifest.source.tree);
    for submodule in &manifest.source.submodules {
        row(
            "submodule",
            &format!("{} {}", submodule.path, submodule.commit),
        );
    }
    if let Some(lfs) = &manifest.source.lfs {
        let objects = format!("{} objects, {} bytes", lfs.objects, lfs.bytes);
        row("git lfs", &objects);
    }
    for image in &manifest.images {
        row(
            "image",
            &format!("{} sha256:{} {}", image.name, image.id, image.platform),
        );
        for (what, digest) in [("manifest", image.manifest), ("index", image.index)] {
            if let Some(digest) = digest {
                row("in registry", &format!("{what} sha256:{digest}"));
            }
        }
    }
    row("layout", &manifest.layout.name);
    row("manifest", &digest.to_string());
    text
}

fn build_environment(text: &mut String, environment: &BuildEnvironment) {
    text.push_str("\nbuild environment\n");
    for image in &environment.images {
        let _ = writeln!(text, "  image      {} sha256:{}", image.name, image.digest);
    }
    for tool in &environment.tools {
        let _ = writeln!(text, "  tool       {} {}", tool.name, tool.version);
    }
    for file in &environment.lock_files {
        let _ = writeln!(text, "  lock file  {}", file.source);
    }
    for sbom in &environment.sboms {
        let (format, version) = (sbom.format.as_str(), &sbom.format_version);
        let (path, components) = (&sbom.path, sbom.components);
        let _ = writeln!(
            text,
            "  SBOM       {path}: {format} {version}, components: {components}"
        );
        if let Some(image) = &sbom.image {
            let basis = image.link.describe();
            let _ = writeln!(text, "             image {}: {basis}", image.name);
        }
        for missing in &sbom.missing {
            let _ = writeln!(text, "             missing: {missing}");
        }
    }
}

fn slots(text: &mut String, manifest: &Manifest) {
    text.push_str("\nslots\n");
    for slot in &manifest.slots {
        let fill = match &slot.fill {
            Filled::Files(1) => "1 file".to_owned(),
            Filled::Files(_) => {
                let is_here = |file: &&manifest::FileEntry| file.slot.as_deref() == Some(&slot.id);
                format!("{} files", manifest.files.iter().filter(is_here).count())
            }
            Filled::Reference(reference) => format!(
                "reference: {}, revision {}",
                reference.location, reference.revision
            ),
            Filled::NotApplicable(reason) => format!("not applicable: {reason}"),
            Filled::Empty => "-".to_owned(),
            Filled::Missing => "MISSING".to_owned(),
        };
        let _ = writeln!(text, "  {:32} {}: {fill}", slot.id, slot.folder);
    }
}

fn signers(text: &mut String, signers: &[SignerReport]) {
    text.push_str("\nsigners\n");
    for signer in signers {
        let valid = if signer.valid { "" } else { " (NOT valid)" };
        let _ = writeln!(
            text,
            "  {} as {}, {}, {}{valid}",
            signer.name,
            signer.role,
            signer.meaning.as_str(),
            signer.signed_at
        );
    }
    if signers.is_empty() {
        text.push_str("  nobody\n");
    }
}
