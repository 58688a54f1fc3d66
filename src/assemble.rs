//! Building an archive: inputs, plan, content, seal, one rename.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

use crate::archive::{ArchiveError, Form, Staging};
use crate::config::ResolvedConfig;
use crate::digest::Sha256;
use crate::error::{Cancelled, IoError};
use crate::lineage::LineageError;
use crate::manifest::{GitSignature, Manifest, Records};
use crate::monitor::Monitor;
use crate::plan::{Plan, PlanError};
use crate::seal::{self, SealError, Signing};
use crate::source::documents::DocumentsError;
use crate::source::git::{GitError, RemoteAccess};
use crate::source::image::ImageError;
use crate::source::image::registry::Access;
use crate::toml_file::TomlError;

mod checks;
mod configuration;
mod content;
mod environment;
mod inputs;
mod links;
mod overrides;
mod service_manual;
mod signatures;
mod whole;

pub use environment::EnvironmentError;

use inputs::Inputs;
use service_manual::ServiceManual;

/// What to build from.
#[derive(Debug, Clone)]
pub struct Request {
    /// A folder in the product's checkout, or a bare repository.
    pub repository: PathBuf,
    /// Where the configuration comes from.
    pub config: ConfigSource,
    /// The tag to archive, if it is not to be taken from the configuration.
    pub tag: Option<String>,
    /// The records' revision, if it is not to be taken from the configuration.
    pub records: Option<String>,
    /// What is to be an addendum, if it is not to be taken from the configuration.
    pub amends: Option<AmendsOption>,
    /// The archive that this one amends or supersedes, with its manifest's digest, where it is at
    /// hand: its tag has to be this one.
    pub earlier: Option<Box<(Manifest, Sha256)>>,
    /// Where bytes are found on this machine, if not where the configuration says.
    pub locations: Locations,
    /// Whether gaps are shown instead of refused.
    pub draft: bool,
    /// How many threads compress.
    pub jobs: usize,
}

/// What the command line says of an addendum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmendsOption {
    /// Manifest digest of the amended archive.
    pub manifest: Sha256,
    /// Which addendum to it this is; as configured, or the first.
    pub number: Option<u32>,
    /// Why it is made; as configured.
    pub reason: Option<String>,
}

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub enum ConfigSource {
    /// From the repository, at the records' revision.
    Repository,
    /// From this file, as it is now.
    File(PathBuf),
    /// From an archive that is built again.
    Archive(Box<Archived>),
}

/// What an archive keeps of how it was built.
#[derive(Debug, Clone)]
pub struct Archived {
    /// The configuration as it was read.
    pub text: String,
    /// The configuration with the overrides of the time.
    pub resolved: ResolvedConfig,
    /// The layout as it was read.
    pub layout: String,
    /// The records' revision.
    pub records: Records,
}

/// Where bytes are found on this machine, by the names of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Locations {
    /// Image sources.
    pub images: BTreeMap<String, String>,
    /// Folders.
    pub folders: BTreeMap<String, PathBuf>,
    /// Other repositories.
    pub repositories: BTreeMap<String, String>,
    /// The Docker Engine's address, if it is not at its usual socket.
    pub engine: Option<String>,
    /// Logins and certificates for registries.
    pub registries: Access,
    /// How repositories on other machines are reached.
    pub remotes: RemoteAccess,
}

/// A finished archive.
#[derive(Debug, Clone)]
pub struct Built {
    /// Where it lies.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// The digest of the manifest's bytes.
    pub manifest_sha256: Sha256,
}

/// Why an archive cannot be built.
#[derive(Debug, Error, Diagnostic)]
pub enum BuildError {
    /// A file of the caller's cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Io(#[from] IoError),
    /// The configuration or the layout is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Toml(#[from] Box<TomlError>),
    /// The plan cannot be made.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plan(#[from] PlanError),
    /// Git failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Git(#[from] GitError),
    /// An image cannot be had.
    #[error("image `{name}`")]
    #[diagnostic(help("the image's source can be named with --image {name}=SOURCE"))]
    Image {
        /// The image's name in the configuration.
        name: String,
        /// What went wrong.
        #[source]
        #[diagnostic_source]
        source: ImageError,
    },
    /// Another repository cannot be read.
    #[error("repository `{name}`")]
    #[diagnostic(help("where the repository is can be named with --repository {name}=LOCATION"))]
    Repository {
        /// The repository's name in the configuration.
        name: String,
        /// What went wrong.
        #[source]
        #[diagnostic_source]
        source: GitError,
    },
    /// Documents cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Documents(#[from] DocumentsError),
    /// The build environment cannot be recorded.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Environment(#[from] EnvironmentError),
    /// Writing failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// Sealing failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Seal(#[from] SealError),
    /// No configuration was found.
    #[error("there is no {file} in {} or above it", start.display())]
    #[diagnostic(help(
        "`dhfpack init` writes one; where products share a repository, run in a product's folder or name it with --repo; --config FILE names one elsewhere"
    ))]
    NoConfig {
        /// The usual name.
        file: &'static str,
        /// Where the search began.
        start: PathBuf,
    },
    /// No configuration was found where no files are checked out.
    #[error("{} has no files checked out, and there is no {file} at `{rev}`", start.display())]
    #[diagnostic(help(
        "name the release with --tag TAG, whose {file} then counts, or the configuration with --config FILE"
    ))]
    NoConfigInBare {
        /// The usual name.
        file: &'static str,
        /// The bare repository.
        start: PathBuf,
        /// Where in its history was looked.
        rev: String,
    },
    /// A file is not in the repository at the revision.
    #[error("there is no {path} in the repository at `{rev}`")]
    #[diagnostic(help(
        "commit it before tagging, name a later revision with --records REV, or read the configuration from a file with --config FILE"
    ))]
    NotAtRevision {
        /// The path looked for.
        path: String,
        /// The revision.
        rev: String,
    },
    /// A file of the repository that has to be text is not.
    #[error("{path} at `{rev}` is not valid UTF-8")]
    #[diagnostic(help("save it as UTF-8 and commit it"))]
    NotText {
        /// The file.
        path: String,
        /// The revision.
        rev: String,
    },
    /// The tag and the configuration's version contradict each other.
    #[error(
        "the tag `{tag}` is not the one of version {version}: the configuration gives `{expected}`"
    )]
    #[diagnostic(help(
        "set release.version and release.tag so that they give the tag, or archive `{expected}`"
    ))]
    TagIsNotVersion {
        /// The tag asked for.
        tag: String,
        /// The configured version.
        version: String,
        /// The tag that follows from it.
        expected: String,
    },
    /// The layout contradicts itself.
    #[error("the layout {name} cannot be used:\n  {}", problems.join("\n  "))]
    #[diagnostic(help("`dhfpack layout check FILE` checks a layout"))]
    BadLayout {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problems: Vec<String>,
    },
    /// A signature is bad, or not what the configuration requires.
    #[error("{what} has {signature}{}", if *required { "; a good signature is required" } else { "" })]
    #[diagnostic(help("{}", signatures::help_for(signature.status)))]
    Signature {
        /// The tag or commit, in words.
        what: String,
        /// What was found.
        signature: Box<GitSignature>,
        /// Whether the configuration requires a good one.
        required: bool,
    },
    /// A file that is to say who may sign does not.
    #[error("source.{key} cannot be used: {path} at `{rev}`: {reason}")]
    #[diagnostic(help(
        "commit public keys in armour (`gpg --armor --export`), certificates in PEM form, or an allowed signers file"
    ))]
    TrustFile {
        /// The key in the configuration.
        key: &'static str,
        /// The file.
        path: String,
        /// The records' revision.
        rev: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A name given on the command line is not in the configuration.
    #[error("the configuration has no {kind} named `{name}`")]
    #[diagnostic(help("{known}"))]
    UnknownName {
        /// "image", "folder" or "repository".
        kind: &'static str,
        /// The name given.
        name: String,
        /// Which names there are, in words.
        known: String,
    },
    /// An addendum that does not say why it is made.
    #[error("the addendum has no reason: expected a text")]
    #[diagnostic(help(
        "give --reason TEXT, or `reason` in `amends` under [release] in dhfpack.toml"
    ))]
    NoReason,
    /// It does not fit to the archive that it amends or supersedes.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lineage(#[from] Box<LineageError>),
    /// Stopped on request.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Resolves the plan of a release and writes nothing that stays.
pub fn plan(request: &Request, scratch: &Path, monitor: &dyn Monitor) -> Result<Plan, BuildError> {
    let staging = Staging::begin(scratch)?;
    let inputs = Inputs::read(request, staging.work(), monitor)?;
    inputs.report_checkout(monitor)?;
    let library = inputs.library()?;
    inputs.plan(&library, request.draft)
}

/// Builds the archive of a release in the folder `output`.
///
/// Nothing appears under the archive's name before it is whole and synced to disk.
pub fn build(
    request: &Request,
    output: &Path,
    form: Form,
    signing: Option<&Signing>,
    monitor: &dyn Monitor,
) -> Result<Built, BuildError> {
    let staging = Staging::begin(output)?;
    let inputs = Inputs::read(request, staging.work(), monitor)?;
    staging.refuse_existing(&form.file_name(&inputs.config().archive_name()))?;
    let library = inputs.library()?;
    let mut plan = inputs.plan(&library, request.draft)?;
    let mut content = content::write(&inputs, &plan, &library, &staging, request, monitor)?;
    plan.count(&content.files);
    let submodules = content::submodules(&inputs, &plan);
    let build_environment = environment::record(&inputs, &plan, &mut content, monitor)?;
    let sealed = seal::seal(
        &staging,
        &seal::Facts {
            plan: &plan,
            resolved: &inputs.resolved,
            config_text: &inputs.config_text.text,
            layout: &inputs.layout,
            layout_text: &inputs.layout_text,
            tag: &inputs.tag,
            submodules: &submodules,
            tag_signature: &inputs.signatures.tag,
            commit_signature: &inputs.signatures.commit,
            trust_files: &inputs.signatures.trust_files,
            service_manual: inputs.service_manual.as_ref().map(ServiceManual::text),
            records: &inputs.records,
            build_environment: build_environment.as_ref(),
        },
        content,
        signing,
        monitor,
    )?;
    let path = staging.commit(&plan.name, form, inputs.tag.date, monitor)?;
    Ok(Built {
        path,
        manifest: sealed.manifest,
        manifest_sha256: sealed.manifest_sha256,
    })
}
