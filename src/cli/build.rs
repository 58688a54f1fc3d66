//! `dhfpack build`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use dhfpack::archive::{Form, Records};
use dhfpack::assemble::{self, AmendsOption, BuildError, Built, ConfigSource, Request};
use dhfpack::config::Meaning;
use dhfpack::digest::Sha256;
use dhfpack::manifest::Manifest;
use dhfpack::monitor::Monitor;
use dhfpack::plan::{Content, Plan};
use dhfpack::seal::Signing;
use serde_json::json;

use crate::cli::error::{CliError, Kind};
use crate::cli::jobs::Jobs;
use crate::cli::named::Sources;
use crate::cli::signer::{SignerArgs, SignerError};
use crate::cli::{meaning, output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack build --dry-run
      what the archive would hold, and what is still missing
  dhfpack build --output archives
      the release that dhfpack.toml names, from the repository here
  dhfpack build --tag v2.4.0 --records main
      code and image of the tag, documents as they stand on main
  dhfpack build --image install=oci:ci/image.tar --folder evidence=ci/reports
      content that a CI job has made
  dhfpack build --key ci.key.pem --certificate ci.pem --format zip
      sealed by the builder's key, delivered as one file
  dhfpack build --config addendum.toml --of pump-2.4.0 \\
    --reason \"The French manual was missing\" \\
    --amends 2fd4e1c67a2d28fced849ee1bb76e7391b93eb122fd4e1c67a2d28fced849ee1
      an addendum, with what addendum.toml names";

/// Build a release archive from a tag, an image and documents
///
/// Reads dhfpack.toml at the release tag, collects what the layout asks for, and writes the
/// archive under its name in one step: whole or not at all. With a key, the builder seals it.
/// People sign afterwards, with `dhfpack sign`. The same release gives the same manifest,
/// byte for byte.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Read the configuration from this file, as it is now [default: dhfpack.toml of the
    /// repository, as it was at the records' revision]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The git repository [default: the one around the current folder]
    #[arg(long, value_name = "PATH")]
    repo: Option<PathBuf>,
    /// The release tag [default: as the configuration in the working tree names it]
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// The revision at which configuration and documents are read [default: the tag]
    #[arg(long, value_name = "REV")]
    records: Option<String>,
    #[command(flatten)]
    follows: Follows,
    /// The folder in which the archive is made
    #[arg(
        long,
        value_name = "DIR",
        env = "DHFPACK_OUTPUT",
        hide_env_values = true,
        default_value = "."
    )]
    output: PathBuf,
    /// Print what would be written, and what is missing; write nothing
    #[arg(long)]
    dry_run: bool,
    /// Build in spite of gaps; the archive shows them and never passes verification
    #[arg(long)]
    draft: bool,
    #[command(flatten)]
    jobs: Jobs,
    /// In which form to deliver it
    #[arg(long, value_enum, default_value = "dir")]
    format: Format,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    signer: SignerArgs,
    /// The role in which the builder signs [default: as configured, or Release Builder]
    #[arg(long, value_name = "ROLE", help_heading = "Signing key")]
    role: Option<String>,
    /// What the builder's signature means [default: as configured, or author]
    #[arg(
        long,
        value_name = "MEANING",
        value_parser = meaning::parser(),
        help_heading = "Signing key"
    )]
    meaning: Option<Meaning>,
}

/// An earlier archive of the same version.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Addenda and revisions")]
struct Follows {
    /// Make an addendum to the archive with this manifest digest; it holds what the configuration
    /// names, and no source code
    #[arg(long, value_name = "MANIFEST_SHA256")]
    amends: Option<Sha256>,
    /// Which addendum to it this is [default: as configured, or 1]
    #[arg(
        long,
        value_name = "N",
        requires = "amends",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    addendum: Option<u32>,
    /// Why the addendum is made [default: as configured]
    #[arg(long, value_name = "TEXT", requires = "amends")]
    reason: Option<String>,
    /// The archive that is amended, or superseded by a revision: a tag that has moved since is an
    /// error
    #[arg(long, value_name = "ARCHIVE")]
    of: Option<PathBuf>,
}

impl Follows {
    fn amends(&self) -> Option<AmendsOption> {
        self.amends.map(|manifest| AmendsOption {
            manifest,
            number: self.addendum,
            reason: self.reason.clone(),
        })
    }

    fn earlier(&self, monitor: &dyn Monitor) -> Result<Option<Box<(Manifest, Sha256)>>, CliError> {
        let Some(archive) = &self.of else {
            return Ok(None);
        };
        let tree = stores::archive(archive, monitor)?;
        Ok(Some(Box::new(Records::of(&*tree)?.manifest()?)))
    }
}

/// The form of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A folder
    Dir,
    /// A zip file
    Zip,
    /// A tar file
    Tar,
}

impl Format {
    const fn form(self) -> Form {
        match self {
            Self::Dir => Form::Folder,
            Self::Zip => Form::Zip,
            Self::Tar => Form::Tar,
        }
    }
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let request = Request {
        repository: args.repo.clone().unwrap_or_else(|| PathBuf::from(".")),
        config: match &args.config {
            Some(file) => ConfigSource::File(file.clone()),
            None => ConfigSource::Repository,
        },
        tag: args.tag.clone(),
        records: args.records.clone(),
        amends: args.follows.amends(),
        earlier: args.follows.earlier(monitor)?,
        locations: args.sources.locations()?,
        draft: args.draft,
        jobs: args.jobs.count(),
    };
    if args.dry_run {
        let scratch = tempfile::tempdir().map_err(|source| dhfpack::error::IoError {
            action: "create a folder in",
            path: std::env::temp_dir(),
            source,
        })?;
        let plan = assemble::plan(&request, scratch.path(), monitor)?;
        return print_plan(&plan, args.json);
    }
    let signing = args.signing()?;
    let built = assemble::build(
        &request,
        &args.output,
        args.format.form(),
        signing.as_ref(),
        monitor,
    )?;
    print_built(&built, args.json)
}

impl Args {
    /// Who seals; only a draft may go without.
    fn signing(&self) -> Result<Option<Signing>, CliError> {
        let files = match self.signer.read()? {
            None if self.draft => return Ok(None),
            None => return Err(SignerError::NoKey.into()),
            Some(files) => files,
        };
        Ok(Some(Signing {
            signer: files.load()?,
            role: self.role.clone(),
            meaning: self.meaning,
        }))
    }
}

fn print_plan(plan: &Plan, as_json: bool) -> Result<(), CliError> {
    let lock_files = &plan.environment.lock_files;
    let gaps: Vec<&str> = plan.gaps.iter().map(|gap| gap.slot.as_str()).collect();
    if as_json {
        let items: Vec<_> = plan
            .items
            .iter()
            .map(|item| json!({ "path": item.path, "slot": item.slot, "content": item.content.describe() }))
            .collect();
        let lock_files: Vec<_> = lock_files
            .iter()
            .map(|file| json!({ "path": file.path, "source": file.source }))
            .collect();
        return output::json(&json!({
            "name": plan.name,
            "items": items,
            "lock_files": lock_files,
            "gaps": gaps,
        }));
    }
    let mut text = format!("{}\n", plan.name);
    for item in &plan.items {
        let folder = match item.content {
            Content::Image(_) | Content::Lfs => "/",
            _ => "",
        };
        let content = item.content.describe();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}{folder}  ({content})", item.path);
    }
    for file in lock_files {
        let size = file.found.size;
        let _ = writeln!(text, "  {}  ({size} bytes from the source tree)", file.path);
    }
    if !gaps.is_empty() {
        let _ = writeln!(text, "missing: {}", gaps.join(", "));
    }
    output::text(&text)
}

fn print_built(built: &Built, as_json: bool) -> Result<(), CliError> {
    let status = if built.manifest.draft {
        "draft"
    } else {
        "pending"
    };
    if as_json {
        return output::json(&json!({
            "archive": shown(&built.path),
            "manifest_sha256": built.manifest_sha256,
            "status": status,
            "files": built.manifest.files.len(),
        }));
    }
    output::text(&format!(
        "archive   {}\nmanifest  {}\nstatus    {status}\n",
        shown(&built.path),
        built.manifest_sha256
    ))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

impl From<BuildError> for CliError {
    fn from(error: BuildError) -> Self {
        let kind = match error {
            BuildError::Toml(_)
            | BuildError::Plan(_)
            | BuildError::NoConfig { .. }
            | BuildError::NoConfigInBare { .. }
            | BuildError::NotAtRevision { .. }
            | BuildError::NotText { .. }
            | BuildError::TagIsNotVersion { .. }
            | BuildError::BadLayout { .. }
            | BuildError::TrustFile { .. }
            | BuildError::UnknownName { .. }
            | BuildError::NoReason => Kind::Usage,
            _ => Kind::Failed,
        };
        Self::new(kind, error)
    }
}
