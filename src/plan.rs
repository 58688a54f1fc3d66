//! Layout and configuration, resolved to a sorted list of what will be written.

use std::collections::{BTreeMap, HashMap};

use miette::Diagnostic;
use thiserror::Error;

use crate::config::{Config, ImageConfig};
use crate::layout::{Fill, Layout, Slot};
use crate::manifest::{self, FileEntry, Filled, SlotRecord};
use crate::path::ArchivePath;
use crate::toml_file::{Step, TomlError, TomlText};

mod check;
mod documents;
mod environment;
mod gap;
mod glob;
mod pinned;

pub use documents::{Found, FoundKind, Place};
pub use environment::{Environment, LockItem, SbomItem};
pub use gap::Gap;
pub use pinned::Pinned;

/// Files that dhfpack itself writes beside those of the layout.
pub mod own {
    /// The folder of the release's records.
    pub const FOLDER: &str = "Release Record";
    /// What was released, for programs.
    pub const RELEASE: &str = "Release Record/release.json";
    /// Folders against clauses.
    pub const CROSSWALK: &str = "Release Record/crosswalk.csv";
    /// The configuration as it was read.
    pub const CONFIG: &str = "Release Record/Configuration/dhfpack.toml";
    /// The configuration with the command line's overrides applied.
    pub const RESOLVED: &str = "Release Record/Configuration/resolved.json";
    /// The layout as it was read.
    pub const LAYOUT: &str = "Release Record/Configuration/layout.toml";
    /// Who may sign with SSH keys, as it was read.
    pub const ALLOWED_SIGNERS: &str = "Release Record/Configuration/allowed_signers";
    /// The `OpenPGP` keys that may sign, as they were read.
    pub const OPENPGP_KEYS: &str = "Release Record/Configuration/openpgp-keys.asc";
    /// The certificates that may sign or certify signers, as they were read.
    pub const X509_CERTIFICATES: &str = "Release Record/Configuration/x509-certificates.pem";
    /// The release's entry in the service manual, as far as people wrote it.
    pub const SERVICE_MANUAL: &str = "Release Record/Service Manual/entry.toml";
    /// The folder of the lock files.
    pub const BUILD_ENVIRONMENT: &str = "Release Record/Build Environment";
    /// All files of them, and the manifest's own.
    pub const ALL: [&str; 13] = [
        RELEASE,
        CROSSWALK,
        CONFIG,
        RESOLVED,
        LAYOUT,
        ALLOWED_SIGNERS,
        OPENPGP_KEYS,
        X509_CERTIFICATES,
        SERVICE_MANUAL,
        super::manifest::PAGE,
        super::manifest::MANIFEST,
        super::manifest::SUMS,
        super::manifest::VERIFY_MD,
    ];
}

/// What will be written, before anything is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The archive's name.
    pub name: String,
    /// What fills the slots, by byte order of path.
    pub items: Vec<Item>,
    /// Every slot of the layout, in its order, with what fills it.
    pub slots: Vec<SlotRecord>,
    /// What a release requires and this one lacks.
    pub gaps: Vec<Gap>,
    /// The files of the build environment, once they were looked for.
    pub environment: Environment,
}

/// One thing to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where: a file, or for an image and Git LFS objects a folder.
    pub path: ArchivePath,
    /// The slot it fills.
    pub slot: String,
    /// What it is.
    pub content: Content,
}

/// What an item of a plan is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A document.
    Document {
        /// Where it is found.
        place: Place,
        /// Which of the files found there.
        found: Found,
    },
    /// The git bundle of the release tag and its history.
    Bundle,
    /// The git bundle of a submodule's pinned commit and its history.
    Submodule(Pinned),
    /// The source tree at the release tag.
    SourceTree,
    /// The Git LFS objects that the history points to: a folder, if there are any.
    Lfs,
    /// A container image.
    Image(ImageConfig),
    /// A text that says how the slot is filled.
    Note(String),
}

impl Content {
    /// What to print beside the path in a plan.
    pub fn describe(&self) -> String {
        match self {
            Self::Document { place, found } => {
                format!("{} bytes from {place}{}", found.size, found.path)
            }
            Self::Bundle => "git bundle of the release tag and its history".to_owned(),
            Self::Submodule(pinned) => {
                let Pinned { path, commit } = pinned;
                format!("git bundle of the submodule {path} at {commit}")
            }
            Self::SourceTree => "source tree at the release tag".to_owned(),
            Self::Lfs => "Git LFS objects of the history, if there are any".to_owned(),
            Self::Image(image) => format!("OCI layout of {}", image.source),
            Self::Note(_) => "generated note".to_owned(),
        }
    }
}

/// Why a plan cannot be made.
#[derive(Debug, Error, Diagnostic)]
pub enum PlanError {
    /// Required slots that nothing fills, and records that are not complete.
    #[error("{}:\n{}", gap::count(gaps), gap::list(gaps))]
    #[diagnostic(help(
        "fill each as shown, or build with --draft to see the archive with its gaps"
    ))]
    Gaps {
        /// All of them.
        gaps: Vec<Gap>,
    },
    /// The configuration asks for what cannot be archived.
    #[error("the documents cannot be archived as configured:\n  {}", problems.join("\n  "))]
    #[diagnostic(help(
        "mend the files or the globs named above; `dhfpack build --dry-run` shows the plan without writing"
    ))]
    Documents {
        /// Everything found wrong, one line each.
        problems: Vec<String>,
    },
    /// A slot is filled in a way its layout does not allow.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Slot(#[from] Box<TomlError>),
}

impl Plan {
    /// Resolves a configuration, read from `text`, against its layout and the files found in each
    /// place.
    ///
    /// `submodules` are those of the release's tree; each commit of them gets one bundle. `base` is
    /// the folder of the configuration in its repository, empty for the root. Empty required slots
    /// are gaps of the plan; see [`Plan::refuse_gaps`].
    pub fn resolve(
        config: &Config,
        text: &TomlText,
        layout: &Layout,
        base: &str,
        places: &BTreeMap<Place, Vec<Found>>,
        submodules: &[Pinned],
    ) -> Result<Self, PlanError> {
        check::slots(config, text, layout)?;
        let mut documents = documents::Collector::new(places, base);
        let mut items = Vec::new();
        let mut slots = Vec::new();
        let mut gaps = Vec::new();
        for slot in &layout.slots {
            let before = items.len() + documents.len();
            documents.next_slot();
            let fill = fill_slot(config, text, slot, submodules, &mut items, &mut documents);
            let count = (items.len() + documents.len() - before) as u64;
            let fill = match fill {
                Some(fill) => fill,
                None if count > 0 => Filled::Files(count),
                // The archive that an addendum amends has the rest.
                None if slot.required && config.release.amends.is_none() => {
                    gaps.push(Gap::of(slot));
                    let text = Content::Note(gap::missing_text(slot));
                    add(slot, "Missing.txt", text, &mut items, &mut documents);
                    Filled::Missing
                }
                None => Filled::Empty,
            };
            slots.push(SlotRecord {
                id: slot.id.clone(),
                folder: slot.folder.clone(),
                title: slot.title.clone(),
                fill,
            });
        }
        items.extend(documents.finish(&items)?);
        items.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self {
            name: config.archive_name(),
            items,
            slots,
            gaps,
            environment: Environment::default(),
        })
    }

    /// Fails with [`PlanError::Gaps`] if there is any: only a draft may have some.
    pub fn refuse_gaps(&self) -> Result<(), PlanError> {
        if self.gaps.is_empty() {
            return Ok(());
        }
        let gaps = self.gaps.clone();
        Err(PlanError::Gaps { gaps })
    }

    /// Says of each slot how many files it holds now that they are there: an image is several.
    pub fn count(&mut self, files: &[FileEntry]) {
        let mut counts: HashMap<&str, u64> = HashMap::new();
        for slot in files.iter().filter_map(|file| file.slot.as_deref()) {
            *counts.entry(slot).or_default() += 1;
        }
        for slot in &mut self.slots {
            if let Filled::Files(count) = &mut slot.fill {
                *count = counts.get(slot.id.as_str()).copied().unwrap_or_default();
            }
        }
    }
}

/// Adds what fills one slot; `None` if it is filled by files, or by nothing.
fn fill_slot(
    config: &Config,
    text: &TomlText,
    slot: &Slot,
    submodules: &[Pinned],
    items: &mut Vec<Item>,
    documents: &mut documents::Collector<'_>,
) -> Option<Filled> {
    let mut add = |name: &str, content| add(slot, name, content, items, documents);
    if slot.fill.contains(&Fill::Git) && config.release.amends.is_none() {
        add("repository.bundle", Content::Bundle);
        add("source-tree.tar.gz", Content::SourceTree);
        for pinned in pinned::distinct(submodules) {
            add(&pinned.bundle(), Content::Submodule(pinned.clone()));
        }
        add("lfs", Content::Lfs);
    }
    if slot.fill.contains(&Fill::Images) {
        for image in &config.images {
            add(&image.name, Content::Image(image.clone()));
        }
    }
    let (index, entry) = config
        .slots
        .iter()
        .enumerate()
        .find(|(_, entry)| entry.id == slot.id)?;
    if let Some(reference) = &entry.reference {
        let text = gap::reference_text(slot, reference);
        add("Reference.txt", Content::Note(text));
        return Some(Filled::Reference(reference.clone()));
    }
    if let Some(reason) = &entry.not_applicable {
        let text = gap::not_applicable_text(slot, reason);
        add("Not applicable.txt", Content::Note(text));
        return Some(Filled::NotApplicable(reason.clone()));
    }
    for (number, pattern) in entry.files.iter().enumerate() {
        let steps = [
            Step::Key("slot"),
            Step::Index(index),
            Step::Key("files"),
            Step::Index(number),
        ];
        documents.add(slot, &config.with_version(pattern), || text.place(&steps));
    }
    None
}

/// Adds what dhfpack itself makes for a slot.
fn add(
    slot: &Slot,
    name: &str,
    content: Content,
    items: &mut Vec<Item>,
    documents: &mut documents::Collector<'_>,
) {
    match slot.folder.join(name) {
        Ok(path) => items.push(Item {
            path,
            slot: slot.id.clone(),
            content,
        }),
        Err(error) => documents.problem(format!(
            "slot `{}`: {error}; shorten its folder in the layout",
            slot.id
        )),
    }
}
