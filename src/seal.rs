//! Sealing: the records dhfpack writes itself, the manifest, the checksums, the first statement.

use std::collections::BTreeMap;
use std::io::Write;

use miette::Diagnostic;
use serde::Serialize;
use thiserror::Error;

use self::header::Header;
use crate::archive::{ArchiveError, Staging};
use crate::config::{Config, Meaning, ResolvedConfig};
use crate::digest::Sha256;
use crate::error::IoError;
use crate::layout::Layout;
use crate::manifest::{
    self, Addendum, BuildEnvironment, FileEntry, GitSignature, ImageIdentity, LayoutIdentity,
    LfsIdentity, LockFile, Manifest, Origin, Records, Release, RetentionRule, SourceIdentity,
    SubmoduleIdentity,
};
use crate::monitor::Monitor;
use crate::path::ArchivePath;
use crate::plan::{Plan, own};
use crate::sbom::Sbom;
use crate::sign::{self, Occasion, SignError, Signer};
use crate::source::git::Tag;

mod crosswalk;
mod header;
mod page;
mod verify_md;

/// Since this day 21 CFR 820 refers to ISO 13485:2016 and no longer has the sections that the
/// classic layout's names come from.
const QMSR_IN_FORCE: &str = "2026-02-02T00:00:00Z";

/// Why an archive cannot be sealed.
#[derive(Debug, Error, Diagnostic)]
pub enum SealError {
    /// Writing failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// A record cannot be written as JSON or CSV.
    #[error("a record cannot be written")]
    Record(#[source] std::io::Error),
    /// The manifest would be larger than readers take.
    #[error(
        "the manifest has {size} bytes: expected {limit} at most for an archive of {files} files"
    )]
    #[diagnostic(help(
        "shorten what fills it: the cells of the documents' indexes, the labels of images"
    ))]
    LargeManifest {
        /// Its size.
        size: u64,
        /// The most that readers take.
        limit: u64,
        /// How many files it lists.
        files: u64,
    },
    /// Signing failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sign(#[from] SignError),
    /// Writing a record to disk failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Io(#[from] IoError),
}

/// What an archive is of, for its records and its manifest.
pub struct Facts<'a> {
    /// The plan that was carried out.
    pub plan: &'a Plan,
    /// The configuration as resolved.
    pub resolved: &'a ResolvedConfig,
    /// Its text as read.
    pub config_text: &'a str,
    /// The layout.
    pub layout: &'a Layout,
    /// Its text as read.
    pub layout_text: &'a str,
    /// The tag archived.
    pub tag: &'a Tag,
    /// Its signature.
    pub tag_signature: &'a GitSignature,
    /// The submodules of its tree.
    pub submodules: &'a [SubmoduleIdentity],
    /// The signature on its commit.
    pub commit_signature: &'a GitSignature,
    /// Each file that says who may sign: its path in the archive, and its text.
    pub trust_files: &'a [(&'static str, String)],
    /// The text of the service manual's record, as read.
    pub service_manual: Option<&'a str>,
    /// The records' revision.
    pub records: &'a Records,
    /// What the release was built with.
    pub build_environment: Option<&'a BuildEnvironment>,
}

impl<'a> Facts<'a> {
    fn config(&self) -> &'a Config {
        &self.resolved.config
    }
}

/// Who signs as the builder.
pub struct Signing {
    /// The key and its certificate.
    pub signer: Signer,
    /// The role, if not the configuration's.
    pub role: Option<String>,
    /// The meaning, if not the configuration's.
    pub meaning: Option<Meaning>,
}

/// What was written into the slots.
#[derive(Debug, Default)]
pub struct Written {
    /// Every file.
    pub files: Vec<FileEntry>,
    /// Every image.
    pub images: Vec<ImageIdentity>,
    /// The Git LFS objects among the files.
    pub lfs: Option<LfsIdentity>,
    /// Where the source says `export-ignore`; see [`SourceIdentity::export_ignore`].
    pub export_ignore: Vec<String>,
    /// Every lock file.
    pub lock_files: Vec<LockFile>,
    /// Every SBOM with its digest, in the order of the configuration.
    pub sboms: Vec<(Sha256, Sbom)>,
    /// What was true of this machine only: for the builder's statement, never for the manifest.
    pub observations: BTreeMap<String, String>,
}

impl Written {
    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.files.extend(other.files);
        self.images.extend(other.images);
        self.lfs = self.lfs.or(other.lfs);
        self.export_ignore.extend(other.export_ignore);
        self.lock_files.extend(other.lock_files);
        self.sboms.extend(other.sboms);
        self.observations.extend(other.observations);
        self
    }
}

/// A sealed archive's manifest.
#[derive(Debug)]
pub struct Sealed {
    /// The manifest.
    pub manifest: Manifest,
    /// The digest of its bytes.
    pub manifest_sha256: Sha256,
}

/// Indented JSON with a newline at the end.
pub fn json(value: &impl Serialize) -> Result<Vec<u8>, SealError> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|error| SealError::Record(error.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Writes the records, the manifest and the checksums, and signs them.
pub fn seal(
    staging: &Staging,
    facts: &Facts<'_>,
    written: Written,
    signing: Option<&Signing>,
    monitor: &dyn Monitor,
) -> Result<Sealed, SealError> {
    notice_old_names(facts, monitor);
    let observations = written.observations;
    let mut manifest = begin_manifest(facts, written.files, written.images);
    manifest.source.lfs = written.lfs;
    manifest.source.export_ignore = written.export_ignore;
    let mut add = |entry| manifest.files.push(entry);
    add(store(
        staging,
        own::CONFIG,
        facts.config_text.as_bytes(),
        Origin::Input,
    )?);
    add(store(
        staging,
        own::LAYOUT,
        facts.layout_text.as_bytes(),
        Origin::Input,
    )?);
    for (path, text) in facts.trust_files {
        add(store(staging, path, text.as_bytes(), Origin::Input)?);
    }
    if let Some(text) = facts.service_manual {
        add(store(
            staging,
            own::SERVICE_MANUAL,
            text.as_bytes(),
            Origin::Input,
        )?);
    }
    add(generated(
        staging,
        own::RESOLVED,
        &json(facts.resolved)?,
        facts.resolved,
    )?);
    let crosswalk = crosswalk::csv(facts.layout)?;
    add(generated(
        staging,
        own::CROSSWALK,
        &crosswalk,
        facts.layout,
    )?);
    let release = json(&Header::of(&manifest))?;
    add_generated(staging, &mut manifest, own::RELEASE, &release)?;
    manifest.files.sort_by(|a, b| a.path.cmp(&b.path));
    // The page and the instructions list what is there so far; neither depends on the manifest's
    // own digest or on who will sign.
    let page = page::html(&manifest, facts.layout);
    let instructions = verify_md::text(&manifest);
    add_generated(staging, &mut manifest, manifest::PAGE, page.as_bytes())?;
    add_generated(
        staging,
        &mut manifest,
        manifest::VERIFY_MD,
        instructions.as_bytes(),
    )?;
    manifest.files.sort_by(|a, b| a.path.cmp(&b.path));
    let bytes = manifest.to_bytes().map_err(SealError::Record)?;
    let (size, files) = (bytes.len() as u64, manifest.files.len() as u64);
    let limit = manifest::largest(files);
    if size > limit {
        return Err(SealError::LargeManifest { size, limit, files });
    }
    let manifest_sha256 = write(staging, manifest::MANIFEST, &bytes)?.sha256;
    let sums_sha256 = write(
        staging,
        manifest::SUMS,
        manifest.sums(&manifest_sha256).as_bytes(),
    )?
    .sha256;
    if let Some(signing) = signing {
        let statement = sign::prepare(
            &BTreeMap::new(),
            &manifest_sha256,
            &sums_sha256,
            &signing.signer,
            Occasion {
                role: signing
                    .role
                    .as_deref()
                    .unwrap_or(&facts.config().signing.role),
                meaning: signing.meaning.unwrap_or(facts.config().signing.meaning),
                time: jiff::Timestamp::now(),
                observations: &observations,
            },
        )?;
        if let Some(new) = statement {
            for (name, bytes) in [
                (new.name, new.statement),
                (new.signature_name, new.signature),
            ] {
                write(staging, &format!("{}/{name}", manifest::SIGNATURES), &bytes)?;
            }
        }
    }
    Ok(Sealed {
        manifest,
        manifest_sha256,
    })
}

fn begin_manifest(
    facts: &Facts<'_>,
    files: Vec<FileEntry>,
    images: Vec<ImageIdentity>,
) -> Manifest {
    let config = facts.config();
    let amends = config.release.amends.as_ref();
    Manifest {
        format: manifest::FORMAT,
        name: facts.plan.name.clone(),
        draft: !facts.plan.gaps.is_empty(),
        product: config.product.clone(),
        markets: config.markets.clone(),
        release: Release {
            version: config.release.version.clone(),
            revision: config.release.revision,
            tag: facts.tag.name.clone(),
            source_date: facts.tag.date,
            udi_di: config.release.udi_di.clone(),
            udi_pi: config.release.udi_pi.clone(),
        },
        records: facts.records.clone(),
        layout: LayoutIdentity {
            name: facts.layout.name.clone(),
            sha256: Sha256::of(facts.layout_text.as_bytes()),
            roles: facts.layout.roles.clone(),
        },
        source: SourceIdentity {
            tag_object: facts.tag.object.clone(),
            commit: facts.tag.commit.clone(),
            tree: facts.tag.tree.clone(),
            tag_signature: facts.tag_signature.clone(),
            commit_signature: Some(facts.commit_signature.clone()),
            submodules: facts.submodules.to_vec(),
            lfs: None,
            export_ignore: Vec::new(),
        },
        images,
        build_environment: facts.build_environment.cloned(),
        retention: config.retention.as_ref().map(RetentionRule::of),
        slots: facts.plan.slots.clone(),
        amends: amends.map(|amends| amends.manifest),
        addendum: amends.map(|amends| Addendum {
            number: amends.number,
            reason: amends.reason.clone(),
        }),
        predecessor: config.release.predecessor,
        // An addendum to a revision takes nobody's place.
        supersedes: match amends {
            Some(_) => None,
            None => config.release.supersedes.clone(),
        },
        files,
    }
}

fn notice_old_names(facts: &Facts<'_>, monitor: &dyn Monitor) {
    let in_force: Result<jiff::Timestamp, _> = QMSR_IN_FORCE.parse();
    if facts.layout.name == "fda-classic" && in_force.is_ok_and(|day| facts.tag.date >= day) {
        monitor.notice(&format!(
            "the layout fda-classic has names from before 2026-02-02, when 21 CFR 820 came to refer to ISO 13485:2016; {} maps them",
            own::CROSSWALK
        ));
    }
}

/// Stores a generated file made from everything the manifest says so far.
fn add_generated(
    staging: &Staging,
    manifest: &mut Manifest,
    path: &str,
    bytes: &[u8],
) -> Result<(), SealError> {
    // What packing changes from version to version is no fact: the logical identity is.
    let files: Vec<_> = manifest
        .files
        .iter()
        .map(|file| (&file.path, file.logical_identity()))
        .collect();
    let entry = generated(staging, path, bytes, &(Header::of(manifest), files))?;
    manifest.files.push(entry);
    Ok(())
}

/// Stores a generated file; its logical identity is the digest of the facts it tells.
fn generated(
    staging: &Staging,
    path: &str,
    bytes: &[u8],
    facts: &impl Serialize,
) -> Result<FileEntry, SealError> {
    let mut entry = store(staging, path, bytes, Origin::Generated)?;
    let facts = Sha256::of(&json(facts)?);
    entry
        .identity
        .insert("facts_sha256".to_owned(), facts.to_string());
    Ok(entry)
}

fn store(
    staging: &Staging,
    path: &str,
    bytes: &[u8],
    origin: Origin,
) -> Result<FileEntry, SealError> {
    let written = write(staging, path, bytes)?;
    Ok(FileEntry {
        path: written.path,
        size: written.size,
        sha256: written.sha256,
        slot: None,
        origin,
        identity: BTreeMap::new(),
        document: None,
    })
}

fn write(
    staging: &Staging,
    path: &str,
    bytes: &[u8],
) -> Result<crate::archive::Written, SealError> {
    let path: ArchivePath = path.parse().map_err(ArchiveError::from)?;
    let mut writer = staging.create(&path)?;
    writer.write_all(bytes).map_err(|source| IoError {
        action: "write",
        path: path.as_str().into(),
        source,
    })?;
    Ok(writer.finish()?)
}
